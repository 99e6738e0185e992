"""`crier doctor`: the checks, and the display of their findings."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bot import __version__
from bot.clean import clean, clean_line, raw
from bot.doctor import home, local, running_bot, service, telegram
from bot.doctor import sound as sound_checks
from bot.doctor.check import Check, CheckState, Context, Finding, load_context
from bot.doctor.redact import Redactor
from bot.doctor.runner import exit_code_or_exit, run_checks, run_checks_here
from bot.errors import FAILED, OK, UsageError
from bot.paths import CHECKOUT
from bot.version import commit_of

GROUPS = {
    "This computer": (
        Check("python", local.python),
        Check("packages", local.packages),
        Check("disk", local.disk),
        Check("load", local.load),
    ),
    "Settings and data": (
        Check("settings", local.settings),
        Check("secrets", local.secrets),
        Check("keychain", local.keychain),
        Check("database", local.database),
        Check("people", local.people),
        Check("quiet", local.quiet),
        Check("manners", local.manners),
    ),
    "Telegram": (
        Check("telegram", telegram.telegram),
        Check("clock", telegram.clock),
    ),
    "Home Assistant": (Check("broker", home.broker),),
    "The running bot": (
        Check("bot", running_bot.bot),
        Check("polling", running_bot.polling),
        Check("warnings", running_bot.bot_warnings),
        Check("port", running_bot.port),
        Check("service", service.service),
        Check("priority", service.priority),
        Check("log", local.log),
    ),
    "The voice": (
        Check("models", sound_checks.models, limit_s=60.0),
        Check("dictionary", sound_checks.dictionary),
        Check("espeak", sound_checks.espeak, limit_s=60.0),
        Check("synthesis", sound_checks.synthesis, limit_s=180.0),
    ),
    "The loudspeaker": (
        Check("portaudio", sound_checks.portaudio, audio=True),
        Check("devices", sound_checks.devices, audio=True),
        Check("audible", sound_checks.audible, audio=True),
        Check("speaking", sound_checks.speaking, limit_s=120.0, audio=True),
    ),
}
MAC_CHECKS = tuple(
    "python ring cycles switch removal call sleep airplay mute notify numbers memory graph service "
    "priority agent".split()
)
"""The names of the checks of `--mac`, whose module needs packages that may be missing."""

CHECKS = tuple(check for group in GROUPS.values() for check in group)
_TITLES = {group[0].name: title for title, group in GROUPS.items()}

_SYMBOLS = {CheckState.PASS: "✓", CheckState.WARN: "!", CheckState.FAIL: "✗", CheckState.SKIP: "–"}
_COLOURS = {
    CheckState.PASS: "green",
    CheckState.WARN: "yellow",
    CheckState.FAIL: "red",
    CheckState.SKIP: "dim",
}

Findings = dict[str, Finding]
"""By check name."""


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `crier doctor`."""
    parser.add_argument("--json", action="store_true", help="for programs; plays nothing")
    parser.add_argument(
        "--report", action="store_true", help="as text for a bug report, without secrets"
    )
    sound = parser.add_mutually_exclusive_group()
    sound.add_argument("--sound", action="store_true", help="play the test without asking")
    sound.add_argument(
        "--no-sound", "--quiet", action="store_true", dest="quiet", help="play nothing, don't ask"
    )
    parser.add_argument(
        "--mac",
        nargs="*",
        choices=MAC_CHECKS,
        metavar="CHECK",
        help=f"what only a Mac can show; all, or some of {', '.join(MAC_CHECKS)}",
    )


def doctor(options: argparse.Namespace) -> int:
    """Run all checks and show their findings."""
    plain = options.json or options.report
    context = load_context()
    redactor = Redactor(context)
    checks, run = CHECKS, run_checks
    is_mac = options.mac is not None
    if is_mac:
        checks, run = _prepare_for_mac(context, options.mac), run_checks_here
    elif not options.quiet:
        context.sound = options.sound or (not plain and _may_play())
    findings: Findings = {}
    with _display(plain=plain, still=is_mac) as show:
        for check, finding in run(
            context, checks, lambda name, step: show(name, redactor.redact(step))
        ):
            findings[check.name] = redactor.redact_finding(finding)
            show(check.name, findings[check.name])
    failed = any(finding.state is CheckState.FAIL for finding in findings.values())
    if options.json:
        print(as_json(findings))
    elif options.report:
        print(as_report(findings))
    else:
        print(_summary(findings, "doctor --mac" if is_mac else "doctor"))
        if is_mac:
            print(f"\nThis table, without any secret, is worth an issue:\n\n{as_report(findings)}")
    return exit_code_or_exit(FAILED if failed else OK)


