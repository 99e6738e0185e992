"""The commands that ask the running bot something and end: all that steers, shows and chooses."""

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

from bot.clean import clean_line
from bot.cli.main import parser_for
from bot.cli.say import wait_for
from bot.client import Client, NotRunningError
from bot.errors import FAILED, OK, UsageError

_SHORT_CHARS = 50


def stop(_: argparse.Namespace) -> int:
    """Be silent now, and forget what waits."""
    stopped = Client().call("POST", "/v1/audio/stop")["stopped"]
    one = "1 message was" if stopped == 1 else f"{stopped} messages were"
    print(f"Silent. {one} cut or dropped." if stopped else "Silent. Nothing was waiting.")
    return OK


def skip_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `skip` takes."""
    parser.add_argument("id", nargs="?", type=int, metavar="ID", help="another than what sounds")


def skip(options: argparse.Namespace) -> int:
    """Go on with the next message."""
    answer = Client().call("POST", "/v1/audio/skip", {"id": options.id})
    print("Skipped." if answer["skipped"] else "There is nothing to skip.")
    return OK if answer["skipped"] else FAILED


def pause(_: argparse.Namespace) -> int:
    """Be silent now, and keep everything."""
    Client().call("POST", "/v1/audio/pause")
    print("Paused. `crier resume` goes on.")
    return OK


def resume(_: argparse.Namespace) -> int:
    """Go on where it was paused."""
    Client().call("POST", "/v1/audio/resume")
    print("Going on.")
    return OK


# ---- status ----


def status_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `status` takes."""
    parser.add_argument("--json", action="store_true", help="all of it, for programs")


def status(options: argparse.Namespace) -> int:
    """Show what the bot is doing."""
    client = Client()
    now = client.get("/v1/status")
    if options.json:
        print(json.dumps(now, indent=2, ensure_ascii=False))
        return OK
    items = client.get("/v1/queue")["items"] if now["speaking"] or now["waiting"] else []
    _print_columns(_glance(now, items))
    return OK


