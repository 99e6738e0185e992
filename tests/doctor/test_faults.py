"""Each fault is planted, and found together with its fix.

The faults are real: in files, databases, locks, ports, sinks, servers. Only the tools of a Mac and
systemd are stand-ins: programs on the PATH that print what the real ones do.
"""

import asyncio
import datetime as dt
import email.utils
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from audio.kokoro.model_files import DICTIONARY_FILE, MODELS, VOICES_FILE
from bot.chat.sandbox import Sandbox
from bot.doctor import sound
from bot.doctor.check import CheckState, Finding
from tests.conftest import TOKEN
from tests.doctor.scene import Scene
from tests.support.broker import Mosquitto
from tests.support.fake_launchctl import printed_job
from tests.support.loudspeaker import Loudspeakers

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


def _damaged_dictionary(scene: Scene) -> None:
    folder = scene.folder / "models"
    folder.mkdir()
    (folder / DICTIONARY_FILE.name).write_text("house\thˈWs\thˈWs\n", encoding="utf-8")
    scene.change(model_dir=folder)


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
    disk = _mount(scene, "64k")
    (disk / "filler").write_bytes(b"\0" * 65536)


def _disk_with_20_mb(scene: Scene) -> None:
    _mount(scene, "20m")


def _disk_with_200_mb(scene: Scene) -> None:
    _mount(scene, "200m")


