"""Reminders: each is spoken once, whatever the process, the clock and the computer do."""

import asyncio
import contextlib
import datetime as dt
import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from bot.chat.sandbox import Sandbox
from bot.core import reminders as module
from bot.core.draft import Draft
from bot.core.inbox import Inbox, InboxError
from bot.core.intake import Intake, RefusedError
from bot.core.limits import Limits
from bot.core.reminders import MOST, Reminder, Reminders
from bot.core.rooms import Rooms
from tests.chat.steps import bot_process, count_replies, heard_codes
from tests.conftest import ALICE, reaction_to, reply_with
from tests.core.lab import BOT, CHAT, Lab
from tests.support import fork_server
from tests.support.commandline import Environment
from tests.support.loudspeaker import Ear

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
PERSON = 1  # whom the lab lets speak


@pytest.fixture
def reminders(lab: Lab) -> Reminders:
    """Return reminders in the lab, where it is Friday, 15 January 2027, 9:00 in Berlin."""
    return Reminders(lab.intake(), lambda: BERLIN)


_numbers = itertools.count(1000)


async def remind(reminders: Reminders, text: str, **fields: Any) -> Reminder:
    """Set a reminder of a person, such as ``in 20m Tea``."""
    when, rest = reminders.understand(text)
    draft = Draft(next(_numbers), rest, chat_id=CHAT, message_id=9, user_id=PERSON)
    reminder = await reminders.set(replace(draft, **fields), when)
    assert reminder is not None
    return reminder


async def messages(lab: Lab) -> list[tuple[str, str]]:
    """Return the texts and states of all messages."""
    rows = await lab.inbox._database.execute_fetchall("SELECT text, state FROM message ORDER BY id")
    return [(text, state) for text, state in rows]


async def test_reminder_is_spoken_when_it_is_due(lab: Lab, reminders: Reminders) -> None:
    """It becomes a message of its sender's, with the receipt on the command's, and is gone."""
    await remind(reminders, "9:20 The oven", urgent=True, thread_id=3)
    lab.now_s += 19 * 60
    await reminders.speak_due()
    before = list(lab.pipeline.said)
    lab.now_s += 60
    await reminders.speak_due()
    (message,) = await lab.inbox.list_to_speak(BOT)

    assert before == []
    assert lab.pipeline.said == [message.id]
    assert (message.text.strip(), message.urgent) == ("The oven", True)
    assert (message.chat_id, message.thread_id, message.message_id) == (CHAT, 3, 9)
    assert message.fresh_at == lab.now_s
    assert await reminders.list_all() == []


async def test_reminder_keeps_how_it_is_spoken(lab: Lab, reminders: Reminders) -> None:
    """What a program asked for is still so when it is due, and its expiry counts from then."""
    style = {"voice": "bf_emma", "speed": 1.5, "lang": "en-gb", "chime": False, "volume": 40}
    sender = {"client": "door", "user_id": 0, "chat_id": 0, "replace_key": "k", "room": "hall"}
    await remind(reminders, "in 1h Hello.", **style, **sender, expires_at=lab.now_s + 30)
    lab.delivery.rooms = Mock(spec=Rooms)
    lab.now_s += HOUR_S
    await reminders.speak_due()
    [message] = lab.delivery.rooms.submit.await_args.args

    kept = {name: getattr(message, name) for name in style}
    assert kept == {**style, "lang": message.lang}
    assert (message.client, message.replace_key, message.room) == ("door", "k", "hall")
    assert message.expires_at == pytest.approx(lab.now_s + 30)


async def test_reminder_that_was_slept_through_is_asked_about(
    lab: Lab, reminders: Reminders
) -> None:
    """After a sleep it is late, as a message would be."""
    await remind(reminders, "in 20m Tea")
    lab.now_s += 8 * HOUR_S
    await reminders.speak_due()

    assert await messages(lab) == [("Tea", "late")]
    assert lab.pipeline.said == []


@pytest.mark.parametrize("rule", ["every day 7:15", "every 10 minutes"])
async def test_reminder_that_was_missed_often_is_spoken_once(
    lab: Lab, reminders: Reminders, rule: str
) -> None:
    """Of many times during an absence, the last counts; the next is to come."""
    reminder = await remind(reminders, f"{rule} Up!")
    lab.now_s += 10 * DAY_S
    for _ in range(3):
        await reminders.speak_due()
    (later,) = await reminders.list_all()

    assert len(await messages(lab)) == 1
    assert later.id == reminder.id
    assert 0 < later.when.due_at(BERLIN) - lab.now_s <= DAY_S


