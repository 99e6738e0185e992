"""Programs that are run: their output, their errors, and that none is left behind."""

import subprocess
import sys

import psutil
import pytest

from bot.manners.processes import ProgramError, lines_of, run
from bot.paths import CHECKOUT

ENDLESS = """
import asyncio
from bot.manners.processes import lines_of

async def main():
    async with lines_of("sh", "-c", "trap '' PIPE; echo $$; exec sleep 1000") as lines:
        async for line in lines:
            print(line, end="", flush=True)

asyncio.run(main())
"""


async def test_run_returns_what_a_program_prints() -> None:
    """In the C locale, since it is parsed."""
    assert await run("sh", "-c", "echo $LC_ALL", timeout_s=30) == "C\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("no-such-program",), "no-such-program can't be started"),
        (("sh", "-c", "echo Refused >&2; exit 3"), "sh: Refused"),
        (("sleep", "1000"), r"sleep has not answered for 0\.1 s"),
    ],
)
async def test_run_says_what_went_wrong(command: tuple[str, ...], message: str) -> None:
    """A program that is missing, fails or hangs."""
    with pytest.raises(ProgramError, match=message):
        await run(*command, timeout_s=0.1 if command[0] == "sleep" else 30)


async def test_lines_of_ends_the_program_with_the_context() -> None:
    """Lines come as they are printed; afterwards nothing runs any more."""
    async with lines_of("sh", "-c", "echo $$; exec sleep 1000") as lines:
        process = psutil.Process(int(await anext(lines)))
    process.wait(30)


async def test_lines_of_ends_with_the_program() -> None:
    """The lines end, although the shell that runs it does not yet."""
    async with lines_of("echo", "one") as lines:
        assert [line async for line in lines] == ["one\n"]


def test_lines_of_leaves_nothing_behind_when_this_process_is_killed() -> None:
    """Also if the program ignores that nobody reads what it prints."""
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(30)
