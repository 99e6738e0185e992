"""The commands that control a running bot, each in a process of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import httpx
import pytest

from audio.types import SAMPLE_RATE_HZ
from bot.settings import Settings
from tests.http.test_audio_stream import decoded
from tests.support.commandline import Environment, crier, run
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, serve
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers
from tests.support.terminal import CTRL_C, CTRL_D, ENTER, terminal

LONG = " ".join(f"Number {number}." for number in range(10, 60))
"""Takes seconds; each sentence has a number that the recording shows."""
TEN = " ".join(f"Number {number}." for number in range(10, 20))


@pytest.fixture
async def face(settings: Settings, loudspeakers: Loudspeakers) -> AsyncIterator[Face]:
    """Run a bot with a fake voice, in the data folder that the command line uses."""
    assert loudspeakers.alsa_config.exists()
    async with serve(settings.replaced(api_port=0), ToneVoice()) as face:
        yield face


def codes(ear: Ear) -> list[int]:
    """Return the numbers that were heard."""
    return [tone.code for tone in find_tones(*ear.recording()[:1], RATE_HZ)]


async def test_say_returns_when_queued(environment: Environment, face: Face, ear_a: Ear) -> None:
    """A script gets exit code 0 and no output; the text is heard, and is in the history."""
    async with face.listening() as heard:
        code, out, err = await run("say", "Number", "5.", environment=environment)
        ended = await heard.wait_for(lambda name, _: name == "ended")
    await asyncio.to_thread(ear_a.wait_for_silence)

    assert (code, out, err) == (0, "", "")
    assert (ended["outcome"], ended["source"]) == ("heard", "command line")
    assert codes(ear_a) == [5]


async def test_say_wait_returns_when_heard(
    environment: Environment, face: Face, ear_a: Ear
) -> None:
    """--wait exits with 0 after the last sound; stdin is spoken."""
    code, out, err = await run(
        "say", "--wait", environment=environment, stdin=b"Number 1.\nNumber 2.\n"
    )
    heard = codes(ear_a)

    assert (code, out, err) == (0, "", "")
    assert heard == [1, 2]
    assert [item["outcome"] for item in (await face.get("/v1/history"))["items"]] == ["heard"]


@contextlib.asynccontextmanager
async def say_while_written(
    environment: Environment, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, IO[bytes]]]:
    """Run `crier say - --wait`; yield the process and the writer's end of its pipe."""
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bot", "say", "-", "--wait", *options),
        env=environment,
        stdin=reading,
        stderr=subprocess.PIPE,
    )
    os.close(reading)
    try:
        with os.fdopen(writing, "wb", buffering=0) as writer:
            yield process, writer
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_say_speaks_a_text_while_it_is_written(
    environment: Environment, face: Face, ear_a: Ear
) -> None:
    """In a pipe the first sentence is heard before the writer ends: one message in all."""
    async with (
        face.listening() as heard,
        say_while_written(environment, "--voice", "af_bella") as (process, writer),
    ):
        writer.write(b"Number 1. Num")
        await heard.wait_for(lambda name, data: name == "sentence" and data["sentence"] == 0)
        writer.write(b"ber 2. Number 3.")
        writer.close()
        _, err = await asyncio.wait_for(process.communicate(), 60)
    (item,) = (await face.get("/v1/history"))["items"]

    assert (process.returncode, err) == (0, b"")
    assert item["outcome"] == "heard"
    assert codes(ear_a) == [1, 2, 3]


async def test_say_ends_with_a_stop_while_its_text_is_written(
    environment: Environment, face: Face
) -> None:
    """A stop ends the command, although its writer goes on."""
    async with (
        face.listening() as heard,
        say_while_written(environment) as (process, writer),
    ):
        writer.write(b"Number 1. Number 2. Num")
        await heard.wait_for(lambda name, _: name == "sounding")
        await face.client.post("/v1/audio/stop")
        _, err = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert err.decode() == "Not heard to the end: it was stopped.\n"


async def test_client_uses_unix_socket(
    settings: Settings, environment: Environment, loudspeakers: Loudspeakers
) -> None:
    """If the path of the data folder is short enough, the socket is used instead of the port."""
    assert loudspeakers.alsa_config.exists()
    with tempfile.TemporaryDirectory(prefix="crier") as folder:
        data_dir = Path(folder) / "d"
        async with serve(settings.replaced(api_port=0, data_dir=data_dir), ToneVoice()):
            file = data_dir / "api.json"
            api_json = json.loads(file.read_text())
            file.write_text(json.dumps({**api_json, "port": 1}))

            code, out, _ = await run(
                "status", "--json", environment={**environment, "DATA_DIR": str(data_dir)}
            )

    assert api_json["socket"] == str(data_dir / "api.sock")
    assert code == 0
    assert json.loads(out)["version"]


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        ("stop", "Silent. 1 message was cut or dropped.\n", "it was stopped."),
        ("skip", "Skipped.\n", "it was skipped."),
    ],
)
async def test_say_wait_reports_stop_and_skip(
    *, command: str, answer: str, outcome: str, environment: Environment, face: Face, ear_a: Ear
) -> None:
    """`stop` and `skip` print a line; --wait exits with 1 and says which it was."""
    async with crier("say", "--wait", LONG, environment=environment) as waiting:
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        answered = await run(command, environment=environment)
        _, err = await asyncio.wait_for(waiting.communicate(), 20)

    assert answered == (0, answer, "")
    assert (waiting.returncode, err.decode()) == (1, f"Not heard to the end: {outcome}\n")
    assert (await face.get("/v1/queue"))["items"] == []


