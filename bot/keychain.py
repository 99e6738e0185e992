"""The bot's token in the Keychain of macOS. Blocks for at most `_TIMEOUT_S` per call.

keyring runs in a separate process: a Keychain that is locked, or that asks whether this program may
read it, opens a window and blocks while that is open. Source: keyring's command line
(keyring/cli.py): `get` prints the password, or exits with 1 if there is none; `set` reads it from
stdin, so that it is in no process list.

macOS binds an entry to the program that stored it, by a hash of its code: for Crier, to its Python
(keyring#619). Another Python, or an updated one, has to be allowed at the screen, or is refused.
So a file beside the data says which Python stored the token.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

IN_KEYCHAIN = "keychain"
"""The value of TELEGRAM_BOT_TOKEN when the token itself is in the Keychain."""

_SERVICE = "crier"
_TIMEOUT_S = 15.0
_STORED_BY = "keychain.json"

# What keyring's error quotes. Source: Security/SecBase.h.
_REASONS = {
    "-25308": "macOS would have to ask, and can't: nobody is logged in at this Mac's screen, or "
    "this is an SSH session",
    "-25293": "macOS refuses it to this Python",
    "-128": "this Python was denied it",
    "-25307": "there is no Keychain to open",
}


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
    changed = " (It was stored by another Python than this one.)" if is_changed(account) else ""
    raise KeychainError(
        f"The token is said to be in the Keychain, but can't be read from it ({_cause(done)})."
        f"{changed} Log in on the Mac itself and unlock the Keychain, and choose Always Allow if "
        "macOS asks; or run `crier setup` there again."
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
    with contextlib.suppress(OSError):  # it only explains errors
        (Path(account) / _STORED_BY).write_text(json.dumps(_this_python()))


def stored_by(account: str) -> str:
    """Return the version of the Python that stored the token; empty if that is unknown."""
    try:
        return str(json.loads((Path(account) / _STORED_BY).read_text())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_changed(account: str) -> bool:
    """Whether the token was stored by another Python, so that macOS may ask or refuse."""
    try:
        return bool(json.loads((Path(account) / _STORED_BY).read_text()) != _this_python())
    except (OSError, ValueError):
        return False


def _this_python() -> dict[str, str]:
    import hashlib  # noqa: PLC0415  # it loads OpenSSL, and is rarely needed

    path = os.path.realpath(sys.executable)
    with Path(path).open("rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()
    return {"version": platform.python_version(), "sha256": digest}


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
    """Return why keyring failed, from the last line of its traceback."""
    lines = done.stderr.strip().splitlines()
    if not lines:
        return "it is not there"
    for number, reason in _REASONS.items():
        if f"({number}," in lines[-1]:
            return f"{reason}, error {number}"
    return lines[-1]
