"""Control characters from outside never reach the terminal, the log or a notification."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clean import clean, clean_line
from bot.cli.main import COMMANDS
from bot.service import notify
from tests.support.commandline import Environment, run
from tests.support.fake_api import FakeApi, events, serve_fake_api
from tests.support.terminal import terminal

EVIL = "evil\x1b]0;PWNED\x07\x1b[2J\x9b31m\x85\u202enrut\u2066[bold]\ud800"
EVIL_ARGUMENT = "evil\x1b]0;PWNED\x07\x1b[2J\u009b31m\u202enrut"
"""As EVIL, without the characters that a process argument can't contain."""

STATUS: dict[str, Any] = {
    "speaking": True,
    "speaking_id": 7,
    "left_s": 3.0,
    "underruns": 0,
    "muted": False,
    "paused": False,
    "waiting": 2,
    "device": EVIL,
    "first_sound_ms": 90,
    "last_error": EVIL,
    "blocked": EVIL,
    "voice": EVIL,
    "volume": 100,
    "quiet": EVIL,
    "version": EVIL,
    "polling": {"ok": True, "age_s": 1.0, "warning": EVIL},
    "warnings": [EVIL, f"x\n{EVIL}"],
}
DEVICES = {
    "outputs": [{"name": name, "is_default": True, "in_use": True} for name in (EVIL, "Desk")],
    "wanted": EVIL,
    "warning": EVIL,
}
REFUSED = (429, {"error": {"message": EVIL}})

# Each command, with arguments that make it print something hostile.
USES: dict[str, tuple[list[str], ...]] = {
    "setup": (["setup"], ["setup", EVIL_ARGUMENT]),
    "run": (["run"], ["run", EVIL_ARGUMENT]),
    "demo": (["demo"],),
    "say": (
        ["say", "x"],
        ["say", "--wait", "x"],
        ["say", "--file", EVIL_ARGUMENT],
        ["say", "--speed", EVIL_ARGUMENT, "x"],
        ["say", "--client", EVIL_ARGUMENT, "x"],
        ["say", "--out", f"{EVIL_ARGUMENT}.doc", "x"],
        ["say", "--standalone", "--voice", EVIL_ARGUMENT, "x"],
    ),
    "ask": (
        ["ask", "x"],
        ["ask", "--json", "x"],
        ["ask", "--timeout", EVIL_ARGUMENT, "x"],
        ["ask", "--chat", "404", "x"],
    ),
    "hook": (["hook", json.dumps({"type": "message", "message": EVIL})], ["hook", EVIL_ARGUMENT]),
    "reminders": (
        ["reminders"],
        ["reminders", "--json"],
        ["reminders", "--resume", "7"],
        ["reminders", "--delete", EVIL_ARGUMENT],
    ),
    "stop": (["stop"],),
    "skip": (["skip"], ["skip", EVIL_ARGUMENT]),
    "pause": (["pause"],),
    "resume": (["resume"],),
    "mute": (["mute"], ["mute", EVIL_ARGUMENT]),
    "unmute": (["unmute"],),
    "volume": (["volume"], ["volume", EVIL_ARGUMENT]),
    "speed": (["speed"], ["speed", EVIL_ARGUMENT]),
    "status": (["status"], ["status", "--json"]),
    "menubar": (["menubar"],),
    "devices": (["devices"], ["devices", "evil"], ["devices", EVIL_ARGUMENT]),
    "voices": (
        ["voices"],
        ["voices", "--preview", EVIL_ARGUMENT],
        ["voices", "--preview", "bf_emma"],
    ),
    "page": (["page"],),
    "doctor": (["doctor", "--no-sound"], ["doctor", "--json"], ["doctor", "--report"]),
    "models": (["models", EVIL_ARGUMENT],),
    "mcp": (["mcp", EVIL_ARGUMENT],),
    "completion": (["completion", EVIL_ARGUMENT], ["completion", "bash"], ["completion", "zsh"]),
    "pair": (["pair"],),
    "install": (["install"], ["install", "--process-type", EVIL_ARGUMENT]),
    "uninstall": (["uninstall"],),
    "restart": (["restart"],),
    "logs": (["logs"], ["logs", "--json"], ["logs", "-n", EVIL_ARGUMENT]),
    "": ([EVIL_ARGUMENT], ["--version"]),
}


