"""`crier say`: speaks a text on the loudspeaker, or writes it as sound into a file."""

import argparse
import codecs
import contextlib
import os
import select
import shutil
import sys
import time
import urllib.parse
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bot.chat.encodings import decode_text
from bot.clean import clean_line, raw
from bot.client import Client, ClientError
from bot.core.quiet_hours import span_s
from bot.errors import FAILED, OK, UsageError

MAX_TEXT_CHARS = 60_000
"""The longest text of one message, as in `bot.http.schemas`, which is slow to import."""

_FORMATS = {".wav": "wav", ".mp3": "mp3", ".flac": "flac", ".opus": "opus"}
_REQUESTED_FORMATS = {"wav": "pcm"}
_SAMPLE_RATE_HZ = 24_000  # mono, 16 bit. Source: OpenAI's description of pcm, which the bot follows
_SLOWEST, _FASTEST = 0.5, 2.0
LOUDEST_PERCENT = 150
"""As in `bot.core.output`, which is slow to import."""
_AT_ONCE_S = 0.3  # a text that is complete so soon is read as a whole
_READ_BYTES = 1 << 16
_EXAMPLE = 'Like this: crier say "Dinner is ready.", or: make 2>&1 | tail -1 | crier say'


def say_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `say`."""
    parser.epilog = (
        "Returns as soon as the text is stored and queued, unless --wait is given. The sentences "
        "of a text that is still being written, as in `llm … | crier say -`, are said as they end. "
        "Exit codes: 0 done (with --wait: heard to the end), 1 failed, 2 wrong usage."
    )
    add = parser.add_argument
    add("text", nargs="*", metavar="TEXT", help="what to say; - or nothing: read stdin")
    file = add(
        "--file",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="say the text of a file",
    )
    add("--voice", default="", metavar="NAME", help="one of `crier voices`")
    add(
        "--speed",
        type=speed_factor,
        metavar="FACTOR",
        help=f"{_SLOWEST} to {_FASTEST}; 1 is normal",
    )
    add("--lang", default="", metavar="CODE", help="the language, such as en-gb")
    add("--urgent", action="store_true", help="say it next, after the current sentence")
    add("--chime", action="store_true", help="play a chime before it")
    add(
        "--expires",
        type=_duration_s,
        metavar="TIME",
        help="begin to say it within this time, such as 90s or 10m, or not at all",
    )
    add(
        "--replace",
        default="",
        metavar="KEY",
        help="take the place of your last text with this key, if it waits",
    )
    add(
        "--volume",
        type=percent,
        metavar="PERCENT",
        help=f"0 to {LOUDEST_PERCENT}, for this text alone",
    )
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--at", metavar="TIME", help='say it then: 18:30, "tomorrow 8:00"')
    later.add_argument("--in", dest="in_", metavar="SPAN", help="say it after a while: 20m, 1h30")
    later.add_argument("--every", metavar="TIMES", help='say it again and again: "weekday 7:15"')
    add("--room", metavar="NAME", help="say it in another room, or everywhere")
    add("--client", default="command line", metavar="NAME", help="the sender's name in the history")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--wait", action="store_true", help="wait until it was heard to the end")
    out = target.add_argument(
        "--out", type=Path, metavar="FILE", help="write a .wav, .mp3, .flac or .opus file"
    )
    target.add_argument(
        "--dry-run", action="store_true", help="show how it would be read; say nothing"
    )
    add("--json", action="store_true", help="with --dry-run: as JSON")
    target.add_argument("--standalone", action="store_true", help="speak here, without the bot")
    for option in (file, out):  # shtab completes file names for these
        option.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]


def say(options: argparse.Namespace) -> int:
    """Speak a text, or write it to a file."""
    if options.json and not options.dry_run:
        raise UsageError("--json is for --dry-run.")
    at = _at(options)
    if options.dry_run:
        from bot.cli import dry_run  # noqa: PLC0415  # slow to import

        return dry_run.say(split(_text_of(options)), options)
    _check_room(options)
    if options.standalone:
        from bot.cli import standalone  # noqa: PLC0415  # loads the model

        return standalone.say(_text_of(options), options)
    client = Client(options.client)  # before stdin is read, which may block for a long time
    request = _style(options)
    if options.out is not None:
        if _turn(options) != {"priority": "normal"}:
            raise UsageError(
                "--urgent, --chime, --expires, --replace and --volume are for the loudspeaker, "
                "not for a file."
            )
        return _write(client, _text_of(options), request, options.out)
    request |= _turn(options)
    if at is not None:
        return _remind(client, _text_of(options), {**request, "at": at})
    return _say_now(client, request, options)


def _say_now(client: Client, request: dict[str, Any], options: argparse.Namespace) -> int:
    begun, is_whole = _read_at_once() if _is_piped(options) else (b"", True)
    if not is_whole and _is_utf_8(begun):
        return _say_while_written(client, begun, request, wait=options.wait)
    parts = split(_text_of(options, begun))
    if len(parts) > 1 and (options.expires or options.replace):
        # The later parts would expire during the first, or replace it.
        raise UsageError(
            f"--expires and --replace are for texts of at most {MAX_TEXT_CHARS} characters."
        )
    if options.wait:
        return speak_and_wait(client, parts, request)
    positions = [_queue(client, part, request)["position"] for part in parts]
    if sys.stderr.isatty():
        queued = f"Queued; {positions[0] - 1} before it." if positions[0] > 1 else "Queued."
        silence = "" if options.room else _silence_reason(client, urgent=options.urgent)
        _print_to_person(f"{queued} {silence}".rstrip())
    return OK


def _style(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a request that say how the text sounds."""
    style = {"voice": options.voice, "speed": options.speed, "lang": options.lang}
    return {name: value for name, value in style.items() if value}


