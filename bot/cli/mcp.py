"""`crier mcp`: tools for agents, over the Model Context Protocol; a client of the running bot."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from bot import __version__
from bot.cli.ask import ask_people
from bot.client import Client, ClientError
from bot.errors import OK

_INSTRUCTIONS = (
    "Crier says short texts aloud at the loudspeaker of the user's computer. Speak when the user "
    "asked to be told, when long work is done, or when you need an answer; one or two sentences, "
    "without Markdown, code or paths."
)

_TEXT = (
    "What to say: plain sentences. If a name is said wrong, write its sounds: [Nguyen](/wˈɪn/); "
    "[pause:1.5s] is silence."
)

server = MCPServer(
    "crier",
    title="Crier",
    version=__version__,
    instructions=_INSTRUCTIONS,
    log_level="WARNING",  # on stderr, where the agent's own log is
)


def mcp(_: argparse.Namespace) -> int:
    """Serve until the end of stdin."""
    server.run("stdio")
    return OK


@server.tool(
    description="Say a text aloud on the user's computer, after what is being said now.",
    annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False),
)
def speak(
    text: Annotated[str, Field(description=_TEXT)],
    voice: Annotated[str, Field(description="A voice such as af_heart; empty: the usual.")] = "",
    urgent: Annotated[bool, Field(description="Say it next, before all that waits.")] = False,
    wait: Annotated[bool, Field(description="Answer only when it was heard to the end.")] = False,
    expires_s: Annotated[
        float,
        Field(description="Say it within so many seconds or not at all; 0: at any time.", ge=0),
    ] = 0,
    replace: Annotated[
        str,
        Field(
            description="A name such as build: this takes the place of your last one that waits."
        ),
    ] = "",
    volume: Annotated[
        int | None, Field(description="In percent, for this text alone; empty: as it is set.")
    ] = None,
    at: Annotated[
        str, Field(description="Say it then: 18:30, tomorrow 8:00, in 20m, every weekday 7:15.")
    ] = "",
) -> str:
    """Queue a text, and wait until it ended if *wait*. Runs on a worker thread of the server."""
    request: dict[str, Any] = {"input": text, "priority": "urgent" if urgent else "normal"}
    if voice:
        request["voice"] = voice
    if expires_s:
        request["expires_s"] = expires_s
    if replace:
        request["replace"] = replace
    if volume is not None:
        request["volume"] = volume
    with _tool_errors():
        client = Client("agent")
        if at:
            return f"{client.call('POST', '/v1/audio/speak', {**request, 'at': at})['when']}."
        if not wait:
            position = client.call("POST", "/v1/audio/speak", request)["position"]
            return f"Queued; {position - 1} before it." if position > 1 else "Queued; it is next."
        receipt = client.call("POST", "/v1/audio/speak", {**request, "wait": True}, timeout_s=None)
    if receipt["outcome"] != "heard":
        raise ToolError(receipt["reason"] or f"It was {receipt['outcome']}.")
    return f"Heard to the end. {receipt['reason']}".strip()


@server.tool(
    description="Ask the user, aloud and in their Telegram chat, and wait for the answer. Use it "
    "when you can't go on without a decision: they may be away from the screen.",
    annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False),
)
def ask(
    question: Annotated[str, Field(description="One short question, in plain words.")],
    options: Annotated[
        list[str] | None,
        Field(description="Up to 8 answers to choose from, as buttons; none: an answer in words."),
    ] = None,
    timeout_s: Annotated[float, Field(description="How long they have, in seconds.")] = 300.0,
) -> dict[str, Any]:
    """Ask, and return the answer, or that there is none. Runs on a worker thread of the server."""
    request = {"input": question, "options": options or [], "timeout_s": timeout_s}
    with _tool_errors():
        return ask_people("agent", request)


@server.tool(
    description="Stop speaking now, and drop everything that waits to be said.",
    annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True),
)
def stop() -> str:
    """Stop everything. Runs on a worker thread of the server."""
    with _tool_errors():
        Client("agent").call("POST", "/v1/audio/stop")
    return "Silent."


@server.tool(
    description="What is being said, how much waits, the device and the voice.",
    annotations=ToolAnnotations(read_only_hint=True),
)
def status() -> dict[str, Any]:
    """Return the status of the bot. Runs on a worker thread of the server."""
    with _tool_errors():
        return Client("agent").get("/v1/status")


@contextmanager
def _tool_errors() -> Iterator[None]:
    """Turn a ClientError into a ToolError, whose message the agent reads."""
    try:
        yield
    except ClientError as exc:
        raise ToolError(str(exc)) from exc
