"""`crier say --at`, and `crier reminders`."""

import json
from collections.abc import AsyncIterator

import pytest

from bot.settings import Settings
from tests.support.commandline import Environment, run
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve
from tests.support.loudspeaker import Loudspeakers


@pytest.fixture
async def face(settings: Settings, loudspeakers: Loudspeakers) -> AsyncIterator[Face]:
    """Run a bot with a fake voice, in the data folder that the command line uses."""
    assert loudspeakers.alsa_config.exists()
    async with serve(settings.replaced(api_port=0), ToneVoice()) as face:
        yield face


async def test_say_at_sets_a_reminder(environment: Environment, face: Face) -> None:
    """Each way to say when it is; the text may come from stdin."""
    for arguments, stdin in (
        (("--in", "3h", "Tea"), b""),
        (("--at", "in 4h", "--urgent"), b"Coffee\n"),
        (("--every", "5 hours", "Drink"), b""),
    ):
        assert await run("say", *arguments, environment=environment, stdin=stdin) == (0, "", "")
    items = (await face.get("/v1/reminders"))["items"]

    assert [item["text"] for item in items] == ["Tea", "Coffee", "Drink"]
    assert [item["repeats"] for item in items] == [False, False, True]


async def test_reminders_lists_and_changes(environment: Environment, face: Face) -> None:
    """Each option does what it says to the one that it names."""
    request = {"input": "Drink", "at": "every 5 hours"}
    item = (await face.client.post("/v1/audio/speak", json=request)).json()

    async def crier(*options: str) -> str:
        code, out, err = await run("reminders", *options, environment=environment)
        assert (code, err) == (0, "")
        return out

    listed, number = await crier(), str(item["id"])
    paused = await crier("--pause", number)
    shown = await crier()
    resumed = await crier("--resume", number)
    as_json = json.loads(await crier("--json"))
    deleted = await crier("--delete", number)

    assert listed.split()[:5] == [number, "Every", "5", "hours,", "next"]
    assert listed.endswith(": Drink\n")
    assert (paused, "(paused)" in shown) == ("Paused.\n", True)
    assert resumed.startswith("Every 5 hours, next ")
    assert [(it["id"], it["due"]) for it in as_json] == [(item["id"], item["due"])]
    assert deleted == "Deleted.\n"
    assert (await crier()).startswith("No reminders.")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("say", "--at", "soon", "Tea"), "at: I see no time in “soon”."),
        (("say", "--at", "18:30", "--wait", "Tea"), "can't be waited for"),
        (("reminders", "--delete", "99"), "There is no reminder 99"),
    ],
)
async def test_reminders_say_what_is_wrong(
    environment: Environment, face: Face, arguments: tuple[str, ...], reason: str
) -> None:
    """Exit code 2, and the reason."""
    assert face.url
    code, _, err = await run(*arguments, environment=environment)

    assert code == 2
    assert reason in err
