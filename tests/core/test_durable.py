"""After a crash, a sleep, or with a wrong clock each message ends once, each command acts once."""

import asyncio
import itertools
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from bot.chat.sandbox import Fault, Json, Sandbox
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage
from bot.paths import CHECKOUT
from bot.settings import Settings
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.commandline import Environment
from tests.support.loudspeaker import Ear

GROUP = {"id": -100, "type": "group", "title": "Home"}


def last_reaction(sandbox: Sandbox, message: int) -> str:
    """Return the reaction that a message has now."""
    return [e.text for e in sandbox.events if reaction_to(message)(e)][-1]


def count(sandbox: Sandbox, part: str) -> int:
    """Return how many messages of the bot contain *part*."""
    return sum(map(reply_with(part), sandbox.events))


class Confirmations:
    """Loses confirmations: handled updates come again after the next start, as from Telegram."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sent: list[Json] = []

    def record(self) -> None:
        """Record what waits at the server now."""
        self._sent = list(self._sandbox._updates)

    def lose(self) -> None:
        """Send it again."""
        self._sandbox._updates = deque(self._sent)


# ---- what kills the process ----


async def run_until_it_ends(environment: Environment) -> int:
    """Run a bot whose voice dies of the number 13; return its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.run_with_deadly_voice"),
        cwd=CHECKOUT,
        env=environment,
    )
    try:
        return await asyncio.wait_for(process.wait(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(("number", "code"), [(13, -9), (14, -11)])
async def test_delivery_gives_up_a_message_during_which_the_process_died_twice(
    bot_environment: Environment, sandbox: Sandbox, number: int, code: int
) -> None:
    """It ends with a reason in the third life; those before and behind it are said."""
    first = sandbox.send(ALICE, "Number 4.")
    deadly = sandbox.send(ALICE, f"Number {number}.")
    behind = sandbox.send(ALICE, "Number 5.")
    codes = [await run_until_it_ends(bot_environment) for _ in range(2)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.run_with_deadly_voice"),
        cwd=CHECKOUT,
        env=bot_environment,
    )
    try:
        await sandbox.wait_for(reaction_to(deadly, "💔"))
        await sandbox.wait_for(reply_with("Crier ended 2 times while it was saying this", deadly))
        await sandbox.wait_for(reaction_to(first, "👍"))
        await sandbox.wait_for(reaction_to(behind, "👍"))
    finally:
        process.terminate()
        await process.wait()

    log = (Path(bot_environment["DATA_DIR"]) / "crier.log").read_text()
    assert codes == [code, code]
    assert ("ended in a native crash" in log) == (code == -11)


async def test_delivery_says_a_message_despite_kills_from_outside(
    bot_environment: Environment, sandbox: Sandbox, ear_a: Ear
) -> None:
    """A process that is killed again and again from outside loses no message."""
    message = sandbox.send(ALICE, "Number 2 3 4 5 6 7 8 9.")
    command = (sys.executable, "-m", "tests.support.fake_voice")
    for _ in range(3):
        since_s = time.monotonic()
        process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, env=bot_environment)
        await asyncio.to_thread(ear_a.wait_for_sound, since_s)
        process.kill()
        await process.wait()
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, env=bot_environment)
    try:
        await sandbox.wait_for(reaction_to(message, "👍"))
    finally:
        process.terminate()
        await process.wait()


async def test_resume_waits_for_the_first_poll(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """A /stop that was sent while the bot was down acts before the deadly message is tried."""
    deadly = sandbox.send(ALICE, "Number 13.")
    await run_until_it_ends(bot_environment)
    sandbox.send(ALICE, "/stop")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.run_with_deadly_voice"),
        cwd=CHECKOUT,
        env=bot_environment,
    )
    try:
        await sandbox.wait_for(reply_with("Silent."))
        await sandbox.wait_for(reaction_to(deadly, "🙊"))
        later = sandbox.send(ALICE, "Number 5.")
        await sandbox.wait_for(reaction_to(later, "👍"))
    finally:
        process.terminate()
        await process.wait()