async def test_pause_keeps_message_until_resume(
    environment: Environment, face: Face, ear_a: Ear
) -> None:
    """`pause` loses nothing, `status` shows it, and after `resume` the rest is heard."""
    await face.speak(LONG[:200])
    await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
    paused = await run("pause", environment=environment)
    _, status, _ = await run("status", environment=environment)
    async with face.listening() as heard:
        resumed = await run("resume", environment=environment)
        ended = await heard.wait_for(lambda name, _: name == "ended")

    assert paused == (0, "Paused. `crier resume` goes on.\n", "")
    assert "paused; `crier resume` goes on" in status
    assert resumed == (0, "Going on.\n", "")
    assert ended["outcome"] == "heard"


async def test_stop_and_skip_with_nothing_to_do(environment: Environment, face: Face) -> None:
    """If nothing is spoken, `stop` succeeds and `skip` fails, each with a message."""
    assert face.token

    assert await run("stop", environment=environment) == (0, "Silent. Nothing was waiting.\n", "")
    assert await run("skip", environment=environment) == (1, "There is nothing to skip.\n", "")


async def test_say_wait_reports_why_message_is_held(environment: Environment, face: Face) -> None:
    """While Crier is muted, --wait exits with 1 and the reason, and the message stays queued."""
    await face.bot.delivery.mute(time.time() + 3600)

    code, _, err = await run("say", "--wait", "Number 1.", environment=environment)

    assert code == 1
    assert "Not heard yet: " in err
    assert [item["state"] for item in (await face.get("/v1/queue"))["items"]] == ["held"]


async def test_say_urgent_comes_next(environment: Environment, face: Face, ear_a: Ear) -> None:
    """--urgent is heard before waiting messages, and --client is the sender's name."""
    await face.speak(LONG[:100])
    await asyncio.to_thread(ear_a.wait_for_sound, 0.0)

    code, _, _ = await run(
        "say", "--wait", "--urgent", "--client", "oven", "Number 5.", environment=environment
    )
    async with face.listening() as heard:
        await heard.wait_for(lambda name, data: name == "ended" and data["source"] == "tests")
    await asyncio.to_thread(ear_a.wait_for_silence)

    assert code == 0
    assert 5 in codes(ear_a)[1:-1]
    sources = [item["source"] for item in (await face.get("/v1/history"))["items"]]
    assert sources == ["tests", "oven"]


async def test_say_in_terminal_reports_mute(
    environment: Environment, face: Face, tmp_path: Path
) -> None:
    """In a terminal `say` shows that Crier is muted."""
    await face.bot.delivery.mute(time.time() + 3600)

    async with terminal("say", "Number 1.", environment=environment, cwd=tmp_path) as screen:
        await screen.see(r"Queued\. Muted until \d\d:\d\d\.")

        assert await screen.ended() == 0


async def test_say_wait_in_terminal_shows_progress(
    environment: Environment, face: Face, ear_a: Ear, tmp_path: Path
) -> None:
    """In a terminal --wait shows the queue before it, and then that the text was heard."""
    await face.speak(TEN)
    await asyncio.to_thread(ear_a.wait_for_sound, 0.0)

    async with terminal("say", "--wait", "5.", environment=environment, cwd=tmp_path) as screen:
        await screen.see(r"Waiting; 1 before it")
        await screen.see(r"Heard to the end\.")

        assert await screen.ended() == 0


async def test_devices_choose_selects_from_list(
    environment: Environment, face: Face, tmp_path: Path
) -> None:
    """`devices --choose` asks in the terminal, and sound goes to the chosen device."""
    names = [device["name"] for device in (await face.get("/v1/devices"))["outputs"]]

    async with terminal("devices", "--choose", environment=environment, cwd=tmp_path) as screen:
        await screen.see("Where shall sound go")
        screen.type(str(1 + names.index("speaker_b")))
        screen.type(ENTER)
        await screen.see("Sound goes to speaker_b")

        assert await screen.ended() == 0
    assert (await face.get("/v1/devices"))["wanted"] == "speaker_b"


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
async def test_devices_choose_changes_nothing_after_ctrl_c_or_ctrl_d(
    environment: Environment, face: Face, tmp_path: Path, key: str
) -> None:
    """The list can be left without a choice."""
    before = (await face.get("/v1/devices"))["wanted"]
    async with terminal("devices", "--choose", environment=environment, cwd=tmp_path) as screen:
        await screen.see("Where shall sound go")
        screen.type(key)
        await screen.ended()

    assert "Sound goes to" not in screen.text
    assert (await face.get("/v1/devices"))["wanted"] == before