@pytest.fixture
def fake_api(tmp_path: Path) -> Iterator[FakeApi]:
    """Run a fake of the bot's API with hostile answers."""
    with (
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        serve_fake_api(tmp_path / "data", Path(folder) / "api.sock") as fake_api,
    ):
        fake_api.answer("GET /v1/status", STATUS)
        item = {"id": 7, "text": EVIL, "source": EVIL, "state": "sounding"}
        fake_api.answer("GET /v1/queue", {"items": [item]})
        fake_api.answer("GET /v1/devices", DEVICES)
        fake_api.answer("PUT /v1/device", DEVICES)
        fake_api.answer("GET /v1/devices?max_age_s=300", DEVICES)
        fake_api.answer("GET /v1/volume", REFUSED[1], REFUSED[0])
        fake_api.answer("GET /v1/speed", REFUSED[1], REFUSED[0])
        for action in ("mute", "unmute"):
            fake_api.answer(f"POST /v1/audio/{action}", {"quiet": EVIL})
        for action in ("stop", "skip", "pause", "resume"):
            fake_api.answer(f"POST /v1/audio/{action}", REFUSED[1], REFUSED[0])
        fake_api.answer("POST /v1/audio/speak", {"id": 7, "position": 1}, 202)
        fake_api.answer("POST /v1/audio/excerpt", REFUSED[1], REFUSED[0])
        answered = {"id": 7, "status": "answered", "answer": EVIL, "by": EVIL, "reason": EVIL}
        fake_api.answer("POST /v1/ask", answered)
        reminder = {"id": 7, "when": EVIL, "text": EVIL, "source": EVIL, "paused": True}
        fake_api.answer("GET /v1/reminders", {"items": [reminder]})
        fake_api.answer("POST /v1/reminders/7/resume", {"when": EVIL})
        sent_events = [
            ("status", {}),
            ("sounding", {"id": 7, "text": EVIL}),
            ("ended", {"id": 7, "outcome": "failed", "reason": EVIL}),
        ]
        fake_api.answer("GET /v1/events", events(*sent_events))
        (fake_api.data_dir / "pairing-code").write_text("\x1b[2JABCD\x07")
        line = (
            "2026-01-01 12:00:00,000 ERROR   MainThread  bot.x: evil\x1b]0;PWNED\x07\x1b[2J\u202e\n"
        )
        (fake_api.data_dir / "crier.log").write_text(line * 3)
        yield fake_api


@pytest.fixture
def hostile(environment: Environment, fake_api: FakeApi, tmp_path: Path) -> Environment:
    """Return the variables of a process with hostile tools, settings and folders."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("systemctl", "launchctl", "www-browser", "notify-send", "pactl"):
        tool = tools / name
        tool.write_text("#!/bin/sh\nprintf 'evil\\033]0;PWNED\\007\\n' >&2\nexit 1\n")
        tool.chmod(0o755)
    (fake_api.data_dir / ".env").write_text(
        f"NOTHING_{EVIL_ARGUMENT}=1\nAUDIO_DEVICE='file:/dev/null/\x1b[2J'\n"
    )
    return {
        **environment,
        "PATH": f"{tools}:{environment['PATH']}",
        "HOME": str(tmp_path),
        "MODEL_DIR": str(tmp_path / "no models \x1b[2J"),
    }


def unsafe(shown: str) -> list[str]:
    """Return the control characters in an output."""
    return [c for c in shown if (ord(c) < 32 and c not in "\t\n") or clean(c) != c]


@pytest.mark.parametrize("command", USES)
async def test_commands_print_no_control_characters(command: str, hostile: Environment) -> None:
    """Whatever names and arguments contain, no control character is printed."""
    if command == "demo":  # it loads the voice
        del hostile["MODEL_DIR"]
    for arguments in USES[command]:
        text = (
            "" if command != "demo" else f"/nonsense{EVIL_ARGUMENT}\n/pronounce {EVIL_ARGUMENT}\n"
        )
        code, out, err = await run(*arguments, environment=hostile, stdin=text.encode())

        assert unsafe(out + err) == [], (arguments, out, err)
        assert "Traceback" not in err, err
        assert code in (0, 1, 2), arguments


def test_commands_are_all_in_the_table() -> None:
    """The table above has every command."""
    assert set(COMMANDS) | {""} == set(USES)


async def test_status_json_equals_the_answer(hostile: Environment) -> None:
    """Escaped JSON still has the same value for a program."""
    _, out, _ = await run("status", "--json", environment=hostile)

    assert json.loads(out) == json.loads(json.dumps(STATUS))


async def test_say_wait_prints_only_its_own_control_codes(
    hostile: Environment, tmp_path: Path
) -> None:
    """The line that is rewritten in a terminal has no control codes but Crier's own."""
    async with terminal("say", "--wait", "x", environment=hostile, cwd=tmp_path) as screen:
        await screen.see("Not heard to the end")
        await screen.ended()

    shown = screen.raw.decode().replace("\r\x1b[K", "").replace("\r\n", "\n")
    assert unsafe(shown) == []
    assert "evil" in shown


@given(st.text())
def test_clean_escapes_every_control_character(text: str) -> None:
    """Of any text, no control character is left; JSON keeps its meaning."""
    line = clean_line(text)

    assert unsafe(clean(text)) == []
    assert len(line.splitlines()) <= 1
    assert json.loads(clean(json.dumps(text, ensure_ascii=False))) == text


def test_notify_passes_one_line_without_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control codes, markup, a NUL and what looks like an option become plain text."""
    tool, shown = tmp_path / "notify-send", tmp_path / "shown"
    tool.write_text(f"#!/bin/sh\nprintf '%s|' \"$@\" > '{shown}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(notify, "_MACOS", notify._LINUX)
    monkeypatch.setattr("sys.platform", "linux")
    notify.notify("--icon=x <b>a & b</b>\n\x00\x1b[2J")

    *_, body, _ = shown.read_text().split("|")
    assert body == r" --icon=x &lt;b&gt;a &amp; b&lt;/b&gt;\u000a\u0000\u001b[2J"


def test_clean_output_cleans_tracebacks(environment: Environment) -> None:
    """An unexpected error is printed without its control characters."""
    program = "from bot.clean import clean_output; clean_output(); raise ValueError('\\x1b[2J')"
    done = subprocess.run(
        ["python3", "-c", program], env=environment, capture_output=True, text=True, check=False
    )

    assert unsafe(done.stderr) == []
    assert "ValueError" in done.stderr
