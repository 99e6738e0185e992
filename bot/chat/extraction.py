"""A fetched file -> its sound or its text, read by a process of its own. Runs on the event loop.

What reads files (FFmpeg, pypdf) may crash, or take hours or all the memory, by a file's fault. Then
only that process ends.
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
from bot.chat.decode import AttachmentError, SilentError

log = logging.getLogger(__name__)

MAX_READING_S = float(decode.MAX_READING_S)
MAX_MEMORY_BYTES = decode.MAX_MEMORY_BYTES
_MAX_ANSWER_BYTES = 12 * decode.MAX_TEXT_CHARS + 1000  # a rare letter takes 12 in JSON
_LOOK_EVERY_S = 0.1

_TOO_SLOW = "It takes longer than a minute to read. Send it in another form, or in parts."
_CRASHED = "It can't be read: what reads it crashed. Send it in another form."


async def extract(kind: str, source: Path, target: Path) -> str:
    """Return the text of the file *source*, or write its sound to *target* as WAV.

    Raises:
        AttachmentError: it can't be read, or not within the limits.
        OSError: the sound can't be kept.
    """
    part = target.with_suffix(".part")
    try:
        answer = await _ask(kind, source, part)
        if "error" in answer:
            raise (SilentError if answer.get("silent") else AttachmentError)(answer["error"])
        if kind == decode.SOUND:
            part.replace(target)
        return str(answer.get("text", ""))
    finally:
        part.unlink(missing_ok=True)


async def _ask(kind: str, source: Path, part: Path) -> dict[str, Any]:
    """Return what the process answers that reads a file; cancelled, it ends that process."""
    process = await asyncio.create_subprocess_exec(
        # Isolated, and without the environment: the bot's token may be in it.
        *(sys.executable, "-I", "-m", "bot.chat.decode"),
        *(str(os.getpid()), kind, str(source), str(part), str(SAMPLE_RATE_HZ)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        limit=_MAX_ANSWER_BYTES,
    )
    assert process.stdout is not None  # noqa: S101  # asked for above
    greedy = asyncio.create_task(_end_if_greedy(process))
    try:
        async with asyncio.timeout(MAX_READING_S):
            line = await process.stdout.readline()
            await process.wait()
        answer: dict[str, Any] = json.loads(line)
    except TimeoutError as exc:
        raise AttachmentError(_TOO_SLOW) from exc
    except ValueError as exc:  # no answer, half of one, or a longer one than there can be
        if greedy.done():
            raise AttachmentError(decode.TOO_MUCH_MEMORY) from exc
        log.warning("What reads files ended with %s", process.returncode)
        raise AttachmentError(_CRASHED) from exc
    else:
        return answer
    finally:
        greedy.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _end_if_greedy(process: asyncio.subprocess.Process) -> None:
    """End a process that takes too much memory; return then, and only then."""
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        child = psutil.Process(process.pid)
        while child.memory_info().rss <= MAX_MEMORY_BYTES:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(_LOOK_EVERY_S)
        process.kill()
        return
    await asyncio.Event().wait()  # it ended by itself
