"""The bot's token in the Keychain of macOS. Blocks for at most `_TIMEOUT_S` per call.

keyring runs in a separate process: a Keychain that is locked, or that asks whether this program may
read it, opens a window and blocks while that is open. Source: keyring's command line
(keyring/cli.py): `get` prints the password, or exits with 1 if there is none; `set` reads it from
stdin, so that it is in no process list.
"""

import subprocess
import sys

IN_KEYCHAIN = "keychain"
"""The value of TELEGRAM_BOT_TOKEN when the token itself is in the Keychain."""

_SERVICE = "crier"
_TIMEOUT_S = 15.0


class KeychainError(Exception):
    """The Keychain can't be used; the message says why and what to do."""


def read(account: str) -> str:
    """Return the token of *account*.

    Raises:
        KeychainError: there is none, or it can't be read.
    """
    done = _keyring("get", account)
    token = done.stdout.strip()
    if done.returncode == 0 and token:
        return token
    raise KeychainError(
        f"The token is said to be in the Keychain, but can't be read from it ({_cause(done)}). Log "
        "in on the Mac itself and unlock the Keychain, or run `crier setup` again."
    )


def store(account: str, token: str) -> None:
    """Store the token of *account*, and check that it can be read again.

    Raises:
        KeychainError: it can't be stored.
    """
    done = _keyring("set", account, token)
    if done.returncode:
        raise KeychainError(f"The Keychain does not take the token ({_cause(done)}).")
    if read(account) != token:
        raise KeychainError("The Keychain gives back another token than it was given.")


def _keyring(verb: str, account: str, secret: str = "") -> subprocess.CompletedProcess[str]:
    if sys.platform != "darwin":
        raise KeychainError("There is no Keychain on this computer. Run `crier setup` again.")
    try:
        return subprocess.run(
            [sys.executable, "-P", "-m", "keyring", verb, _SERVICE, account],
            input=secret,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as exc:
        raise KeychainError(
            f"The Keychain did not answer within {_TIMEOUT_S:.0f} s. Is a window of macOS open "
            "that asks for a password or for leave?"
        ) from exc


def _cause(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of keyring's traceback, which is the error itself."""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else "it is not there"