async def test_updates_give_up_an_update_after_two_deaths(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """A text that kills the process before it is stored is refused; the next one is said."""
    message = sandbox.send(ALICE, "Number 1.")
    number = sandbox._updates[-1]["update_id"]
    later = sandbox.send(ALICE, "Number 2.")
    settings.data_dir.mkdir()
    left = {"deaths": {f"update:{number}": 1}, "under_way": {f"update:{number}": True}}
    (settings.data_dir / "attempts.json").write_text(json.dumps(left))
    async with start_toned():
        await sandbox.wait_for(reply_with("Crier ended twice while it was reading", to=message))
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert last_reaction(sandbox, message) == "💔"


# ---- what comes again ----


async def test_updates_ignore_a_repeated_stop(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A /stop that is sent again does not end what came after the first one."""
    confirmations = Confirmations(sandbox)
    first = sandbox.send(ALICE, "Number 1. " * 9)
    sandbox.send(ALICE, "/stop")
    later = [sandbox.send(ALICE, f"{'Number 2. ' * 20}"), sandbox.send(ALICE, "Number 3.")]
    confirmations.record()
    async with start_toned():
        await sandbox.wait_for(reaction_to(later[1], "👀"))
        await sandbox.wait_for(reply_with("Silent."))
    confirmations.lose()
    async with start_toned():
        for message in later:
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert last_reaction(sandbox, first) == "🙊"
    assert count(sandbox, "Silent.") == 1


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/skip", "being said"),
        ("/replay", "say again"),
        ("/note", "Send the words along"),
        ("/volume 80", "Volume 80"),
        ("/mute 2h", "Muted until"),
    ],
)
async def test_updates_carry_out_a_command_once(
    sandbox: Sandbox, start_toned: StartBot, command: str, answer: str
) -> None:
    """A command that is sent again has no second effect and no second answer."""
    confirmations = Confirmations(sandbox)
    sandbox.send(ALICE, command)
    confirmations.record()
    async with start_toned():
        await sandbox.wait_for(reply_with(answer))
    confirmations.lose()
    async with start_toned():
        sandbox.send(ALICE, "/people")
        await sandbox.wait_for(reply_with("/invite lets one more in"))

    assert count(sandbox, answer) == 1


async def test_updates_carry_out_a_button_once(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A press is one step, however often Telegram sends it."""
    confirmations = Confirmations(sandbox)
    async with start_toned():
        sandbox.send(ALICE, "/volume")
        shown = await sandbox.wait_for(reply_with("The volume is 100 %"))
    sandbox.press(ALICE, shown.message_id, "strip:louder")
    confirmations.record()
    async with start_toned():
        await sandbox.wait_for(lambda e: e.kind == "answer" and "115" in e.text)
    confirmations.lose()
    async with start_toned():
        sandbox.send(ALICE, "/volume")
        await sandbox.wait_for(reply_with("The volume is 115 %"))


async def test_intake_recognizes_a_duplicate_before_it_counts(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """With the queue at its limit, an accepted message that is sent again is not refused."""
    confirmations = Confirmations(sandbox)
    async with start_toned():
        sandbox.send(ALICE, "/mute")
        await sandbox.wait_for(reply_with("Muted"))
    messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(3)]
    confirmations.record()
    async with start_toned(limit_waiting=3):
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "😴"))
    confirmations.lose()
    async with start_toned(limit_waiting=3):
        sandbox.send(ALICE, "/unmute")
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert not any(e.text == "💔" for e in sandbox.events)


