"""`crier doctor`: each of these faults is planted, found and named with its mending.

What is broken is broken for real: files, databases, locks, ports, sinks, servers. Only the tools of
a Mac and systemd are stand-ins, programs on the PATH that print what the real ones do.
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
from bot.doctor.check import Check, Context, Finding, State, context, well
from bot.doctor.command import CHECKS, Secrets, look, report
from bot.settings import CHECKOUT, Settings
from tests.conftest import ALICE, TOKEN
from tests.support.commandline import Environment, crier, run
from tests.support.loudspeaker import Loudspeakers

BY_NAME = {check.name: check for check in CHECKS}


class Scene:
    """A healthy machine, to be broken in one place."""

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
        self.open: list[Any] = []

    def change(self, **values: Any) -> None:
        """Change settings."""
        self.settings = self.settings.replaced(**values)

    def env(self, line: str) -> None:
        """Write the .env file; the settings are read from it."""
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
        """Be a Mac, as far as its tools tell."""
        self.platform = "darwin"
        self.monkeypatch.setenv("HOME", str(self.folder))

    def hold_lock(self) -> None:
        """Be another Crier."""
        lock = (self.data / "crier.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.open.append(lock)

    def be_a_bot(self, answers: dict[str, Any] | None) -> None:
        """Hold the lock and have a face that answers; None: it listens and says nothing."""
        self.hold_lock()
        if answers is None:
            listener = socket.create_server(("127.0.0.1", 0))
            self.open.append(listener)
            port = listener.getsockname()[1]
        else:
            port = self.serve(answers)
        self.face(port, os.getpid())
        (self.data / "api-token").write_text("secret")

    def face(self, port: int, pid: int) -> None:
        """Write api.json."""
        content = {"host": "127.0.0.1", "port": port, "pid": pid, "socket": ""}
        (self.data / "api.json").write_text(json.dumps(content))

    def serve(self, answers: dict[str, Any], date: str = "") -> int:
        """Answer GET requests by the end of their path, at the time *date*."""

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
        """Make a database as Crier does, then do this to it."""
        path = self.data / "crier.db"

        async def make() -> None:
            await (await Inbox.open(path)).close()

        asyncio.run(make())
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return path

    def context(self) -> Context:
        """Return what the checks are told."""
        if (self.checkout / ".env").exists():
            found = context(self.checkout)
        else:
            found = Context(self.settings, checkout=self.checkout)
        found.platform, found.sound = self.platform, self.sound
        return found

    def look(self, *names: str) -> Finding:
        """Run checks in this order, and return what the last one found."""
        someone = self.context()
        return [look(BY_NAME[name], someone) for name in names][-1]


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


# ---- faults: the check that finds it, how it is planted, its state, part of what is said ----


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


def _left_face(scene: Scene) -> None:
    scene.face(1, 2**22 - 1)


def _held_lock(scene: Scene) -> None:
    scene.hold_lock()


def _hanging_bot(scene: Scene) -> None:
    scene.be_a_bot(None)
    scene.monkeypatch.setattr("bot.doctor.system._ANSWER_S", 0.3)


def _deaf_bot(scene: Scene) -> None:
    about = {"ok": False, "age_s": 300.0, "warning": ""}
    scene.be_a_bot({"status": {"polling": about}})


def _robbed_bot(scene: Scene) -> None:
    about = {"ok": True, "age_s": 1.0, "warning": "Another program uses the same bot token."}
    scene.be_a_bot({"status": {"polling": about}})


def _complaining_bot(scene: Scene) -> None:
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
    ("database", _damaged_database, FAIL, "damaged", "Start Crier anew"),
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
    ("bot", _left_face, WARN, "ended by force", "crier run"),
    ("bot", _held_lock, WARN, f"process {os.getpid()} holds", f"kill {os.getpid()}"),
    ("bot", _hanging_bot, FAIL, "does not answer", "crier restart"),
    ("polling", _deaf_bot, WARN, "300 s ago", "crier restart"),
    ("polling", _robbed_bot, FAIL, "Another program", ""),
    ("warnings", _complaining_bot, WARN, "No device fits", "/status"),
    ("port", _taken_port, FAIL, "can't be had (Address already in use)", "API_PORT"),
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
    ("name", "plant", "state", "found", "mend"),
    FAULTS,
    ids=[f"{name}-{number}" for number, (name, *_) in enumerate(FAULTS)],
)
def test_a_planted_fault_is_found_and_its_mending_named(
    scene: Scene, name: str, plant: Callable[[Scene], None], state: State, found: str, mend: str
) -> None:
    """Each fault is told by the check whose business it is, with what it means and what to do."""
    plant(scene)
    names = ["telegram", "clock"] if name == "clock" else [name]
    finding = scene.look(*names)

    assert (finding.state, found in finding.found, mend in finding.mend) == (
        state,
        True,
        True,
    ), finding
    assert finding.mend
    assert TOKEN not in finding.found + finding.mend


async def test_a_token_that_telegram_does_not_know_is_named(scene: Scene, sandbox: Sandbox) -> None:
    """A revoked token is told from a network that is down."""
    scene.change(
        telegram_bot_token=SecretStr("99:wrong-AAHdqTcvCH1vGWJxfSeofSAs0K5PALD"),
        telegram_api_url=sandbox.url,
    )
    finding = await asyncio.to_thread(scene.look, "telegram")

    assert finding.state is FAIL
    assert "does not know the token" in finding.found
    assert "@BotFather" in finding.mend


@pytest.mark.parametrize(
    ("fp32", "int8", "state", "found"),
    [
        (0.6, 0.2, State.WARN, "int8 would be 3.0 times as fast"),
        (0.2, 0.19, State.PASS, "fp32 is right"),
        (1.4, 1.3, State.WARN, "too slow"),
    ],
)
def test_the_faster_model_is_recommended(
    scene: Scene, fp32: float, int8: float, state: State, found: str
) -> None:
    """Where both models are there, both are measured, and one is recommended."""
    speeds = {"fp32": fp32, "int8": int8}
    scene.monkeypatch.setattr(sound, "_kinds", lambda _: ["fp32", "int8"])
    scene.monkeypatch.setattr(sound, "_factor", lambda _, kind: speeds[kind])
    scene.change(kokoro_model="fp32")
    finding = sound.synthesis(scene.context())

    assert finding.state is state
    assert found in finding.found
    assert ("KOKORO_MODEL=int8" in finding.mend) == (int8 < fp32 / 2)


# ---- faults of the loudspeaker ----


@pytest.fixture
def heard(scene: Scene, loudspeakers: Loudspeakers) -> Iterator[Scene]:
    """Return a machine with two loudspeakers, and a sound server to ask about them."""
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
def test_a_silent_output_is_found(
    heard: Scene, loudspeakers: Loudspeakers, order: tuple[str, ...], found: str
) -> None:
    """Muted or at volume 0: said before anything is played, and after it was."""
    loudspeakers.daemons["speaker_a"].ask(*order)
    heard.sound = True
    for name in ("audible", "speaking"):
        finding = heard.look(name)

        assert finding.state is WARN, finding
        assert found in finding.found
        assert "Turn it up" in finding.mend


def test_a_sink_that_takes_nothing_is_found(heard: Scene, loudspeakers: Loudspeakers) -> None:
    """A suspended sink is a silent stall, as when a Mac's headphones vanish."""
    loudspeakers.daemons["speaker_a"].ask("suspend-sink", "speaker_a", "1")
    heard.sound = True
    finding = heard.look("speaking")

    assert finding.state is FAIL, finding
    assert finding.mend