def _turn(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a request that say when the loudspeaker plays it, and how loud."""
    fields = {
        "priority": "urgent" if options.urgent else "normal",
        "chime": options.chime or None,  # None: as in the settings
        "expires_s": options.expires,
        "replace": options.replace or None,
        "volume": options.volume,
        "room": options.room,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _at(options: argparse.Namespace) -> str | None:
    """Return when to say it, as the bot understands it; None: now."""
    given = {"": options.at, "in ": options.in_, "every ": options.every}
    at = next((f"{word}{time}" for word, time in given.items() if time is not None), None)
    if at is not None and (options.wait or options.out or options.dry_run or options.standalone):
        raise UsageError("What is said later can't be waited for, written or shown now.")
    return at


def _remind(client: Client, text: str, request: dict[str, Any]) -> int:
    """Set a reminder; print what was understood."""
    if len(text) > MAX_TEXT_CHARS:
        raise UsageError(f"What is said later may have {MAX_TEXT_CHARS} characters.")
    reminder = _queue(client, text, request)
    _print_to_person(f"{reminder['when']}. `crier reminders` lists it, and deletes it.")
    return OK


def _check_room(options: argparse.Namespace) -> None:
    if options.room is not None and (options.standalone or options.out is not None):
        raise UsageError("--room is for a loudspeaker of another room, through the bot.")


def _silence_reason(client: Client, *, urgent: bool) -> str:
    """Return why nothing will be heard for a while; empty if it will."""
    now = client.get("/v1/status")
    quiet = "" if urgent else now["quiet"]
    paused = "It is paused; `crier resume` goes on." if now["paused"] else ""
    return str(quiet or now["blocked"] or paused)


def _queue(client: Client, text: str, request: dict[str, Any]) -> dict[str, Any]:
    return client.call("POST", "/v1/audio/speak", {"input": text, **request})


def speed_factor(given: str) -> float:
    """Return a speed.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        speed = float(given)
    except ValueError:
        speed = 0.0
    if not _SLOWEST <= speed <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{given!r} is not between {_SLOWEST} and {_FASTEST}")
    return speed


def _duration_s(given: str) -> float:
    seconds = None if given[-1:].isdecimal() else span_s(given)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{given!r} is not a time such as 90s, 10m or 2h")
    return seconds


def percent(given: str) -> int:
    """Return a volume.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    number = given.removesuffix("%").strip()
    if not (number.isascii() and number.isdecimal()) or int(number) > LOUDEST_PERCENT:
        raise argparse.ArgumentTypeError(f"{given!r} is not between 0 and {LOUDEST_PERCENT}")
    return int(number)


# ---- a text that is still being written ----


def _is_piped(options: argparse.Namespace) -> bool:
    """Return whether the text comes from stdin alone; one for a room is read as a whole."""
    if options.room is not None:
        return False
    words = [word for word in options.text if word != "-"]
    return not (words or options.file) and ("-" in options.text or not sys.stdin.isatty())


def _read_at_once() -> tuple[bytes, bool]:
    """Read what comes from stdin within a moment; return it, and whether that is all.

    A text that is there at once is read as a whole, for its tables, quotes and wrapped lines.
    """
    content, until_s = bytearray(), 0.0
    while not content or (left_s := until_s - time.monotonic()) > 0:
        if content and not select.select([sys.stdin], [], [], left_s)[0]:
            break
        part = os.read(sys.stdin.fileno(), _READ_BYTES)
        if not part:
            return bytes(content), True
        until_s = until_s or time.monotonic() + _AT_ONCE_S
        content += part
    return bytes(content), False


def _is_utf_8(begun: bytes) -> bool:
    """Return whether the beginning of a text is UTF-8; the last letter may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begun)
    except UnicodeDecodeError:
        return False
    return b"\0" not in begun


