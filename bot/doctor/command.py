"""`crier doctor`: looks at everything, says what is wrong and how to mend it."""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from bot import __version__
from bot.clean import clean, clean_line, raw
from bot.doctor import local, system
from bot.doctor import sound as sound_checks
from bot.doctor.check import (
    CannotLookError,
    Check,
    Context,
    Finding,
    State,
    context,
    fail,
    skip,
)
from bot.errors import FAILED, OK, UsageError
from bot.logs import hide_tokens
from bot.paths import CHECKOUT
from bot.version import commit_of

GROUPS = {
    "This computer": (
        Check("python", local.python),
        Check("packages", local.packages),
        Check("disk", local.disk),
        Check("load", system.load),
    ),
    "Settings and data": (
        Check("settings", local.settings),
        Check("secrets", local.secrets),
        Check("database", local.database),
        Check("people", local.people),
        Check("quiet", local.quiet),
    ),
    "Telegram": (
        Check("telegram", system.telegram),
        Check("clock", system.clock),
    ),
    "The bot that runs": (
        Check("bot", system.bot),
        Check("polling", system.polling),
        Check("warnings", system.running_warnings),
        Check("port", system.port),
        Check("service", system.service),
        Check("priority", system.priority),
        Check("log", local.log),
    ),
    "The voice": (
        Check("models", sound_checks.models, limit_s=60.0),
        Check("espeak", sound_checks.espeak, limit_s=60.0, apart=True),
        Check("synthesis", sound_checks.synthesis, limit_s=180.0, apart=True),
    ),
    "The loudspeaker": (
        Check("portaudio", sound_checks.portaudio, audio=True, apart=True),
        Check("devices", sound_checks.devices, audio=True, apart=True),
        Check("audible", sound_checks.audible, audio=True, apart=True),
        Check("speaking", sound_checks.speaking, limit_s=120.0, audio=True, apart=True),
    ),
}
CHECKS = tuple(check for group in GROUPS.values() for check in group)
_TITLES = {group[0].name: title for title, group in GROUPS.items()}

_SYMBOLS = {State.PASS: "✓", State.WARN: "!", State.FAIL: "✗", State.SKIP: "–"}
_COLOURS = {State.PASS: "green", State.WARN: "yellow", State.FAIL: "red", State.SKIP: "dim"}
_FEWEST_DIGITS = 5  # of a number that may be somebody's id
_FEWEST_LETTERS = 8  # of a message


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--json", action="store_true", help="for programs; plays nothing")
    parser.add_argument(
        "--report", action="store_true", help="as a text for an issue, without any secret"
    )
    sound = parser.add_mutually_exclusive_group()
    sound.add_argument("--sound", action="store_true", help="play the test without asking")
    sound.add_argument(
        "--no-sound", "--quiet", action="store_true", dest="quiet", help="play nothing, don't ask"
    )
    parser.add_argument(
        "--mac", action="store_true", help="what only a Mac can show: devices that come and go"
    )


def doctor(options: argparse.Namespace) -> int:
    """Look at everything."""
    plain = options.json or options.report
    someone = context()
    secrets = Secrets(someone)
    wanted = CHECKS
    if options.mac:
        wanted = _for_a_mac(someone)
    elif not options.quiet:
        someone.sound = options.sound or (not plain and _agreed())
    found = {}
    with _shown(plain=plain, still=options.mac) as show:
        for check, finding in examined(
            someone, wanted, lambda name, what: show(name, secrets.hide(what))
        ):
            found[check.name] = secrets.hidden(finding)
            show(check.name, found[check.name])
    well = all(finding.state is not State.FAIL for finding in found.values())
    if options.json:
        print(json.dumps({"version": __version__, "well": well, "checks": _rows(found)}, indent=2))
    elif options.report:
        print(report(found))
    else:
        print(_summary(found, "doctor --mac" if options.mac else "doctor"))
    return _end(OK if well else FAILED)


def _for_a_mac(someone: Context) -> tuple[Check, ...]:
    """Return what only a Mac can show.

    Raises:
        UsageError: this is none, or nobody is there to help.
    """
    if someone.platform != "darwin":
        raise UsageError(
            "`crier doctor --mac` is for a Mac. `crier doctor` looks at this computer."
        )
    if not sys.stdin.isatty():
        raise UsageError("`crier doctor --mac` needs somebody at a terminal, who switches outputs.")
    from bot.doctor.mac import mac_checks  # noqa: PLC0415  # needs numpy

    def ask(what: str) -> bool:
        return (
            input(f"\n{clean(what)}\nPress Return when that is done, or s and Return to skip it. ")
            == ""
        )

    someone.ask, someone.tell = ask, lambda what: print(f"\n{what}\n", flush=True)
    return mac_checks(someone)


