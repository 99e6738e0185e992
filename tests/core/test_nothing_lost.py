"""Late messages, owed receipts, limits, odd updates: every message is said or reported."""

import asyncio
import contextlib
import itertools
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from telegram.error import NetworkError, TimedOut

from audio.types import Status
from bot import watchdog
from bot.chat.polling import UpdatesRequest
from bot.chat.receipts import LATE_ALL, LATE_LAST, LATE_NONE
from bot.chat.sandbox import Event, Fault, Sandbox
from bot.core.inbox import Inbox, InboxError
from bot.core.limits import Limits
from bot.core.message import QueuedMessage
from bot.settings import Settings, SettingsError, load
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


def send_late(sandbox: Sandbox, *texts: str) -> list[int]:
    """Send messages as of an hour ago."""
    date = int(time.time()) - 3600
    return [sandbox.send_fields(ALICE, {"text": text, "date": date}) for text in texts]


def last_reaction(sandbox: Sandbox, message: int) -> str:
    """Return the reaction that a message has now."""
    return [e.text for e in sandbox.events if reaction_to(message)(e)][-1]


# ---- late ----


@pytest.mark.parametrize(
    ("choice", "ends"),
    [(LATE_ALL, "👍👍👍"), (LATE_LAST, "🙊🙊👍"), (LATE_NONE, "🙊🙊🙊")],
)
async def test_late_waits_for_a_decision(
    sandbox: Sandbox, start_toned: StartBot, choice: str, ends: str
) -> None:
    """Messages an hour late are held, asked about once, and then said or not, as decided."""
    messages = send_late(sandbox, "Number 1.", "Number 2.", "Number 3.")
    async with start_toned():
        question = await sandbox.wait_for(reply_with("3 messages came while I was away"))
        assert [last_reaction(sandbox, m) for m in messages] == ["😴"] * 3
        sandbox.press(ALICE, question.message_id, choice)
        for message, end in zip(messages, ends, strict=True):
            await sandbox.wait_for(reaction_to(message, end))
        await sandbox.wait_for(lambda e: e.kind == "edit")
    questions = [e for e in sandbox.events if reply_with("while I was away")(e)]

    assert len(questions) == 1


