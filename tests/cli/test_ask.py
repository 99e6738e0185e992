"""`crier ask`: what it prints, its exit codes, and a bot that restarts meanwhile."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.chat.sandbox import Sandbox
from bot.cli.ask import ask_people, exit_code
from bot.cli.main import main
from bot.client import ClientError
from bot.settings import Settings
from tests.chat.test_question_message import asked_in, press
from tests.conftest import ALICE, reply_with
from tests.support.fake_api import FakeApi, serve_fake_api
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve

OPEN = {"id": 5, "status": "open", "answer": None, "by": None, "after_s": None, "reason": ""}
YES = {**OPEN, "status": "answered", "answer": "yes", "by": "Alice", "after_s": 1.5}
POST, GET, WITHDRAW = "POST /v1/ask", "GET /v1/ask/5?wait_s=50", "POST /v1/ask/5/withdraw"
BUSY = {"error": {"message": "Crier is stopping.", "code": "stopping"}}
REQUEST: dict[str, Any] = {"input": "Deploy now?", "timeout_s": 60.0}


@pytest.fixture(autouse=True)
def _data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
async def face(settings: Settings, tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Face]:
    """Run a bot that has met Alice, and speaks into files."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        sandbox.send(ALICE, "/start")
        await sandbox.wait_for(reply_with("Hello"))
        yield face


@pytest.fixture
def fake_api(tmp_path: Path) -> Iterator[FakeApi]:
    """Run a fake of the bot's API, which has an open question."""
    with (
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        serve_fake_api(tmp_path / "data", Path(folder) / "api.sock") as fake_api,
    ):
        fake_api.answer(POST, OPEN, 202)
        yield fake_api


async def test_ask_prints_the_answer(
    face: Face, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words of the pressed button are on stdout; no is exit code 1."""
    assert face.url
    printed = []
    for label in ("yes", "no"):
        seen = len(sandbox.events)
        command = ["ask", "Deploy", "now?", "--options", "yes, no"]
        asking = asyncio.create_task(asyncio.to_thread(main, command))
        question = await sandbox.wait_for(asked_in(ALICE), since=seen)
        press(sandbox, ALICE, question, label)
        printed.append((await asking, *capsys.readouterr()))

    assert printed == [(0, "yes\n", ""), (1, "no\n", "")]


async def test_ask_without_answer_has_an_exit_code_of_its_own(
    face: Face, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is on stdout when nobody answered; with --json the status is."""
    assert face.url
    code = await asyncio.to_thread(main, ["ask", "Deploy now?", "--timeout", "0.2s"])
    plain = capsys.readouterr()
    await asyncio.to_thread(main, ["ask", "Deploy now?", "--timeout", "0.2s", "--json"])

    assert (code, *plain) == (3, "", "Nobody answered in time.\n")
    assert json.loads(capsys.readouterr().out)["status"] == "timeout"


def test_ask_goes_on_after_a_restart(fake_api: FakeApi) -> None:
    """While the bot stops, is away, and starts, the command asks again for the same question."""
    fake_api.answer(GET, BUSY, 503)
    address = fake_api.data_dir / "api.json"
    content, waits = address.read_text(), 0

    def wait(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            address.unlink()
        elif waits == 2:
            address.write_text(content)
            fake_api.answer(GET, YES)

    assert ask_people("tests", REQUEST, sleep=wait) == YES
    assert waits == 2
    [(_, headers, body)] = [request for request in fake_api.requests if request[0] == POST]
    assert body == {**REQUEST, "wait": False}
    assert len(headers["Idempotency-Key"]) == 32


def test_ask_that_is_interrupted_withdraws_the_question(fake_api: FakeApi) -> None:
    """Ctrl-C removes the buttons."""
    fake_api.answer(GET, BUSY, 503)
    withdrawn = {**OPEN, "status": "stopped", "reason": "It was withdrawn."}
    fake_api.answer(WITHDRAW, withdrawn)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    answer = ask_people("tests", REQUEST, withdraw_on_interrupt=True, sleep=interrupt)

    assert answer == withdrawn
    assert exit_code(answer) == 4


def test_ask_whose_question_is_gone_fails(fake_api: FakeApi) -> None:
    """A refusal that does not pass ends the command."""
    gone = {"message": "There is no question 5 (any more).", "code": "no_such_question"}
    fake_api.answer(GET, {"error": gone}, 404)
    with pytest.raises(ClientError, match="no question 5"):
        ask_people("tests", REQUEST, sleep=lambda _: None)


def test_ask_without_bot_says_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A bot that is not there when the command starts is not waited for."""
    assert main(["ask", "Deploy now?"]) == 1
    assert capsys.readouterr().err.startswith("Crier is not running.")


@pytest.mark.parametrize(
    ("answer", "code"),
    [("yes", 0), ("No.", 1), ("NO", 1), ("not now", 0), ("Nobody", 0)],
)
def test_exit_code_of_an_answer(answer: str, code: int) -> None:
    """Only no is no."""
    assert exit_code({**YES, "answer": answer}) == code


@pytest.mark.parametrize(
    "options",
    [
        ["--timeout", "soon"],
        ["--timeout", "0"],
        ["--timeout", "25h"],
        ["--timeout", "10d"],
        ["--options", ","],
        ["--chat", "Alice"],
    ],
)
def test_ask_with_wrong_options_exits_with_2(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option."""
    with pytest.raises(SystemExit) as exit_:
        main(["ask", "Deploy now?", *options])

    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "timeout_s"), [("30", 30.0), ("1.5m", 90.0), ("2h", 7200.0), ("24H", 86400.0)]
)
def test_ask_reads_times(fake_api: FakeApi, given: str, timeout_s: float) -> None:
    """A time has a unit, or is in seconds."""
    fake_api.answer(POST, YES)
    main(["ask", "Deploy now?", "--timeout", given])

    assert fake_api.requests[0][2]["timeout_s"] == timeout_s
