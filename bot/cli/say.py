"""`crier say`: a text from the command line to the loudspeaker, or into a file."""

import argparse
import contextlib
import shutil
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bot.clean import clean_line, raw
from bot.client import Client, ClientError
from bot.errors import FAILED, OK, UsageError

MAX_TEXT_CHARS = 60_000
"""What the bot takes as one message; a test compares."""

_FORMATS = {".wav": "wav", ".mp3": "mp3", ".flac": "flac", ".opus": "opus"}
_SENT = {"wav": "pcm"}
_SAMPLE_RATE_HZ = 24_000  # mono, 16 bit. Source: OpenAI's description of pcm, which the bot follows
_SLOWEST, _FASTEST = 0.5, 2.0
_HOW = 'Like this: crier say "Dinner is ready.", or: make 2>&1 | tail -1 | crier say'


def say_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `say` takes."""
    parser.epilog = (
        "Returns as soon as the text is stored and queued, unless told to wait. "
        "Exit codes: 0 done (with --wait: heard to the end), 1 failed, 2 wrong usage."
    )
    add = parser.add_argument
    add("text", nargs="*", metavar="TEXT", help="what to say; - or nothing: what is piped in")
    file = add("--file", action="append", type=Path, default=[], metavar="FILE", help="say a file")
    add("--voice", default="", metavar="NAME", help="one of `crier voices`")
    add("--speed", type=_speed, metavar="FACTOR", help=f"{_SLOWEST} to {_FASTEST}; 1 is as usual")
    add("--lang", default="", metavar="CODE", help="the language, such as en-gb")
    add("--urgent", action="store_true", help="say it next, after the sentence that sounds")
    add("--chime", action="store_true", help="sound a chime before it")
    add("--client", default="command line", metavar="NAME", help="who says so, for the history")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--wait", action="store_true", help="wait until it was heard")
    out = where.add_argument(
        "--out", type=Path, metavar="FILE", help="write a .wav, .mp3, .flac, .opus"
    )
    where.add_argument("--standalone", action="store_true", help="speak here, without the bot")
    for option in (file, out):  # what `completion` asks for
        option.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]


def say(options: argparse.Namespace) -> int:
    """Have a text said."""
    if options.standalone:
        from bot.cli import standalone  # noqa: PLC0415  # loads the model

        return standalone.say(_text_of(options), options)
    client = Client(options.client)  # before a pipe is read that may take its time
    text = _text_of(options)
    manner = {"voice": options.voice, "speed": options.speed, "lang": options.lang}
    order: dict[str, Any] = {name: value for name, value in manner.items() if value}
    if options.out is not None:
        if options.urgent or options.chime:
            raise UsageError("--urgent and --chime are for the loudspeaker, not for a file.")
        return _write(client, text, order, options.out)
    order["priority"] = "urgent" if options.urgent else "normal"
    if options.chime:  # else as the settings say
        order["chime"] = True
    parts = split(text)
    if options.wait:
        return wait_for(client, parts, order)
    places = [_queue(client, part, order)["position"] for part in parts]
    if sys.stderr.isatty():
        queued = f"Queued; {places[0] - 1} before it." if places[0] > 1 else "Queued."
        _tell(f"{queued} {_why_silent(client, urgent=options.urgent)}".rstrip())
    return OK


def _why_silent(client: Client, *, urgent: bool) -> str:
    """Return why nothing will be heard for a while; empty where it will."""
    now = client.get("/v1/status")
    quiet = "" if urgent else now["quiet"]
    paused = "It is paused; `crier resume` goes on." if now["paused"] else ""
    return str(quiet or now["blocked"] or paused)


def _queue(client: Client, text: str, order: dict[str, Any]) -> dict[str, Any]:
    return client.call("POST", "/v1/audio/speak", {"input": text, **order})


def _speed(given: str) -> float:
    try:
        speed = float(given)
    except ValueError:
        speed = 0.0
    if not _SLOWEST <= speed <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{given!r} is not between {_SLOWEST} and {_FASTEST}")
    return speed


# ---- the text ----


def _text_of(options: argparse.Namespace) -> str:
    """Return what shall be said: words, files and a pipe, in this order, a paragraph each.

    Raises:
        UsageError: there is nothing, or a file can't be read.
    """
    words = [word for word in options.text if word != "-"]
    texts = [" ".join(words), *map(_read, options.file)]
    if "-" in options.text or not (words or options.file or sys.stdin.isatty()):
        texts.append(sys.stdin.buffer.read().decode("utf-8-sig", errors="replace"))
    text = "\n\n".join(text.strip() for text in texts if text.strip())
    if not text:
        raise UsageError(f"There is nothing to say. {_HOW}")
    return text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise UsageError(f"{path} can't be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{path} is not a text file in UTF-8, so it can't be said.") from exc


def split(text: str) -> list[str]:
    """Return a text in parts that the bot takes, cut at ends of lines, or else between words."""
    parts = []
    while len(text) > MAX_TEXT_CHARS:
        head = text[:MAX_TEXT_CHARS]
        end = head.rfind("\n") + 1 or head.rfind(" ") + 1 or MAX_TEXT_CHARS
        parts.append(text[:end])
        text = text[end:]
    return [part for part in (*parts, text) if part.strip()]


# ---- waiting ----


def wait_for(client: Client, parts: list[str], order: dict[str, Any]) -> int:
    """Have a text said, and return when it was heard, or when it is known that it won't be."""
    ids: list[int] = []
    try:
        with client.events() as events:
            next(events)  # the present status: from now on nothing is missed
            ids += (_queue(client, part, order)["id"] for part in parts)
            return _follow(events, ids)
    except KeyboardInterrupt:
        if ids:
            _complain(
                "Not waiting any more. The message stays in the queue; `crier skip` or "
                "`crier stop` ends it."
            )
        return FAILED
    finally:
        _clear_line()


