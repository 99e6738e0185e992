"""Messages whose text arrives in pieces."""

import asyncio
import itertools
from collections import Counter
from pathlib import Path

import pytest

from audio.types import Ended, Outcome, SentenceHeard
from bot.core.draft import Draft
from bot.core.growing import GrowingMessage, RepeatedError, SentenceBuffer
from bot.core.intake import RefusedError
from bot.core.message import NO_CHAT, State
from bot.core.plain_text import compose_text
from bot.core.preferences import Preferences
from tests.core.lab import BOT, Lab

DRAFT = Draft(update_id=-1, text="", client="tests")


def split(text: str, lang: str = "en", size: int = 1) -> list[str]:
    """Return the parts of a text that arrives in pieces of *size* characters."""
    buffer = SentenceBuffer(lang)
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    parts = [buffer.feed(piece) for piece in pieces]
    return [part for part in (*parts, buffer.finish()) if part]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It rains. Take a", ["It rains. ", "Take a"]),
        ("Dr. Smith paid 3.5 dollars. Why?", ["Dr. Smith paid 3.5 dollars. ", "Why?"]),
        ("A wrapped\nline. Next", ["A wrapped\nline. ", "Next"]),
        ("# Title\n\nText", ["# Title\n\n", "Text"]),
        ("Buy:\n- milk\n- bread\n", ["Buy:\n", "- milk\n", "- bread\n"]),
        ("1. Stir it. 2. Eat", ["1. Stir it. ", "2. Eat"]),
        ("**Note. Careful.** Then. So", ["**Note. Careful.** Then. ", "So"]),
        (
            "Run:\n\n```sh\nls. -l. \n\nx\n```\nDone. So",
            ["Run:\n", "```sh\nls. -l. \n\nx\n```\n", "Done. ", "So"],
        ),
        (
            "See.\n| a. b. |\n|---|\n| 1 |\nDone. So",
            ["See.\n", "| a. b. |\n|---|\n| 1 |\nDone. ", "So"],
        ),
        ("Hello.\n", ["Hello.\n"]),
    ],
)
def test_buffer_splits_where_sentences_and_blocks_end(text: str, parts: list[str]) -> None:
    """Whether a text arrives by characters or at once, nothing of it is lost."""
    assert split(text) == parts
    assert "".join(split(text, size=7)).split() == text.split()
    assert "".join(split(text, size=1000)).split() == text.split()


def test_buffer_does_not_cut_the_last_row_of_a_table() -> None:
    """What follows a table in the same piece does not make sentences of its cells."""
    table = "| Go. | Stop it. |\n|---|---|\n| Rain. | Wind. |\n"
    parts = split(f"{table}Done", size=1000)

    assert parts == [f"{table}Done"]


def test_buffer_cuts_a_text_without_sentences() -> None:
    """A long text without an end is passed on between two words."""
    parts = split("word " * 1000, size=50)

    assert "".join(parts) == "word " * 1000
    assert len(parts) >= 5
    assert all(part.endswith(" ") for part in parts)


@pytest.mark.parametrize(
    ("begins", "goes_on", "ends", "skipped"),
    [
        ("```sh\n", "ls. -l.\n", "```\n", "1 code block"),
        ("```sh\n", "x", "\n```\n", "1 code block"),
        ("~~~sh\n", "ls. -l.\n", "~~~\n", "1 code block"),
        ("| a. | b. |\n|---|---|\n", "| 1. | 2. |\n", "", "1 table"),
    ],
)
def test_buffer_keeps_little_of_a_block_without_an_end(
    begins: str, goes_on: str, ends: str, skipped: str
) -> None:
    """A block that is left out takes little memory, however long it is, and is counted once."""
    text = f"See.\n{begins}{goes_on * (100_000 // len(goes_on))}{ends}Done."
    parts = split(text, size=1000)
    left_out: Counter[str] = Counter()
    spoken = [compose_text(part, "en-us", left_out) for part in parts]

    assert max(map(len, parts)) < 25_000
    assert [part.text.strip() for part in spoken if part.text.strip()] == ["See.", "Done."]
    assert spoken[-1].skipped == skipped


