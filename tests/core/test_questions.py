"""The life of a question, without a chat: asked, answered once, timed out, restored."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from bot.core.access import Access
from bot.core.draft import Draft
from bot.core.intake import RefusedError
from bot.core.question_store import Question, QuestionStatus, QuestionStore
from bot.core.questions import MAX_OPEN, NobodyToAskError, Questions, match_option
from bot.core.quiet_hours import FOR_GOOD
from bot.settings import Settings
from tests.core.lab import BOT, Lab

ALICE, BOB = 7, 8
YES_NO = ("yes", "no")


@dataclass(slots=True)
class RecordingDisplay:
    """Records what chats are shown; each accepts at once, unless it is *away* or *closed*."""

    shown: list[tuple[int, int]] = field(default_factory=list)
    """The questions: (id, chat)."""
    ended: list[tuple[int, int, str]] = field(default_factory=list)
    """The ends: (id, chat, status)."""
    away: bool = False
    closed: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def ask(
        self,
        question: Question,
        chat_id: int,
        on_sent: Callable[[int | None], Awaitable[None]],
    ) -> None:
        """Record a question; its message has the number 100 + its chat."""
        self.shown.append((question.id, chat_id))
        if not self.away:
            self._start(on_sent(None if self.closed else 100 + chat_id))

    def show_end(
        self, question: Question, chat_id: int, on_shown: Callable[[], Awaitable[None]]
    ) -> None:
        """Record an end."""
        self.ended.append((question.id, chat_id, question.status))
        if not self.away:
            self._start(on_shown())

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        self.tasks.append(asyncio.get_running_loop().create_task(run()))

    async def settle(self) -> None:
        """Wait until every chat has answered."""
        while self.tasks:
            await self.tasks.pop()


@dataclass(slots=True)
class Asking:
    """Questions with their collaborators."""

    lab: Lab
    display: RecordingDisplay
    questions: Questions
    numbers: int = 0

    async def ask(self, options: tuple[str, ...] = YES_NO, **fields: object) -> Question:
        """Ask, and wait until the chats have it."""
        self.numbers += 1
        draft = Draft(-self.numbers, "Deploy now?", client="tests")
        timeout_s = float(str(fields.pop("timeout_s", 60)))
        chat_id = fields.pop("chat_id", None)
        assert chat_id is None or isinstance(chat_id, int)
        question = await self.questions.ask(draft, options, timeout_s=timeout_s, chat_id=chat_id)
        await self.display.settle()
        return await self.now(question)

    async def now(self, question: Question) -> Question:
        """Return a question as it is on the disk."""
        found = await self.questions.find(question.id)
        assert found is not None
        return found


def make(lab: Lab, people: frozenset[int] = frozenset({ALICE, BOB})) -> Asking:
    """Return questions to *people*."""
    display = RecordingDisplay()
    access = Access(people, lab.store, lambda _: None)
    store = QuestionStore(lab.inbox.database, BOT)
    return Asking(lab, display, Questions(store, lab.intake(), access, display))


@pytest.fixture
def asking(lab: Lab) -> Asking:
    """Return questions to Alice and Bob."""
    return make(lab)


async def test_ask_speaks_and_asks_everybody(asking: Asking) -> None:
    """A question is a spoken message, and is in the chat of everybody who may speak."""
    question = await asking.ask()

    assert [text for text, _ in asking.lab.pipeline.texts] == ["Deploy now?"]
    assert asking.display.shown == [(question.id, ALICE), (question.id, BOB)]
    assert question.copies == {ALICE: 107, BOB: 108}
    assert question.is_open


async def test_ask_with_the_same_draft_is_the_same_question(asking: Asking) -> None:
    """A program that asks again, also twice at once, asks once."""
    draft = Draft(-1, "Deploy now?", client="tests")
    asked = [asking.questions.ask(draft, YES_NO, timeout_s=60) for _ in range(3)]
    questions = await asyncio.gather(*asked)

    assert len({question.id for question in questions}) == 1
    assert len(asking.lab.pipeline.said) == 1
    assert len(asking.display.shown) == 2


async def test_ask_in_one_chat(asking: Asking) -> None:
    """A question may be for one person or one group; a stranger is not asked."""
    one = await asking.ask(chat_id=BOB)
    group = await asking.ask(chat_id=-100)
    with pytest.raises(NobodyToAskError, match="nobody who may speak"):
        await asking.ask(chat_id=666)

    assert set(one.copies) == {BOB}
    assert set(group.copies) == {-100}


async def test_ask_without_people_is_refused(lab: Lab) -> None:
    """Before anybody is paired nobody could answer, so nothing is said."""
    asking = make(lab, frozenset())
    with pytest.raises(NobodyToAskError, match="Pair a phone first"):
        await asking.ask()

    assert lab.pipeline.said == []


async def test_ask_is_refused_if_it_is_not_spoken(asking: Asking) -> None:
    """A question without words is neither stored nor shown."""
    with pytest.raises(RefusedError, match="nothing to say"):
        await asking.questions.ask(Draft(-1, "...", client="tests"), (), timeout_s=60)

    assert await asking.questions.list_open() == []
    assert asking.display.shown == []


async def test_ask_has_a_limit(asking: Asking) -> None:
    """Not more than `MAX_OPEN` questions are open; one that ends makes room."""
    first, *_ = [await asking.ask() for _ in range(MAX_OPEN)]
    with pytest.raises(RefusedError, match="are open already") as refused:
        await asking.ask()
    await asking.questions.answer(first, "no", user_id=ALICE, name="Alice")

    assert refused.value.too_many
    assert (await asking.ask()).is_open


async def test_answer_counts_once(asking: Asking) -> None:
    """Of two taps at once the first counts; every chat shows it, and who waits gets it."""
    question = await asking.ask()
    waiting = asyncio.create_task(asking.questions.wait(question.id, 60))
    await asyncio.sleep(0)
    alice, bob = await asyncio.gather(
        asking.questions.answer(question, "yes", user_id=ALICE, name="Alice"),
        asking.questions.answer(question, "no", user_id=BOB, name="Bob"),
    )
    waited = await asyncio.wait_for(waiting, 10)
    await asking.display.settle()

    assert (alice.answer, alice.answered_by, alice.user_id) == ("yes", "Alice", ALICE)
    assert bob == alice == waited
    assert {chat for _, chat, status in asking.display.ended if status == "answered"} == {7, 8}
    assert len(asking.display.ended) == 2


async def test_answer_after_the_time_is_too_late(asking: Asking) -> None:
    """An answer that comes before the end was noticed does not count either."""
    question = await asking.ask(timeout_s=0.001)
    await asyncio.sleep(0.002)
    now = await asking.questions.answer(question, "yes", user_id=ALICE, name="Alice")

    assert (now.status, now.answer) == (QuestionStatus.TIMEOUT, "")


async def test_run_ends_questions_whose_time_is_over(asking: Asking) -> None:
    """A question that was asked while another one was waited for ends in its own time."""
    running = asyncio.create_task(asking.questions.run())
    long = await asking.ask(timeout_s=60)
    short = await asking.ask(timeout_s=0.05)
    ended = await asking.questions.wait(short.id, 10)
    await asking.display.settle()
    running.cancel()

    assert ended is not None
    assert ended.status is QuestionStatus.TIMEOUT
    assert (await asking.now(long)).is_open


async def test_stop_leaves_a_question_open(asking: Asking) -> None:
    """Silence is no answer."""
    question = await asking.ask()
    await asking.lab.delivery.stop()

    assert (await asking.now(question)).is_open


async def test_withdraw_ends_a_question(asking: Asking) -> None:
    """A program can take its question back, but not its answer."""
    first, second = await asking.ask(), await asking.ask()
    await asking.questions.answer(second, "yes", user_id=ALICE, name="Alice")
    withdrawn = await asking.questions.withdraw(first.id)
    answered = await asking.questions.withdraw(second.id)

    assert withdrawn is not None
    assert (withdrawn.status, withdrawn.reason) == ("stopped", "It was withdrawn.")
    assert answered is not None
    assert answered.status is QuestionStatus.ANSWERED
    assert await asking.questions.withdraw(999) is None


async def test_ask_ends_if_no_chat_accepts_it(asking: Asking) -> None:
    """People who never wrote to the bot can't be asked; the program learns that at once."""
    asking.display.closed = True
    question = await asking.ask()

    assert question.status is QuestionStatus.STOPPED
    assert "Telegram delivers it to nobody" in question.reason


