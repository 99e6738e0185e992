"""Programs of the system, such as `pactl`, and how long they may take.

Runs on the event loop, which none of them blocks.
"""

import asyncio
import contextlib
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Ends a program as soon as standard input is closed, also because this process was killed: `pactl
# subscribe` ignores that nobody reads what it prints.
_TIED = ("/bin/sh", "-c", '"$@" & exec >/dev/null; read _; kill $!', "sh")
_END_WITHIN_S = 1.0


class ProgramError(Exception):
    """A program failed; the message says which, and what it printed."""


async def run(*command: str, timeout_s: float) -> str:
    """Run a program; return what it prints.

    Raises:
        ProgramError: it is not there, exits with an error, or takes too long.
    """
    async with _started(*command, stderr=PIPE) as process:
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate()
        except TimeoutError as exc:
            raise ProgramError(f"{command[0]} has not answered for {timeout_s:g} s") from exc
    if process.returncode:
        reason = err.decode(errors="replace").strip().removeprefix(f"{command[0]}: ")
        raise ProgramError(f"{command[0]}: {reason}")
    return out.decode(errors="replace")


@asynccontextmanager
async def lines_of(*command: str) -> AsyncIterator[AsyncIterator[str]]:
    """Run a program while the context is open; yield an iterator over the lines that it prints.

    There are none if it can't be started.
    """
    async with _started(*_TIED, *command, stdin=PIPE) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        try:
            yield (line.decode(errors="replace") async for line in process.stdout)
        finally:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END_WITHIN_S)


@asynccontextmanager
async def _started(
    *command: str, stdin: int = DEVNULL, stderr: int = DEVNULL
) -> AsyncIterator[Process]:
    """Start a program; kill it at the end of the context if it still runs."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=PIPE,
            stderr=stderr,
            env={**os.environ, "LC_ALL": "C"},  # its output is parsed, and would be translated
        )
    except OSError as exc:
        raise ProgramError(f"{command[0]} can't be started ({exc.strerror})") from exc
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