def _end(code: int) -> int:
    """Return the exit code; or end at once, where a check hangs in a thread of its own."""
    if any(thread.name.startswith("check ") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _agreed() -> bool:
    """Ask whether something may sound; not where there is nobody to ask."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        answer = input("Play a tone and a sentence at the end? [Y/n] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("", "y", "yes")


# ---- looking ----


def examined(
    someone: Context,
    wanted: tuple[Check, ...] = CHECKS,
    say: Callable[[str, str], None] = lambda _name, _what: None,
) -> Iterator[tuple[Check, Finding]]:
    """Run checks one after the other, whatever becomes of the others.

    Args:
        someone: whom to look at.
        wanted: the checks.
        say: called with a check's name and what it is doing.
    """
    for check in wanted:
        say(check.name, "")
        someone.say = lambda what, name=check.name: say(name, what)  # type: ignore[misc]
        yield check, look(check, someone)


def look(check: Check, someone: Context) -> Finding:
    """Run one check, which may crash or hang, and may take its process with it."""
    if check.audio and someone.hangs:
        return skip(f"PortAudio hangs; see {someone.hangs}")
    found = _apart(check, someone) if check.apart else _beside(check, someone)
    if found is not None:
        return found
    if not check.audio:
        return fail(
            f"No answer within {check.limit_s:.0f} s.", "Please report it: `crier doctor --report`."
        )
    someone.hangs = check.name
    restart = (
        "`sudo killall coreaudiod`"
        if someone.platform == "darwin"
        else "`systemctl --user restart pipewire pipewire-pulse` or `pulseaudio -k`"
    )
    return fail(
        f"No answer within {check.limit_s:.0f} s.",
        f"Take the loudspeaker out and put it in again, or restart the sound server: {restart}.",
    )


def _guarded(check: Check, someone: Context) -> Finding:
    """Run a check; no traceback is an answer."""
    try:
        return check.look(someone)
    except CannotLookError as exc:
        return skip(str(exc))
    except ImportError as exc:
        return fail(f"{type(exc).__name__}: {exc}.", "`make setup`")
    except Exception as exc:  # noqa: BLE001  # whatever it is, the other checks go on
        return fail(
            f"The check itself failed ({type(exc).__name__}: {exc}).",
            "Please report it: `crier doctor --report`.",
        )


def _beside(check: Check, someone: Context) -> Finding | None:
    """Run a check in a thread; None where it hangs."""
    found: list[Finding] = []
    # A daemon: one that hangs must not keep the doctor from ending.
    thread = threading.Thread(
        target=lambda: found.append(_guarded(check, someone)),
        name=f"check {check.name}",
        daemon=True,
    )
    thread.start()
    thread.join(check.limit_s)
    return found[0] if found else None


def _apart(check: Check, someone: Context) -> Finding | None:
    """Run a check in a process, passing on what it says; None where it hangs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_in_its_own_process, args=(theirs, check.name, someone.alone()), daemon=True
    )
    process.start()
    theirs.close()
    deadline_s = time.monotonic() + check.limit_s
    try:
        while ours.poll(max(0.0, deadline_s - time.monotonic())):
            said = ours.recv()
            if isinstance(said, Finding):
                return said
            someone.say(str(said))
    except EOFError:
        process.join()
        code = process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return fail(
            f"It crashed ({how}): one of the libraries under it does not work here.",
            "`make setup`; if that does not help, please report it: `crier doctor --report`.",
        )
    finally:
        process.kill()
        process.join()
    return None


