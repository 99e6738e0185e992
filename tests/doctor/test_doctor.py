"""`crier doctor`: each of these faults is planted, and found together with its fix.

The faults are real: in files, databases, locks, ports, sinks, servers. Only the tools of a Mac and
systemd are stand-ins: programs on the PATH that print what the real ones do.
"""

import asyncio
import datetime as dt
import email.utils
import fcntl
import http.server
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from audio.kokoro.model_files import MODELS, VOICES_FILE
from bot.chat.sandbox import Sandbox
from bot.core.inbox import Inbox
from bot.doctor import sound
from bot.doctor.check import Check, Context, Finding, State, load_context
from bot.doctor.command import CHECKS, as_report
from bot.doctor.redact import Redactor
from bot.doctor.runner import run_checks
from bot.settings import CHECKOUT, Settings
from tests.conftest import ALICE, TOKEN
from tests.doctor import faulty_checks
from tests.support.commandline import Environment, crier, run
from tests.support.loudspeaker import Loudspeakers

BY_NAME = {check.name: check for check in CHECKS}


class Scene:
    """A healthy machine, in which a test breaks one thing."""

    def __init__(self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self.folder = folder
        self.data = settings.data_dir
        self.data.mkdir(mode=0o700)
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        shutil.copy(CHECKOUT / "requirements.txt", self.checkout)
        self.monkeypatch = monkeypatch
        self.platform = sys.platform
        self.sound = False
        self.answer_timeout_s = 8.0
        self.open: list[Any] = []

    def change(self, **values: Any) -> None:
        """Change settings."""
        self.settings = self.settings.replaced(**values)

    def env(self, line: str) -> None:
        """Write the .env file, from which the settings are read then."""
        (self.checkout / ".env").write_text(line + "\n")
        (self.checkout / ".env").chmod(0o600)

    def tool(self, name: str, output: str, code: int = 0) -> None:
        """Put a program on the PATH that prints *output*."""
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        program = tools / name
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\nexit {code}\n")
        program.chmod(0o755)
        self.monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def mac(self) -> None:
        """Pretend to be a Mac; its tools are added by `tool`."""
        self.platform = "darwin"
        self.monkeypatch.setenv("HOME", str(self.folder))

    def hold_lock(self) -> None:
        """Hold the lock, as a running bot does."""
        lock = (self.data / "crier.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.open.append(lock)

    def be_a_bot(self, answers: dict[str, Any] | None) -> None:
        """Hold the lock and answer HTTP requests; with None, never answer."""
        self.hold_lock()
        if answers is None:
            listener = socket.create_server(("127.0.0.1", 0))
            self.open.append(listener)
            port = listener.getsockname()[1]
        else:
            port = self.serve(answers)
        self.write_api_json(port, os.getpid())
        (self.data / "api-token").write_text("secret")

    def write_api_json(self, port: int, pid: int) -> None:
        """Write api.json, as a running bot does."""
        content = {"host": "127.0.0.1", "port": port, "pid": pid, "socket": ""}
        (self.data / "api.json").write_text(json.dumps(content))

    def serve(self, answers: dict[str, Any], date: str = "") -> int:
        """Answer GET requests by the end of their path; *date* replaces the time of the answer."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = next((a for end, a in answers.items() if self.path.endswith(end)), None)
                content = json.dumps(found).encode()
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return date or super().date_time_string(timestamp)

            def log_message(self, *_: Any) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.open.append(_Closing(server))
        return int(server.server_address[1])

    def database(self, *statements: str) -> Path:
        """Create a database as Crier does, then execute *statements* in it."""
        path = self.data / "crier.db"

        async def make() -> None:
            await (await Inbox.open(path)).close()

        asyncio.run(make())
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return path

    def context(self) -> Context:
        """Return the context of the checks."""
        if (self.checkout / ".env").exists():
            context = load_context(self.checkout)
        else:
            context = Context(self.settings, checkout=self.checkout)
        context.platform, context.sound = self.platform, self.sound
        context.answer_timeout_s = self.answer_timeout_s
        return context

    def run(self, *names: str) -> Finding:
        """Run checks in this order, and return the finding of the last one."""
        checks = [BY_NAME[name] for name in names]
        return [finding for _, finding in run_checks(self.context(), checks)][-1]


class _Closing:
    def __init__(self, server: http.server.HTTPServer) -> None:
        self._server = server

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def scene(tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Return a healthy machine."""
    settings = Settings(
        telegram_bot_token=SecretStr(TOKEN),
        telegram_allowed_users=frozenset({ALICE.id}),
        data_dir=tmp_path / "data",
        model_dir=model_dir,
    )
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    scene = Scene(settings, tmp_path, monkeypatch)
    yield scene
    for opened in scene.open:
        opened.close()


# ---- faults: (check, how to plant it, state, part of what is found, part of the fix) ----


def _truncated_model(scene: Scene) -> None:
    folder = scene.folder / "models"
    folder.mkdir()
    for file in (MODELS["int8"], VOICES_FILE):
        shutil.copy(scene.settings.model_dir / file.name, folder)
    with (folder / MODELS["int8"].name).open("r+b") as model:
        model.truncate(1_000_000)
    scene.change(model_dir=folder, kokoro_model="int8")


def _no_model(scene: Scene) -> None:
    scene.change(model_dir=scene.folder / "nothing")


def _damaged_database(scene: Scene) -> None:
    with scene.database().open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(3000))


def _newer_database(scene: Scene) -> None:
    scene.database("PRAGMA user_version = 99")


def _database_set_aside(scene: Scene) -> None:
    scene.database()
    (scene.data / "crier.db.damaged-20260101-120000").touch()


def _env_folder(scene: Scene) -> None:
    (scene.checkout / ".env").mkdir()


def _readable_env(scene: Scene) -> None:
    scene.env(f"TELEGRAM_BOT_TOKEN={TOKEN}")
    (scene.checkout / ".env").chmod(0o644)


def _readable_api_token(scene: Scene) -> None:
    (scene.data / "api-token").write_text("secret")
    (scene.data / "api-token").chmod(0o644)


def _data_below_a_file(scene: Scene) -> None:
    (scene.folder / "file").touch()
    scene.change(data_dir=scene.folder / "file" / "data")


def _full_disk(scene: Scene) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk that is full")
    disk = scene.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    scene.open.append(_Mounted(disk))
    (disk / "filler").write_bytes(b"\0" * 65536)
    scene.change(data_dir=disk)


class _Mounted:
    def __init__(self, path: Path) -> None:
        self._path = path

    def close(self) -> None:
        subprocess.run(["umount", str(self._path)], check=True)


def _nobody(scene: Scene) -> None:
    scene.change(telegram_allowed_users=frozenset())


def _muted_in_the_chat(scene: Scene) -> None:
    scene.database("INSERT INTO choice VALUES ('mute', 'inf', '')")


def _quiet_hours(scene: Scene) -> None:
    now = dt.datetime.now().astimezone()
    hours = [f"{now + dt.timedelta(hours=hours):%H:%M}" for hours in (-1, 1)]
    scene.change(quiet_hours="-".join(hours))


def _server_gone(scene: Scene) -> None:
    scene.change(telegram_api_url="http://127.0.0.1:1")


def _no_names(scene: Scene) -> None:
    scene.change(telegram_api_url="http://nowhere.invalid")


def _proxy_gone(scene: Scene) -> None:
    scene.monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    scene.change(telegram_api_url="http://telegram.invalid")


def _no_tls(scene: Scene) -> None:
    port = scene.serve({"getMe": {}})
    scene.change(telegram_api_url=f"https://127.0.0.1:{port}")


def _login_page(scene: Scene) -> None:
    port = scene.serve({"getMe": "<html>Please log in</html>"})
    scene.change(telegram_api_url=f"http://127.0.0.1:{port}")


def _wrong_clock(ahead_s: float) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        date = email.utils.formatdate(time.time() - ahead_s, usegmt=True)
        answer = {"ok": True, "result": {"username": "crier_bot"}}
        port = scene.serve({"getMe": answer}, date)
        scene.change(telegram_api_url=f"http://127.0.0.1:{port}")

    return plant


def _stale_api_json(scene: Scene) -> None:
    scene.write_api_json(1, 2**22 - 1)


def _held_lock(scene: Scene) -> None:
    scene.hold_lock()


def _hanging_bot(scene: Scene) -> None:
    scene.be_a_bot(None)
    scene.answer_timeout_s = 0.3


def _offline_bot(scene: Scene) -> None:
    polling = {"ok": False, "age_s": 300.0, "warning": ""}
    scene.be_a_bot({"status": {"polling": polling}})


def _bot_with_a_rival(scene: Scene) -> None:
    polling = {"ok": True, "age_s": 1.0, "warning": "Another program uses the same bot token."}
    scene.be_a_bot({"status": {"polling": polling}})


def _warning_bot(scene: Scene) -> None:
    scene.be_a_bot({"status": {"warnings": ["No device fits 'AirPods'."]}})


def _taken_port(scene: Scene) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    scene.open.append(listener)
    scene.change(api_port=listener.getsockname()[1])


def _missing_package(scene: Scene) -> None:
    with (scene.checkout / "requirements.txt").open("a") as file:
        file.write("crier-needs-this==1.0 \\\n    --hash=sha256:00\n")


def _older_package(scene: Scene) -> None:
    (scene.checkout / "requirements.txt").write_text("numpy==1.0\nonnx ; sys_platform == 'x'\n")


def _rosetta(scene: Scene) -> None:
    scene.mac()
    scene.tool("sysctl", "1")


def _launchd(state: str, kind: str, code: int = 0) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        scene.mac()
        scene.tool(
            "launchctl",
            "gui/501/org.crier.bot = {\n\tactive count = 1\n\tstate = "
            f"{state}\n\n\tprogram = /x/crier\n\tlast exit code = 70: EX_SOFTWARE\n"
            f"\tspawn type = {kind}\n}}",
            code,
        )

    return plant


def _not_loaded(scene: Scene) -> None:
    _launchd("", "", code=113)(scene)
    plist = scene.folder / "Library" / "LaunchAgents" / "org.crier.bot.plist"
    plist.parent.mkdir(parents=True)
    plist.touch()


def _mac_priority(number: int) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        scene.mac()
        scene.be_a_bot({})
        scene.tool("ps", f"  {number}")

    return plant


def _hot(scene: Scene) -> None:
    scene.mac()
    scene.tool("pmset", "CPU_Scheduler_Limit \t= 100\nCPU_Speed_Limit \t= 60")


def _low_power(scene: Scene) -> None:
    scene.mac()
    scene.tool("pmset", " lowpowermode         1")


def _failed_unit(scene: Scene) -> None:
    state = "LoadState=loaded\nActiveState=failed\nSubState=failed\nNRestarts=5\nResult=exit-code"
    scene.tool("systemctl", state)


def _error_in_log(scene: Scene) -> None:
    at = dt.datetime.now().astimezone()
    (scene.data / "crier.log").write_text(
        f"{at:%Y-%m-%d %H:%M:%S},123 INFO    MainThread  bot.app: Hello\n"
        f"{at:%Y-%m-%d %H:%M:%S},124 ERROR   audio       bot.core.inbox: A message can't be "
        "stored\n"
    )


def _error_in_json_log(scene: Scene) -> None:
    line = {"at": dt.datetime.now(dt.UTC).isoformat(), "level": "CRITICAL", "thread": "audio"}
    line |= {"logger": "bot.app", "message": "The audio thread has been stuck for 10 s"}
    (scene.data / "crier.log").write_text(json.dumps(line) + "\n{broken\n")


def _huge_log(scene: Scene) -> None:
    with (scene.data / "crier.log.1").open("wb") as file:
        file.truncate(200 << 20)


def _unknown_language(scene: Scene) -> None:
    scene.change(kokoro_lang="xx-none")


def _no_sounddevice(scene: Scene) -> None:
    (scene.folder / "sounddevice.py").write_text("raise ModuleNotFoundError('No sounddevice')")
    scene.monkeypatch.syspath_prepend(scene.folder)


def _no_portaudio(scene: Scene) -> None:
    (scene.folder / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    scene.monkeypatch.syspath_prepend(scene.folder)


def _crashing_library(scene: Scene) -> None:
    (scene.folder / "sounddevice.py").write_text("import os; os.abort()")
    scene.monkeypatch.syspath_prepend(scene.folder)


WARN, FAIL = State.WARN, State.FAIL
FAULTS: list[tuple[str, Callable[[Scene], None], State, str, str]] = [
    ("packages", _missing_package, FAIL, "Missing: crier-needs-this", "make setup"),
    ("packages", _older_package, WARN, "instead of 1.0", "make setup"),
    ("python", _rosetta, FAIL, "Rosetta", "make setup"),
    ("settings", _env_folder, FAIL, "text file of NAME=value", ".env.example"),
    ("settings", lambda s: s.env("KOKORO_SPEED=9"), FAIL, "KOKORO_SPEED", "Correct it"),
    ("settings", lambda s: s.env("KOKORO_SPED=1"), WARN, "KOKORO_SPED", "Correct the name"),
    ("secrets", _readable_env, WARN, "checkout/.env", "chmod 600"),
    ("secrets", _readable_api_token, WARN, "api-token", "chmod 600"),
    ("disk", _data_below_a_file, FAIL, "can't be written", "DATA_DIR"),
    ("disk", _full_disk, FAIL, "can't be written to (No space left", "Make room"),
    ("database", _damaged_database, FAIL, "damaged", "Restart Crier"),
    ("database", _newer_database, FAIL, "newer Crier", "git pull"),
    ("database", _database_set_aside, WARN, "set aside", "remove"),
    ("people", _nobody, WARN, "Nobody may speak", "/pair"),
    ("quiet", _muted_in_the_chat, WARN, "Muted", "/unmute"),
    ("quiet", _quiet_hours, WARN, "Quiet hours until", "QUIET_HOURS"),
    ("telegram", _server_gone, FAIL, "can't be reached", "TELEGRAM_API_URL"),
    ("telegram", _no_names, FAIL, "DNS", "nslookup"),
    ("telegram", _proxy_gone, FAIL, "HTTP_PROXY", "unset HTTP_PROXY"),
    ("telegram", _no_tls, FAIL, "TLS", "SSL_CERT_FILE"),
    ("telegram", _login_page, FAIL, "login", "browser"),
    ("clock", _wrong_clock(-100), WARN, " s behind", "timedatectl"),
    ("clock", _wrong_clock(5000), FAIL, " s ahead of", "timedatectl"),
    ("bot", _stale_api_json, WARN, "ended by force", "crier run"),
    ("bot", _held_lock, WARN, f"process {os.getpid()} holds", f"kill {os.getpid()}"),
    ("bot", _hanging_bot, FAIL, "does not answer", "crier restart"),
    ("polling", _offline_bot, WARN, "300 s ago", "crier restart"),
    ("polling", _bot_with_a_rival, FAIL, "Another program", ""),
    ("warnings", _warning_bot, WARN, "No device fits", "/status"),
    ("port", _taken_port, FAIL, "can't be used (Address already in use)", "API_PORT"),
    ("service", _not_loaded, FAIL, "not loaded", "crier install"),
    ("service", _launchd("not running", "interactive (4)"), FAIL, "does not run", "crier logs"),
    ("service", _launchd("running", "adaptive (2)"), WARN, "throttled", "--process-type"),
    ("service", _failed_unit, FAIL, "does not run", "crier logs"),
    ("priority", _mac_priority(4), FAIL, "background", "crier install"),
    ("priority", _mac_priority(20), WARN, "throttled", "crier install"),
    ("load", _hot, WARN, "60 %", "air"),
    ("load", _low_power, WARN, "Low Power Mode", "System Settings"),
    ("models", _truncated_model, FAIL, "checksum", "crier models"),
    ("models", _no_model, FAIL, "No such file", "crier models"),
    ("espeak", _unknown_language, FAIL, "espeak-ng", "make setup"),
    ("portaudio", _no_sounddevice, FAIL, "No sounddevice", "make setup"),
    ("portaudio", _no_portaudio, FAIL, "PortAudio library not found", "libportaudio2"),
    ("portaudio", _crashing_library, FAIL, "It crashed (SIGABRT)", "make setup"),
    ("log", _error_in_log, WARN, "A message can't be stored", "crier logs"),
    ("log", _error_in_json_log, WARN, "stuck for 10 s", "crier logs"),
    ("log", _huge_log, WARN, "200 MB", "Remove"),
]


@pytest.mark.parametrize(
    ("name", "plant", "state", "found", "fix"),
    FAULTS,
    ids=[f"{name}-{number}" for number, (name, *_) in enumerate(FAULTS)],
)
def test_check_finds_planted_fault_and_names_its_fix(
    scene: Scene, name: str, plant: Callable[[Scene], None], state: State, found: str, fix: str
) -> None:
    """Each fault is found by its own check, with what it means and how to fix it."""
    plant(scene)
    names = ["telegram", "clock"] if name == "clock" else [name]
    finding = scene.run(*names)

    assert (finding.state, found in finding.found, fix in finding.fix) == (
        state,
        True,
        True,
    ), finding
    assert finding.fix
    assert TOKEN not in finding.found + finding.fix


async def test_telegram_check_recognizes_revoked_token(scene: Scene, sandbox: Sandbox) -> None:
    """A revoked token is distinguished from a network that is down."""
    scene.change(
        telegram_bot_token=SecretStr("99:wrong-AAHdqTcvCH1vGWJxfSeofSAs0K5PALD"),
        telegram_api_url=sandbox.url,
    )
    finding = await asyncio.to_thread(scene.run, "telegram")

    assert finding.state is FAIL
    assert "does not know the token" in finding.found
    assert "@BotFather" in finding.fix


@pytest.mark.parametrize(
    ("fp32", "int8", "state", "found"),
    [
        (0.6, 0.2, State.WARN, "int8 would be 3.0 times as fast"),
        (0.2, 0.19, State.PASS, "fp32 is right"),
        (1.4, 1.3, State.WARN, "too slow"),
    ],
)
def test_synthesis_check_recommends_faster_model(
    scene: Scene, fp32: float, int8: float, state: State, found: str
) -> None:
    """If both models are there, both are measured, and one is recommended."""
    speeds = {"fp32": fp32, "int8": int8}
    scene.monkeypatch.setattr(sound, "_kinds", lambda _: ["fp32", "int8"])
    scene.monkeypatch.setattr(sound, "_measure_rtf", lambda _, kind: speeds[kind])
    scene.change(kokoro_model="fp32")
    finding = sound.synthesis(scene.context())

    assert finding.state is state
    assert found in finding.found
    assert ("KOKORO_MODEL=int8" in finding.fix) == (int8 < fp32 / 2)


# ---- faults of the loudspeaker ----


@pytest.fixture
def audible(scene: Scene, loudspeakers: Loudspeakers) -> Iterator[Scene]:
    """Return a machine with two loudspeakers, and a sound server that knows them."""
    daemon = loudspeakers.daemons["speaker_a"]
    scene.monkeypatch.setenv("PULSE_SERVER", daemon.socket)
    scene.change(audio_device="speaker_a")
    yield scene
    daemon.ask("set-sink-mute", "speaker_a", "0")
    daemon.ask("set-sink-volume", "speaker_a", "100%")
    daemon.ask("suspend-sink", "speaker_a", "0")


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (("set-sink-mute", "speaker_a", "1"), "muted"),
        (("set-sink-volume", "speaker_a", "0"), "at volume 0"),
    ],
)
def test_checks_find_silent_output(
    audible: Scene, loudspeakers: Loudspeakers, order: tuple[str, ...], found: str
) -> None:
    """A muted output, or one at volume 0, is found before anything is played, and afterwards."""
    loudspeakers.daemons["speaker_a"].ask(*order)
    audible.sound = True
    for name in ("audible", "speaking"):
        finding = audible.run(name)

        assert finding.state is WARN, finding
        assert found in finding.found
        assert "Turn it up" in finding.fix