async def test_reminder_that_repeats_is_on_time_again_after_an_absence(
    lab: Lab, reminders: Reminders
) -> None:
    """If its last time was a moment ago, it is spoken: only the earlier ones were missed."""
    await remind(reminders, "every day 9:30 Up!")
    lab.now_s += 3 * DAY_S + 31 * 60
    await reminders.speak_due()

    assert await messages(lab) == [("Up!", "waiting")]


@pytest.mark.parametrize("rule", ["9:20", "in 20m", "every day 9:20", "every 20 minutes"])
async def test_reminder_is_not_spoken_again_when_the_clock_is_set_back(
    lab: Lab, reminders: Reminders, rule: str
) -> None:
    """A minute that comes again brings nothing that was spoken."""
    await remind(reminders, f"{rule} Tea")
    lab.now_s += 20 * 60
    await reminders.speak_due()
    lab.now_s -= 20 * 60
    for _ in range(30):
        lab.now_s += 60
        await reminders.speak_due()

    assert len(await messages(lab)) == 1


async def test_reminder_on_the_wall_clock_follows_the_zone(lab: Lab) -> None:
    """After a journey to the west it is due later."""
    zone = BERLIN
    reminders = Reminders(lab.intake(), lambda: zone)
    await remind(reminders, "10:00 Call home")
    zone = NEW_YORK
    lab.now_s += HOUR_S
    await reminders.speak_due()
    in_berlin = await messages(lab)
    lab.now_s += 6 * HOUR_S
    await reminders.speak_due()

    assert in_berlin == []
    assert await messages(lab) == [("Call home", "waiting")]


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        ("Europe/Berlin", "2026-03-29", "2:30"),
        ("Europe/Berlin", "2026-10-25", "2:30"),
        ("America/New_York", "2026-03-08", "2:30"),
        ("America/New_York", "2026-11-01", "1:30"),
        ("Australia/Lord_Howe", "2026-10-04", "2:15"),
        ("Australia/Lord_Howe", "2026-04-05", "1:45"),
    ],
)
async def test_reminder_is_spoken_once_on_the_day_of_a_clock_change(
    lab: Lab, zone: str, day: str, hour: str
) -> None:
    """A time that is left out or comes twice: once, whether it is set once or repeats."""
    start = dt.datetime.fromisoformat(f"{day} 00:30").replace(tzinfo=ZoneInfo(zone))
    lab.now_s = start.timestamp()
    reminders = Reminders(lab.intake(), lambda: ZoneInfo(zone))
    await remind(reminders, f"{hour} Once")
    await remind(reminders, f"every day {hour} Daily")
    for minutes in (*range(10, 180, 10), 240):
        lab.now_s = start.timestamp() + 60 * minutes
        await reminders.speak_due()

    assert sorted(await messages(lab)) == [("Daily", "waiting"), ("Once", "waiting")]


# ---- crashes ----


class Killed(BaseException):
    """Stands for the end of the process."""


@asynccontextmanager
async def process(folder: Path, die_at: int = 0, *, after: bool = False) -> AsyncIterator[Lab]:
    """Open the database as a new process does; it "dies" before or after a certain write."""
    inbox = await Inbox.open(folder / "crier.db")
    database: Any = inbox._database
    execute, writes = database.execute, itertools.count(1)

    async def counted(sql: str, *values: Any) -> Any:
        dies = sql.startswith(("INSERT", "UPDATE", "DELETE")) and next(writes) == die_at
        if dies and not after:
            raise Killed
        result = await execute(sql, *values)
        if dies:
            raise Killed
        return result

    database.execute = counted
    try:
        with contextlib.suppress(Killed):
            yield Lab(inbox, folder)
    finally:
        await inbox.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("text", ["in 20m Tea", "every day 9:20 Tea"])
@pytest.mark.parametrize("die_at", range(1, 6))
async def test_reminder_survives_the_end_of_the_process_at_each_write(
    tmp_path: Path, text: str, die_at: int, after: bool
) -> None:
    """Killed before or after any write, it is accepted exactly once, also if Telegram resends."""
    for attempt in range(3):
        async with process(tmp_path, die_at if not attempt else 0, after=after) as lab:
            reminders = Reminders(lab.intake(), lambda: BERLIN)
            when, rest = reminders.understand(text)
            draft = Draft(77, rest, chat_id=CHAT, message_id=9, user_id=PERSON)
            await reminders.set(draft, when)
            lab.now_s += 20 * 60
            await reminders.speak_due()
    async with process(tmp_path) as lab:
        assert len(await messages(lab)) == 1
        assert len(await Reminders(lab.intake(), lambda: BERLIN).list_all()) == ("every" in text)