async def test_devices_choose_keeps_current_device_after_enter(
    environment: Environment, face: Face, tmp_path: Path
) -> None:
    """The current device is the default of the list, which ignores keys that are no choice."""
    await run("devices", "speaker_b", environment=environment)
    async with terminal("devices", "--choose", environment=environment, cwd=tmp_path) as screen:
        await screen.see("Where shall sound go")
        screen.type("x")
        screen.type(ENTER)
        await screen.see("Sound goes to speaker_b")

        assert await screen.ended() == 0
    assert (await face.get("/v1/devices"))["wanted"] == "speaker_b"


async def test_say_wait_keeps_message_after_ctrl_c(
    environment: Environment, face: Face, ear_a: Ear
) -> None:
    """Ctrl-C stops the waiting, not the message, and says so."""
    async with crier("say", "--wait", LONG, environment=environment) as waiting:
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        waiting.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(waiting.communicate(), 20)
    (item,) = (await face.get("/v1/queue"))["items"]

    assert waiting.returncode == 1
    assert "The message stays in the queue; `crier skip` or `crier stop` ends it." in err.decode()
    assert item["state"] == "sounding"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["say", "--voice", "af_hart", "x"], "Did you mean af_heart"),
        (["say", "--lang", "xx", "x"], "there is no language 'xx'; choose en-us"),
        (["say", "..."], "nothing to say"),
        (["devices", "speaker"], "2 devices have 'speaker' in the name. There are: speaker_a"),
        (["devices", "headphones"], "No device has 'headphones' in the name. There are:"),
        (["devices", "--choose"], "--choose asks in a terminal. Elsewhere: crier devices NAME"),
    ],
)
async def test_commands_report_refusals(
    arguments: list[str], message: str, environment: Environment, face: Face
) -> None:
    """A refused command exits with 2 and the bot's message."""
    code, out, err = await run(*arguments, environment=environment)

    assert (code, out) == (2, "")
    assert message in err
    assert face.token not in err


async def test_say_reports_wrong_token(
    environment: Environment, face: Face, settings: Settings
) -> None:
    """The error names the file of the token that the bot refuses."""
    assert face.token
    path = settings.data_dir / "api-token"
    path.write_text("another")

    code, _, err = await run("say", "Number 1.", environment=environment)

    assert code == 2
    assert f"Crier does not take the token in {path}." in err


async def test_status_shows_message_and_queue(
    environment: Environment, face: Face, ear_a: Ear
) -> None:
    """`status` shows the current message and how many wait; --json is the bot's own answer."""
    _, silent, _ = await run("status", environment=environment)
    await face.speak(LONG)
    await face.speak("Number 1.")
    await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
    code, speaking, _ = await run("status", environment=environment)
    _, for_programs, _ = await run("status", "--json", environment=environment)

    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in silent.splitlines())
    assert (lines["Now"], lines["Waiting"]) == ("silent", "nothing")
    assert lines["Voice"].startswith("af_heart, volume 100 %")
    lines = dict(line.split(maxsplit=1) for line in speaking.splitlines())
    assert lines["Now"].startswith("speaking, ")
    assert ": Number 10. Number 11." in lines["Now"]
    assert lines["Waiting"] == "1"
    assert lines["Device"] == "speaker_a"
    assert json.loads(for_programs)["speaking"] is True


async def test_devices_lists_and_selects(environment: Environment, face: Face) -> None:
    """A device is selected by its name or a part of it; --follow reverts to the default."""
    _, listed, _ = await run("devices", environment=environment)
    selected = await run("devices", "KER_B", environment=environment)
    wanted = (await face.get("/v1/devices"))["wanted"]
    followed = await run("devices", "--follow", environment=environment)

    assert {"speaker_a", "speaker_b"} <= {line.split()[0] for line in listed.splitlines()}
    assert selected == (0, "Sound goes to speaker_b.\n", "")
    assert wanted == "speaker_b"
    assert followed == (0, "Sound follows the system's default.\n", "")
    assert (await face.get("/v1/devices"))["wanted"] == ""


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "opus"])
async def test_say_out_writes_playable_file(
    kind: str, environment: Environment, face: Face, tmp_path: Path
) -> None:
    """--out writes the sound into the file, and nothing is played."""
    path = tmp_path / f"said.{kind.upper()}"

    result = await run("say", "--out", str(path), TEN, environment=environment)
    samples, rate_hz = decoded(path.read_bytes(), kind)

    assert result == (0, "", "")
    assert [tone.code for tone in find_tones(samples, rate_hz)] == list(range(10, 20))
    assert [file.name for file in tmp_path.glob("said*")] == [path.name]
    assert (await face.get("/v1/history"))["items"] == []


