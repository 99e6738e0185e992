"""What is read of a text's structure: wrapped lines, markup, mail, code, logs."""

import json
import textwrap
import time
from pathlib import Path

import pytest

from audio.text.sentences import sentences
from bot.core.plain_text import compose_text

TABLE = Path(__file__).parent.parent / "data" / "spoken_structure.json"
STRUCTURE = json.loads(TABLE.read_text())


@pytest.mark.parametrize("case", STRUCTURE, ids=[case["sent"][:40] for case in STRUCTURE])
def test_compose_text_reads_structure_as_a_person_would(case: dict[str, str]) -> None:
    """Each text of the table is spoken as listed, and the parts left out are named."""
    composed = compose_text(case["sent"], case.get("lang", "en-us"))

    assert composed.text.strip() == case["spoken"]
    assert composed.skipped == case["skipped"]


@pytest.mark.parametrize("case", STRUCTURE, ids=[case["sent"][:40] for case in STRUCTURE])
def test_compose_text_is_the_same_with_windows_line_ends(case: dict[str, str]) -> None:
    """The line ends of Windows change nothing."""
    windows = case["sent"].replace("\r\n", "\n").replace("\n", "\r\n")
    composed = compose_text(windows, case.get("lang", "en-us"))

    assert composed.text.strip() == case["spoken"]


@pytest.mark.parametrize(
    "text",
    [
        "if a<b and c>d, stop",
        "press <i> and wait",
        "the name is <name>, and the place is <place>",
        "an arrow <!-- that never ends",
        "an array[3] and a range [0-9]",
        "C:\\e and ^[[:alpha:]]",
        "2026-11-24 09:30 Dentist\n2026-11-25 10:00 Haircut",
        "FYI\n\n---------- Forwarded message ---------\nThe door is open.",
        "Ask Bob:\n- Cc: Anna\n- Link: none",
        "-- \nJane",
        "~~~\nthe end\n~~~",
    ],
)
def test_compose_text_keeps_what_only_looks_like_markup(text: str) -> None:
    """Comparisons, placeholders, schedules and forwarded words lose no word, and skip nothing."""
    composed = compose_text(text, "fr-fr")  # its numbers and short forms stay as they are

    assert letters(composed.text) == letters(text)
    assert composed.skipped == ""


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def test_wrapped_paragraph_has_a_pause_only_at_its_sentences() -> None:
    """A paragraph of three sentences stays three, however it is wrapped."""
    text = (
        "The ferry leaves the harbour at seven in the morning, and it comes back late at night. "
        "Bring a coat, some bread and a book, because the crossing takes longer than one thinks. "
        "Nobody has ever regretted going, and nobody has ever gone twice in the same week."
    )
    for width in range(36, 110):
        spoken = compose_text(textwrap.fill(text, width), "en-us").text
        assert len(sentences(spoken, "en-us")) == 3, width


def test_compose_text_takes_little_time_for_wrapped_text() -> None:
    """A wrapped text of an hour is composed in less than a few seconds of the processor."""
    text = textwrap.fill("The quick brown fox jumps over the lazy dog. " * 1300, 72)
    started_s = time.thread_time()
    compose_text(text, "en-us")

    assert time.thread_time() - started_s < 5.0