async def test_restore_shows_what_was_owed(asking: Asking) -> None:
    """What no chat had accepted is shown after a restart: questions, and ends."""
    asked, ended = await asking.ask(), await asking.ask()
    asking.display.away = True
    owed = await asking.ask()
    await asking.questions.answer(ended, "no", user_id=ALICE, name="Alice")
    restarted = make(asking.lab)
    await restarted.questions.restore()
    await restarted.display.settle()
    again = make(asking.lab)
    await again.questions.restore()

    assert restarted.display.shown == [(owed.id, ALICE), (owed.id, BOB)]
    assert restarted.display.ended == [
        (ended.id, ALICE, "answered"),
        (ended.id, BOB, "answered"),
    ]
    assert (again.display.shown, again.display.ended) == ([], [])
    assert (await restarted.now(asked)).copies == {ALICE: 107, BOB: 108}


async def test_end_is_shown_by_a_question_that_arrives_later(asking: Asking) -> None:
    """A copy that was on its way when the question ended shows the end, too."""
    asking.display.away = True
    question = await asking.ask(chat_id=ALICE)
    await asking.questions.answer(question, "no", user_id=BOB, name="Bob")
    before = list(asking.display.ended)
    asking.display.away = False
    asking.questions._show_in(question, ALICE)
    await asking.display.settle()

    assert before == []
    assert asking.display.ended == [(question.id, ALICE, "answered")]