def test_a_device_that_is_not_there_is_found(heard: Scene) -> None:
    """The wanted device is named, with those that are there."""
    heard.change(audio_device="AirPods")
    finding = heard.look("devices")

    assert finding.state is WARN
    assert "'AirPods'" in finding.found
    assert "speaker_a" in finding.found
    assert "AUDIO_DEVICE" in finding.mend


def test_the_device_chosen_in_the_chat_counts(heard: Scene) -> None:
    """What was chosen with /devices outranks the settings, so it is what has to be there."""
    heard.database("INSERT INTO choice VALUES ('device', 'HomePod', 'speaker_a')")
    finding = heard.look("devices")

    assert finding.state is WARN
    assert "'HomePod'" in finding.found


def test_no_device_at_all_is_found(scene: Scene) -> None:
    """Without any output everything is held; that is a failure, and what to connect is said."""
    cards = Path("/proc/asound/cards")
    if sys.platform != "linux" or (cards.exists() and "[" in cards.read_text()):
        pytest.skip("this computer has a sound card")
    scene.monkeypatch.delenv("ALSA_CONFIG_PATH", raising=False)
    finding = scene.look("devices")

    assert finding.state is FAIL
    assert "no output device" in finding.found
    assert "Connect" in finding.mend


# ---- the doctor itself ----