def _in_its_own_process(pipe: Connection, name: str, someone: Context) -> None:
    """Run a check of `CHECKS` and send what it says and finds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where libraries print what nobody asked for
    someone.say = pipe.send
    check = next(check for check in CHECKS if check.name == name)
    pipe.send(_guarded(check, someone))
    pipe.close()
    os._exit(OK)  # PortAudio's own exit handler can hang


# ---- what nobody else should read ----


class Secrets:
    """Takes out of a text what should not go into an issue."""

    def __init__(self, someone: Context) -> None:
        """Know the tokens, the people and the messages."""
        try:
            settings = someone.settings
        except CannotLookError:
            self._hidden: list[tuple[str, str]] = []
        else:
            ids = {str(user) for user in settings.telegram_allowed_users}
            texts: set[str] = set()
            names: set[str] = set()
            token = settings.telegram_bot_token
            self._hidden = [("<token>", token.get_secret_value())] if token else []
            if api_token := system.api_token(someone):
                self._hidden.append(("<token>", api_token))
            with contextlib.suppress(CannotLookError):  # then nothing of it can be told either
                for user, name in someone.query("SELECT user_id, name FROM person"):
                    ids.add(str(user))
                    names.add(str(name))
                for *numbers, text in someone.query("SELECT user_id, chat_id, text FROM message"):
                    ids.update(map(str, numbers))
                    texts.add(str(text))
            # A shorter one may be a word of ours; and no text is logged but at DEBUG.
            self._hidden += [("<text>", text) for text in texts if len(text) >= _FEWEST_LETTERS]
            self._hidden += [("<name>", name) for name in names]
            self._hidden += [("<id>", id_) for id_ in ids if len(id_) >= _FEWEST_DIGITS]
        self._hidden = [(word, text) for word, text in self._hidden if len(text) > 2]  # noqa: PLR2004
        self._hidden.sort(key=lambda pair: -len(pair[1]))
        self._home = str(Path.home())

    def hide(self, text: str) -> str:
        """Return a text that anybody may read."""
        for word, secret in self._hidden:
            text = text.replace(secret, word)
        text = hide_tokens(text)
        return text if self._home == "/" else text.replace(self._home, "~")

    def hidden(self, finding: Finding) -> Finding:
        """Return a finding that anybody may read."""
        return Finding(finding.state, self.hide(finding.found), self.hide(finding.mend))


# ---- showing ----


def _rows(found: dict[str, Finding]) -> list[dict[str, str]]:
    return [
        {"name": name, "state": finding.state, "found": finding.found, "mend": finding.mend}
        for name, finding in found.items()
    ]


def report(found: dict[str, Finding]) -> str:
    """Return what was found as Markdown that can be pasted into an issue."""
    commit = commit_of(CHECKOUT) or "not from git"
    lines = [f"crier {__version__} ({commit}), {time.strftime('%Y-%m-%d')}", ""]
    lines += ["| | check | found |", "|---|---|---|"]
    for name, finding in found.items():
        text = finding.found.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {_SYMBOLS[finding.state]} {finding.state} | {name} | {text} |")
    return "\n".join(lines)


def _summary(found: dict[str, Finding], command: str) -> str:
    states = [finding.state for finding in found.values()]
    fails, warns = states.count(State.FAIL), states.count(State.WARN)
    if fails:
        names = ", ".join(name for name, f in found.items() if f.state is State.FAIL)
        verdict = f"Not well: {names}."
    else:
        verdict = "Well." if not warns else "Well enough; see what is marked with !."
    return f"\n{verdict} `crier {command} --report` prints it for an issue, without any secret."


_Show = Callable[[str, Finding | str], None]


@contextmanager
def _shown(*, plain: bool, still: bool) -> Iterator[_Show]:
    """Show each finding as it comes, and what is looked at meanwhile.

    Args:
        plain: show only what is looked at, on stderr, where that is a terminal.
        still: nothing may move, since questions are asked meanwhile.
    """
    try:
        from rich.console import Console  # noqa: PLC0415  # may be what is missing
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        yield lambda name, what: None if plain else _print_plainly(name, what)
        return
    console = Console(file=raw(sys.stderr if plain else sys.stdout), highlight=False)
    with console.status("") as status:
        if still or not console.is_terminal:
            status.stop()

        def show(name: str, what: Finding | str) -> None:
            if isinstance(what, str):
                doing = f"Looking at {name}" + (f": {what}" if what else "")
                status.update(Text(clean_line(doing)))
            elif not plain:
                if title := _TITLES.get(name):
                    console.print(Text(f"\n{title}", style="bold"))
                row = Table.grid(padding=(0, 1, 0, 0))
                for width in (6, 9, None):
                    row.add_column(width=width)
                colour = _COLOURS[what.state]
                found = Text(clean(what.found))
                if what.mend and what.state is not State.PASS:
                    found.append(f"\n→ {clean(what.mend)}", style="italic")
                mark = Text(f"{_SYMBOLS[what.state]} {what.state}", style=colour)
                row.add_row(mark, Text(name), found)
                console.print(row)

        yield show


def _print_plainly(name: str, what: Finding | str) -> None:
    if isinstance(what, Finding):
        mend = f"\n    -> {what.mend}" if what.mend and what.state is not State.PASS else ""
        print(f"{what.state:4}  {name:9}  {what.found}{mend}", flush=True)
