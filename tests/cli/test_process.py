"""`crier run` and `crier demo` as processes: signals, exit codes, logs, pipes."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from audio.types import SAMPLE_RATE_HZ
from audio.voices import VOICES
from bot.chat.sandbox import Fault, Sandbox
from tests.chat.samples import LONG_TEXT
from tests.conftest import ALICE, TOKEN, reaction_to
from tests.support.commandline import WITH_TONES, Environment, crier, run
from tests.support.likeness import correlation, resampled
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

Start = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@pytest.mark.realtime
async def test_run_exits_with_0_on_sigterm_while_speaking(
    bot_environment: Environment, sandbox: Sandbox, ear_a: Ear
) -> None:
    """SIGTERM stops the sound at once and the process within 3 s; the message is not dropped."""
    async with crier("run", environment=bot_environment) as process:
        message = sandbox.send(ALICE, LONG_TEXT)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        sigterm_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
        took_s = time.monotonic() - sigterm_s
    await asyncio.to_thread(ear_a.wait_for_silence)

    assert process.returncode == 0
    assert took_s < 3
    assert ear_a.spans()[-1][1] - sigterm_s < 0.3
    assert not any(map(reaction_to(message, "🙊"), sandbox.events))


@pytest.mark.realtime
async def test_run_exits_with_0_on_sigterm_during_back_off(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """SIGTERM while polling sleeps after failures stops the process within 3 s."""
    sandbox.faults["getupdates"] = Fault(
        status=429, description="Too Many Requests: retry after 60", retry_after_s=60
    )
    async with crier("run", environment=bot_environment, module=WITH_TONES) as process:
        await sandbox.wait_for_call("getupdates")
        sigterm_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
        took_s = time.monotonic() - sigterm_s

    assert process.returncode == 0
    assert took_s < 3


@pytest.mark.realtime
async def test_run_exits_with_0_on_sigterm_without_network(bot_environment: Environment) -> None:
    """A bot that has never reached Telegram retries, and exits on SIGTERM."""
    bot_environment["TELEGRAM_API_URL"] = "http://127.0.0.1:1"
    async with crier("run", environment=bot_environment, module=WITH_TONES) as process:
        assert process.stderr is not None
        while b"is unreachable" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 3)

    assert process.returncode == 0


async def test_run_never_logs_token(bot_environment: Environment, sandbox: Sandbox) -> None:
    """Even at DEBUG and with errors, the token is in no file and in no output."""
    sandbox.faults["getupdates"] = Fault(status=502, description=f"Bad bot{TOKEN}", times=1)
    async with crier("run", environment=bot_environment, module=WITH_TONES) as process:
        message = sandbox.send(ALICE, "Hello there.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 10)
    files = written(bot_environment)

    secret = TOKEN.partition(":")[2].encode()
    assert any(path.name == "crier.log" and path.stat().st_size > 1000 for path in files)
    assert [path for path in files if secret in path.read_bytes()] == []
    assert secret not in out + err


def written(environment: Environment) -> list[Path]:
    """Return every file in the data folder."""
    return [path for path in Path(environment["DATA_DIR"]).rglob("*") if path.is_file()]


async def test_run_logs_no_texts_at_info(bot_environment: Environment, sandbox: Sandbox) -> None:
    """Without LOG_LEVEL=DEBUG, texts of messages are in no log."""
    bot_environment["LOG_LEVEL"] = "INFO"
    async with crier("run", environment=bot_environment) as process:
        message = sandbox.send(ALICE, "Xylophone.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 10)

    log = (Path(bot_environment["DATA_DIR"]) / "crier.log").read_text()
    assert "Message 1: heard" in log
    assert "Xylophone" not in log + err.decode()


async def test_run_without_token_names_variable(environment: Environment) -> None:
    """`crier run` without a token exits with 2 and says where one comes from."""
    code, _, err = await run("run", environment=environment)

    assert code == 2
    assert "TELEGRAM_BOT_TOKEN is not set" in err
    assert "BotFather" in err
    assert "Traceback" not in err


async def test_run_exits_with_2_for_revoked_token(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """A token that Telegram does not know is reported, at start and while running."""
    bot_environment["TELEGRAM_BOT_TOKEN"] = TOKEN[:-1] + "x"
    code, _, err = await run("run", environment=bot_environment, module=WITH_TONES)
    assert code == 2
    assert "TELEGRAM_BOT_TOKEN: Telegram does not know this token" in err

    bot_environment["TELEGRAM_BOT_TOKEN"] = TOKEN
    sandbox.faults["getupdates"] = Fault(status=401, description="Unauthorized")
    code, _, err = await run("run", environment=bot_environment, module=WITH_TONES)
    assert code == 2
    assert "Telegram does not know this token" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"KOKORO_VOICE": "nobody"}, "KOKORO_VOICE: There is no voice 'nobody'"),
        ({"KOKORO_SPEED": "9"}, "KOKORO_SPEED: Input should be less than or equal to 2"),
        ({"TELEGRAM_ALLOWED_USERS": "bob"}, "TELEGRAM_ALLOWED_USERS: 'bob' is not a numeric"),
        ({"DATA_DIR": "/dev/null/x"}, "DATA_DIR: /dev/null/x"),
    ],
)
async def test_run_exits_with_2_for_wrong_setting(
    bot_environment: Environment, variables: Environment, says: str
) -> None:
    """A wrong setting is one message that names the variable, and exit code 2."""
    code, _, err = await run("run", environment={**bot_environment, **variables})

    assert code == 2
    assert says in err
    assert "Traceback" not in err


async def test_run_exits_with_2_for_taken_port(bot_environment: Environment) -> None:
    """If another program uses the port, one message names API_PORT and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        bot_environment["API_PORT"] = str(other.getsockname()[1])
        code, _, err = await run("run", environment=bot_environment)

    assert code == 2
    assert "API_PORT: " in err
    assert "another program uses it" in err
    assert "Traceback" not in err


