"""The code that lets the first phone in, where the owner of the computer can read it.

A service has no terminal to show it on. It is in a file that only its owner may read, never in the
log, and goes as soon as it has been used.
"""

import argparse
import io
import os
import sys
import time
from pathlib import Path

from bot.cli.main import OK, CommandError
from bot.settings import data_dir

CODE_LIFE_S = 3600.0
_FILE = "pairing-code"


def keep(folder: Path, code: str, link: str = "") -> None:
    """Write the code into *folder*, and the link that has it; an empty code removes both.

    Raises:
        OSError: it can't be written.
    """
    path = folder / _FILE
    if not code:
        path.unlink(missing_ok=True)
        return
    new = path.with_name(f"{_FILE}.new")
    new.unlink(missing_ok=True)  # whatever its mode was
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{code}\n{link}\n" if link else f"{code}\n")
    new.replace(path)


def add_link(folder: Path, link: str) -> None:
    """Write the link below the code in *folder*, which is as old as before.

    Raises:
        OSError: it can't be written.
    """
    path = folder / _FILE
    made = path.stat()
    keep(folder, path.read_text().split()[0], link)
    os.utime(path, ns=(made.st_atime_ns, made.st_mtime_ns))


def invitation(link: str) -> str:
    """Return what to say about a link, with the QR code of it."""
    return f"Or open this on your phone, by its QR code:\n\n{qr_code(link)}\n  {link}"


def qr_code(text: str) -> str:
    """Return a QR code of half blocks, bright on dark, for a terminal."""
    import segno  # noqa: PLC0415  # so that a thin command starts at once

    out = io.StringIO()
    segno.make_qr(text, error="l").terminal(out, border=2, compact=True)
    return out.getvalue()


def pair(_: argparse.Namespace) -> int:
    """Show the code that lets the first phone in.

    Raises:
        CommandError: there is none.
    """
    path = data_dir() / _FILE
    try:
        code, *links = path.read_text().split()
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        raise CommandError(
            "There is no pairing code: somebody may speak already and can /invite others from the "
            "chat, or Crier does not run yet (`crier logs` says why)."
        ) from None
    except OSError as exc:
        raise CommandError(f"{path} can't be read ({exc.strerror}).") from exc
    if age_s > CODE_LIFE_S:
        raise CommandError(
            "The pairing code is too old. Send /pair to your bot, which makes a new one, and run "
            "this again."
        )
    print(f"Send this to your bot:  /pair {code}")
    for link in links:
        print(invitation(link) if sys.stdout.isatty() else f"Or open {link}")
    return OK
