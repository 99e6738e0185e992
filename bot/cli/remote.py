"""The commands that control the running bot or show its state, with one or two requests each."""

import argparse
import datetime as dt
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

from bot.clean import clean_line
from bot.cli.main import parser_for
from bot.cli.say import LOUDEST_PERCENT, percent, speak_and_wait, speed_factor
from bot.client import Client, NotRunningError
from bot.core.quiet_hours import FOR_GOOD, mute_s
from bot.errors import FAILED, OK, UsageError

_SHORT_CHARS = 50


def stop(_: argparse.Namespace) -> int:
    """Stop speaking and drop all waiting messages."""
    stopped = Client().call("POST", "/v1/audio/stop")["stopped"]
    messages = "1 message was" if stopped == 1 else f"{stopped} messages were"
    print(f"Silent. {messages} cut or dropped." if stopped else "Silent. Nothing was waiting.")
    return OK


def skip_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `skip`."""
    parser.add_argument(
        "id", nargs="?", type=int, metavar="ID", help="another message than the one being spoken"
    )


def skip(options: argparse.Namespace) -> int:
    """Skip to the next message."""
    answer = Client().call("POST", "/v1/audio/skip", {"id": options.id})
    print("Skipped." if answer["skipped"] else "There is nothing to skip.")
    return OK if answer["skipped"] else FAILED


def pause(_: argparse.Namespace) -> int:
    """Pause; nothing is lost."""
    Client().call("POST", "/v1/audio/pause")
    print("Paused. `crier resume` goes on.")
    return OK


def resume(_: argparse.Namespace) -> int:
    """Continue after a pause."""
    Client().call("POST", "/v1/audio/resume")
    print("Going on.")
    return OK


# ---- quiet, volume, speed ----


def mute_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `mute`."""
    parser.epilog = "What comes meanwhile is kept, and said after `crier unmute`."
    parser.add_argument(
        "time", nargs="*", metavar="TIME", help="such as 1h, or: until 7:00; left out: until unmute"
    )


def mute(options: argparse.Namespace) -> int:
    """Keep quiet for a while, or until `unmute`."""
    span_s = mute_s(" ".join(options.time), dt.datetime.now().astimezone())
    if span_s is None:
        raise UsageError(
            "For how long? Such as: crier mute 1h, crier mute until 7:00, or crier mute alone."
        )
    quiet = Client().call(
        "POST", "/v1/audio/mute", {"for_s": None if span_s == FOR_GOOD else span_s}
    )["quiet"]
    print(f"{quiet.replace('/unmute', '`crier unmute`')} What comes meanwhile is kept.")
    return OK


def unmute(_: argparse.Namespace) -> int:
    """End a mute, and say what was kept."""
    quiet = Client().call("POST", "/v1/audio/unmute")["quiet"]
    print(f"Unmuted. {quiet}".strip())
    return OK


def volume_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `volume`."""
    parser.add_argument(
        "percent",
        nargs="?",
        type=percent,
        metavar="PERCENT",
        help=f"0 to {LOUDEST_PERCENT}, on top of the computer's; left out: show it",
    )


def volume(options: argparse.Namespace) -> int:
    """Show the volume, or set it."""
    client = Client()
    if options.percent is None:
        print(f"The volume is {client.get('/v1/volume')['percent']} %.")
    else:
        now = client.call("PUT", "/v1/volume", {"percent": options.percent})
        print(f"Volume {now['percent']} %.")
    return OK


def speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `speed`."""
    parser.epilog = "People choose theirs in the chat."
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "speed",
        nargs="?",
        type=speed_factor,
        metavar="FACTOR",
        help="0.5 to 2, of what programs send; left out: show it",
    )
    which.add_argument("--reset", action="store_true", help="as in the settings")