def _follow(events: Iterator[tuple[str, dict[str, Any]]], ids: list[int]) -> int:
    """Show what becomes of messages, and return the exit code once all have ended."""
    waiting = set(ids)
    why_not = left_out = ""
    for name, fact in events:
        if fact.get("id") not in waiting:
            continue
        match name:
            case "queued" if fact["position"] > 1:
                _show(f"Waiting; {fact['position'] - 1} before it")
            case "sounding":
                _show(fact["text"])
            case "held":
                _complain(f"Not heard yet: {fact['reason']}")
                return FAILED
            case "ended":
                waiting.discard(fact["id"])
                if fact["outcome"] == "heard":
                    left_out = left_out or fact["reason"]
                else:
                    why_not = why_not or fact["reason"] or f"it was {fact['outcome']}."
        if not waiting:
            break
    if why_not:
        _complain(f"Not heard to the end: {why_not}")
        return FAILED
    _tell(f"Heard to the end. {left_out}".strip())
    return OK


def _tell(text: str) -> None:
    """Say something to a person; a script gets the exit code alone."""
    if sys.stderr.isatty():
        _complain(text)


def _complain(text: str) -> None:
    """Say something that a script's log shall have too."""
    _clear_line()
    print(text, file=sys.stderr)


def _show(text: str) -> None:
    """Show what happens now, in one line that is written over and over."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        line = clean_line(" ".join(text.split()))
        _clear_line()
        print(line[:width], end="", file=sys.stderr, flush=True)


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=raw(sys.stderr), flush=True)


# ---- a file ----


def _write(client: Client, text: str, order: dict[str, Any], path: Path) -> int:
    """Write a text as sound; the file appears when it is whole."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"--out {path}: its name must end in {', '.join(_FORMATS)}.")
    # A WAV file tells its length in its first bytes, which are sent before that is known.
    order = {"model": "kokoro", "input": text, **order, "response_format": _SENT.get(form, form)}
    if "voice" not in order:  # OpenAI's endpoint knows no usual one
        order["voice"] = client.get("/v1/voices")["default"]
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file, _writing(file, form) as write:
            for sound in client.sound(order):
                write(sound)
                _show(f"{path.name}: {file.tell() / 1000:.0f} kB")
        part.replace(path)
    except OSError as exc:
        raise ClientError(f"{path} can't be written: {exc.strerror}.") from exc
    finally:
        _clear_line()
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    _tell(f"Written: {path}")
    return OK


@contextlib.contextmanager
def _writing(file: BinaryIO, form: str) -> Iterator[Callable[[bytes], object]]:
    """Yield what takes the sound as it comes."""
    if form != "wav":
        yield file.write
        return
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, _SAMPLE_RATE_HZ, 0, "NONE", ""))
        yield wav.writeframesraw
