"""The code that lets the first phone in, where the owner of the computer can read it.

A service has no terminal to show it on. It is in a file that only its owner may read, never in the
log, and goes as soon as it has been used.
"""

import os
from pathlib import Path

from bot.paths import write_private

CODE_LIFE_S = 3600.0
FILE = "pairing-code"


def keep(folder: Path, code: str, link: str = "") -> None:
    """Write the code into *folder*, and the link that has it; an empty code removes both.

    Raises:
        OSError: it can't be written.
    """
    path = folder / FILE
    if not code:
        path.unlink(missing_ok=True)
        return
    write_private(path, f"{code}\n{link}\n" if link else f"{code}\n")


def add_link(folder: Path, link: str) -> None:
    """Write the link below the code in *folder*, which is as old as before.

    Raises:
        OSError: it can't be written.
    """
    path = folder / FILE
    made = path.stat()
    keep(folder, path.read_text().split()[0], link)
    os.utime(path, ns=(made.st_atime_ns, made.st_mtime_ns))