async def test_run_sets_damaged_database_aside(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """The bot starts with a new database, and says where the old one is."""
    database = Path(bot_environment["DATA_DIR"]) / "crier.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database, but long enough to look like a file of one" * 20)
    async with crier("run", environment=bot_environment, module=WITH_TONES) as process:
        assert process.stderr is not None
        while b"was set aside as" not in await process.stderr.readline():
            pass
        await sandbox.wait_for_call("getupdates")
    (old,) = database.parent.glob("crier.db.damaged-*")

    assert old.read_bytes().startswith(b"not a database")


async def test_demo_starts_unmuted(environment: Environment, tmp_path: Path) -> None:
    """After a /mute in the last demo, a piped line is heard and the process exits."""
    environment["AUDIO_DEVICE"] = f"file:{tmp_path / 'spoken'}"
    await run(module=WITH_TONES, environment=environment, stdin=b"/mute\n")
    code, out, _ = await run(module=WITH_TONES, environment=environment, stdin=b"Hello there.\n")

    assert code == 0
    assert "heard to the end: Hello there." in out


async def test_demo_speaks_piped_lines(
    environment: Environment, loudspeakers: Loudspeakers, ear_a: Ear
) -> None:
    """Without a command and a token, each piped line is heard, and the exit code is 0."""
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    environment["HTTP_PROXY"] = environment["ALL_PROXY"] = "http://127.0.0.1:1"  # must be ignored
    code, out, _ = await run(environment=environment, stdin="Dinner is ready.\n\nÇa va?".encode())
    await asyncio.to_thread(ear_a.wait_for_silence)

    assert code == 0
    assert "👍 heard to the end: Dinner is ready." in out
    assert "👍 heard to the end: Ça va?" in out
    assert len(ear_a.spans()) == 2


async def test_demo_fails_for_line_that_cannot_be_spoken(environment: Environment) -> None:
    """The other lines are spoken; the exit code is 1 and the output says why."""
    environment["AUDIO_DEVICE"] = f"file:{environment['DATA_DIR']}/spoken"
    code, out, _ = await run(
        "demo", environment=environment, stdin="🙂\nHello.\n".encode(), module=WITH_TONES
    )

    assert code == 1
    assert "💔 not spoken: 🙂" in out
    assert "👍 heard to the end: Hello." in out
    assert "Written: " in out