async def test_updates_fall_silent_before_the_rest_of_a_batch(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Nothing of 99 long texts sounds if a /stop comes after them."""
    messages = [sandbox.send(ALICE, "Number 1. " * 60) for _ in range(99)]
    sandbox.send(ALICE, "/stop")
    async with start_toned():
        await sandbox.wait_for(reply_with("Silent. 99 waiting messages dropped."))
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "🙊"))
        later = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert len(ear_a.spans()) == 1


# ---- pause ----


async def test_pause_survives_a_restart(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Messages sent while paused get one reply; after a restart they still wait for /resume."""
    async with start_toned():
        sandbox.send(ALICE, "/pause")
        await sandbox.wait_for(reply_with("Paused. /resume goes on"))
        messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(2)]
        await sandbox.wait_for(reply_with("Paused, so it waits.", to=messages[0]))
        await sandbox.wait_for(reaction_to(messages[1], "👀"))
    async with start_toned() as bot:
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with("Paused. 2 messages waiting."))
        sandbox.send(ALICE, "/queue")
        await sandbox.wait_for(reply_with("Paused. /resume goes on.\n1. Number 0."))
        assert bot.delivery.paused
        assert ear_a.spans() == []
        sandbox.send(ALICE, "/resume")
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert count(sandbox, "Paused, so it waits.") == 1


async def test_stop_ends_a_pause_for_good(sandbox: Sandbox, start_toned: StartBot) -> None:
    """After /stop, also over a restart, the next message is said."""
    async with start_toned():
        sandbox.send(ALICE, "/pause")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent."))
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))


# ---- stop and replay ----


async def test_replay_ignores_what_never_sounded(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A message that was stopped before it started can't be said again."""
    async with start_toned():
        sandbox.send(ALICE, "/pause")
        message = sandbox.send(ALICE, "Number 1.")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reply_with("There is nothing to say again."))


async def test_stop_counts_held_messages(sandbox: Sandbox, start_toned: StartBot) -> None:
    """While muted, /stop counts the messages that were held."""
    async with start_toned():
        sandbox.send(ALICE, "/mute")
        messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(3)]
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "😴"))
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent. 3 waiting messages dropped."))


# ---- limits ----


async def test_limits_count_held_messages_per_person(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Messages held while muted count, and so do those that a person sent in another chat."""
    async with start_toned(limit_waiting=2):
        sandbox.send(ALICE, "/mute")
        sandbox.send(ALICE, "Number 1.")
        mention = {"type": "mention", "offset": 0, "length": 10}
        fields = {"text": "@crier_bot Number 2.", "entities": [mention]}
        sandbox.send_fields(ALICE, fields, GROUP)
        message = sandbox.send(ALICE, "Number 3.")
        await sandbox.wait_for(reply_with("2 messages of yours wait already", to=message))

    assert last_reaction(sandbox, message) == "💔"


async def test_limits_count_undecided_messages(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Late messages count while they wait for a decision."""
    async with start_toned(limit_waiting=2):
        for number in range(2):
            fields: dict[str, Any] = {"text": f"Number {number}.", "date": 1_700_000_000}
            sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reply_with("2 messages came while I was away"))
        message = sandbox.send(ALICE, "Number 3.")
        await sandbox.wait_for(reply_with("2 messages of yours wait already", to=message))


# ---- sleep and clock ----


async def test_delivery_asks_about_its_messages_after_sleep(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch, ear_a: Ear
) -> None:
    """After hours with the lid closed nothing continues unasked; new messages are said."""
    asleep_s = [0.0]
    monkeypatch.setattr("bot.app.time_asleep_s", lambda: asleep_s[0])
    async with start_toned():
        messages = [sandbox.send(ALICE, "Number 1. " * 30), sandbox.send(ALICE, "Number 2.")]
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        asleep_s[0] = 3600.0
        question = await sandbox.wait_for(reply_with("2 messages came while I was away"))
        later = sandbox.send(ALICE, "Number 3.")
        await sandbox.wait_for(reaction_to(later, "👍"))
        assert [last_reaction(sandbox, m) for m in messages] == ["😴", "😴"]
        sandbox.press(ALICE, question.message_id, "late:all")
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "👍"))