def _say_while_written(client: Client, begun: bytes, request: dict[str, Any], *, wait: bool) -> int:
    """Speak the sentences of stdin as they end; return the exit code."""
    fields = {name: str(value) for name, value in request.items()} | {"wait": str(wait)}
    path = f"/v1/audio/speak?{urllib.parse.urlencode(fields)}"
    try:
        answer = client.send_text(path, begun, sys.stdin.fileno())
    except KeyboardInterrupt:
        _print_error(
            "Not reading any more. What was read stays in the queue; `crier skip` or "
            "`crier stop` ends it."
        )
        return FAILED
    match answer.get("outcome"):
        case None:
            return OK
        case "heard":
            _print_to_person(f"Heard to the end. {answer['reason']}".strip())
            return OK
        case "held":
            _print_error(f"Not heard yet: {answer['reason']}")
        case outcome:
            _print_error(f"Not heard to the end: {answer['reason'] or f'it was {outcome}.'}")
    return FAILED


# ---- the text ----


def _text_of(options: argparse.Namespace, begun: bytes = b"") -> str:
    """Return the text to speak: arguments, files and stdin, in this order, a paragraph each.

    Args:
        options: of the command.
        begun: what has been read from stdin already.

    Raises:
        UsageError: there is none, or a file can't be read.
    """
    words = [word for word in options.text if word != "-"]
    texts = [" ".join(words), *map(_read, options.file)]
    if "-" in options.text or not (words or options.file or sys.stdin.isatty()):
        texts.append(decode_text(begun + sys.stdin.buffer.read()))
    text = "\n\n".join(text.strip() for text in texts if text.strip())
    if not text:
        raise UsageError(f"There is nothing to say. {_EXAMPLE}")
    return text


def _read(path: Path) -> str:
    try:
        text = decode_text(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"{path} can't be read: {exc.strerror}.") from exc
    if "\0" in text:
        raise UsageError(f"{path} is not a text file, so it can't be said.")
    return text


