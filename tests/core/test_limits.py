"""How much one person may send."""

from typing import Any

from bot.chat.sandbox import Sandbox
from bot.core.limits import Limits
from tests.chat.steps import last_reaction
from tests.conftest import ALICE, StartBot, reaction_to, reply_with

GROUP = {"id": -100, "type": "group", "title": "Home"}


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


def test_limits_take_no_allowance_while_the_queue_is_full() -> None:
    """Messages that are refused since too many wait do not use up the minute's allowance."""
    limits = Limits(2, 5, clock=lambda: 0.0)
    for _ in range(3):
        assert limits.check(1, 5, 10) is not None

    assert [limits.check(1, 0, 0) is None for _ in range(3)] == [True, True, False]


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