def _glance(now: dict[str, Any], items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    said = next((item["text"] for item in items if item["id"] == now["speaking_id"]), "")
    if now["paused"]:
        doing = "paused; `crier resume` goes on"
    elif now["speaking"]:
        short = textwrap.shorten(said, _SHORT_CHARS, placeholder="…")
        doing = f"speaking, {_lasts(now['left_s'])} left" + (f": {short}" if short else "")
    else:
        doing = "silent"
    polling = now["polling"]
    seen = f", last heard of {_lasts(polling['age_s'])} ago"
    first = now["first_sound_ms"]
    rows = [
        ("Now", doing),
        ("Waiting", str(now["waiting"] or "nothing")),
        ("Device", now["device"] or "not used yet"),
        ("Voice", f"{now['voice']}, volume {now['volume']} %"),
        ("First sound", "not known yet" if first is None else f"after {first} ms"),
        ("Telegram", ("connected" if polling["ok"] else "not connected") + seen),
        ("Version", now["version"]),
    ]
    if now["quiet"]:
        rows.append(("Quiet", now["quiet"]))
    if now["last_error"]:
        rows.append(("Last error", now["last_error"]))
    return rows + [("Warning", warning) for warning in now["warnings"]]


def _lasts(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# ---- devices ----


def devices_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `devices` takes."""
    parser.epilog = "A choice outranks AUDIO_DEVICE until the system is followed again."
    which = parser.add_mutually_exclusive_group()
    which.add_argument("name", nargs="?", metavar="NAME", help="use this one; a part will do")
    which.add_argument("--choose", action="store_true", help="use one of a list")
    which.add_argument("--follow", action="store_true", help="use the system's default")


def devices(options: argparse.Namespace) -> int:
    """List where sound can go, or choose."""
    choosing = options.name or options.choose or options.follow
    try:
        client = Client()
        found = client.get("/v1/devices")
    except NotRunningError:
        if choosing:
            raise
        from bot.cli import run  # noqa: PLC0415  # asks PortAudio itself

        return run.devices(options)
    names = [device["name"] for device in found["outputs"]]
    if not choosing:
        if not names:
            print("There is no output device.", file=sys.stderr)
            return FAILED
        _print_columns((device["name"], _notes(device)) for device in found["outputs"])
        if found["warning"]:
            print(found["warning"], file=sys.stderr)
        return OK
    name = ""  # the system's default
    if options.choose:
        name = _ask(names)
    elif options.name:
        name = _named(options.name, names)
    client.call("PUT", "/v1/device", {"name": name})
    print(f"Sound goes to {name}." if name else "Sound follows the system's default.")
    return OK


def _notes(device: dict[str, Any]) -> str:
    notes = {"is_default": "the system's default", "in_use": "in use"}
    return ", ".join(words for key, words in notes.items() if device[key])


def _named(wanted: str, names: list[str]) -> str:
    """Return the device that is meant.

    Raises:
        UsageError: there is none of that name, or several.
    """
    exact = [name for name in names if name.casefold() == wanted.casefold()]
    found = exact or [name for name in names if wanted.casefold() in name.casefold()]
    if len(found) != 1:
        what = f"{len(found)} devices have" if found else "No device has"
        raise UsageError(f"{what} {wanted!r} in the name. There are: {', '.join(found or names)}.")
    return found[0]


def _ask(names: list[str]) -> str:
    """Let a person choose; an empty name follows the system."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--choose asks in a terminal. Elsewhere: crier devices NAME")
    from prompt_toolkit.shortcuts import choice  # noqa: PLC0415  # slow to import

    options = [(name, clean_line(name)) for name in names] + [("", "Follow the system's default")]
    return choice("Where shall sound go?", options=options)


# ---- voices ----


def voices_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `voices` takes."""
    parser.add_argument("--preview", metavar="NAME", help="hear one at the loudspeaker")


def voices(options: argparse.Namespace) -> int:
    """List the voices by language, or let one be heard."""
    # Imported here, since it brings numpy along.
    from audio.types import UnknownVoiceError  # noqa: PLC0415
    from audio.voices import (  # noqa: PLC0415
        check_voice,
        families,
        introduction,
        language_of,
        voices_of,
    )

    if options.preview is None:
        _print_columns((words, " ".join(voices_of(family))) for family, words in families())
        return OK
    try:
        voice = check_voice(options.preview)
    except UnknownVoiceError as exc:
        raise UsageError(str(exc)) from exc
    order = {"voice": voice, "lang": language_of(voice), "speed": 1.0}
    return wait_for(Client("preview"), [introduction(voice)], order)


# ---- page, completion ----


def page(_: argparse.Namespace) -> int:
    """Open the page in the browser."""
    import webbrowser  # noqa: PLC0415  # for this command alone

    url = Client().page_url()
    if not webbrowser.open(url):
        print(f"Open this in a browser within a minute; it works once:\n{url}")
    return OK


def completion_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `completion` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = textwrap.dedent("""\
        bash: write it where bash-completion looks
            crier completion bash > ~/.local/share/bash-completion/completions/crier
        or add this line to ~/.bashrc, after the one that puts crier on the PATH
            source <(crier completion bash)
        zsh: add these lines to ~/.zshrc
            autoload -Uz compinit && compinit
            eval "$(crier completion zsh)"
        """)
    parser.add_argument("shell", choices=("bash", "zsh"))


def completion(options: argparse.Namespace) -> int:
    """Print a script that completes commands and options."""
    import shtab  # noqa: PLC0415  # for this command alone

    print(shtab.complete(parser_for(None), options.shell))
    return OK


def _print_columns(rows: Iterable[tuple[str, str]]) -> None:
    """Print rows of two columns; what is too long goes on below itself."""
    rows = [(clean_line(name), clean_line(words)) for name, words in rows]
    left = max(len(name) for name, _ in rows) + 2
    width = max(shutil.get_terminal_size().columns - 1, left + 30)
    for name, words in rows:
        indent = " " * left
        print(
            textwrap.fill(words, width, initial_indent=name.ljust(left), subsequent_indent=indent)
            if words
            else name
        )
