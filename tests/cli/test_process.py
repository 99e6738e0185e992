"""The command line as a process: signals, exit codes, logs, pipes."""

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
from scipy.signal import correlate, resample_poly

from audio.types import SAMPLE_RATE_HZ
from audio.voices import VOICES
from bot.chat.sandbox import Fault, Sandbox
from tests.chat.test_bot import LONG
from tests.conftest import ALICE, TOKEN, reaction_to
from tests.support.commandline import Environment, crier, run
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

Start = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@pytest.mark.realtime
async def test_sigterm_while_speaking_is_silent_at_once_and_ends_with_0(
    bot_environment: Environment, sandbox: Sandbox, ear_a: Ear
) -> None:
    """SIGTERM cuts the sound, ends the process within 3 s, and the message goes on later."""
    async with crier("run", environment=bot_environment) as process:
        message = sandbox.send(ALICE, LONG)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        asked_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
        took_s = time.monotonic() - asked_s
    await asyncio.to_thread(ear_a.wait_for_silence)

    assert process.returncode == 0
    assert took_s < 3
    assert ear_a.spans()[-1][1] - asked_s < 0.3
    assert not any(map(reaction_to(message, "🙊"), sandbox.events))


@pytest.mark.realtime
async def test_sigterm_in_a_back_off_ends_with_0(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """SIGTERM while polling sleeps after failures ends the process within 3 s."""
    sandbox.faults["getupdates"] = Fault(
        status=429, description="Too Many Requests: retry after 60", retry_after_s=60
    )
    async with crier("run", environment=bot_environment) as process:
        await sandbox.wait_for_call("getupdates")
        asked_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
        took_s = time.monotonic() - asked_s

    assert process.returncode == 0
    assert took_s < 3


@pytest.mark.realtime
async def test_sigterm_without_any_network_ends_with_0(bot_environment: Environment) -> None:
    """A bot that has never reached Telegram waits for it, and ends when asked to."""
    bot_environment["TELEGRAM_API_URL"] = "http://127.0.0.1:1"
    async with crier("run", environment=bot_environment) as process:
        assert process.stderr is not None
        while b"can't be reached" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 3)

    assert process.returncode == 0


async def test_no_log_holds_the_token(bot_environment: Environment, sandbox: Sandbox) -> None:
    """At DEBUG, with failures on the way, the token is in no file and in no output."""
    sandbox.faults["getupdates"] = Fault(status=502, description=f"Bad bot{TOKEN}", times=1)
    async with crier("run", environment=bot_environment) as process:
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


