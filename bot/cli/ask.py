"""`crier ask`: asks people aloud and in their chats, and prints the answer."""

import argparse
import json
import re
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bot.clean import clean_line
from bot.client import Client, ClientError
from bot.errors import FAILED, OK

NO_ANSWER, WITHDRAWN = 3, 4
"""Exit codes beside those of every command: nobody answered in time; it was withdrawn."""

_POLL_S = 50.0
_ANSWER_TIMEOUT_S = 10.0
_RETRY_S = 1.0
_GRACE_S = 120.0
"""How much longer than its time a question is waited for, while the bot is away."""
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")
_MAX_TIMEOUT_S = 24 * 3600.0


def ask_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ask`."""
    parser.epilog = (
        "The answer is on stdout. Exit codes: 0 answered; 1 the answer is no, or it failed, with "
        "nothing on stdout; 2 wrong usage; 3 nobody answered in time; 4 withdrawn, as by Ctrl-C. "
        'So `crier ask "Deploy now?" --options yes,no && deploy` deploys after a yes only.'
    )
    add = parser.add_argument
    add("question", nargs="+", metavar="QUESTION", help="what to ask")
    add(
        "--options",
        type=_options,
        default=[],
        metavar="A,B",
        help="the answers, as buttons; without them people answer in words",
    )
    add(
        "--timeout",
        type=_timeout_s,
        default=600.0,
        metavar="TIME",
        help="how long it can be answered, such as 30s, 10m or 2h; 10m",
    )
    add("--chat", type=int, metavar="ID", help="ask only this person, or this group")
    add("--voice", default="", metavar="NAME", help="one of `crier voices`")
    add("--lang", default="", metavar="CODE", help="the language, such as en-gb")
    add("--urgent", action="store_true", help="say it next, after the current sentence")
    add("--chime", action="store_true", help="play a chime before it")
    add("--client", default="command line", metavar="NAME", help="the sender's name in the history")
    add("--json", action="store_true", help="print everything about the answer, for programs")


def ask(options: argparse.Namespace) -> int:
    """Ask, wait for the answer, print it."""
    request: dict[str, Any] = {
        "input": " ".join(options.question),
        "options": options.options,
        "timeout_s": options.timeout,
        "priority": "urgent" if options.urgent else "normal",
    }
    style = {"voice": options.voice, "lang": options.lang, "chat": options.chat}
    request |= {name: value for name, value in style.items() if value not in ("", None)}
    if options.chime:
        request["chime"] = True
    answer = ask_people(options.client, request, withdraw_on_interrupt=True)
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif answer["status"] == "answered":
        print(clean_line(answer["answer"]))
    else:
        late = "Nobody answered in time."
        print(late if answer["status"] == "timeout" else answer["reason"], file=sys.stderr)
    return exit_code(answer)


def exit_code(answer: dict[str, Any]) -> int:
    """Return the exit code for an answer."""
    if answer["status"] != "answered":
        return NO_ANSWER if answer["status"] == "timeout" else WITHDRAWN
    is_no = answer["answer"].strip().rstrip(".!").casefold() == "no"
    return FAILED if is_no else OK


def ask_people(
    client: str,
    request: dict[str, Any],
    *,
    withdraw_on_interrupt: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Ask, and return the answer when there is one, also if the bot restarts meanwhile.

    Args:
        client: the name of the program that asks.
        request: the body of `POST /v1/ask`, with its ``timeout_s``.
        withdraw_on_interrupt: whether Ctrl-C withdraws the question.
        sleep: waits for a bot that is away.

    Raises:
        ClientError: the bot is not running, refuses, or is away until the time is over.
    """
    body = {**request, "wait": False}
    answer = Client(client).call("POST", "/v1/ask", body, key=secrets.token_hex(16))
    if sys.stderr.isatty():
        print("Asked; waiting for an answer.", file=sys.stderr)
    path = f"/v1/ask/{answer['id']}"
    until_s = time.monotonic() + request["timeout_s"] + _GRACE_S
    try:
        while answer["status"] == "open":
            try:
                answer = Client(client).call(
                    "GET", f"{path}?wait_s={_POLL_S:.0f}", timeout_s=_POLL_S + _ANSWER_TIMEOUT_S
                )
            except ClientError as exc:
                if not exc.may_pass or time.monotonic() > until_s:
                    raise
                sleep(_RETRY_S)  # it restarts, and keeps the question
    except KeyboardInterrupt:
        if not withdraw_on_interrupt:
            raise
        with suppress(ClientError):
            answer = Client(client).call("POST", f"{path}/withdraw")
    if answer["status"] == "open":  # interrupted while the bot was away
        answer |= {"status": "stopped", "reason": "Interrupted; the question stays in the chat."}
    return answer


def _options(given: str) -> list[str]:
    options = [option.strip() for option in given.split(",") if option.strip()]
    if not options:
        raise argparse.ArgumentTypeError("separate the answers by commas, as in yes,no")
    return options


def _timeout_s(given: str) -> float:
    match = _DURATION.fullmatch(given.strip().lower())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0 < seconds <= _MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"{given!r} is no time up to 24h, such as 30s, 10m or 2h")
    return seconds
