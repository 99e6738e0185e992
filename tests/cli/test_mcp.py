"""`crier mcp`, used as an agent does: with the official client, over stdio."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.chat.sandbox import Sandbox
from bot.settings import Settings
from tests.chat.test_question_message import asked_in, press
from tests.conftest import ALICE, reply_with
from tests.support.commandline import Environment
from tests.support.fake_api import FakeApi, serve_fake_api
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import serve
from tests.support.loudspeaker import Ear

if TYPE_CHECKING:  # slow to import
    from mcp import Client
    from mcp_types import CallToolResult

pytestmark = pytest.mark.xdist_group("mcp")  # its client takes a second to import


@pytest.fixture
def fake_api(tmp_path: Path) -> Iterator[FakeApi]:
    """Run a fake of the bot's API."""
    with (
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        serve_fake_api(tmp_path / "data", Path(folder) / "api.sock") as fake_api,
    ):
        yield fake_api


@asynccontextmanager
async def agent(environment: Environment) -> AsyncIterator["Client"]:
    """Connect as an agent does."""
    from mcp import Client, StdioServerParameters

    command = ["-P", "-m", "bot", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=command, env=environment)
    async with Client(server) as client:
        yield client


def text_of(result: "CallToolResult") -> str:
    """Return the text that the agent reads."""
    from mcp_types import TextContent

    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_mcp_lists_tools(environment: Environment) -> None:
    """The tools have descriptions, and name their required arguments."""
    async with agent(environment) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert set(tools) == {"speak", "ask", "stop", "status"}
    assert tools["speak"].input_schema["required"] == ["text"]
    assert all(tool.description for tool in tools.values())


async def test_speak_without_bot_says_how_to_start_it(environment: Environment) -> None:
    """Without a running bot the tool's error says how to start it."""
    async with agent(environment) as client:
        result = await client.call_tool("speak", {"text": "Hello."})

    assert result.is_error
    assert "Crier is not running. Start it with `make run`" in text_of(result)


async def test_speak_queues_text(environment: Environment, fake_api: FakeApi) -> None:
    """The text is sent to the bot, with the name of the agent."""
    fake_api.answer("POST /v1/audio/speak", {"id": 7, "position": 1}, 202)
    async with agent(environment) as client:
        result = await client.call_tool("speak", {"text": "Done.", "urgent": True})

    assert not result.is_error
    [(_, headers, body)] = fake_api.requests
    assert body == {"input": "Done.", "priority": "urgent"}
    assert headers["X-Client"] == "agent"


async def test_speak_passes_on_what_becomes_of_a_text_that_waits(
    environment: Environment, fake_api: FakeApi
) -> None:
    """Its expiry, what it replaces, and its volume."""
    fields = {"expires_s": 60.0, "replace": "build", "volume": 0}
    fake_api.answer("POST /v1/audio/speak", {"id": 7, "position": 1}, 202)
    async with agent(environment) as client:
        await client.call_tool("speak", {"text": "41 %.", **fields})

    [(_, _, body)] = fake_api.requests
    assert body == {"input": "41 %.", "priority": "normal", **fields}


async def test_speak_says_it_later(environment: Environment, fake_api: FakeApi) -> None:
    """With a time the agent learns what was understood."""
    fake_api.answer("POST /v1/audio/speak", {"when": "Tomorrow at 18:30"}, 201)
    async with agent(environment) as client:
        result = await client.call_tool("speak", {"text": "Dinner.", "at": "18:30"})

    assert text_of(result) == "Tomorrow at 18:30."
    assert fake_api.requests[0][2]["at"] == "18:30"


async def test_speak_waits_and_stop_stops(
    settings: Settings, environment: Environment, ear_a: Ear
) -> None:
    """An agent that waits learns whether the text was heard to the end, or stopped."""
    async with serve(settings.replaced(api_port=0), ToneVoice()), agent(environment) as client:
        heard = await client.call_tool("speak", {"text": "Number 5.", "wait": True})
        await asyncio.to_thread(ear_a.wait_for_silence)
        long = " ".join(f"Number {number}." for number in range(10, 60))
        speaking = asyncio.create_task(client.call_tool("speak", {"text": long, "wait": True}))
        await asyncio.to_thread(ear_a.wait_for_sound, ear_a.spans()[-1][1] + 0.1)
        status = await client.call_tool("status")
        stopped = await client.call_tool("stop")
        cut = await speaking

    assert text_of(heard) == "Heard to the end."
    assert status.structured_content["speaking"] is True
    assert (stopped.is_error, text_of(stopped)) == (False, "Silent.")
    assert cut.is_error
    assert text_of(cut).endswith("It was stopped.")


async def test_ask_returns_the_answer(
    settings: Settings, environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An agent gets the tapped answer, and who gave it."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()), agent(environment) as client:
        sandbox.send(ALICE, "/start")
        await sandbox.wait_for(reply_with("Hello"))
        request = {"question": "Deploy now?", "options": ["yes", "no"], "timeout_s": 60}
        asking = asyncio.create_task(client.call_tool("ask", request))
        press(sandbox, ALICE, await sandbox.wait_for(asked_in(ALICE)), "no")
        result = await asking

    assert not result.is_error
    assert result.structured_content["status"] == "answered"
    assert (result.structured_content["answer"], result.structured_content["by"]) == ("no", "Alice")


async def test_speak_reports_refusal_of_bot(
    settings: Settings, environment: Environment, ear_a: Ear
) -> None:
    """A refusal is an error of the tool, with the bot's message."""
    assert ear_a is not None
    async with serve(settings.replaced(api_port=0), ToneVoice()), agent(environment) as client:
        voice = await client.call_tool("speak", {"text": "Number 5.", "voice": "af_hart"})
        nothing = await client.call_tool("speak", {"text": "..."})

    assert (voice.is_error, nothing.is_error) == (True, True)
    assert "Did you mean af_heart" in text_of(voice)
    assert "nothing to say" in text_of(nothing)