async def test_texts_are_not_logged_at_info(bot_environment: Environment, sandbox: Sandbox) -> None:
    """Unless DEBUG is asked for, what people send is in no log."""
    bot_environment["LOG_LEVEL"] = "INFO"
    async with crier("run", environment=bot_environment) as process:
        message = sandbox.send(ALICE, "Xylophone.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 10)

    log = (Path(bot_environment["DATA_DIR"]) / "crier.log").read_text()
    assert "Message 1: heard" in log
    assert "Xylophone" not in log + err.decode()


async def test_without_a_token_run_names_the_variable(environment: Environment) -> None:
    """`crier run` without a token exits with 2 and says where one comes from."""
    code, _, err = await run("run", environment=environment)

    assert code == 2
    assert "TELEGRAM_BOT_TOKEN is not set" in err
    assert "BotFather" in err
    assert "Traceback" not in err


async def test_a_revoked_token_ends_with_2(bot_environment: Environment, sandbox: Sandbox) -> None:
    """A token that Telegram does not know is named, at start and while running."""
    bot_environment["TELEGRAM_BOT_TOKEN"] = TOKEN[:-1] + "x"
    code, _, err = await run("run", environment=bot_environment)
    assert code == 2
    assert "TELEGRAM_BOT_TOKEN: Telegram does not know this token" in err

    bot_environment["TELEGRAM_BOT_TOKEN"] = TOKEN
    sandbox.faults["getupdates"] = Fault(status=401, description="Unauthorized")
    code, _, err = await run("run", environment=bot_environment)
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
async def test_a_wrong_setting_ends_with_2(
    bot_environment: Environment, variables: Environment, says: str
) -> None:
    """A wrong setting is one message that names the variable, and exit code 2."""
    code, _, err = await run("run", environment={**bot_environment, **variables})

    assert code == 2
    assert says in err
    assert "Traceback" not in err


async def test_a_taken_port_ends_with_2(bot_environment: Environment) -> None:
    """Where another program has API_PORT, one message names it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        bot_environment["API_PORT"] = str(other.getsockname()[1])
        code, _, err = await run("run", environment=bot_environment)

    assert code == 2
    assert "API_PORT: " in err
    assert "another program uses it" in err
    assert "Traceback" not in err


async def test_a_damaged_database_is_set_aside_and_named(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """The bot starts with a new database, and says where the old one is."""
    database = Path(bot_environment["DATA_DIR"]) / "crier.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database, but long enough to look like a file of one" * 20)
    async with crier("run", environment=bot_environment) as process:
        assert process.stderr is not None
        while b"was set aside as" not in await process.stderr.readline():
            pass
        await sandbox.wait_for_call("getupdates")
    (kept,) = database.parent.glob("crier.db.damaged-*")

    assert kept.read_bytes().startswith(b"not a database")


async def test_a_mute_of_the_last_demo_does_not_keep_a_pipe(
    environment: Environment, tmp_path: Path
) -> None:
    """Each demo begins unmuted, so that a piped line is heard and the process ends."""
    environment["AUDIO_DEVICE"] = f"file:{tmp_path / 'spoken'}"
    await run(environment=environment, stdin=b"/mute\n")
    code, out, _ = await run(environment=environment, stdin=b"Hello there.\n")

    assert code == 0
    assert "heard to the end: Hello there." in out


async def test_piped_lines_are_spoken_by_the_demo(
    environment: Environment, loudspeakers: Loudspeakers, ear_a: Ear
) -> None:
    """Without a command and a token, each piped line is heard, and the exit code is 0."""
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    environment["HTTP_PROXY"] = environment["ALL_PROXY"] = "http://127.0.0.1:1"  # of no concern
    code, out, _ = await run(environment=environment, stdin="Dinner is ready.\n\nÇa va?".encode())
    await asyncio.to_thread(ear_a.wait_for_silence)

    assert code == 0
    assert "👍 heard to the end: Dinner is ready." in out
    assert "👍 heard to the end: Ça va?" in out
    assert len(ear_a.spans()) == 2


async def test_a_piped_line_that_cannot_be_spoken_fails(environment: Environment) -> None:
    """The other lines are spoken; the exit code is 1 and the output says why."""
    environment["AUDIO_DEVICE"] = f"file:{environment['DATA_DIR']}/spoken"
    code, out, _ = await run("demo", environment=environment, stdin="🙂\nHello.\n".encode())

    assert code == 1
    assert "💔 not spoken: 🙂" in out
    assert "👍 heard to the end: Hello." in out
    assert "Written: " in out


async def test_without_a_device_the_demo_writes_files(
    environment: Environment,
) -> None:
    """Where there is no output device at all, it says so, and names the WAV files."""
    if (await run("devices", environment=environment))[0] == 0:
        pytest.skip("this computer has a loudspeaker")
    code, out, _ = await run("demo", environment=environment, stdin=b"Dinner is ready.\n")
    files = list((Path(environment["DATA_DIR"]) / "demo" / "spoken").glob("*.wav"))

    assert code == 0
    assert "There is no output device here" in out
    assert [f"Written: {path}" in out for path in files] == [True]
    with wave.open(str(files[0])) as file:
        assert 0.7 < file.getnframes() / file.getframerate() < 2


@pytest.mark.realtime
async def test_a_file_holds_what_a_loudspeaker_plays(
    environment: Environment, loudspeakers: Loudspeakers, ear_a: Ear, tmp_path: Path
) -> None:
    """The WAV of a message and what the loudspeaker played are the same to their last word."""
    # One word can be cut nowhere, whatever either run knows of the machine.
    text = b"Extraordinarily!"
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    environment["AUDIO_DEVICE"] = f"file:{tmp_path / 'spoken'}"
    assert (await run("demo", environment=environment, stdin=text))[0] == 0
    environment["AUDIO_DEVICE"] = "speaker_a"
    assert (await run("demo", environment=environment, stdin=text))[0] == 0
    await asyncio.to_thread(ear_a.wait_for_silence)

    with wave.open(str(tmp_path / "spoken" / "0001.wav")) as file:
        written = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    # Finer than either, since the loudspeaker may be a part of a frame behind.
    played = resample_poly(ear_a.samples(), 4, 1)
    loud = np.flatnonzero(np.abs(written) > 0.004)
    written = resample_poly(written[loud[0] : loud[-1] + 1], 4 * RATE_HZ, SAMPLE_RATE_HZ)
    assert len(played) == pytest.approx(len(written), abs=0.02 * 4 * RATE_HZ)
    likeness = correlate(played, written, "full").max()
    assert likeness / np.sqrt((played**2).sum() * (written**2).sum()) > 0.99


async def test_voices_are_listed(environment: Environment) -> None:
    """`crier voices` lists all 54 with what they speak."""
    code, out, _ = await run("voices", environment=environment)

    assert code == 0
    assert sorted(word for word in out.split() if word in VOICES) == sorted(VOICES)
    assert any("bf_emma" in line and "British English, female" in line for line in out.splitlines())


async def test_devices_are_listed(environment: Environment, loudspeakers: Loudspeakers) -> None:
    """`crier devices` lists where sound can go."""
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    code, out, _ = await run("devices", environment=environment)

    assert code == 0
    assert "speaker_b" in out


async def test_a_reader_that_leaves_is_no_error(environment: Environment) -> None:
    """`crier voices | head -1` ends without a traceback."""
    command = f"{sys.executable} -P -m bot voices | head -1"
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", command], env=environment, capture_output=True, check=False
    )

    assert b"af_heart" in done.stdout
    assert done.stderr == b""


async def test_a_piped_command_is_answered(environment: Environment) -> None:
    """A command's answer is shown before the demo ends."""
    environment["AUDIO_DEVICE"] = f"file:{environment['DATA_DIR']}/spoken"
    code, out, _ = await run("demo", environment=environment, stdin=b"/status\n")

    assert code == 0
    assert "Idle. Nothing waits." in out


async def test_the_demo_does_not_inherit_what_an_earlier_one_left(
    environment: Environment,
) -> None:
    """A demo that was ended in mid-message leaves nothing to the next one."""
    environment["AUDIO_DEVICE"] = f"file:{environment['DATA_DIR']}/spoken"
    async with crier("demo", environment=environment, stdin=LONG.encode()) as process:
        assert process.stdout is not None
        while "👀" not in (await process.stdout.readline()).decode():
            pass
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
    code, out, _ = await run("demo", environment=environment, stdin=b"Dinner is ready.\n")

    assert code == 0
    assert out.count("👍") == 1
    assert "👍 heard to the end: Dinner is ready." in out