async def test_reminder_survives_a_kill(
    bot_environment: Environment, sandbox: Sandbox, ear_a: Ear
) -> None:
    """Killed after it was set, a process leaves it to the next, which says it once."""
    async with bot_process(bot_environment) as bot:
        message = sandbox.send(ALICE, "/in 2s Number 5.")
        await sandbox.wait_for(reply_with(": Number 5."))
        bot.kill()
    async with bot_process(bot_environment):
        await sandbox.wait_for(reaction_to(message, "👍"))
    heard = await asyncio.to_thread(heard_codes, ear_a)

    assert heard == [5]


async def test_reminder_is_spoken_once_if_the_process_dies_while_it_is_moved_on(
    bot_environment: Environment, sandbox: Sandbox, ear_a: Ear
) -> None:
    """A due reminder that is a message already is no other message after the start."""
    deadly = await fork_server.start(
        "tests.support.run_with_deadly_reminders", environment=bot_environment
    )
    message = sandbox.send(ALICE, "/in 1s Number 5.")
    code = await asyncio.wait_for(deadly.wait(), 120)
    async with bot_process(bot_environment):
        await sandbox.wait_for(reaction_to(message, "👍"))
        last = sandbox.send(ALICE, "Number 6.")
        await sandbox.wait_for(reaction_to(last, "👍"))
    heard = await asyncio.to_thread(heard_codes, ear_a)

    assert code == -9
    assert heard == [5, 6]
    assert count_replies(sandbox, ": Number 5.") == 1


# ---- limits and refusals ----


async def test_reminder_is_set_once_for_each_update(lab: Lab, reminders: Reminders) -> None:
    """The same command again is the same reminder; once it was spoken, it is none."""
    first, second = await asyncio.gather(
        remind(reminders, "in 20m Tea", update_id=5), remind(reminders, "in 30m Tea", update_id=5)
    )
    lab.now_s += HOUR_S
    await reminders.speak_due()

    assert first == second
    assert await reminders.set(first.draft, first.when) is None
    assert len(await messages(lab)) == 1


async def test_reminders_are_limited_for_each_person(reminders: Reminders) -> None:
    """One more is refused; another person's and a program's are not."""
    for _ in range(MOST):
        await remind(reminders, "in 1h Tea")
    with pytest.raises(RefusedError) as refused:
        await remind(reminders, "in 1h Tea")
    await remind(reminders, "in 1h Tea", user_id=2)
    await remind(reminders, "in 1h Tea", user_id=0, client="door")

    assert refused.value.too_many


async def test_reminder_without_words_is_refused_at_once(reminders: Reminders) -> None:
    """Its sender learns it when it is set, not when it is due."""
    with pytest.raises(RefusedError):
        await remind(reminders, "in 1h …")

    assert await reminders.list_all() == []


async def test_reminder_of_a_removed_person_is_not_spoken(lab: Lab, reminders: Reminders) -> None:
    """Who may not speak any more does not do so later either."""
    await remind(reminders, "every hour Boo!", user_id=2)
    lab.now_s += 2 * HOUR_S
    await reminders.speak_due()

    assert await messages(lab) == []
    assert await reminders.list_all() == []


async def test_reminder_that_is_refused_when_it_is_due_is_reported(lab: Lab) -> None:
    """With too much in the queue it gets a reason, and the next time comes."""
    reminders = Reminders(replace(lab.intake(), limits=Limits(0, 1)), lambda: BERLIN)
    await remind(reminders, "in 10m One")
    await remind(reminders, "every 10 minutes Two")
    lab.now_s += 10 * 60
    await reminders.speak_due()
    (left,) = await reminders.list_all()

    assert await messages(lab) == [("One", "waiting"), ("", "failed")]
    assert left.when.due_at(BERLIN) > lab.now_s