def test_speaking_check_finds_stalled_sink(audible: Scene, loudspeakers: Loudspeakers) -> None:
    """A suspended sink stalls silently, as when a Mac's headphones vanish."""
    loudspeakers.daemons["speaker_a"].ask("suspend-sink", "speaker_a", "1")
    audible.sound = True
    finding = audible.run("speaking")

    assert finding.state is FAIL, finding
    assert finding.fix


def test_devices_check_finds_missing_device(audible: Scene) -> None:
    """The missing device is named, with those that are there."""
    audible.change(audio_device="AirPods")
    finding = audible.run("devices")

    assert finding.state is WARN
    assert "'AirPods'" in finding.found
    assert "speaker_a" in finding.found
    assert "AUDIO_DEVICE" in finding.fix


def test_devices_check_looks_for_device_chosen_in_chat(audible: Scene) -> None:
    """A choice made with /devices overrides the settings, so that device has to be there."""
    audible.database("INSERT INTO choice VALUES ('device', 'HomePod', 'speaker_a')")
    finding = audible.run("devices")

    assert finding.state is WARN
    assert "'HomePod'" in finding.found


def test_devices_check_fails_without_any_device(scene: Scene) -> None:
    """Without any output everything is held: a failure, with what to connect."""
    cards = Path("/proc/asound/cards")
    if sys.platform != "linux" or (cards.exists() and "[" in cards.read_text()):
        pytest.skip("this computer has a sound card")
    scene.monkeypatch.delenv("ALSA_CONFIG_PATH", raising=False)
    finding = scene.run("devices")

    assert finding.state is FAIL
    assert "no output device" in finding.found
    assert "Connect" in finding.fix