def speed(options: argparse.Namespace) -> int:
    """Show the speed of what programs send, or set it."""
    client = Client()
    if options.speed is None and not options.reset:
        print(f"The speed is {client.get('/v1/speed')['speed']:g}.")
    else:
        now = client.call("PUT", "/v1/speed", {"speed": options.speed})
        print(f"Speed {now['speed']:g}, from the next message on.")
    return OK


# ---- status ----


def status_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `status`."""
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def status(options: argparse.Namespace) -> int:
    """Show what the bot is doing."""
    client = Client()
    now = client.get("/v1/status")
    if options.json:
        print(json.dumps(now, indent=2, ensure_ascii=False))
        return OK
    items = client.get("/v1/queue")["items"] if now["speaking"] or now["waiting"] else []
    _print_columns(_status_rows(now, items))
    return OK


def _status_rows(now: dict[str, Any], items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    text = next((item["text"] for item in items if item["id"] == now["speaking_id"]), "")
    if now["paused"]:
        doing = "paused; `crier resume` goes on"
    elif now["speaking"]:
        short = textwrap.shorten(text, _SHORT_CHARS, placeholder="…")
        doing = f"speaking, {_duration(now['left_s'])} left" + (f": {short}" if short else "")
    else:
        doing = "silent"
    polling = now["polling"]
    source = polling.get("source", "Telegram").removeprefix("The ").capitalize()
    last_contact = f", last heard of {_duration(polling['age_s'])} ago"
    first = now["first_sound_ms"]
    rows = [
        ("Now", doing),
        ("Waiting", str(now["waiting"] or "nothing")),
        ("Device", now["device"] or "not used yet"),
        ("Voice", f"{now['voice']}, volume {now['volume']} %"),
        ("First sound", "not known yet" if first is None else f"after {first} ms"),
        ("Underruns", str(now["underruns"] or "none")),
        (source, ("connected" if polling["ok"] else "not connected") + last_contact),
        ("Version", now["version"]),
    ]
    if now["quiet"]:
        rows.append(("Quiet", now["quiet"]))
    if now["last_error"]:
        rows.append(("Last error", now["last_error"]))
    return rows + [("Warning", warning) for warning in now["warnings"]]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# ---- devices ----


def devices_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `devices`."""
    parser.epilog = "A choice overrides AUDIO_DEVICE until --follow."
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "name", nargs="?", metavar="NAME", help="use this one; a part of its name will do"
    )
    which.add_argument("--choose", action="store_true", help="choose from a list")
    which.add_argument("--follow", action="store_true", help="use the system's default")


def devices(options: argparse.Namespace) -> int:
    """List the output devices, or choose one."""
    choosing = options.name or options.choose or options.follow
    try:
        client = Client()
        available = client.get("/v1/devices")
    except NotRunningError:
        if choosing:
            raise
        from bot.cli import run  # noqa: PLC0415  # asks PortAudio itself

        return run.devices(options)
    names = [device["name"] for device in available["outputs"]]
    if not choosing:
        if not names:
            print("There is no output device.", file=sys.stderr)
            return FAILED
        _print_columns((device["name"], _remarks(device)) for device in available["outputs"])
        if available["warning"]:
            print(available["warning"], file=sys.stderr)
        return OK
    name = ""  # the system's default
    if options.choose:
        name = _ask_device(names, available["wanted"])
    elif options.name:
        name = _match_device(options.name, names)
    client.call("PUT", "/v1/device", {"name": name})
    print(f"Sound goes to {name}." if name else "Sound follows the system's default.")
    return OK


def _remarks(device: dict[str, Any]) -> str:
    remarks = {"is_default": "the system's default", "in_use": "in use"}
    return ", ".join(remark for key, remark in remarks.items() if device[key])


def _match_device(wanted: str, names: list[str]) -> str:
    """Return the device whose name is, or contains, *wanted*.

    Raises:
        UsageError: there is none, or there are several.
    """
    exact = [name for name in names if name.casefold() == wanted.casefold()]
    matches = exact or [name for name in names if wanted.casefold() in name.casefold()]
    if len(matches) != 1:
        count = f"{len(matches)} devices have" if matches else "No device has"
        listed = ", ".join(matches or names)
        raise UsageError(f"{count} {wanted!r} in the name. There are: {listed}.")
    return matches[0]


