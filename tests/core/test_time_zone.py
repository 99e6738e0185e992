"""The time zone of this computer."""

import datetime as dt
from pathlib import Path
from zoneinfo import TZPATH

import pytest

from bot.core.time_zone import local_zone

WINTER = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def zone_file(name: str) -> Path:
    """Return the system's file of a zone."""
    return next(path for folder in TZPATH if (path := Path(folder, name)).exists())


def test_local_zone_follows_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system's link is changed, the next question has the new zone."""
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    offsets = []
    for name in ("Europe/Berlin", "America/New_York"):
        link.unlink(missing_ok=True)
        link.symlink_to(zone_file(name))
        offsets.append(WINTER.astimezone(local_zone(link)).utcoffset())

    assert offsets == [dt.timedelta(hours=1), dt.timedelta(hours=-5)]


def test_local_zone_prefers_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """TZ is what the process was given."""
    monkeypatch.setenv("TZ", ":Asia/Tokyo")

    assert WINTER.astimezone(local_zone()).utcoffset() == dt.timedelta(hours=9)


@pytest.mark.parametrize("name", ["", "CET-1CEST", "../nowhere"])
def test_local_zone_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without a file, or with a name that is none, Python's own idea counts."""
    monkeypatch.setenv("TZ", name)
    now = dt.datetime.now(dt.UTC)

    assert (
        now.astimezone(local_zone(tmp_path / "missing")).utcoffset() == now.astimezone().utcoffset()
    )
