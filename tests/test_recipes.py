"""Recipes of docs/recipes.md for ntfy and Gotify: the lines as they stand, with a stand-in."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.paths import CHECKOUT

# As in docs.ntfy.sh/subscribe/api.
NTFY: list[dict[str, Any]] = [
    {"id": "a", "time": 1635528757, "event": "open", "topic": "mytopic"},
    {"id": "b", "time": 1635528741, "event": "message", "topic": "mytopic", "message": "Disk full"},
    {"id": "c", "time": 1635528760, "event": "keepalive", "topic": "mytopic"},
    {
        "id": "d",
        "time": 1635528770,
        "event": "message",
        "topic": "mytopic",
        "title": "Backup",
        "message": "It\nfailed; $(rm x) 'now' -- \\t",
        "priority": 5,
    },
]
# As in gotify.net/api-docs: a frame of the WebSocket /stream each.
GOTIFY: list[dict[str, Any]] = [
    {"id": 25, "appid": 5, "message": "Two\nlines", "title": "Backup", "priority": 2, "extras": {}},
    {"id": 26, "appid": 5, "message": "No title", "title": "", "priority": 2},
]

pytestmark = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl")), reason="the recipes need jq and curl"
)


def recipe(begins: str) -> str:
    """Return the indented block of the document that begins with these words."""
    text = (CHECKOUT / "docs" / "recipes.md").read_text()
    [block] = re.findall(rf"^    {re.escape(begins)}.*\n(?:    .*\n)*", text, flags=re.MULTILINE)
    return str(block)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with a crier that only writes down its arguments."""
    program = tmp_path / "crier"
    program.write_text(f"#!/bin/sh\nfor a; do printf '%s\\n' \"$a\"; done >>{tmp_path}/said\n")
    program.chmod(0o700)
    return tmp_path


async def run(script: str, programs: Path) -> list[str]:
    """Run a recipe; return the arguments of all calls of crier."""
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "GOTIFY_CLIENT": "C"}
    process = await asyncio.create_subprocess_exec("bash", "-c", script, env=environment)
    assert await asyncio.wait_for(process.wait(), 60) == 0
    return (programs / "said").read_text().splitlines()


async def test_recipe_of_ntfy_says_messages(programs: Path) -> None:
    """Messages are said with their titles, and important ones next; nothing else is."""

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = "".join(json.dumps(event) + "\n" for event in NTFY)
        writer.write(f"HTTP/1.0 200 OK\r\n\r\n{lines}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(stream, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mytopic/json"
    said = await run(recipe("curl -sN").replace("https://ntfy.sh/mytopic/json", address), programs)
    server.close()

    assert said == [
        *("say", "--client", "ntfy", "--", "Disk full"),
        *("say", "--client", "ntfy", "--urgent", "--"),
        "Backup. It failed; $(rm x) 'now' -- \\t",
    ]


async def test_recipe_of_gotify_says_messages(programs: Path) -> None:
    """Each frame is a line to say, with its title if it has one."""
    frames = "\n".join(map(json.dumps, GOTIFY))
    websocat = programs / "websocat"
    websocat.write_text(f"#!/bin/sh\ncat <<'END'\n{frames}\nEND\n")
    websocat.chmod(0o700)

    assert await run(recipe("websocat"), programs) == [
        *("say", "--client", "Gotify", "--", "Backup. Two lines"),
        *("say", "--client", "Gotify", "--", "No title"),
    ]
