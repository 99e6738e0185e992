"""The documents: links, commands and settings in them exist."""

import re
from pathlib import Path

import pytest

from bot.chat.menu import COMMANDS as CHAT_COMMANDS
from bot.chat.menu import ROOM_COMMANDS
from bot.cli.main import COMMANDS
from bot.paths import CHECKOUT
from bot.settings import Settings

DOCUMENTS = sorted(
    path
    for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("*/README.md"))
    if ".venv" not in path.parts
)


def ids(path: Path) -> str:
    """Return the name of a document in the checkout."""
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_docs_link_to_existing_files(document: Path) -> None:
    """A link or a picture of the checkout names an existing file."""
    text = document.read_text()
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
    inside = [target for target in targets if "://" not in target and target[0] != "/"]

    assert [target for target in inside if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_docs_name_existing_commands(document: Path) -> None:
    """`crier something`, alone or in a longer line, is a command."""
    text = document.read_text()
    named = re.findall(r"(?:^ {4}|`)(?:\.venv/bin/)?crier ([a-z]+)", text, flags=re.MULTILINE)

    assert sorted(set(named) - set(COMMANDS)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_docs_name_existing_settings(document: Path) -> None:
    """A setting that a document gives a value to, or names alone, exists."""
    prefixes = {name.split("_")[0].upper() for name in Settings.model_fields}
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", document.read_text()))
    settings = {name for name in named if name.split("_")[0] in prefixes}

    assert sorted(name for name in settings if name.lower() not in Settings.model_fields) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_docs_name_existing_chat_commands(document: Path) -> None:
    """`/something` is a command of the chat, or a path of the HTTP API."""
    named = set(re.findall(r"`/([a-z]+)[ `]", document.read_text()))
    known = {command.command for command in CHAT_COMMANDS + ROOM_COMMANDS}
    known |= {"pair", "start", "revoke", "newbot", "docs", "healthz", "metrics"}

    assert sorted(named - known) == []
