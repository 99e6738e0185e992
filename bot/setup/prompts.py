"""Asking somebody at a terminal. Runs on the event loop."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.utils import is_dumb_terminal


def numbered(typed: str, names: Sequence[str]) -> str | None:
    """Return the name with the number that was typed, counted from 1; None where there is none."""
    number = int(typed) if typed.isascii() and typed.isdigit() else 0
    return names[number - 1] if 0 < number <= len(names) else None


async def ask(question: str, *, secret: bool = False) -> str:
    """Ask for a line; a secret one is masked.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        EOFError: Ctrl-D.
    """
    if secret and is_dumb_terminal():  # where prompt_toolkit would show it
        print(question, end="", flush=True)
        session: PromptSession[str] = PromptSession(output=DummyOutput())
        question = ""
    else:
        session = PromptSession()
    return (await session.prompt_async(question, is_password=secret)).strip()


async def confirm(question: str, *, default: bool) -> bool:
    """Ask a question of yes or no."""
    while True:
        answer = (await ask(f"{question} [{'Y/n' if default else 'y/N'}] ")).lower()
        if not answer:
            return default
        if answer in ("y", "yes", "n", "no"):
            return answer.startswith("y")
        print("Please answer y or n.")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what C libraries print on stderr off the terminal; ALSA prints its every underrun."""
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
