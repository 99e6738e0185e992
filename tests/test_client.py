"""The client of the running bot: how it finds the bot, and how it handles bad answers."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.cli import say
from bot.client import Client, ClientError, NotRunningError
from bot.paths import data_dir
from bot.settings import load
from tests.support.commandline import Environment, run
from tests.support.fake_api import TOKEN, FakeApi, events, serve_fake_api

QUEUED = {"id": 7, "position": 1}


@pytest.fixture
def fake_api(tmp_path: Path) -> Iterator[FakeApi]:
    """Run a fake of the bot's API."""
    # A short path: a Unix socket's may have 103 bytes on a Mac.
    with (
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        serve_fake_api(tmp_path / "data", Path(folder) / "api.sock") as fake_api,
    ):
        yield fake_api


# ---- finding the bot ----


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({}, ""),
        ({}, "# DATA_DIR=/no\nDATA_DIR=\n"),
        ({}, "export DATA_DIR='/a folder' # here\n"),
        ({}, "data_dir = ~/crier\n"),
        ({}, "BASE=/base\nDATA_DIR=${BASE}/crier\n"),
        ({"DATA_DIR": "~/elsewhere"}, "DATA_DIR=/no\n"),
        ({"data_dir": "/lower"}, ""),
        ({"DATA_DIR": ""}, "DATA_DIR=relative\n"),
    ],
)
def test_data_dir_is_that_of_the_settings(
    variables: dict[str, str], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both resolutions agree on DATA_DIR, in every form in which it can be set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".env").write_text(file)

    assert load(tmp_path)[0].data_dir == data_dir(tmp_path)


async def test_commands_without_a_bot_say_how_to_start_it(environment: Environment) -> None:
    """A command that needs a running bot exits with 1 and says how to start one."""
    for command in (["say", "hello"], ["stop"], ["status"], ["page"], ["devices", "--follow"]):
        code, out, err = await run(*command, environment=environment)

        assert (code, out) == (1, ""), command
        assert "Crier is not running. Start it with `make run`" in err


async def test_client_reports_a_killed_bot(environment: Environment, tmp_path: Path) -> None:
    """If api.json was left by a bot that is gone, the bot counts as not running."""
    left = {"host": "127.0.0.1", "port": 9, "pid": 1 << 22, "socket": str(tmp_path / "gone.sock")}
    (tmp_path / "data").mkdir()
    (tmp_path / "data/api-token").write_text(TOKEN)
    for address in (left, left | {"socket": ""}):
        (tmp_path / "data/api.json").write_text(json.dumps(address))

        code, _, err = await run("say", "hello", environment=environment)

        assert code == 1
        assert "Crier is not running; it exited uncleanly and left" in err


def test_client_sends_no_token_to_another_program(tmp_path: Path) -> None:
    """If the bot is gone and another program has its port, that one gets no request."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = {"host": "127.0.0.1", "port": other.getsockname()[1], "pid": 1 << 22}
        (tmp_path / "api.json").write_text(json.dumps(address))
        (tmp_path / "api-token").write_text(TOKEN)
        other.setblocking(False)

        with pytest.raises(NotRunningError):
            Client(folder=tmp_path).get("/v1/status")
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize("content", ["", "[]", '{"host": "127.0.0.1"}', "{"])
def test_client_reports_a_damaged_api_json(content: str, tmp_path: Path) -> None:
    """An api.json that can't be parsed is named."""
    (tmp_path / "api.json").write_text(content)

    with pytest.raises(ClientError, match=r"api\.json can't be understood"):
        Client(folder=tmp_path)


# ---- requests ----


async def test_say_sends_its_arguments(environment: Environment, fake_api: FakeApi) -> None:
    """Words, files and a pipe are one message, with all options."""
    fake_api.answer("POST /v1/audio/speak", QUEUED, 202)
    (fake_api.data_dir / "a.txt").write_text("A file.\n")

    code, out, err = await run(
        *("say", "Hello", "you", "-", "--file", str(fake_api.data_dir / "a.txt")),
        *("--voice", "bf_emma", "--speed", "1.2", "--lang", "en-gb", "--urgent", "--chime"),
        *("--client", "a test"),
        environment=environment,
        stdin=b"A pipe.\n",
    )

    assert (code, out, err) == (0, "", "")
    [(_, headers, body)] = fake_api.requests
    assert body == {
        "input": "Hello you\n\nA file.\n\nA pipe.",
        "voice": "bf_emma",
        "speed": 1.2,
        "lang": "en-gb",
        "priority": "urgent",
        "chime": True,
    }
    assert f"Bearer {TOKEN}" == headers["Authorization"]
    assert headers["X-Client"] == "a test"