@pytest.mark.parametrize("text", ["~~~\n" + "It rains.\n" * 5000, "| It rains.\n" * 5000])
def test_buffer_passes_on_what_only_begins_like_a_block(text: str) -> None:
    """A rule, or lines that begin with a bar, withhold no words."""
    parts = split(text, size=1000)

    assert "".join(parts) == text
    assert max(map(len, parts)) < 25_000


def test_buffer_passes_on_a_long_text_without_sentences_as_fast_as_it_comes() -> None:
    """Not only the beginning of each piece, so that it keeps little."""
    parts = split("word " * 20_000, size=4096)

    assert "".join(parts) == "word " * 20_000
    assert len(parts[-1]) < 2000


@pytest.mark.parametrize(
    ("text", "settled"),
    [("It rains.", True), ("It rains", False), ("1.", False), ("**So.", False), ("```\nx.", False)],
)
def test_buffer_settles_a_whole_sentence(text: str, settled: bool) -> None:
    """After a moment without text, what ends like a sentence is one."""
    buffer = SentenceBuffer()

    assert buffer.feed(text) == ""
    assert buffer.settle() == (text if settled else "")


async def test_growing_message_is_one_message(lab: Lab) -> None:
    """Each sentence is stored and passed on as it ends; code is left out, and counted."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("It rains")
    before = growing.message
    await growing.add(". Take a coat.\n```\nx\n```\n")
    first = growing.message
    await growing.add("```\ny\n```\n*Go*")
    message = await growing.finish()

    assert before is None
    assert first is not None
    assert first.text.strip() == "It rains. Take a coat."
    assert message.id == first.id
    assert lab.pipeline.said == [message.id]
    (stored,) = await lab.inbox.list_to_speak(BOT)
    assert stored.text.split("\n\n")[0] == "It rains. Take a coat."
    assert stored.text.splitlines()[-1] == "Go"
    assert stored.skipped == "2 code blocks"
    assert [(text.split()[-1], grows) for text, grows in lab.pipeline.texts] == [
        ("coat.", True),
        ("coat.", True),
        ("Go", False),
    ]


async def test_growing_message_that_is_stopped_takes_no_more(lab: Lab) -> None:
    """Text that follows a stop is neither stored nor spoken."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    assert await growing.add("One. Two")
    message = growing.message
    assert message is not None
    await lab.delivery.stop()
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))
    await lab.delivery.drain()

    assert not await growing.add(". Three")
    assert (await growing.finish()).text == "One. "
    assert await lab.inbox.list_to_speak(BOT) == []


async def test_growing_message_grows_while_it_is_held(lab: Lab) -> None:
    """A mute holds it; what arrives meanwhile is spoken with the rest afterwards."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("One. Two")
    message = growing.message
    assert message is not None
    await lab.delivery.mute(lab.now_s * 2)
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))
    await lab.delivery.drain()
    held = await lab.state_of(message)
    await growing.add(". Three")
    await lab.delivery.mute(0)
    await growing.finish()

    assert held == State.HELD
    assert lab.pipeline.said == [message.id, message.id]
    assert lab.pipeline.texts[-1] == ("One. \nTwo.\nThree", False)


async def test_growing_message_after_a_break_is_another(lab: Lab) -> None:
    """A rest ends it, so that others are spoken; what follows is a message of its own."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("One. Two")
    growing.rest()
    await growing.add(". Three. ")
    await growing.finish()

    assert [message.text for message in await lab.inbox.list_to_speak(BOT)] == [
        "One. ",
        "Two. \nThree.",
    ]


async def test_growing_message_without_words_is_refused(lab: Lab) -> None:
    """A text of which nothing can be spoken is refused at its end, with the reason."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("```\nx\n```\n")

    with pytest.raises(RefusedError, match="nothing to say but 1 code block"):
        await growing.finish()


async def test_growing_message_counts_words_that_cannot_be_read(lab: Lab) -> None:
    """What was left out of the first sentence is told at the end, too."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("It is ไทย here. Take a coat. ")
    message = await growing.finish()
    (stored,) = await lab.inbox.list_to_speak(BOT)

    assert message.skipped == stored.skipped == "1 word in Thai"


