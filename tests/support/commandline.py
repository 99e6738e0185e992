"""Runs the command line in another process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support import fork_server

Environment = dict[str, str]

WITH_TONES = "tests.support.run_with_fake_voice"
"""A module that runs the same with the tone voice, for tests that don't listen to the voice."""


@asynccontextmanager
async def crier(
    *arguments: str, environment: Environment, stdin: bytes = b"", module: str = "bot"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command line; kill it afterwards if it still runs."""
    process = await fork_server.start(
        module,
        *arguments,
        environment=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(
    *arguments: str, environment: Environment, stdin: bytes = b"", module: str = "bot"
) -> tuple[int, str, str]:
    """Run the command line until it exits; return (exit code, stdout, stderr)."""
    async with crier(*arguments, environment=environment, stdin=stdin, module=module) as process:
        out, err = await asyncio.wait_for(process.communicate(), 150)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()
