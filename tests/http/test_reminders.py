"""Reminders of programs: set, listed, paused and deleted over HTTP."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.settings import Settings
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve
from tests.support.loudspeaker import Loudspeakers

SPEAK = "/v1/audio/speak"


@pytest.fixture
async def face(settings: Settings, loudspeakers: Loudspeakers) -> AsyncIterator[Face]:
    """Run a bot with the tone voice and the HTTP API."""
    assert loudspeakers.alsa_config.exists()
    async with serve(settings.replaced(api_port=0), ToneVoice()) as face:
        yield face


async def test_speak_sets_a_reminder(face: Face) -> None:
    """201 says what was understood; when it is due, it is a message of the same program."""
    async with face.listening() as heard:
        answer = await face.client.post(SPEAK, json={"input": "Number 5.", "at": "in 1s"})
        ended = await heard.wait_for(lambda name, _: name == "ended")
    item = answer.json()
    due = dt.datetime.fromisoformat(item["due"])

    assert answer.status_code == 201
    assert abs((due - dt.datetime.now(dt.UTC)).total_seconds()) < 60
    assert (item["text"], item["source"], item["repeats"]) == ("Number 5.", "tests", False)
    assert (ended["source"], ended["outcome"]) == ("tests", "heard")
    assert (await face.get("/v1/reminders"))["items"] == []


async def test_reminder_is_paused_and_deleted(face: Face) -> None:
    """Each change is in the answer, and in the list."""
    set_ = await face.client.post(SPEAK, json={"input": "Up!", "at": "every weekday 7:15"})
    path = f"/v1/reminders/{set_.json()['id']}"
    paused = await face.client.post(f"{path}/pause")
    resumed = await face.client.post(f"{path}/resume")
    (listed,) = (await face.get("/v1/reminders"))["items"]
    deleted = await face.client.delete(path)
    again = await face.client.delete(path)

    assert set_.json()["when"].startswith("At 07:15 on Monday through Friday, next ")
    assert (paused.json()["paused"], resumed.json()["paused"]) == (True, False)
    assert (listed["id"], listed["text"], listed["due"]) == (
        set_.json()["id"],
        "Up!",
        resumed.json()["due"],
    )
    assert deleted.json() == {"deleted": True}
    assert (again.status_code, again.json()["error"]["code"]) == (404, "no_such_reminder")


async def test_reminder_is_set_once_for_an_idempotency_key(face: Face) -> None:
    """A program that asks again gets the same reminder."""
    request: dict[str, Any] = {"input": "Up!", "at": "in 3h"}
    headers = {"Idempotency-Key": "k"}
    answers = [
        (await face.client.post(SPEAK, json=request, headers=headers)).json() for _ in range(2)
    ]

    assert answers[0]["id"] == answers[1]["id"]
    assert answers[0]["due"] == answers[1]["due"]


async def test_reminder_may_be_a_plain_text(face: Face) -> None:
    """The time is in the address then, and the text is whole when it is stored."""
    answer = await face.client.post(
        f"{SPEAK}?at=in%203h&voice=af_bella",
        content=b"Number 1. Number 2.",
        headers={"Content-Type": "text/plain"},
    )

    assert (answer.status_code, answer.json()["text"]) == (201, "Number 1. Number 2.")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"at": "soon"}, "at: I see no time in “soon”."),
        ({"at": "in 3h Tea"}, "at: “Tea” is too much. The text itself is the input."),
        ({"at": "2020-01-01T10:00:00Z"}, "at: “2020-01-01T10:00:00Z” is over"),
        ({"at": ""}, "at: I see no time"),
        ({"at": "in 3h", "wait": True}, "wait: nobody waits for a reminder."),
        ({"at": "in 3h", "input": "…"}, "nothing to say"),
    ],
)
async def test_speak_refuses_a_wrong_time(face: Face, fields: Any, reason: str) -> None:
    """422 says what is wrong."""
    answer = await face.client.post(SPEAK, json={"input": "Tea", **fields})

    assert answer.status_code == 422
    assert reason in answer.json()["error"]["message"]
