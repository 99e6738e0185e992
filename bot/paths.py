"""What Crier keeps is for its owner's eyes: the data folder, and whatever is written into it.

Messages, logs, recordings and tokens are readable by nobody else, in a folder that nobody else can
look into, also where the folder was there before or was made by an older Crier.
"""

import contextlib
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

_UMASK = 0o077
# All that Crier or macOS puts into a data folder.
_OWN = (
    *("crier.*", "libraries.log", "launchd.log", "sounds", "spoken", "demo", "history"),
    *("api.json", "api.sock", "api-token", "attempts.json*", "pace.json", "notices.json"),
    *("pairing-code*", ".env*", ".api*.new", ".DS_Store"),
)


def make_private(folder: Path) -> None:
    """Keep what this process writes from now on, and what is in its data folder, to its owner.

    The folder itself is shut where it holds nothing but Crier's: somebody may have chosen one that
    others use, too.

    Raises:
        OSError: the folder can't be made.
    """
    os.umask(_UMASK)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = list(folder.iterdir())
    own = [path for path in there if any(fnmatch(path.name, name) for name in _OWN)]
    if len(own) == len(there):
        _shut(folder)
    for path in own:
        _shut(path)
        if path.name == "sounds":
            for recording in path.iterdir():
                _shut(recording)


def files_of(folder: Path) -> Iterator[Path]:
    """Yield Crier's own files in a data folder."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and any(fnmatch(path.name, name) for name in _OWN):
            yield path


def _shut(path: Path) -> None:
    if path.is_symlink():
        return  # what it leads to may be anybody's
    with contextlib.suppress(OSError):  # another user's, or gone by now
        path.chmod(0o700 if path.is_dir() else 0o600)