def test_a_check_that_crashes_or_hangs_is_a_failure_of_its_own(scene: Scene) -> None:
    """No traceback and no waiting for ever: the class is named, and the others go on."""
    never = threading.Event()

    def crash(_: Context) -> Finding:
        raise ZeroDivisionError("a mistake")

    def hang(_: Context) -> Finding:
        never.wait(20)
        return well("too late")

    someone = scene.context()
    crashed = look(Check("crash", crash), someone)
    hung = look(Check("hang", hang, limit_s=0.1, audio=True), someone)
    after = look(Check("next", hang, audio=True), someone)
    never.set()

    assert crashed.state is FAIL
    assert "ZeroDivisionError" in crashed.found
    assert hung.state is FAIL
    assert "No answer" in hung.found
    assert after.state is State.SKIP  # PortAudio is not called by a second thread meanwhile
    assert "see hang" in after.found


@pytest.fixture
def doctor_environment(
    environment: Environment, sandbox: Sandbox, loudspeakers: Loudspeakers, tmp_path: Path
) -> Environment:
    """Return the variables of a healthy machine."""
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


@pytest.mark.realtime
async def test_a_healthy_machine_gives_no_alarm(doctor_environment: Environment) -> None:
    """Everything is well: nothing warns, nothing fails, a sentence is heard, the exit code is 0."""
    code, out, err = await run("doctor", "--sound", "--json", environment=doctor_environment)
    said = json.loads(out)
    alarms = [
        check
        for check in said["checks"]
        if check["state"] in ("warn", "fail")
        and check["name"] not in ("load", "synthesis")  # of a machine that others use meanwhile
    ]

    assert alarms == []
    assert code == 0, err
    assert said["well"] is True
    heard = next(check for check in said["checks"] if check["name"] == "speaking")
    assert heard["state"] == "pass"
    assert "On speaker_a: a tone after" in heard["found"]
    assert TOKEN not in out + err


@pytest.mark.realtime
async def test_a_bot_that_runs_is_well_and_says_the_sentence_itself(
    bot_environment: Environment, sandbox: Sandbox, loudspeakers: Loudspeakers
) -> None:
    """The loudspeaker is in the bot's hands, so its queue is used, and its answers are heard."""
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


async def test_it_works_where_nothing_else_does(
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


async def test_it_works_without_any_package(
    doctor_environment: Environment, tmp_path: Path
) -> None:
    """Where not even the settings can be read, it says which package is missing."""
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("pydantic_settings", "pydantic", "rich", "numpy", "httpx"):
        (broken / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}')\n")
    doctor_environment["PYTHONPATH"] = f"{broken}:{doctor_environment['PYTHONPATH']}"
    code, out, err = await run("doctor", "--no-sound", environment=doctor_environment)

    assert code == 1
    assert "Traceback" not in out + err
    assert "see packages" in out


async def test_the_report_holds_no_secret(doctor_environment: Environment, tmp_path: Path) -> None:
    """It can be pasted anywhere: no token, no id, no name, no message, no home folder."""
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


async def test_what_is_for_a_mac_says_so_elsewhere(doctor_environment: Environment) -> None:
    """`--mac` on Linux is a wrong usage that names the right one."""
    code, _, err = await run("doctor", "--mac", environment=doctor_environment)

    assert code == 2
    assert "is for a Mac" in err


def test_a_report_is_a_table(scene: Scene) -> None:
    """A bar or a line break in a finding does not break the table."""
    found = {"x": Finding(State.WARN, "a|b\nc", "mend it")}

    assert report(found).splitlines()[-1] == "| ! warn | x | a\\|b c |"
    assert (
        Secrets(scene.context()).hide(f"https://x/bot{TOKEN}/getMe") == "https://x/bot<token>/getMe"
    )
