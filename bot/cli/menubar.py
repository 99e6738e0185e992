"""`crier menubar`: the state and the controls of Crier, for a Mac's menu bar by SwiftBar or xbar.

It runs every few seconds, so it imports little, asks little, and always exits with 0: the programs
show nothing of a plugin that fails. Source of the format: their parsers (SwiftBar's
MenuLineParameters.swift and MenuItemNode.swift, xbar's parse.go and item_params.go). xbar refuses
parameters that it does not know, so SwiftBar's own are for SwiftBar only.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bot.clean import clean_line
from bot.client import Client, ClientError, NotRunningError
from bot.errors import OK
from bot.paths import CHECKOUT

PROGRAM = CHECKOUT / ".venv" / "bin" / "crier"

_TIMEOUT_S = 3.0
_DEVICES_AGE_S = 300.0
"""Making a list closes an idle stream, and searches for devices."""
_LINE_CHARS, _TEXT_CHARS = 90, 50
_VOLUMES = (25, 50, 75, 100, 125, 150)
# A parameter's value ends at its quote; how a backslash in it is read depends on the program.
_UNQUOTABLE = re.compile('["\\\\|\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


class _Symbol(NamedTuple):
    """Stands for a state in the menu bar."""

    sf: str
    """Apple's name of it, which SwiftBar draws."""
    character: str


_IDLE = _Symbol("speaker.wave.1", "🔈")
_SPEAKING = _Symbol("speaker.wave.3.fill", "🔊")
_PAUSED = _Symbol("pause.circle.fill", "⏸")
_QUIET = _Symbol("moon.zzz.fill", "😴")
_TROUBLE = _Symbol("exclamationmark.triangle.fill", "⚠️")
_OFF = _Symbol("speaker.slash", "🔇")


def menubar(_: argparse.Namespace) -> int:
    """Print the menu."""
    for line in menu(draws_symbols="SWIFTBAR" in os.environ):
        print(line)
    return OK


def menu(*, draws_symbols: bool) -> Iterator[str]:
    """Yield the lines of the menu.

    Args:
        draws_symbols: whether Apple's symbols can be drawn, as SwiftBar does.
    """
    try:
        client = Client("menu bar")
        now = client.call("GET", "/v1/status", timeout_s=_TIMEOUT_S)
        waits = now["speaking"] or now["waiting"] or now["quiet"]
        queue = client.call("GET", "/v1/queue", timeout_s=_TIMEOUT_S)["items"] if waits else []
    except NotRunningError:
        symbol, lines = _OFF, _when_off()
    except ClientError as exc:
        symbol, lines = _TROUBLE, iter([_label(str(exc))])
    else:
        symbol, lines = _symbol(now), _when_running(client, now, queue)
    yield f"| sfimage={symbol.sf}" if draws_symbols else symbol.character
    yield "---"
    yield from lines


def _when_off() -> Iterator[str]:
    yield _label("Crier is not running.")
    if _service_file().exists():
        yield _action("Start", "restart")
    else:
        yield _action("Start at login…", "install", terminal=True)


def _service_file() -> Path:
    """Return the file that the service has if it is installed."""
    if sys.platform == "darwin":
        from bot.service.launchd import agent_file  # noqa: PLC0415  # rarely needed

        return agent_file()
    from bot.service.systemd import Systemd  # noqa: PLC0415  # rarely needed

    return Systemd(CHECKOUT).file


