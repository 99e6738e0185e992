"""One Crier for each data folder: two bots on one token would steal each other's messages."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from bot.core.database import InboxError
from bot.paths import make_private


class InUseError(InboxError):
    """Another Crier uses this data folder."""


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the lock of a data folder while the context is open.

    Raises:
        InUseError: another Crier holds it.
        InboxError: there is no room for the file.
    """
    path = data_dir / "crier.lock"
    try:
        make_private(data_dir)
        lock = path.open("a")
    except OSError as exc:
        raise InboxError(
            f"{path} can't be opened ({exc}). Make room on its disk, or set DATA_DIR elsewhere."
        ) from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise InUseError(
                f"Another Crier uses {data_dir} already. Stop it first, or set DATA_DIR elsewhere."
            ) from exc
        yield
