"""This computer's time zone, as it is now: a laptop travels while its programs run."""

import datetime as dt
import functools
import os
from pathlib import Path
from zoneinfo import ZoneInfo

_LOCALTIME = Path("/etc/localtime")  # on a Mac, too


def local_zone(path: Path = _LOCALTIME) -> dt.tzinfo:
    """Return this computer's time zone.

    Python's own idea of it is as old as the process, because the C library reads the file once.
    """
    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        file = path.resolve()
        return _read(file, file.stat().st_mtime_ns)
    except (OSError, ValueError, LookupError):  # none is set, or it is in another notation
        zone = dt.datetime.now().astimezone().tzinfo
        return zone or dt.UTC


@functools.lru_cache(maxsize=4)
def _read(file: Path, _changed_ns: int) -> ZoneInfo:
    with file.open("rb") as content:
        return ZoneInfo.from_file(content)
