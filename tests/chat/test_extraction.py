"""The process that reads a file is limited, and its crash is contained."""

import asyncio
import sys
from pathlib import Path

import pytest

from bot.chat import decode, extraction
from bot.chat.decode import PDF, TEXT, AttachmentError
from bot.chat.extraction import extract
from tests.chat.samples import ENDLESS_PDF
from tests.chat.steps import reader_process, reader_processes
from tests.conftest import TOKEN


async def test_extraction_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small PDF that takes minutes is refused, and leaves neither process nor file."""
    monkeypatch.setattr(extraction, "MAX_READING_S", 1.0)
    source = tmp_path / "x"
    source.write_bytes(ENDLESS_PDF)
    with pytest.raises(AttachmentError, match="longer than a minute"):
        await extract(PDF, source, tmp_path / "x.wav")

    assert reader_processes() == []
    assert list(tmp_path.iterdir()) == [source]


async def test_extraction_has_a_memory_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading process's memory is watched, in case the system does not limit it."""
    monkeypatch.setattr(extraction, "MAX_MEMORY_BYTES", 30_000_000)
    (tmp_path / "x").write_bytes(ENDLESS_PDF)
    with pytest.raises(AttachmentError, match="too much memory"):
        await extract(PDF, tmp_path / "x", tmp_path / "x.wav")

    assert reader_processes() == []


@pytest.mark.skipif(sys.platform != "linux", reason="macOS enforces no memory limit")
async def test_extraction_has_a_memory_limit_from_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that needs more than allowed is refused before the memory is used."""
    monkeypatch.setattr(extraction, "MAX_MEMORY_BYTES", sys.maxsize)
    with (tmp_path / "x").open("wb") as source:
        source.truncate(2 * decode.MAX_MEMORY_BYTES)
    with pytest.raises(AttachmentError, match="too much memory"):
        await extract(TEXT, tmp_path / "x", tmp_path / "x.wav")


async def test_extraction_survives_a_crash_of_its_process(tmp_path: Path) -> None:
    """If the reading process is killed, the file is refused."""
    (tmp_path / "x").write_bytes(ENDLESS_PDF)
    work = asyncio.create_task(extract(PDF, tmp_path / "x", tmp_path / "x.wav"))
    (await reader_process()).kill()
    with pytest.raises(AttachmentError, match="crashed"):
        await work


async def test_extraction_hides_the_environment_and_is_cancelled_with_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading process does not get the environment, and exits when its caller is cancelled."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    (tmp_path / "x").write_bytes(ENDLESS_PDF)
    work = asyncio.create_task(extract(PDF, tmp_path / "x", tmp_path / "x.wav"))
    environment = (await reader_process()).environ()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    assert "TELEGRAM_BOT_TOKEN" not in environment
    assert reader_processes() == []