async def test_late_question_survives_a_restart(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Its buttons still work after a restart, once; pressed again, they say that it is over."""
    (message,) = send_late(sandbox, "Number 1.")
    async with start_toned():
        question = await sandbox.wait_for(reply_with("1 message came"))
    async with start_toned():
        for _ in range(2):
            sandbox.press(ALICE, question.message_id, LATE_ALL)
        await sandbox.wait_for(reaction_to(message, "👍"))
        await sandbox.wait_for(lambda e: e.kind == "answer" and "any more" in e.text)


async def test_late_includes_what_waited_for_a_start(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """Messages accepted hours before the restart are asked about, not spoken."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    message = sandbox.send(ALICE, "Number 1.")
    await inbox.accept(sandbox.bot_id, 1, QueuedMessage(0, ALICE.id, message, "Number 1."))
    await inbox._database.execute("UPDATE message SET changed_at = changed_at - 7200")
    await inbox.close()
    async with start_toned():
        await sandbox.wait_for(reply_with("1 message came while I was away"))


async def test_late_can_be_switched_off(sandbox: Sandbox, start_toned: StartBot) -> None:
    """With LATE_AFTER_S=0 nothing is late."""
    (message,) = send_late(sandbox, "Number 1.")
    async with start_toned(late_after_s=0.0):
        await sandbox.wait_for(reaction_to(message, "👍"))


# ---- receipts ----


async def test_receipt_survives_a_restart(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A 👍 that could not be sent is given after the restart; the message is not said again."""
    async with start_toned() as bot:
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👀"))
        sandbox.faults["setmessagereaction"] = Fault(status=502, description="Bad Gateway")
        await sandbox.wait_for_call("setmessagereaction", 2)
        assert bot.delivery.under_way_count == 0
    sandbox.faults.clear()
    async with start_toned() as bot:
        await sandbox.wait_for(reaction_to(message, "👍"))
        assert bot.pipeline.status().first_sound_ms is None


async def test_receipt_never_becomes_outdated(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network other reactions are dropped after a while, a last one is not."""
    monkeypatch.setattr("bot.chat.outbox._OUTDATED_S", -1.0)
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
    reactions = [e.text for e in sandbox.events if reaction_to(message)(e)]

    assert reactions == ["👍"]  # and no 👀, which would have been as old


async def test_receipt_may_be_owed_in_part(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """If only the reply could not be sent before the restart, it is sent afterwards."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    number = sandbox.send(ALICE, "Number 1.")
    message = await inbox.accept(sandbox.bot_id, 1, QueuedMessage(0, ALICE.id, number, "Number 1."))
    assert message is not None
    await inbox.store_end(message.id, "failed", "💔", "The reason.")
    await inbox.store_sent_reaction(message.id, "💔")
    await inbox.close()
    async with start_toned():
        await sandbox.wait_for(reply_with("The reason.", to=number))


async def test_stop_survives_a_crash(sandbox: Sandbox, start_toned: StartBot, ear_a: Ear) -> None:
    """A stop is on the disk at once: after a crash nothing comes back."""
    async with start_toned() as bot:
        messages = [sandbox.send(ALICE, "Number 1. " * 9) for _ in range(2)]
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        await bot.delivery.stop()  # and no fact of the pipeline's is seen any more
        left = await bot.delivery._inbox.list_to_speak(sandbox.bot_id)
    async with start_toned() as bot:
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "🙊"))

    assert left == []


async def test_intake_refuses_on_a_full_disk(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A text that can't be stored is refused with the reason; /stop and polling still work."""
    async with start_toned() as bot:
        database = bot.delivery._inbox._database
        await database.execute("PRAGMA max_page_count = 1")
        message = [sandbox.send(ALICE, "word " * 800) for _ in range(4)][-1]
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("disk is full", to=message))
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent"))
        await database.execute("PRAGMA max_page_count = 100000")
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_running_refuses_a_second_bot_on_the_same_folder(
    start_toned: StartBot,
) -> None:
    """Two bots would steal each other's messages; the second does not start."""
    async with start_toned():
        with pytest.raises(InboxError, match="Another Crier uses"):
            async with start_toned():
                pass


# ---- limits ----


async def test_limits_answer_a_flood_once(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Beyond the limit each message gets 💔, and one reply says why; a /stop gets through."""
    async with start_toned(limit_per_minute=3):
        messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(6)]
        sandbox.send(ALICE, "/stop")
        for message in messages[3:]:
            await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("Silent"))
    replies = [e for e in sandbox.events if reply_with("messages in a minute")(e)]

    assert len(replies) == 1


def test_limits_refill_and_include_the_queue() -> None:
    """The allowance refills in a minute; a full queue and an hour of speech are limits too."""
    now_s = [0.0]
    limits = Limits(2, 5, clock=lambda: now_s[0])
    assert [limits.check(1, 0, 0) is None for _ in range(3)] == [True, True, False]
    assert limits.check(2, 0, 0) is None
    now_s[0] = 30.0
    assert limits.check(1, 0, 0) is None
    assert limits.check(1, 0, 0) is not None
    now_s[0] = 300.0
    assert "5 messages of yours wait" in getattr(limits.check(1, 5, 10), "reason", "")
    assert "An hour of speech" in getattr(limits.check(1, 4, 4000), "reason", "")


# ---- what comes in ----

_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["from", "chat", "text", "id", "date", "message_id", "entities", "type"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(updates=st.lists(st.fixed_dictionaries({"message": _ODD}), min_size=1, max_size=4))
@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_polling_survives_any_update(
    sandbox: Sandbox, start_toned: StartBot, tmp_path: Path, updates: list[dict[str, Any]]
) -> None:
    """Whatever a server sends, the next message is spoken."""
    data_dir = tmp_path / str(random.getrandbits(40))  # a new one for each example
    async with start_toned(data_dir=data_dir):
        for update in updates:
            sandbox.push(update)
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))


@given(data=st.lists(st.text(min_size=1, max_size=16), min_size=1, max_size=20))
@hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_buttons_are_answered_whatever_they_carry(
    sandbox: Sandbox, start_toned: StartBot, tmp_path: Path, data: list[str]
) -> None:
    """A press is answered whatever data its button carries, and the next one works."""
    data_dir = tmp_path / str(random.getrandbits(40))
    seen = len(sandbox.events)
    async with start_toned(data_dir=data_dir):
        sandbox.send(ALICE, "/help")
        page = await sandbox.wait_for(reply_with("Send me a text"), since=seen)
        prefixes = itertools.cycle(["", "late:", "device:", "device="])
        for one, prefix in zip(data, prefixes, strict=False):
            sandbox.press(ALICE, page.message_id, prefix + one)
        for _ in data:
            answer = await sandbox.wait_for(_is_answer, since=seen)
            seen = sandbox.events.index(answer) + 1


def _is_answer(event: Event) -> bool:
    return event.kind == "answer"


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_load_reads_or_refuses_any_env_file(content: str | bytes) -> None:
    """Whatever .env contains, the result is settings or a SettingsError."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
        (Path(folder) / ".env").write_bytes(raw)
        with contextlib.suppress(SettingsError):
            load(Path(folder))


# ---- the watchdog ----


class _Watched:
    """A bot as the watchdog sees it."""

    def __init__(self) -> None:
        self.answers = 0
        self.pokes = 0
        self.under_way_count = 1
        self.beats = itertools.count()
        self.beating = True

    def status(self) -> Status:
        return Status(heartbeat_s=float(next(self.beats)) if self.beating else 1.0)

    def poke(self) -> None:
        self.pokes += 1

    async def get_me(self) -> None:
        pass


async def _watch(watched: _Watched, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 5.0) -> str:
    monkeypatch.setattr(watchdog, "_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "WEDGED_S", 0.1)
    monkeypatch.setattr(watchdog, "STALLED_S", 0.2)
    any_: Any = watched
    return await asyncio.wait_for(watchdog.Watchdog(any_, any_, any_, any_).run(), timeout_s)


async def test_watchdog_reports_a_wedged_audio_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the audio thread is stuck, only a new process helps."""
    watched = _Watched()
    watched.beating = False

    assert "stuck" in await _watch(watched, monkeypatch)


async def test_watchdog_pokes_dead_polling_before_it_reports_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If Telegram answers getMe but not getUpdates: first a new request, then a new process."""
    watched = _Watched()

    assert "does not work" in await _watch(watched, monkeypatch)
    assert watched.pokes == 1


async def test_watchdog_waits_while_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing of Telegram answers, the bot waits for the network."""
    watched = _Watched()

    async def get_me() -> None:
        raise NetworkError("offline")

    monkeypatch.setattr(watched, "get_me", get_me)
    with pytest.raises(TimeoutError):
        await _watch(watched, monkeypatch, 1.0)

    assert watched.pokes == 0


async def test_polling_can_be_poked_at_any_moment(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A poke is harmless, whether updates are being handled or not."""
    async with start_toned() as bot:
        for number in range(5):
            message = sandbox.send(ALICE, f"Number {number}.")
            for _ in range(20):
                bot.watch._polling.poke()
                await asyncio.sleep(0.005)
            await sandbox.wait_for(reaction_to(message, "👍"))
        assert not bot.polling.done()


async def test_request_replaces_a_connection_that_is_never_released(sandbox: Sandbox) -> None:
    """If its one connection is in use for ever, polling gets a new one instead of timing out."""
    request = UpdatesRequest(pool_timeout=0.1)
    await request.initialize()
    url = f"{sandbox.url}/bot{TOKEN}/getMe"
    sandbox.faults["getme"] = Fault(delay_s=60, times=1)
    taken = asyncio.create_task(request.post(url))
    await sandbox.wait_for_call("getme")
    with pytest.raises(TimedOut):
        await request.post(url)

    await request.renew()

    assert (await request.post(url))["username"] == "crier_bot"  # type: ignore[call-overload,index]
    await asyncio.gather(taken, return_exceptions=True)
    await request.shutdown()


async def test_watchdog_pokes_polling_after_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections die during a sleep; polling does not wait for their time-out."""
    watched = _Watched()
    asleep_s = itertools.chain([0.0], itertools.repeat(500.0))
    monkeypatch.setattr(watchdog, "time_asleep_s", lambda: next(asleep_s))
    with pytest.raises(TimeoutError):
        await _watch(watched, monkeypatch, 0.1)

    assert watched.pokes == 1


async def test_watchdog_reports_leaked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle process that uses too much memory is restarted."""
    watched = _Watched()
    watched.under_way_count = 0
    monkeypatch.setattr(watchdog, "_MEMORY_BYTES", 1)

    assert "memory" in await _watch(watched, monkeypatch)