async def test_delivery_continues_after_a_short_sleep(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sleep that is shorter than LATE_AFTER_S changes nothing."""
    naps = itertools.count()
    monkeypatch.setattr("bot.app.time_asleep_s", lambda: next(naps) * 60.0)
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1. Number 2.")
        await sandbox.wait_for(reaction_to(message, "👍"))


@pytest.mark.parametrize(("ahead_s", "way"), [(-3600.0, "fast"), (3600.0, "slow")])
async def test_polling_uses_the_clock_of_telegram_if_ours_is_wrong(
    sandbox: Sandbox, start_toned: StartBot, ahead_s: float, way: str
) -> None:
    """With a clock that is an hour off, new messages are said at once, and /status warns."""
    sandbox.ahead_s = ahead_s
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reply_with("so I go by Telegram's"))
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with(f"clock is 60 minutes {way}"))
        fields = {"text": "Number 2.", "date": 1_700_000_000}
        sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reply_with("1 message came while I was away"))


async def test_late_counts_from_the_decision(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """A late message that is to be said is not asked about again, even after a mute."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    number = sandbox.send_fields(ALICE, {"text": "Number 1."})
    sandbox._updates.clear()
    stored = await inbox.accept(
        sandbox.bot_id, 1, QueuedMessage(0, ALICE.id, number, "Number 1.", fresh_at=1.0), "late"
    )
    assert stored is not None
    await inbox.close()
    async with start_toned():
        question = await sandbox.wait_for(reply_with("1 message came"))
        sandbox.send(ALICE, "/mute")
        await sandbox.wait_for(reply_with("Muted"))
        sandbox.press(ALICE, question.message_id, "late:all")
        await sandbox.wait_for(lambda e: e.kind == "answer")
        sandbox.send(ALICE, "/unmute")
        await sandbox.wait_for(reaction_to(number, "👍"))

    assert count(sandbox, "came while I was away") == 1


async def test_refusal_is_owed_until_telegram_accepts_it(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A refused message gets its 💔 and the reason once, even if only after a restart."""
    confirmations = Confirmations(sandbox)
    message = sandbox.send(ALICE, "…")
    confirmations.record()
    sandbox.faults = {
        "setmessagereaction": Fault(status=502, description="Bad Gateway"),
        "sendmessage": Fault(status=502, description="Bad Gateway"),
    }
    async with start_toned():
        await sandbox.wait_for_call("setmessagereaction")
    sandbox.faults = {}
    confirmations.lose()
    async with start_toned():
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("nothing to say", to=message))
        later = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert count(sandbox, "nothing to say") == 1


async def test_handlers_refuse_a_text_on_an_error(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is answered with 💔 and a reply; the next text is said."""

    async def broken(*_: object, **__: object) -> None:
        raise KeyError("sat")

    async with start_toned():
        with monkeypatch.context() as patch:
            patch.setattr("bot.core.intake.Intake.accept", broken)
            message = sandbox.send(ALICE, "Number 1.")
            await sandbox.wait_for(reply_with("I made a mistake on that one", to=message))
            await sandbox.wait_for(reaction_to(message, "💔"))
        later = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(later, "👍"))


async def test_replay_is_never_late(sandbox: Sandbox, start_toned: StartBot) -> None:
    """An old message that is replayed while muted is said after the mute, without a question."""
    async with start_toned() as bot:
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await bot.delivery._inbox._database.execute("UPDATE message SET fresh_at = 1")
        sandbox.send(ALICE, "/mute")
        await sandbox.wait_for(reply_with("Muted"))
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reaction_to(message, "😴"))
        since = len(sandbox.events)
        sandbox.send(ALICE, "/unmute")
        await sandbox.wait_for(reaction_to(message, "👍"), since=since)

    assert count(sandbox, "came while I was away") == 0