# ---- the doctor itself ----


def test_run_checks_survives_checks_that_raise_crash_or_hang(scene: Scene) -> None:
    """An exception, a crash and a hang are failures of that check alone; the others run."""
    checks = [
        Check("raise", faulty_checks.raise_error),
        Check("crash", faulty_checks.crash),
        Check("alive", faulty_checks.succeed),
        Check("hang", faulty_checks.hang, limit_s=0.1, audio=True),
        Check("next", faulty_checks.hang, audio=True),
        Check("last", faulty_checks.succeed),
    ]
    findings = {check.name: finding for check, finding in run_checks(scene.context(), checks)}

    assert findings["raise"].state is FAIL
    assert "ZeroDivisionError" in findings["raise"].found
    assert findings["crash"].state is FAIL
    assert "It crashed (SIGABRT)" in findings["crash"].found
    assert findings["alive"].state is State.PASS
    assert findings["hang"].state is FAIL
    assert "No answer" in findings["hang"].found
    assert findings["next"].state is State.SKIP  # PortAudio hangs, so it is not called again
    assert "see hang" in findings["next"].found
    assert findings["last"].state is State.PASS


@pytest.fixture
def doctor_environment(
    environment: Environment, sandbox: Sandbox, loudspeakers: Loudspeakers, tmp_path: Path
) -> Environment:
    """Return the environment of a healthy machine."""
    (tmp_path / "data").mkdir(mode=0o700)
    return {
        **environment,
        "ALSA_CONFIG_PATH": str(loudspeakers.alsa_config),
        "PULSE_SERVER": loudspeakers.daemons["speaker_a"].socket,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": "123456789",
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": "speaker_a",
        "API_PORT": "0",
    }


