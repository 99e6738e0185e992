"""`crier hook`: says what a coding agent hands its hooks. docs/agents.md has a recipe for each.

An agent waits for its hooks, and must not fail because of them: this ends soon, prints nothing on
stdout, and exits with 0 whatever happens, except for wrong options (1; agents read 2 as a veto).
"""

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path

from bot.cli.agent_events import AgentEvent, read_event
from bot.client import Client, ClientError
from bot.errors import OK, CommandError, UsageError
from bot.paths import data_dir, write_private

_MAX_PAYLOAD_BYTES = 16 << 20
_MAX_TEXT_CHARS = 60_000
_MAX_NEED_CHARS = 500
_MAX_NAME_CHARS = 100
_MAX_KEY_CHARS = 100
_EXPIRES_S = 3600.0
"""What an agent said at night is not read out in the morning."""
_ANSWER_TIMEOUT_S = 3.0
_LONGEST_S = 3600.0
_PROJECT_FILE = "hook-project"
"""In the data folder: the project that was named last."""


def hook_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hook`."""
    parser.epilog = (
        "Reads the JSON that an agent gives its hook, on stdin or as the last argument. Says the "
        "project if it is another one than before, the first sentences, and what the agent waits "
        "for; the rest is offered in the chat. Exits with 0 also if Crier is not running. "
        "docs/agents.md has the settings of each agent."
    )
    add = parser.add_argument
    add("payload", nargs="?", default="", metavar="JSON", help="instead of stdin")
    add(
        "--max-seconds",
        type=_seconds,
        default=20.0,
        metavar="S",
        help="how long it may take to say; 20",
    )
    add("--voice", default="", metavar="NAME", help="one of `crier voices`")
    add("--urgent", action="store_true", help="say it next, after the current sentence")
    add("--client", default="agent", metavar="NAME", help="the sender's name in the history")


def hook(options: argparse.Namespace) -> int:
    """Speak what an event of an agent is about, if it is worth it."""
    if not options.payload and sys.stdin.isatty():
        raise UsageError("An agent runs this and gives it JSON. docs/agents.md says how.")
    given = options.payload or sys.stdin.buffer.read(_MAX_PAYLOAD_BYTES).decode(errors="replace")
    try:
        payload = json.loads(given)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        _warn("what the agent gave is not a JSON object.")
        return OK
    event = read_event(payload)
    try:
        if event is not None:
            _speak(event, options)
    except ClientError as exc:
        if exc.kind != "nothing_to_speak":
            _warn(str(exc))
    except CommandError as exc:
        _warn(str(exc))
    return OK


def _speak(event: AgentEvent, options: argparse.Namespace) -> None:
    """Send it to the bot, with the project if it is another one than before.

    Raises:
        CommandError: the bot is not running, or refuses.
    """
    body = {
        "input": event.message[:_MAX_TEXT_CHARS],
        "max_s": options.max_seconds,
        "after": event.waits_for[:_MAX_NEED_CHARS],
        "priority": "urgent" if options.urgent else "normal",
        "expires_s": _EXPIRES_S,
        "replace": f"hook {event.project}"[:_MAX_KEY_CHARS],
    }
    if options.voice:
        body["voice"] = options.voice
    named = data_dir() / _PROJECT_FILE
    if event.project and event.project != _read(named):
        body["before"] = f"{event.project[:_MAX_NAME_CHARS]}:"
    Client(options.client).call("POST", "/v1/audio/excerpt", body, timeout_s=_ANSWER_TIMEOUT_S)
    if "before" in body:
        with suppress(OSError, UnicodeError):  # it is named once more
            write_private(named, event.project)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _warn(reason: str) -> None:
    print(f"crier hook: {reason}", file=sys.stderr)


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{given!r} is no number of seconds up to 3600")
    return seconds
