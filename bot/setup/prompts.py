"""Prompts of `crier setup`. Runs on the event loop."""

from collections.abc import Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.utils import is_dumb_terminal

from bot.console import YES_NO_HINT, parse_yes_no, yes_no_prompt


def numbered(typed: str, names: Sequence[str]) -> str | None:
    """Return the name with the typed number, counted from 1; None if there is none."""
    number = int(typed) if typed.isascii() and typed.isdigit() else 0
    return names[number - 1] if 0 < number <= len(names) else None


async def ask(question: str, *, secret: bool = False) -> str:
    """Ask for a line, and strip it; a secret is masked.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        EOFError: Ctrl-D.
    """
    if secret and is_dumb_terminal():  # prompt_toolkit would show it
        print(question, end="", flush=True)
        session: PromptSession[str] = PromptSession(output=DummyOutput())
        question = ""
    else:
        session = PromptSession()
    return (await session.prompt_async(question, is_password=secret)).strip()


async def confirm(question: str, *, default: bool) -> bool:
    """Ask a yes-or-no question until it is answered, as `bot.console.confirm`.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        EOFError: Ctrl-D.
    """
    prompt = yes_no_prompt(question, default)
    while (answer := parse_yes_no(await ask(prompt), default)) is None:
        print(YES_NO_HINT, end="")
    return answer