async def test_say_out_writes_length_of_wav(
    environment: Environment, face: Face, tmp_path: Path
) -> None:
    """The header of a .wav file has the right length, so that players show the duration."""
    assert face.token
    path = tmp_path / "said.wav"
    await run("say", "--out", str(path), "Number 1.", environment=environment)

    with wave.open(str(path)) as file:
        assert file.getframerate() == SAMPLE_RATE_HZ
        assert len(file.readframes(file.getnframes())) == path.stat().st_size - 44


async def test_say_standalone_needs_no_bot(environment: Environment, tmp_path: Path) -> None:
    """--standalone speaks with the real voice in its own process, and names the file."""
    variables = {**environment, "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}"}

    code, out, err = await run("say", "--standalone", "The kettle is on.", environment=variables)
    (path,) = (tmp_path / "spoken").glob("*.wav")

    assert (code, out) == (0, "")
    assert err.endswith(f"Written: {path}\n")
    assert path.stat().st_size > SAMPLE_RATE_HZ  # half a second


async def test_say_standalone_is_refused_while_bot_runs(
    environment: Environment, face: Face
) -> None:
    """--standalone would be heard at the same time as the bot."""
    assert face.token

    code, _, err = await run("say", "--standalone", "Number 1.", environment=environment)

    assert code == 2
    assert err.endswith("Crier is running and would be talked over. Leave --standalone out.\n")


async def test_devices_without_bot_asks_system(
    environment: Environment, loudspeakers: Loudspeakers
) -> None:
    """If no bot runs, the devices are those that the system lists."""
    variables = {**environment, "ALSA_CONFIG_PATH": str(loudspeakers.alsa_config)}

    code, listed, _ = await run("devices", environment=variables)

    assert code == 0
    assert "speaker_a" in listed


async def test_voices_lists_and_previews(environment: Environment, face: Face) -> None:
    """Voices are listed by language, even without a bot; --preview speaks a sentence."""
    code, listed, _ = await run("voices", environment={**environment, "DATA_DIR": "/nowhere"})
    previewed, _, _ = await run("voices", "--preview", "ff_siwis", environment=environment)
    (item,) = (await face.get("/v1/history"))["items"]

    assert (code, previewed) == (0, 0)
    assert "Hindi, female" in listed
    assert "hf_alpha hf_beta" in listed
    assert (item["text"], item["source"]) == ("Voici comment je parle.", "preview")


async def test_page_opens_browser(environment: Environment, face: Face) -> None:
    """`page` passes an address that opens the page once to the browser, or prints it.

    It does not contain the token, since all users of this computer can read its arguments.
    """
    code, opened, _ = await run("page", environment={**environment, "BROWSER": "/bin/echo"})
    without = await run("page", environment={**environment, "BROWSER": "/bin/false"})

    assert (code, without[0]) == (0, 0)
    assert face.token not in opened + without[1] + without[2]
    for output in (opened, without[1].splitlines(keepends=True)[-1]):
        address, _, one_time = output.strip().partition("#code=")
        assert address == f"{face.url}/"
        async with httpx.AsyncClient(base_url=face.url, trust_env=False, verify=False) as browser:
            answers = [
                await browser.post("/v1/page/token", json={"code": one_time}) for _ in range(2)
            ]
        assert [answer.status_code for answer in answers] == [200, 403]
        assert answers[0].json() == {"token": face.token}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
async def test_completion_prints_valid_script(shell: str, environment: Environment) -> None:
    """The shell itself parses the script."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    code, script, _ = await run("completion", shell, environment=environment)
    parsed = await asyncio.to_thread(subprocess.run, [program, "-n"], input=script.encode())

    assert (code, parsed.returncode) == (0, 0)
    assert "standalone" in script


async def test_completion_completes_command_and_option(environment: Environment) -> None:
    """In bash, Tab completes a command and an option."""
    _, script, _ = await run("completion", "bash", environment=environment)
    for words, completed in ((["crier", "sta"], "status"), (["crier", "say", "--stand"], "--stan")):
        press_tab = (
            f"{script}\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
            "_shtab_crier; echo ${COMPREPLY[@]}"
        )
        shell_run = await asyncio.to_thread(
            subprocess.run, ["bash"], input=press_tab.encode(), capture_output=True
        )

        assert completed in shell_run.stdout.decode()