async def test_reminder_stays_due_while_it_cannot_be_stored(
    lab: Lab, reminders: Reminders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk delays it."""
    await remind(reminders, "in 1m Tea")
    lab.now_s += 60

    async def fail(*_: object) -> None:
        raise InboxError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "accept", fail)
        with pytest.raises(InboxError):
            await reminders.speak_due()
    await reminders.speak_due()

    assert await messages(lab) == [("Tea", "waiting")]


async def test_reminder_that_fails_does_not_stop_others(
    lab: Lab, reminders: Reminders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error with one text gets that one a reason."""
    await remind(reminders, "in 1m Tea")
    await remind(reminders, "in 2m Coffee")
    lab.now_s += 120
    accept = Intake.accept

    async def fail(self: Intake, draft: Draft) -> Any:
        if draft.text == "Tea":
            raise RuntimeError(draft.text)
        return await accept(self, draft)

    monkeypatch.setattr(Intake, "accept", fail)
    await reminders.speak_due()

    assert await messages(lab) == [("", "failed"), ("Coffee", "waiting")]


async def test_set_reports_a_full_disk(
    reminders: Reminders, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender learns that it was not stored."""
    execute = lab.inbox._database.execute

    def fail(sql: str, *values: Any) -> Any:
        if sql.startswith("INSERT"):
            raise sqlite3.OperationalError("database or disk is full")
        return execute(sql, *values)

    monkeypatch.setattr(lab.inbox._database, "execute", fail)
    with pytest.raises(InboxError, match="Make room on its disk"):
        await remind(reminders, "in 1h Tea")


# ---- changes ----


async def test_reminder_that_is_paused_waits_for_its_next_time(
    lab: Lab, reminders: Reminders
) -> None:
    """What it missed meanwhile is not made up for."""
    reminder = await remind(reminders, "every hour Drink")
    await reminders.pause(reminder, paused=True)
    lab.now_s += 5.5 * HOUR_S
    await reminders.speak_due()
    (paused,) = await reminders.list_all()
    await reminders.pause(paused, paused=False)
    await reminders.speak_due()
    (resumed,) = await reminders.list_all()

    assert await messages(lab) == []
    assert (paused.paused, resumed.paused) == (True, False)
    assert resumed.when.due_at(BERLIN) == lab.now_s + HOUR_S / 2


async def test_reminder_that_is_deleted_is_not_spoken(lab: Lab, reminders: Reminders) -> None:
    """Its number is never given again: an old button may name it."""
    first = await remind(reminders, "in 1m Tea")
    await reminders.delete(first)
    second = await remind(reminders, "in 2m Tea")
    lab.now_s += 60
    await reminders.speak_due()

    assert await messages(lab) == []
    assert second.id > first.id


async def test_reminder_follows_a_group_that_becomes_a_supergroup(
    lab: Lab, reminders: Reminders
) -> None:
    """It is spoken for the new chat."""
    await remind(reminders, "in 1m Tea", chat_id=-5)
    await lab.inbox.migrate_chat(BOT, -5, -1005)
    lab.now_s += 60
    await reminders.speak_due()
    (message,) = await lab.inbox.list_to_speak(BOT)

    assert message.chat_id == -1005


# ---- time passes ----


@asynccontextmanager
async def waiting(lab: Lab, reminders: Reminders) -> AsyncIterator[asyncio.Event]:
    """Run reminders until they wait; yield an event that is set when a message is queued."""
    queued = asyncio.Event()
    lab.events.watch(lambda name, _: queued.set() if name == "queued" else None)
    task = asyncio.create_task(reminders.run())
    while not reminders._changed._waiters:  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0)
    try:
        yield queued
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_run_wakes_for_a_reminder_that_is_set(lab: Lab, reminders: Reminders) -> None:
    """Without one it waits for ever; one that is due soon is spoken on time."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    lab_now_s = lab.now_s
    reminders = Reminders(
        replace(lab.intake(), now=lambda: lab_now_s + loop.time() - start_s), lambda: BERLIN
    )
    async with waiting(lab, reminders) as queued:
        await remind(reminders, "in 1s Tea")
        await asyncio.wait_for(queued.wait(), 20)

    assert loop.time() - start_s >= 1


async def test_run_notices_that_the_clock_has_jumped(
    lab: Lab, reminders: Reminders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No timer runs while the computer sleeps, so the clock is read again and again."""
    monkeypatch.setattr(module, "_CHECK_EVERY_S", 0.02)
    await remind(reminders, "in 1h Tea")
    async with waiting(lab, reminders) as queued:
        lab.now_s += HOUR_S + 60
        await asyncio.wait_for(queued.wait(), 20)


async def test_run_goes_on_after_an_error(
    lab: Lab, reminders: Reminders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a while loses no reminder."""
    monkeypatch.setattr(module, "_RETRY_S", 0.02)
    accept, errors = Inbox.accept, iter([InboxError("full"), sqlite3.OperationalError("full")])

    async def fail_at_first(self: Inbox, *values: Any) -> Any:
        if error := next(errors, None):
            raise error
        return await accept(self, *values)

    monkeypatch.setattr(Inbox, "accept", fail_at_first)
    await remind(reminders, "in 1m Tea")
    lab.now_s += 60
    async with waiting(lab, reminders) as queued:
        await asyncio.wait_for(queued.wait(), 20)

    assert await messages(lab) == [("Tea", "waiting")]