def _mount(scene: Scene, size: str) -> Path:
    """Mount an empty disk of this size as the data folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = scene.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    scene.open.append(_Mounted(disk))
    scene.change(data_dir=disk)
    return disk


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


def _no_pactl(scene: Scene) -> None:
    scene.monkeypatch.setenv("PATH", str(scene.folder))
    scene.change(audio_device="", hold_in_calls=True, duck=15.0)


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
    scene.act_as_bot(None)
    scene.answer_timeout_s = 0.3


def _offline_bot(scene: Scene) -> None:
    polling = {"ok": False, "age_s": 300.0, "warning": ""}
    scene.act_as_bot({"status": {"polling": polling}})


def _bot_with_a_rival(scene: Scene) -> None:
    polling = {"ok": True, "age_s": 1.0, "warning": "Another program uses the same bot token."}
    scene.act_as_bot({"status": {"polling": polling}})


def _warning_bot(scene: Scene) -> None:
    scene.act_as_bot({"status": {"warnings": ["No device fits 'AirPods'."]}})


def _taken_port(scene: Scene) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    scene.open.append(listener)
    scene.change(api_port=listener.getsockname()[1])


def _missing_package(scene: Scene) -> None:
    with (scene.checkout / "requirements.txt").open("a") as file:
        file.write("crier-needs-this==1.0 \\\n    --hash=sha256:00\n")


def _older_package(scene: Scene) -> None:
    (scene.checkout / "requirements.txt").write_text("numpy==1.0\nonnx ; sys_platform == 'x'\n")


def _keychain(scene: Scene, *, token: str, stored_by: str) -> None:
    scene.mac()
    scene.monkeypatch.setattr("sys.platform", "darwin")
    package = scene.folder / "packages" / "keyring"
    package.mkdir(parents=True)
    program = f"print({token!r})" if token else "raise SystemExit(1)"
    (package / "__main__.py").write_text(program)
    scene.monkeypatch.setenv("PYTHONPATH", str(package.parent))
    scene.env("TELEGRAM_BOT_TOKEN=keychain")
    (scene.data / "keychain.json").write_text(json.dumps({"version": stored_by, "sha256": "0"}))


def _empty_keychain(scene: Scene) -> None:
    _keychain(scene, token="", stored_by="")


def _keychain_of_another_python(scene: Scene) -> None:
    _keychain(scene, token=TOKEN, stored_by="3.11.2")


def _rosetta(scene: Scene) -> None:
    scene.mac()
    scene.tool("sysctl", "1")


def _homebrew(scene: Scene) -> None:
    scene.mac()
    scene.tool("sysctl", "0")
    scene.monkeypatch.setattr("sys.base_prefix", "/opt/homebrew/opt/python@3.12")


def _launchd(state: str, kind: str, code: int = 0) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        scene.mac()
        output = printed_job(
            "gui/501/org.crier.bot",
            pid=7 if state == "running" else None,
            spawn_type=kind,
            last_exit="70: EX_SOFTWARE",
        )
        scene.tool("launchctl", output, code)

    return plant


def _not_loaded(scene: Scene) -> None:
    _launchd("", "", code=113)(scene)
    plist = scene.folder / "Library" / "LaunchAgents" / "org.crier.bot.plist"
    plist.parent.mkdir(parents=True)
    plist.touch()


def _mac_priority(number: int) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        scene.mac()
        scene.act_as_bot({})
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


WARN, FAIL = CheckState.WARN, CheckState.FAIL


def _broker_gone(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    scene.change(mqtt_url=SecretStr(f"mqtt://crier:secret@127.0.0.1:{port}"))


def _open_broker(scene: Scene) -> None:
    broker = _broker(scene, anonymous=True)
    # This computer, by an address that is not the loopback's.
    scene.change(mqtt_url=SecretStr(broker.url("0.0.0.0")))  # noqa: S104


def _changed_password(scene: Scene) -> None:
    broker = _broker(scene)
    scene.change(mqtt_url=SecretStr(f"mqtt://crier:changed@127.0.0.1:{broker.port}"))


def _broker(scene: Scene, *, anonymous: bool = False) -> Mosquitto:
    if Mosquitto.path() is None:
        pytest.skip("needs mosquitto, which `make test` installs where there is apt")
    broker = Mosquitto(scene.folder / "broker", anonymous=anonymous)
    scene.open.append(broker)
    return broker


FAULTS: list[tuple[str, Callable[[Scene], None], CheckState, str, str]] = [
    ("packages", _missing_package, FAIL, "Missing: crier-needs-this", "make setup"),
    ("packages", _older_package, WARN, "instead of 1.0", "make setup"),
    ("python", _rosetta, FAIL, "Rosetta", "make setup"),
    ("python", _homebrew, WARN, "another program's Python", "make setup"),
    ("settings", _env_folder, FAIL, "text file of NAME=value", ".env.example"),
    ("settings", lambda s: s.env("KOKORO_SPEED=9"), FAIL, "KOKORO_SPEED", "Correct it"),
    ("settings", lambda s: s.env("KOKORO_SPED=1"), WARN, "KOKORO_SPED", "Correct the name"),
    (
        "settings",
        lambda s: s.change(heard_command="~/no-such --x"),
        WARN,
        "no program ~/no-such, so",
        "full path",
    ),
    ("settings", lambda s: s.change(room="Study"), WARN, "there are no rooms", "Set MQTT_URL"),
    ("secrets", _readable_env, WARN, "checkout/.env", "chmod 600"),
    ("secrets", _readable_api_token, WARN, "api-token", "chmod 600"),
    ("disk", _data_below_a_file, FAIL, "can't be written", "DATA_DIR"),
    ("disk", _full_disk, FAIL, "can't be written to (No space left", "Make room"),
    ("disk", _disk_with_20_mb, FAIL, "MB are left at", "Make room"),
    ("disk", _disk_with_200_mb, WARN, "MB are left at", "Make room"),
    ("database", _damaged_database, FAIL, "damaged", "Restart Crier"),
    ("database", _newer_database, FAIL, "newer Crier", "git pull"),
    ("database", _database_set_aside, WARN, "set aside", "remove"),
    ("people", _nobody, WARN, "Nobody may speak", "/pair"),
    ("quiet", _muted_in_the_chat, WARN, "Muted", "/unmute"),
    ("quiet", _quiet_hours, WARN, "Quiet hours until", "QUIET_HOURS"),
    ("manners", _no_pactl, WARN, "HOLD_IN_CALLS and DUCK has no effect", "pulseaudio-utils"),
    ("telegram", _server_gone, FAIL, "can't be reached", "TELEGRAM_API_URL"),
    ("telegram", _no_names, FAIL, "DNS", "nslookup"),
    ("telegram", _proxy_gone, FAIL, "HTTP_PROXY", "unset HTTP_PROXY"),
    ("telegram", _no_tls, FAIL, "TLS", "SSL_CERT_FILE"),
    ("telegram", _login_page, FAIL, "login", "browser"),
    ("clock", _wrong_clock(-100), WARN, " s behind", "timedatectl"),
    ("clock", _wrong_clock(5000), FAIL, " s ahead of", "timedatectl"),
    ("broker", _broker_gone, FAIL, "no connection to the broker on 127.0.0.1", "MQTT_URL"),
    ("broker", _open_broker, FAIL, "lets in everybody", "allow_anonymous false"),
    ("broker", _changed_password, FAIL, "refuses this user name and password", "MQTT_PASSWORD"),
    ("bot", _stale_api_json, WARN, "ended by force", "crier run"),
    ("bot", _held_lock, WARN, f"process {os.getpid()} holds", f"kill {os.getpid()}"),
    ("bot", _hanging_bot, FAIL, "does not answer", "crier restart"),
    ("polling", _offline_bot, WARN, "300 s ago", "crier restart"),
    ("polling", _bot_with_a_rival, FAIL, "Another program", ""),
    ("warnings", _warning_bot, WARN, "No device fits", "/status"),
    ("port", _taken_port, FAIL, "can't be used (Address already in use)", "API_PORT"),
    ("keychain", _empty_keychain, FAIL, "not there", "crier setup"),
    ("keychain", _keychain_of_another_python, WARN, "stored by Python 3.11.2", "Always Allow"),
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
    ("dictionary", _no_model, WARN, "No such file", "crier models"),
    ("dictionary", _damaged_dictionary, WARN, "checksum", "crier models"),
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
    scene: Scene, name: str, plant: Callable[[Scene], None], state: CheckState, found: str, fix: str
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


def test_service_check_passes_on_healthy_mac(scene: Scene) -> None:
    """The state is that of the job, not of its coalitions, which are printed after it."""
    _launchd("running", "interactive (4)")(scene)

    assert scene.run("service") == Finding(
        CheckState.PASS, "running, interactive, last exit code 70: EX_SOFTWARE"
    )


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
        (0.6, 0.2, CheckState.WARN, "int8 would be 3.0 times as fast"),
        (0.2, 0.19, CheckState.PASS, "fp32 is right"),
        (1.4, 1.3, CheckState.WARN, "too slow"),
    ],
)
def test_synthesis_check_recommends_faster_model(
    scene: Scene, fp32: float, int8: float, state: CheckState, found: str
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
    ("command", "found"),
    [
        (("set-sink-mute", "speaker_a", "1"), "muted"),
        (("set-sink-volume", "speaker_a", "0"), "at volume 0"),
    ],
)
def test_checks_find_silent_output(
    audible: Scene, loudspeakers: Loudspeakers, command: tuple[str, ...], found: str
) -> None:
    """A muted output, or one at volume 0, is found before anything is played, and afterwards."""
    loudspeakers.daemons["speaker_a"].ask(*command)
    audible.sound = True
    for finding in audible.run_all("audible", "speaking"):
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
