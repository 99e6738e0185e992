"""`crier doctor`: the process, its checks that fail, and its report."""

import datetime as dt
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audio.output import coreaudio
from audio.types import Ended, Outcome
from bot.chat.sandbox import Sandbox
from bot.core.inbox import Inbox
from bot.doctor import sound
from bot.doctor.check import Check, CheckState, Finding
from bot.doctor.command import as_report
from bot.doctor.redact import Redactor
from bot.doctor.runner import run_checks
from tests.conftest import TOKEN
from tests.doctor import faulty_checks
from tests.doctor.scene import Scene
from tests.support.commandline import WITH_TONES, Environment, crier, run
from tests.support.loudspeaker import Loudspeakers


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

    assert findings["raise"].state is CheckState.FAIL
    assert "ZeroDivisionError" in findings["raise"].found
    assert findings["crash"].state is CheckState.FAIL
    assert "It crashed (SIGABRT)" in findings["crash"].found
    assert findings["alive"].state is CheckState.PASS
    assert findings["hang"].state is CheckState.FAIL
    assert "No answer" in findings["hang"].found
    assert findings["next"].state is CheckState.SKIP  # PortAudio hangs, so it is not called again
    assert "see hang" in findings["next"].found
    assert findings["last"].state is CheckState.PASS


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


@pytest.mark.realtime
async def test_doctor_passes_on_healthy_machine(doctor_environment: Environment) -> None:
    """Nothing warns, nothing fails, a sentence is heard, and the exit code is 0."""
    code, out, err = await run("doctor", "--sound", "--json", environment=doctor_environment)
    report = json.loads(out)
    alarms = [
        check
        for check in report["checks"]
        if check["state"] in ("warn", "fail")
        # Other programs may use the machine meanwhile.
        and check["name"] not in ("load", "synthesis")
        and "ran out of sound" not in check["found"]
    ]

    assert alarms == []
    assert code == 0, err
    assert report["well"] is True
    speaking = next(check for check in report["checks"] if check["name"] == "speaking")
    assert "On speaker_a: a tone after" in speaking["found"]
    assert "heard to the end" in speaking["found"]
    assert TOKEN not in out + err


@pytest.mark.parametrize(
    ("underruns", "state", "found"),
    [
        (0, CheckState.PASS, "2.5 s heard to the end"),
        (3, CheckState.WARN, "ran out of sound 3 times"),
    ],
)
def test_speaking_check_warns_of_underruns(underruns: int, state: CheckState, found: str) -> None:
    """A device that ran dry inside the sentence is a warning, with what to do."""
    tone = Ended(1, Outcome.HEARD, device="speaker_a", audio_s=0.5, first_sound_ms=90)
    sentence = Ended(2, Outcome.HEARD, device="speaker_a", audio_s=2.0, underruns=underruns)
    finding = sound._rate_speaking(tone, sentence)

    assert finding.state is state
    assert found in finding.found
    assert ("AUDIO_LATENCY" in finding.fix) == bool(underruns)


@pytest.mark.realtime
async def test_doctor_speaks_through_running_bot(
    bot_environment: Environment, sandbox: Sandbox, loudspeakers: Loudspeakers
) -> None:
    """A running bot uses the loudspeaker, so the sentence goes through its queue."""
    bot_environment["PULSE_SERVER"] = loudspeakers.daemons["speaker_a"].socket
    async with crier("run", environment=bot_environment, module=WITH_TONES):
        await sandbox.wait_for_call("getupdates")
        code, out, err = await run("doctor", "--sound", "--json", environment=bot_environment)
    checks = {check["name"]: check for check in json.loads(out)["checks"]}

    assert code == 0, out + err
    assert {name: checks[name]["state"] for name in ("bot", "polling", "warnings", "speaking")} == {
        "bot": "pass",
        "polling": "pass",
        "warnings": "pass",
        "speaking": "pass",
    }, out
    assert "The running bot: heard on speaker_a after" in checks["speaking"]["found"]


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


@pytest.mark.parametrize("sign", ["'", "\u2019"])
def test_redactor_hides_owner_of_device(scene: Scene, sign: str) -> None:
    """Apple names devices after people; the kind of device is kept."""
    redactor = Redactor(scene.context())

    assert redactor.redact(f"On Zoë{sign}s AirPods: heard") == f"On <name>{sign}s AirPods: heard"
    assert redactor.redact("Crier's log") == "Crier's log"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Jane Doe\u2019s MacBook Pro Speakers", "MacBook Pro Speakers"),
        ("AirPods Pro von Jane", "AirPods Pro"),
        ("James\u2019 AirPods", "AirPods"),
        ("Jane\u2019s Bose QC35", "<device>"),
        ("MacBook Air Speakers", "MacBook Air Speakers"),
    ],
)
def test_redactor_shows_only_the_kind_of_a_connected_device(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    """In every language a device's name may contain its owner's."""
    monkeypatch.setattr(coreaudio, "outputs", lambda: (coreaudio.Output(1, name, name),))

    assert Redactor(scene.context()).redact(f"From {name}: heard") == f"From {shown}: heard"


def test_report_escapes_table_markup(scene: Scene) -> None:
    """A bar or a line break in a finding does not break the table."""
    findings = {"x": Finding(CheckState.WARN, "a|b\nc", "fix it")}

    assert as_report(findings).splitlines()[-1] == "| ! warn | x | a\\|b c |"
    assert (
        Redactor(scene.context()).redact(f"https://x/bot{TOKEN}/getMe")
        == "https://x/bot<token>/getMe"
    )
