"""/v1/ask: the answers of its routes, and what they refuse. The chat's side is in tests/chat."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.chat.sandbox import Sandbox
from bot.settings import Settings
from tests.conftest import ALICE, reply_with
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve


@pytest.fixture
async def face(settings: Settings, tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Face]:
    """Run a bot that has met Alice, and speaks into files."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        sandbox.send(ALICE, "/start")
        await sandbox.wait_for(reply_with("Hello"))
        yield face


async def ask(face: Face, **fields: Any) -> Any:
    """Ask without waiting for the answer; return the response."""
    body = {"input": "Number 1?", "wait": False, **fields}
    return await face.client.post("/v1/ask", json=body)


async def test_ask_without_wait_returns_at_once(face: Face) -> None:
    """202 with the id; the question is open until its program withdraws it."""
    asked = await ask(face, options=["a", "b"])
    question = asked.json()
    path = f"/v1/ask/{question['id']}"
    waiting = asyncio.create_task(face.get(f"{path}?wait_s=60"))
    still_open = await face.get(f"{path}?wait_s=0.01")
    withdrawn = (await face.client.post(f"{path}/withdraw")).json()

    assert asked.status_code == 202
    assert question == {
        "id": question["id"],
        "status": "open",
        "answer": None,
        "by": None,
        "after_s": None,
        "reason": "",
    }
    assert still_open == question
    assert withdrawn["status"] == "stopped"
    assert await waiting == withdrawn


async def test_ask_with_the_same_key_is_the_same_question(face: Face) -> None:
    """A request that is sent again asks once; another client's key is another question."""
    body = {"input": "Number 1?", "wait": False}
    headers = {"Idempotency-Key": "one"}
    responses = [await face.client.post("/v1/ask", json=body, headers=headers) for _ in range(2)]
    async with face.named("another") as client:
        other = await client.post("/v1/ask", json=body, headers=headers)

    assert responses[0].json() == responses[1].json()
    assert other.json()["id"] != responses[0].json()["id"]


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({"at": "18:30"}, 422, "at: Extra inputs are not permitted."),
        ({"input": ""}, 422, "input"),
        ({"input": "..."}, 422, "nothing to say"),
        ({"input": "x" * 1001}, 422, "input"),
        ({"options": [str(number) for number in range(9)]}, 422, "options"),
        ({"options": ["x" * 41]}, 422, "options"),
        ({"options": ["yes", "Yes "]}, 422, "two options are the same"),
        ({"options": ["a\nb"]}, 422, "printable"),
        ({"options": [" "]}, 422, "printable"),
        ({"timeout_s": 0}, 422, "timeout_s"),
        ({"timeout_s": 86401}, 422, "timeout_s"),
        ({"chat": 666}, 409, "nobody who may speak"),
        ({"voice": "nobody"}, 422, "voice"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_ask_refuses(face: Face, fields: dict[str, Any], status: int, part: str) -> None:
    """A refusal names the field, or says who is missing; nothing is asked or said."""
    response = await ask(face, **fields)

    assert response.status_code == status
    assert part in response.json()["error"]["message"]
    assert (await face.get("/v1/queue"))["items"] == []


async def test_ask_about_an_unknown_question_is_404(face: Face) -> None:
    """So are its answer and its end."""
    for response in (
        await face.client.get("/v1/ask/999"),
        await face.client.post("/v1/ask/999/withdraw"),
    ):
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "no_such_question"


async def test_ask_has_a_limit(face: Face) -> None:
    """Too many open questions are 429."""
    responses = [await ask(face) for _ in range(51)]

    assert [response.status_code for response in responses] == [202] * 50 + [429]
    assert "50 questions are open" in responses[-1].json()["error"]["message"]


async def test_ask_without_people_is_409(settings: Settings, tmp_path: Path) -> None:
    """While nobody is paired, the answer says how to pair."""
    empty = settings.replaced(
        api_port=0, audio_device=f"file:{tmp_path / 'spoken'}", telegram_allowed_users=frozenset()
    )
    async with serve(empty, ToneVoice()) as face:
        response = await ask(face)

    assert response.status_code == 409
    assert "crier pair" in response.json()["error"]["message"]


async def test_excerpt_refuses_what_has_no_words(face: Face) -> None:
    """Code alone is 422; an agent's need alone is said."""
    code = await face.client.post("/v1/audio/excerpt", json={"input": "```\nls\n```"})
    need = await face.client.post("/v1/audio/excerpt", json={"input": "", "after": "Number 7."})

    assert (code.status_code, code.json()["error"]["code"]) == (422, "nothing_to_speak")
    assert need.status_code == 202
