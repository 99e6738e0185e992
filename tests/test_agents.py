"""Speech for agents, asked for as an agent does: by the official client, over stdio."""

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from tests.answerer import Answerer, answering
from tests.commandline import Environment


@pytest.fixture
def answerer(tmp_path: Path) -> Iterator[Answerer]:
    """Answer where the bot would."""
    with (
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        answering(tmp_path / "data", Path(folder) / "api.sock") as answerer,
    ):
        yield answerer


@asynccontextmanager
async def agent(environment: Environment) -> AsyncIterator[Client]:
    """Connect as an agent does."""
    command = ["-P", "-m", "bot", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=command, env=environment)
    async with Client(server) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    """Return what the agent reads."""
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_an_agent_sees_the_tools_and_what_they_take(environment: Environment) -> None:
    """The tools say what they do, and which of their arguments are needed."""
    async with agent(environment) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert set(tools) == {"speak", "stop", "status"}
    assert tools["speak"].input_schema["required"] == ["text"]
    assert all(tool.description for tool in tools.values())


async def test_an_agent_reads_why_it_is_not_heard(environment: Environment) -> None:
    """Without a running bot a tool's error says how to start it."""
    async with agent(environment) as client:
        result = await client.call_tool("speak", {"text": "Hello."})

    assert result.is_error
    assert "Crier is not running. Start it with `make run`" in text_of(result)


async def test_an_agents_speech_is_queued(environment: Environment, answerer: Answerer) -> None:
    """What an agent says goes to the bot, marked as the agent's."""
    answerer.answer("POST /v1/audio/speak", {"id": 7, "position": 1}, 202)
    async with agent(environment) as client:
        result = await client.call_tool("speak", {"text": "Done.", "urgent": True})

    assert not result.is_error
    [(_, headers, body)] = answerer.asked
    assert body == {"input": "Done.", "priority": "urgent"}
    assert headers["X-Client"] == "agent"
