"""A fetched file -> its sound or its text, read in a separate process. Runs on the event loop.

A broken file can make FFmpeg or pypdf crash, run for hours or exhaust the memory. Only the separate
process is affected.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import psutil

from audio.types import SAMPLE_RATE_HZ
from bot.chat import decode
from bot.chat.decode import AttachmentError, FileText, SilentError
from bot.memory import used_bytes

log = logging.getLogger(__name__)

MAX_READING_S = float(decode.MAX_READING_S)
MAX_MEMORY_BYTES = decode.MAX_MEMORY_BYTES
_MAX_ANSWER_BYTES = 12 * decode.MAX_TEXT_CHARS + 1000  # JSON escapes rare letters with 12 bytes
_MEMORY_CHECK_INTERVAL_S = 0.1

_TOO_SLOW = "It takes longer than a minute to read. Send it in another form, or in parts."
_CRASHED = "It can't be read: what reads it crashed. Send it in another form."


async def extract(kind: str, source: Path, target: Path) -> FileText:
    """Return the text of the file *source*, or write its sound to *target* as WAV.

    Raises:
        AttachmentError: it can't be read, or not within the limits.
        OSError: the sound can't be stored.
    """
    part = target.with_suffix(".part")
    try:
        answer = await _read(kind, source, part)
        if "error" in answer:
            raise (SilentError if answer.get("silent") else AttachmentError)(answer["error"])
        if kind == decode.SOUND:
            part.replace(target)
        return FileText(str(answer.get("text", "")), str(answer.get("left_out", "")))
    finally:
        part.unlink(missing_ok=True)


async def _read(kind: str, source: Path, part: Path) -> dict[str, Any]:
    """Read a file in a new process and return its answer; cancelling this kills the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",  # isolated, and below without the environment, which may contain the bot's token
        "-m",
        "bot.chat.decode",
        str(os.getpid()),
        kind,
        str(source),
        str(part),
        str(SAMPLE_RATE_HZ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        limit=_MAX_ANSWER_BYTES,
    )
    assert process.stdout is not None  # noqa: S101  # asked for above
    memory_exceeded = asyncio.create_task(_kill_at_memory_limit(process))
    try:
        async with asyncio.timeout(MAX_READING_S):
            line = await process.stdout.readline()
            await process.wait()
        answer: dict[str, Any] = json.loads(line)
    except TimeoutError as exc:
        raise AttachmentError(_TOO_SLOW) from exc
    except ValueError as exc:  # no answer, a partial one, or one that is too long
        if memory_exceeded.done():
            raise AttachmentError(decode.TOO_MUCH_MEMORY) from exc
        log.warning("The process that reads files exited with %s", process.returncode)
        raise AttachmentError(_CRASHED) from exc
    else:
        return answer
    finally:
        memory_exceeded.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _kill_at_memory_limit(process: asyncio.subprocess.Process) -> None:
    """Kill a process that exceeds `MAX_MEMORY_BYTES`; return only if it did."""
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        while used_bytes(process.pid) <= MAX_MEMORY_BYTES:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(_MEMORY_CHECK_INTERVAL_S)
        process.kill()
        return
    await asyncio.Event().wait()  # it exited within the limit