def _prepare_for_mac(context: Context, names: Sequence[str]) -> tuple[Check, ...]:
    """Connect the checks of a Mac to the terminal, and return those of *names*, or all.

    Raises:
        UsageError: this is not a Mac, or nobody is at the terminal.
    """
    if context.platform != "darwin":
        raise UsageError(
            "`crier doctor --mac` is for a Mac. `crier doctor` looks at this computer."
        )
    if not sys.stdin.isatty():
        raise UsageError("`crier doctor --mac` needs somebody at a terminal, who switches outputs.")
    from bot.console import confirm  # noqa: PLC0415  # rich may be missing
    from bot.doctor.mac import mac_checks  # noqa: PLC0415  # needs numpy

    context.ask = ask_to_do
    context.instruct = lambda instruction: print(f"\n{instruction}\n", flush=True)
    context.confirm = lambda question: confirm(question, default=False)
    return tuple(check for check in mac_checks(context) if not names or check.name in names)


def ask_to_do(instruction: str) -> bool:
    """Show an instruction, and wait; return whether the person followed it."""
    print(f"\n{clean(instruction)}", flush=True)
    while True:
        answer = input("Press Return when that is done, or s and Return to skip it. ").strip()
        if answer.lower() in ("", "s"):
            return not answer


def _may_play() -> bool:
    """Ask whether sound may be played; False without a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        from bot.console import confirm  # noqa: PLC0415  # rich may be missing
    except ImportError:
        return False
    try:
        return confirm("Play a tone and a sentence at the end?", default=True)
    except EOFError:
        return False


# ---- output ----


def as_json(findings: Findings) -> str:
    """Return the findings as JSON for programs."""
    failed = any(finding.state is CheckState.FAIL for finding in findings.values())
    checks = [
        {"name": name, "state": finding.state, "found": finding.found, "mend": finding.fix}
        for name, finding in findings.items()
    ]
    return json.dumps({"version": __version__, "well": not failed, "checks": checks}, indent=2)


def as_report(findings: Findings) -> str:
    """Return the findings as Markdown for a bug report."""
    commit = commit_of(CHECKOUT) or "not from git"
    lines = [f"crier {__version__} ({commit}), {time.strftime('%Y-%m-%d')}", ""]
    lines += ["| | check | found |", "|---|---|---|"]
    for name, finding in findings.items():
        text = finding.found.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {_SYMBOLS[finding.state]} {finding.state} | {name} | {text} |")
    return "\n".join(lines)


def _summary(findings: Findings, command: str) -> str:
    failed = [name for name, finding in findings.items() if finding.state is CheckState.FAIL]
    if failed:
        verdict = f"Not well: {', '.join(failed)}."
    elif any(finding.state is CheckState.WARN for finding in findings.values()):
        verdict = "Well enough; see what is marked with !."
    else:
        verdict = "Well."
    return f"\n{verdict} `crier {command} --report` prints it for an issue, without any secret."


_Show = Callable[[str, Finding | str], None]
"""Shows the finding of a check, or its current step."""


@contextmanager
def _display(*, plain: bool, still: bool) -> Iterator[_Show]:
    """Show each finding when it comes, and the current step until then.

    Args:
        plain: show only the current step, on stderr, if that is a terminal.
        still: show no animation, since the checks ask questions.
    """
    try:
        from rich.console import Console  # noqa: PLC0415  # may be missing
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        yield lambda name, shown: None if plain else _print_plain(name, shown)
        return
    console = Console(file=raw(sys.stderr if plain else sys.stdout), highlight=False)
    with console.status("") as status:
        if still or not console.is_terminal:
            status.stop()

        def show(name: str, shown: Finding | str) -> None:
            if isinstance(shown, str):
                step = f"Checking {name}" + (f": {shown}" if shown else "")
                status.update(Text(clean_line(step)))
            elif not plain:
                if title := _TITLES.get(name):
                    console.print(Text(f"\n{title}", style="bold"))
                console.print(_row(name, shown))

        yield show


def _row(name: str, finding: Finding) -> object:
    """Return a finding as a row for rich."""
    from rich.table import Table  # noqa: PLC0415  # may be missing
    from rich.text import Text  # noqa: PLC0415

    row = Table.grid(padding=(0, 1, 0, 0))
    for width in (6, 9, None):
        row.add_column(width=width)
    text = Text(clean(finding.found))
    if finding.fix and finding.state is not CheckState.PASS:
        text.append(f"\n→ {clean(finding.fix)}", style="italic")
    mark = Text(f"{_SYMBOLS[finding.state]} {finding.state}", style=_COLOURS[finding.state])
    row.add_row(mark, Text(name), text)
    return row


def _print_plain(name: str, shown: Finding | str) -> None:
    if isinstance(shown, Finding):
        fix = f"\n    -> {shown.fix}" if shown.fix and shown.state is not CheckState.PASS else ""
        print(f"{shown.state:4}  {name:9}  {shown.found}{fix}", flush=True)