def split(text: str) -> list[str]:
    """Split a text into parts that the bot accepts, at ends of lines, or else between words."""
    parts = []
    while len(text) > MAX_TEXT_CHARS:
        from audio.text import inline  # noqa: PLC0415  # slow to import, and for a long text alone

        head = inline.cut(text, MAX_TEXT_CHARS)
        end = head.rfind("\n") + 1 or head.rfind(" ") + 1 or len(head)
        parts.append(text[:end])
        text = text[end:]
    return [part for part in (*parts, text) if part.strip()]


# ---- waiting ----


def speak_and_wait(client: Client, parts: list[str], request: dict[str, Any]) -> int:
    """Speak a text, wait until it has been heard or held or has failed; return the exit code."""
    ids: list[int] = []
    try:
        with client.events() as events:
            next(events)  # the current status: from now on no event is missed
            ids += (_queue(client, part, request)["id"] for part in parts)
            return _follow(events, ids)
    except KeyboardInterrupt:
        if ids:
            _print_error(
                "Not waiting any more. The message stays in the queue; `crier skip` or "
                "`crier stop` ends it."
            )
        return FAILED
    finally:
        _clear_line()


def _follow(events: Iterator[tuple[str, dict[str, Any]]], ids: list[int]) -> int:
    """Show what happens to messages; return the exit code when all have ended."""
    waiting = set(ids)
    failure = left_out = ""
    for name, fact in events:
        if fact.get("id") not in waiting:
            continue
        match name:
            case "queued" if fact["position"] > 1:
                _show_progress(f"Waiting; {fact['position'] - 1} before it")
            case "sounding":
                _show_progress(fact["text"])
            case "held":
                _print_error(f"Not heard yet: {fact['reason']}")
                return FAILED
            case "ended":
                waiting.discard(fact["id"])
                if fact["outcome"] == "heard":
                    left_out = left_out or fact["reason"]
                else:
                    failure = failure or fact["reason"] or f"it was {fact['outcome']}."
        if not waiting:
            break
    if failure:
        _print_error(f"Not heard to the end: {failure}")
        return FAILED
    _print_to_person(f"Heard to the end. {left_out}".strip())
    return OK


def _print_to_person(text: str) -> None:
    """Print a line if stderr is a terminal; a script only gets the exit code."""
    if sys.stderr.isatty():
        _print_error(text)


def _print_error(text: str) -> None:
    """Print a line on stderr."""
    _clear_line()
    print(text, file=sys.stderr)


def _show_progress(text: str) -> None:
    """Overwrite the progress line, if stderr is a terminal."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        line = clean_line(" ".join(text.split()))
        _clear_line()
        print(line[:width], end="", file=sys.stderr, flush=True)


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=raw(sys.stderr), flush=True)


# ---- a file ----


def _write(client: Client, text: str, request: dict[str, Any], path: Path) -> int:
    """Write a text as sound; the file appears when it is complete."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"--out {path}: its name must end in {', '.join(_FORMATS)}.")
    # A WAV file begins with its length, which the bot does not know when it starts to send.
    request = {"model": "kokoro", "input": text, **request}
    request["response_format"] = _REQUESTED_FORMATS.get(form, form)
    if "voice" not in request:  # OpenAI's endpoint has no default
        request["voice"] = client.get("/v1/voices")["default"]
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file, _sound_writer(file, form) as write:
            for sound in client.sound(request):
                write(sound)
                _show_progress(f"{path.name}: {file.tell() / 1000:.0f} kB")
        part.replace(path)
    except OSError as exc:
        raise ClientError(f"{path} can't be written: {exc.strerror}.") from exc
    finally:
        _clear_line()
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    _print_to_person(f"Written: {path}")
    return OK


@contextlib.contextmanager
def _sound_writer(file: BinaryIO, form: str) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that appends sound to *file*."""
    if form != "wav":
        yield file.write
        return
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, _SAMPLE_RATE_HZ, 0, "NONE", ""))
        yield wav.writeframesraw
