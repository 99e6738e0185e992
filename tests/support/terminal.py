"""A real terminal (a pseudo-terminal) with a process in it, for tests."""

import asyncio
import contextlib
import fcntl
import os
import re
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.support import fork_server

CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"
# Move the cursor, colour text and so on. Source: ECMA-48, and xterm's control sequences.
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")


class Terminal:
    """The screen and the keyboard of the process."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.raw = b""
        self._master = master
        self._read_to = 0
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            self.raw += os.read(self._master, 65536)
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)
        self._more.set()

    @property
    def text(self) -> str:
        """Everything that was shown so far."""
        return _CONTROLS.sub("", self.raw.decode(errors="replace"))

    async def see(self, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
        """Wait until *pattern* is shown, after the last match.

        Raises:
            AssertionError: it was not shown in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not (match := re.compile(pattern).search(self.text, self._read_to)):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{pattern!r} is not in:\n{self.text}") from None
        self._read_to = match.end()
        return match

    def type(self, keys: str) -> None:
        """Type *keys*."""
        os.write(self._master, keys.encode())

    async def leave(self, key: str) -> int:
        """Type *key* until the process exits, and return its exit code.

        Once is not always enough: `input` misses a Ctrl-C between its prompt and its read.
        """
        while True:
            self.type(key)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.process.wait(), 10)

    async def answer(self, question: str, line: str) -> None:
        """Wait for a question, and type a line."""
        await self.see(question)
        self.type(line + ENTER)

    async def ended(self) -> int:
        """Wait until the process exits, and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), 30)


@asynccontextmanager
async def terminal(
    *arguments: str,
    environment: dict[str, str],
    cwd: Path,
    module: str = "bot",
    program: tuple[str, ...] = (),
) -> AsyncIterator[Terminal]:
    """Run a *module*, or a *program*, in a terminal; kill it afterwards if it still runs."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 120, 0, 0))
    environment = {**environment, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "LANG": "C.UTF-8"}
    if program:
        process = await asyncio.create_subprocess_exec(
            *(*program, *arguments),
            env=environment,
            cwd=cwd,
            preexec_fn=partial(fork_server.own_terminal, slave),  # no threads between fork and exec
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
    else:
        process = await fork_server.start(
            module,
            *arguments,
            environment=environment,
            folder=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            terminal=True,
        )
    os.close(slave)
    screen = Terminal(master, process)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