def _when_running(
    client: Client, now: dict[str, Any], queue: list[dict[str, Any]]
) -> Iterator[str]:
    yield from map(_label, _state(now, queue))
    yield "---"
    yield _action("Resume", "resume") if now["paused"] else _action("Pause", "pause")
    if queue:
        yield _action("Skip", "skip")
        yield _action("Stop", "stop")
    if now.get("muted"):
        yield _action("Unmute", "unmute")
    else:
        yield _action("Mute for an hour", "mute", "1h")
        yield _action("Mute until I unmute", "mute", alternate=True)
    yield "---"
    path = f"/v1/devices?max_age_s={_DEVICES_AGE_S:.0f}"
    with contextlib.suppress(ClientError):  # the loudspeaker is busy
        yield from _device_menu(client.call("GET", path, timeout_s=_TIMEOUT_S))
    yield _label(f"Volume {now['volume']} %")
    for percent in sorted({*_VOLUMES, now["volume"]}):
        checked = percent == now["volume"]
        yield _action(f"{percent} %", "volume", str(percent), depth=1, checked=checked)
    yield "---"
    yield _action("Open the page", "page", refresh=False)


def _symbol(now: dict[str, Any]) -> _Symbol:
    if now["blocked"]:
        return _TROUBLE
    if now["paused"]:
        return _PAUSED
    if now["speaking"]:
        return _SPEAKING
    if now["quiet"]:
        return _QUIET
    return _TROUBLE if now["warnings"] or not now["polling"]["ok"] else _IDLE


def _state(now: dict[str, Any], queue: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what Crier is doing, in lines."""
    sounding = next((item for item in queue if item["id"] == now["speaking_id"]), None)
    others = len(queue) - (sounding is not None)
    doing = "Speaking" if now["speaking"] else "Silent"
    yield "Paused" if now["paused"] else doing
    if sounding is not None:
        yield f"“{_shortened(sounding['text'], _TEXT_CHARS)}” from {sounding['source']}"
    if others:
        yield "1 message waits" if others == 1 else f"{others} messages wait"
    if now["quiet"]:
        yield now["quiet"].replace("/unmute", "you unmute")
    if not now["polling"]["ok"]:
        yield "Telegram is not connected."
    yield from now["warnings"]


def _device_menu(devices: dict[str, Any]) -> Iterator[str]:
    names = [device["name"] for device in devices["outputs"]]
    wanted = devices["wanted"]
    matching = [name for name in names if wanted and wanted.casefold() in name.casefold()]
    selected = wanted if wanted in names else next(iter(matching), None)
    yield _label("Device")
    yield _action("The system's default", "devices", "--follow", depth=1, checked=not wanted)
    for name in names:
        argument, checked = _argument(name, names), name == selected
        if argument:
            yield _action(name, "devices", "--", argument, depth=1, checked=checked)
        else:
            yield _label(name, depth=1, checked=checked)
    yield _action("Search again", "devices", depth=1)


def _argument(name: str, names: list[str]) -> str:
    """Return what means a device to `crier devices`: its name, or a part without quotes."""
    part = max(_UNQUOTABLE.split(name), key=len).strip()
    matching = [other for other in names if part.casefold() in other.casefold()]
    return part if part == name or len(matching) == 1 else ""


# ---- the format ----


def _label(text: str, *, depth: int = 0, checked: bool = False) -> str:
    """Return a line with a text, which may be anybody's."""
    text = clean_line(_shortened(f"✓ {text}" if checked else text, _LINE_CHARS)).replace("|", "¦")
    # At the beginning of a line hyphens mean a submenu or a separator.
    dashes = len(text) - len(text.lstrip("-"))
    # Without codes for colours and emoji.
    return f"{'--' * depth}{'–' * dashes}{text[dashes:]} | ansi=false emojize=false"


def _action(
    text: str,
    *arguments: str,
    depth: int = 0,
    checked: bool = False,
    terminal: bool = False,
    refresh: bool = True,
    alternate: bool = False,
) -> str:
    """Return a line that runs a command of `crier` when it is clicked."""
    parameters = [f'shell="{PROGRAM}"']
    parameters += [f'param{number}="{value}"' for number, value in enumerate(arguments, 1)]
    parameters += [f"terminal={terminal}".lower(), f"refresh={refresh}".lower()]
    if alternate:
        parameters.append("alternate=true")
    return " ".join([_label(text, depth=depth, checked=checked), *parameters])


def _shortened(text: str, chars: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= chars else f"{line[: chars - 1]}…"