async def test_doctor_passes_on_healthy_machine(doctor_environment: Environment) -> None:
    """Nothing warns, nothing fails, a sentence is heard, and the exit code is 0."""
    code, out, err = await run("doctor", "--sound", "--json", environment=doctor_environment)
    report = json.loads(out)
    alarms = [
        check
        for check in report["checks"]
        if check["state"] in ("warn", "fail")
        and check["name"]
        not in ("load", "synthesis")  # other programs may use the machine meanwhile
    ]

    assert alarms == []
    assert code == 0, err
    assert report["well"] is True
    speaking = next(check for check in report["checks"] if check["name"] == "speaking")
    assert speaking["state"] == "pass"
    assert "On speaker_a: a tone after" in speaking["found"]
    assert TOKEN not in out + err


async def test_doctor_speaks_through_running_bot(
    bot_environment: Environment, sandbox: Sandbox, loudspeakers: Loudspeakers
) -> None:
    """A running bot uses the loudspeaker, so the sentence goes through its queue."""
    bot_environment["PULSE_SERVER"] = loudspeakers.daemons["speaker_a"].socket
    async with crier("run", environment=bot_environment):
        await sandbox.wait_for_call("getupdates")
        code, out, err = await run("doctor", "--sound", "--json", environment=bot_environment)
    found = {check["name"]: check for check in json.loads(out)["checks"]}

    assert code == 0, out + err
    assert {name: found[name]["state"] for name in ("bot", "polling", "warnings", "speaking")} == {
        "bot": "pass",
        "polling": "pass",
        "warnings": "pass",
        "speaking": "pass",
    }, out
    assert "The running bot: heard on speaker_a after" in found["speaking"]["found"]