def _ask_device(names: list[str], current: str) -> str:
    """Return the device that the person chooses; an empty name follows the system's default.

    Args:
        names: of the devices.
        current: the choice that Enter confirms.

    Raises:
        KeyboardInterrupt: Ctrl-C or Ctrl-D.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--choose asks in a terminal. Elsewhere: crier devices NAME")
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent  # noqa: PLC0415  # slow
    from prompt_toolkit.shortcuts import choice  # noqa: PLC0415  # slow to import

    keys = KeyBindings()

    @keys.add("c-d")
    def _leave(event: KeyPressEvent) -> None:
        event.app.exit(exception=KeyboardInterrupt())

    options = [(name, clean_line(name)) for name in names] + [("", "Follow the system's default")]
    return choice(
        "Where shall sound go?",
        options=options,
        default=current if current in names else "",
        key_bindings=keys,
    )


# ---- voices ----


def voices_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `voices`."""
    parser.add_argument("--preview", metavar="NAME", help="play one on the loudspeaker")


def voices(options: argparse.Namespace) -> int:
    """List the voices by language, or play one."""
    # Imported here, since they import numpy.
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
    style = {"voice": voice, "lang": language_of(voice), "speed": 1.0}
    return speak_and_wait(Client("preview"), [introduction(voice)], style)


# ---- reminders ----


def reminders_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `reminders`."""
    parser.epilog = 'Set one like this: crier say --at 18:30 "Dinner is ready."'
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--delete", type=int, metavar="ID", help="delete one")
    which.add_argument("--pause", type=int, metavar="ID", help="keep one without saying it")
    which.add_argument("--resume", type=int, metavar="ID", help="say it again from its next time")
    which.add_argument("--json", action="store_true", help="everything, for programs")


def reminders(options: argparse.Namespace) -> int:
    """List what is said later, or delete, pause or resume one."""
    client = Client()
    if options.delete is not None:
        client.call("DELETE", f"/v1/reminders/{options.delete}")
        print("Deleted.")
        return OK
    if options.pause is not None:
        client.call("POST", f"/v1/reminders/{options.pause}/pause")
        print("Paused.")
        return OK
    if options.resume is not None:
        print(f"{client.call('POST', f'/v1/reminders/{options.resume}/resume')['when']}.")
        return OK
    items = client.get("/v1/reminders")["items"]
    if options.json:
        print(json.dumps(items, indent=2, ensure_ascii=False))
    elif items:
        _print_columns((f"{item['id']}", _shown_reminder(item)) for item in items)
    else:
        print('No reminders. Set one like this: crier say --at 18:30 "Dinner is ready."')
    return OK


def _shown_reminder(item: dict[str, Any]) -> str:
    room = f" ({item['room']})" if item.get("room") else ""
    return f"{item['when']}{' (paused)' * item['paused']}: {item['text']}{room}"


# ---- page, completion ----


def page(_: argparse.Namespace) -> int:
    """Open the page in the browser."""
    import webbrowser  # noqa: PLC0415  # for this command alone

    url = Client().page_url()
    if not webbrowser.open(url):
        print(f"Open this in a browser within a minute; it works once:\n{url}")
    return OK


def completion_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `completion`."""
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
    """Print rows of two columns, of which the second is wrapped."""
    rows = [(clean_line(name), clean_line(text)) for name, text in rows]
    first_width = max(len(name) for name, _ in rows) + 2
    width = max(shutil.get_terminal_size().columns - 1, first_width + 30)
    for name, text in rows:
        indent = " " * first_width
        print(
            textwrap.fill(
                text, width, initial_indent=name.ljust(first_width), subsequent_indent=indent
            )
            if text
            else name
        )
