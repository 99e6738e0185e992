"""The file with the code that pairs the first phone.

A service has no terminal to show the code on. Only the owner of the computer can read the file,
which is removed as soon as the code has been used; the code is never in the log.
"""

import os
from pathlib import Path

from bot.paths import write_private

CODE_LIFE_S = 3600.0
FILE = "pairing-code"


def write(folder: Path, code: str, link: str = "") -> None:
    """Write a code and, if known, its link into the file in *folder*.

    Raises:
        OSError: it can't be written.
    """
    write_private(folder / FILE, f"{code}\n{link}\n" if link else f"{code}\n")


def remove(folder: Path) -> None:
    """Remove the file in *folder*, if there is one.

    Raises:
        OSError: it can't be removed.
    """
    (folder / FILE).unlink(missing_ok=True)


def add_link(folder: Path, link: str) -> None:
    """Add the link to the code in *folder*, without changing the age of the file.

    Raises:
        OSError: it can't be written.
    """
    path = folder / FILE
    before = path.stat()
    write(folder, path.read_text().split()[0], link)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