async def test_growing_message_delays_nobody(lab: Lab) -> None:
    """Others run while a long piece is taken."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    turns = itertools.count()

    async def run() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    other = asyncio.create_task(run())
    await growing.add("```\n" + "x" * 100_000)
    other.cancel()

    assert next(turns) > 10


async def test_growing_message_asks_for_its_style_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message and what is read of it later have the same one."""
    calls: list[tuple[object, ...]] = []
    find_style = Preferences.style_of_program

    def style_of_program(*args: object) -> object:
        calls.append(args)
        return find_style(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Preferences, "style_of_program", style_of_program)
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("One. Two. ")
    await growing.finish()

    assert len(calls) == 1


async def test_growing_message_with_a_known_update_id_is_refused(lab: Lab) -> None:
    """It is neither spoken again, nor taken for another."""
    await GrowingMessage(lab.intake(), DRAFT).add("One. Two")
    (stored,) = await lab.inbox.list_to_speak(BOT)
    with pytest.raises(RepeatedError):
        await GrowingMessage(lab.intake(), DRAFT).add("One. Two")

    assert await lab.inbox.list_to_speak(BOT) == [stored]


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("ending", ["stopped", "skipped", "held and removed", "late"])
async def test_queue_forgets_a_growing_text_that_ends_early(
    lab: Lab, ending: str, goes_on: bool
) -> None:
    """Neither a stop nor a removal nor lateness leaves its text in memory."""
    queue = lab.delivery.queue
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("One. Two")
    message = growing.message
    assert message is not None
    if ending == "stopped":
        await lab.delivery.stop()
    elif ending == "skipped":
        await queue.remove(message.id)
    elif ending == "late":
        lab.delivery.quiet_hold.ask_after_sleep(3600)
    else:
        await lab.delivery.mute(lab.now_s * 2)
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))
    await lab.delivery.drain()
    if ending == "held and removed":
        await queue.remove(message.id)
    if goes_on:
        await growing.add(". Three")
    growing.close()
    await lab.delivery.late._ask(NO_CHAT)  # which ends it: a program can't be asked

    assert queue._growing == {}


async def test_growing_message_survives_a_crash(lab: Lab, tmp_path: Path) -> None:
    """Another process says what was stored, after the last sentence that was heard, and ends it."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("One. Two. Three")
    message = growing.message
    assert message is not None
    lab.delivery.receive(SentenceHeard(message.id, 0))
    await lab.delivery.drain()
    after = Lab(lab.inbox, tmp_path / "after")
    await after.delivery.restore()
    after.delivery.start_speaking()
    (restored,) = after.delivery.queue.under_way()

    assert after.pipeline.texts == [("One. Two. ", False)]
    assert restored.sentence == 1


async def test_growing_text_goes_on_after_a_call(lab: Lab) -> None:
    """It is held after its sentence, takes what is written meanwhile, and goes on from there."""
    growing = GrowingMessage(lab.intake(), DRAFT)
    await growing.add("One one. Two two. Three")
    (id_,) = lab.pipeline.said
    lab.pipeline.speaking_id = id_
    await lab.delivery.quiet_hold.hold_while("call", "The Mac is in a call")
    lab.delivery.receive(SentenceHeard(id_, 0))
    await lab.delivery.drain()
    lab.delivery.receive(Ended(id_, Outcome.SKIPPED))
    await lab.delivery.drain()
    held = lab.delivery.held_count
    await growing.add(" three. ")
    await growing.finish()
    await lab.delivery.quiet_hold.hold_while("call", "")
    (message,) = lab.delivery.queue.under_way()

    assert held == 1
    assert lab.pipeline.skipped == [id_]
    assert lab.pipeline.said == [id_, id_]
    assert (message.sentence, message.text.split()[-1]) == (1, "three.")
    assert lab.pipeline.texts[-1] == (message.text, False)