async def test_say_sends_a_long_text_in_parts(environment: Environment, fake_api: FakeApi) -> None:
    """A text over the limit becomes several messages in order, cut at ends of lines."""
    fake_api.answer("POST /v1/audio/speak", QUEUED, 202)
    book = "".join(f"Line {number}.\n" for number in range(10_000))

    code, _, _ = await run("say", environment=environment, stdin=book.encode())

    parts = [body["input"] for _, _, body in fake_api.requests]
    assert code == 0
    assert book.strip() == "".join(parts)
    assert all(len(part) <= say.MAX_TEXT_CHARS for part in parts)
    assert [part.strip()[:5] for part in parts] == ["Line "] * len(parts)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("x" * 60_001, [60_000, 1]),
        ("x " * 40_000, [60_000, 20_000]),
        ("\n" * 70_000, []),
        ("x", [1]),
    ],
)
def test_split_cuts_a_text_without_lines(text: str, lengths: list[int]) -> None:
    """A very long line is cut between words, or within a word that has no end."""
    assert lengths == [len(part) for part in say.split(text)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["say"], "There is nothing to say. Like this: crier say"),
        (["say", "--file", "/no/file"], "/no/file can't be read: No such file"),
        (["say", "--file", "/bin/sh"], "is not a text file"),
        (["say", "--speed", "9", "x"], "'9' is not between 0.5 and 2.0"),
        (["say", "--out", "x.doc", "x"], "must end in .wav, .mp3, .flac, .opus"),
        (["say", "--out", "x.wav", "--urgent", "x"], "are for the loudspeaker"),
        (["say", "--out", "x.wav", "--wait", "x"], "not allowed with argument"),
        (["say", "--expires", "60", "x"], "'60' is not a time such as 90s"),
        (["say", "--expires", "soon", "x"], "'soon' is not a time such as 90s"),
        (["say", "--volume", "151", "x"], "'151' is not between 0 and 150"),
        (["volume", "loud"], "'loud' is not between 0 and 150"),
        (["speed", "9"], "'9' is not between 0.5 and 2.0"),
        (["mute", "until", "noon"], "Such as: crier mute 1h, crier mute until 7:00"),
        (["say", "--client", "x" * 41, "x"], "1 to 40 letters"),
        (["say", "--client", "a\nb", "x"], "1 to 40 letters"),
        (["voices", "--preview", "af_hart"], "Did you mean af_heart"),
        (["completion", "tcsh"], "invalid choice"),
        (["devices", "Speaker", "--follow"], "not allowed with argument"),
        (["skip", "first"], "invalid int value"),
    ],
)
async def test_say_reports_wrong_usage(
    arguments: list[str], message: str, environment: Environment, fake_api: FakeApi
) -> None:
    """A wrong argument exits with 2 and names what is right; nothing is sent."""
    code, out, err = await run(*arguments, environment=environment)

    assert (code, out) == (2, "")
    assert message in err
    assert fake_api.requests == []


# ---- answers ----


@pytest.mark.parametrize(
    ("status", "answer", "code", "message"),
    [
        (404, {"error": {"message": "There is no voice 'x'."}}, 2, "There is no voice 'x'."),
        (429, {"error": {"message": "Too many. Wait a minute."}}, 1, "Too many. Wait a minute."),
        (503, {"error": {"message": "The disk is full."}}, 1, "The disk is full."),
        (401, {"error": {"message": "Unauthorized"}}, 2, "Crier does not take the token in"),
        (502, b"<html>", 1, "Crier said no: 502 Bad Gateway."),
        (200, b"<html>", 1, "What answers for Crier is not Crier"),
    ],
)
async def test_say_prints_the_refusal(
    *,
    status: int,
    answer: Any,
    code: int,
    message: str,
    environment: Environment,
    fake_api: FakeApi,
) -> None:
    """The reason of the bot is what the user reads, never with the token."""
    fake_api.answer("POST /v1/audio/speak", answer, status)

    exit_code, out, err = await run("say", "hello", environment=environment)

    assert (code, "") == (exit_code, out)
    assert message in err
    assert TOKEN not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("sent_events", "code", "message"),
    [
        ([("ended", {"id": 7, "outcome": "heard", "reason": ""})], 0, ""),
        ([("ended", {"id": 7, "outcome": "stopped", "reason": ""})], 1, "it was stopped."),
        ([("ended", {"id": 7, "outcome": "skipped", "reason": ""})], 1, "it was skipped."),
        ([("ended", {"id": 7, "outcome": "failed", "reason": "No model."})], 1, "No model."),
        ([("held", {"id": 7, "reason": "It is quiet until 7."})], 1, "It is quiet until 7."),
        ([("ended", {"id": 6, "outcome": "heard", "reason": ""})], 1, "Crier ended meanwhile"),
        ([], 1, "Crier ended meanwhile"),
    ],
)
async def test_say_wait_reports_the_outcome(
    *,
    sent_events: list[tuple[str, dict[str, Any]]],
    code: int,
    message: str,
    environment: Environment,
    fake_api: FakeApi,
) -> None:
    """--wait exits with 0 if the message was heard, and else prints why not."""
    others = [("status", {}), ("ended", {"id": 3, "outcome": "failed", "reason": "another's"})]
    fake_api.answer("GET /v1/events", events(*others, *sent_events))
    fake_api.answer("POST /v1/audio/speak", QUEUED, 202)

    exit_code, out, err = await run("say", "--wait", "hello", environment=environment)

    assert (code, "") == (exit_code, out)
    assert message in err


async def test_say_out_leaves_no_unfinished_file(
    environment: Environment, fake_api: FakeApi
) -> None:
    """--out leaves neither a file nor a part of one if there is no sound."""
    path = fake_api.data_dir / "x.wav"
    fake_api.answer("GET /v1/voices", {"default": "af_heart"})
    fake_api.answer("POST /v1/audio/speech", {"error": {"message": "No model."}}, 503)

    code, _, err = await run("say", "hello", "--out", str(path), environment=environment)

    assert (code, err) == (1, "No model.\n")
    assert list(fake_api.data_dir.glob("x.wav*")) == []

    code, _, err = await run("say", "hello", "--out", "/no/x.wav", environment=environment)

    assert (code, err) == (1, "/no/x.wav can't be written: No such file or directory.\n")


def test_client_gives_up_on_a_bot_that_hangs(tmp_path: Path) -> None:
    """A bot that hangs costs seconds, and the error names the next step."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = {"host": "127.0.0.1", "port": silent.getsockname()[1], "pid": os.getpid()}
        (tmp_path / "api.json").write_text(json.dumps(address))
        (tmp_path / "api-token").write_text(TOKEN)

        with pytest.raises(ClientError, match="does not answer"):
            Client(folder=tmp_path).call("GET", "/v1/status", timeout_s=0.1)