async def test_demo_without_device_writes_files(
    environment: Environment,
) -> None:
    """Without any output device the demo says so, and names the WAV files."""
    if (await run("devices", environment=environment))[0] == 0:
        pytest.skip("this computer has a loudspeaker")
    text = b"Number 1 2 3.\n"
    code, out, _ = await run("demo", environment=environment, stdin=text, module=WITH_TONES)
    files = list((Path(environment["DATA_DIR"]) / "demo" / "spoken").glob("*.wav"))

    assert code == 0
    assert "There is no output device here" in out
    assert [f"Written: {path}" in out for path in files] == [True]
    with wave.open(str(files[0])) as file:
        assert 0.7 < file.getnframes() / file.getframerate() < 2


@pytest.mark.realtime
async def test_demo_writes_same_sound_to_file_and_loudspeaker(
    environment: Environment, loudspeakers: Loudspeakers, ear_a: Ear, tmp_path: Path
) -> None:
    """The WAV file of a message and the sound of the loudspeaker are the same."""
    # Four tones, in one word: it is one chunk, whatever either run has learned about the machine.
    text, module = b"x3y77z12q200", WITH_TONES
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    environment["AUDIO_DEVICE"] = f"file:{tmp_path / 'spoken'}"
    assert (await run("demo", environment=environment, stdin=text, module=module))[0] == 0
    environment["AUDIO_DEVICE"] = "speaker_a"
    assert (await run("demo", environment=environment, stdin=text, module=module))[0] == 0
    await asyncio.to_thread(ear_a.wait_for_silence)

    with wave.open(str(tmp_path / "spoken" / "0001.wav")) as file:
        written = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    # At a higher rate, since the loudspeaker may lag by a fraction of a frame.
    played = resampled(ear_a.samples(), 1, 4)
    loud = np.flatnonzero(np.abs(written) > 0.004)
    written = resampled(written[loud[0] : loud[-1] + 1], SAMPLE_RATE_HZ, 4 * RATE_HZ)
    assert len(played) / (4 * RATE_HZ) == pytest.approx(1.2, abs=0.05)
    assert len(played) == pytest.approx(len(written), abs=0.02 * 4 * RATE_HZ)
    likeness = correlation(played, written).max()
    assert likeness / np.sqrt((played**2).sum() * (written**2).sum()) > 0.99


async def test_voices_lists_all_voices(environment: Environment) -> None:
    """`crier voices` lists all 54 with what they speak."""
    code, out, _ = await run("voices", environment=environment)

    assert code == 0
    assert sorted(word for word in out.split() if word in VOICES) == sorted(VOICES)
    assert any("bf_emma" in line and "British English, female" in line for line in out.splitlines())


async def test_devices_lists_devices(environment: Environment, loudspeakers: Loudspeakers) -> None:
    """`crier devices` lists the output devices."""
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    code, out, _ = await run("devices", environment=environment)

    assert code == 0
    assert "speaker_b" in out


async def test_voices_ignores_closed_pipe(environment: Environment) -> None:
    """`crier voices | head -1` exits without a traceback."""
    command = f"{sys.executable} -P -m bot voices | head -1"
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", command], env=environment, capture_output=True, check=False
    )

    assert b"af_heart" in done.stdout
    assert done.stderr == b""


async def test_demo_answers_piped_command(environment: Environment) -> None:
    """The answer of a command is shown before the demo exits."""
    environment["AUDIO_DEVICE"] = f"file:{environment['DATA_DIR']}/spoken"
    code, out, _ = await run("demo", environment=environment, stdin=b"/status\n", module=WITH_TONES)

    assert code == 0
    assert "Idle. Nothing waits." in out


async def test_demo_drops_messages_of_earlier_demo(
    environment: Environment,
) -> None:
    """A message that was interrupted in one demo is not spoken in the next one."""
    environment["AUDIO_DEVICE"] = f"file:{environment['DATA_DIR']}/spoken"
    numbers = " ".join(f"Number {n}." for n in range(1, 100)).encode()
    async with crier("demo", environment=environment, stdin=numbers, module=WITH_TONES) as process:
        assert process.stdout is not None
        while "👀" not in (await process.stdout.readline()).decode():
            pass
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
    code, out, _ = await run(
        "demo", environment=environment, stdin=b"Dinner is ready.\n", module=WITH_TONES
    )

    assert code == 0
    assert out.count("👍") == 1
    assert "👍 heard to the end: Dinner is ready." in out