async def test_doctor_works_when_everything_is_broken(
    doctor_environment: Environment, tmp_path: Path
) -> None:
    """No token, no model, no PortAudio, a folder for .env, a wrong database, a missing package."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    (broken / "aiosqlite.py").write_text("raise ImportError('No module named aiosqlite')\n")
    (tmp_path / "data" / ".env").mkdir()
    (tmp_path / "data" / "crier.db").write_bytes(b"no database" * 1000)
    doctor_environment["PYTHONPATH"] = f"{broken}:{doctor_environment['PYTHONPATH']}"
    doctor_environment["MODEL_DIR"] = str(tmp_path / "nothing")
    code, out, err = await run("doctor", "--no-sound", environment=doctor_environment)

    assert code == 1
    assert "Traceback" not in out + err
    for name in ("settings", "database", "models", "portaudio"):
        assert f"✗ fail {name}" in out, out
    assert "Not well: " in out
    assert "libportaudio2" in out


async def test_doctor_works_without_packages(
    doctor_environment: Environment, tmp_path: Path
) -> None:
    """If not even the settings can be read, it names the missing packages."""
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("pydantic_settings", "pydantic", "rich", "numpy", "httpx"):
        (broken / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}')\n")
    doctor_environment["PYTHONPATH"] = f"{broken}:{doctor_environment['PYTHONPATH']}"
    code, out, err = await run("doctor", "--no-sound", environment=doctor_environment)

    assert code == 1
    assert "Traceback" not in out + err
    assert "see packages" in out


async def test_report_contains_no_secret(doctor_environment: Environment, tmp_path: Path) -> None:
    """The report contains no token, id, name, message or home folder."""
    data = tmp_path / "data"
    canaries = {"token": TOKEN, "api": "canary-api-token-5511", "text": "the canary sings at noon"}
    canaries |= {"user": "123456789", "paired": "987654321", "name": "Canarina Bird"}
    await (await Inbox.open(data / "crier.db")).close()
    with closing(sqlite3.connect(data / "crier.db")) as connection, connection:
        connection.execute(
            "INSERT INTO message (bot_id, update_id, chat_id, message_id, text, accepted_at)"
            " VALUES (1, 1, 555666777, 1, ?, 0)",
            (canaries["text"],),
        )
        connection.execute("INSERT INTO person VALUES (987654321, 'Canarina Bird', 0)")
    (data / "api-token").write_text(canaries["api"])
    (data / "api-token").chmod(0o600)
    at = f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M:%S},1"
    (data / "crier.log").write_text(
        f"{at} ERROR   MainThread  bot.x: {' '.join(canaries.values())} 555666777\n"
    )
    doctor_environment["HOME"] = str(tmp_path)
    doctor_environment["TELEGRAM_API_URL"] = f"http://127.0.0.1:1/{TOKEN}"
    code, out, err = await run("doctor", "--report", environment=doctor_environment)

    assert code == 1
    for canary in (*canaries.values(), "555666777", str(tmp_path), TOKEN.partition(":")[2]):
        assert canary not in out + err, canary
    assert "~/data" in out
    assert "| ✗ fail | telegram |" in out


async def test_mac_option_is_refused_on_linux(doctor_environment: Environment) -> None:
    """On Linux `--mac` exits with 2 and a message."""
    code, _, err = await run("doctor", "--mac", environment=doctor_environment)

    assert code == 2
    assert "is for a Mac" in err


def test_report_escapes_table_markup(scene: Scene) -> None:
    """A bar or a line break in a finding does not break the table."""
    findings = {"x": Finding(State.WARN, "a|b\nc", "fix it")}

    assert as_report(findings).splitlines()[-1] == "| ! warn | x | a\\|b c |"
    assert (
        Redactor(scene.context()).redact(f"https://x/bot{TOKEN}/getMe")
        == "https://x/bot<token>/getMe"
    )