async def test_close_ends_all_waiting(asking: Asking) -> None:
    """While Crier stops nobody waits; the question stays open for the next start."""
    question = await asking.ask()
    waiting = asyncio.create_task(asking.questions.wait(question.id, 60))
    await asyncio.sleep(0)  # it starts
    asking.questions.close()
    waited = await asyncio.wait_for(waiting, 10)

    assert waited is not None
    assert waited.is_open


async def test_offer_is_spoken_when_it_is_taken(asking: Asking) -> None:
    """The rest of a text is said once, by whoever asks for it first."""
    await asking.questions.offer(Draft(-1, "One.", client="agent"), "Two. Three.")
    [offer] = await asking.questions.list_open()
    for user_id in (ALICE, BOB):
        await asking.questions.answer(offer, "Read on", user_id=user_id, name="")

    assert offer.options == ("Read on",)
    assert [text for text, _ in asking.lab.pipeline.texts] == ["Two. Three."]


async def test_offers_replace_the_oldest(asking: Asking) -> None:
    """Only a few rests are offered at once, and they take no room from questions."""
    for number in range(7):
        await asking.questions.offer(Draft(-100 - number, "One.", client="agent"), f"{number}.")
    texts = [question.text for question in await asking.questions.list_open()]

    assert texts == ["2.", "3.", "4.", "5.", "6."]


async def test_prune_removes_old_questions(asking: Asking) -> None:
    """A question that ended two days ago is gone from the disk; an open one stays."""
    kept, old = await asking.ask(), await asking.ask()
    await asking.questions.withdraw(old.id)
    await asking.lab.inbox._database.execute(
        "UPDATE question SET ended_at = ? WHERE id = ?", (time.time() - 49 * 3600, old.id)
    )
    await asking.lab.inbox.prune()

    assert await asking.questions.find(old.id) is None
    assert (await asking.now(kept)).is_open


@pytest.mark.parametrize(
    ("options", "words", "answer"),
    [
        (YES_NO, "yes", "yes"),
        (YES_NO, " No. ", "no"),
        (YES_NO, "YES!", "yes"),
        (YES_NO, "perhaps", None),
        ((), "At half past six. ", "At half past six."),
    ],
)
def test_match_option(options: tuple[str, ...], words: str, answer: str | None) -> None:
    """A reply means one of the options, in any capitals; without options it is the answer."""
    question = Question(1, "tests", "?", options, "", {}, 0.0, 0.0)

    assert match_option(question, words) == answer


@pytest.mark.parametrize("is_answered", [True, False])
async def test_question_that_has_ended_is_not_spoken_any_more(
    asking: Asking, is_answered: bool
) -> None:
    """A call or a mute holds it, and meanwhile it is answered on a phone, or its time is over."""
    lab = asking.lab
    await lab.delivery.mute(FOR_GOOD)
    question = await asking.ask(timeout_s=60)
    if is_answered:
        await asking.questions.answer(question, "yes", user_id=ALICE, name="Alice")
    else:
        lab.now_s += 61
    await lab.delivery.mute(0)

    assert lab.pipeline.said == []
    assert [what for _, what in lab.receipts.given] == ["held", "skipped"]


@pytest.mark.parametrize("chat_id", [None, -100])
async def test_ask_in_a_room_is_refused(lab: Lab, chat_id: int | None) -> None:
    """It has no chat; the error says where to ask."""
    lab.settings = Settings(room="Study", mqtt_url=SecretStr("mqtt://127.0.0.1:1"))
    with pytest.raises(NobodyToAskError, match="Ask on the computer of its bot"):
        await make(lab, frozenset()).ask(chat_id=chat_id)

    assert lab.pipeline.said == []
