"""The pages of a file -> its text, and how much of it is read."""

import io
import textwrap

import pypdf
import pytest

from bot.chat import decode
from bot.chat.decode import PDF, TEXT, text_of
from bot.chat.pages import text_of_pages
from bot.core.plain_text import compose_text
from tests.chat.samples import pdf_of_pages

PROSE = (
    "The committee met on Tuesday to discuss the plan for the harbour, and it decided that the "
    "ferry should leave half an hour earlier in winter. Nobody objected. "
)
LINES = textwrap.wrap(PROSE * 8, 62)


def book(head: str, foot: str, pages: int = 4) -> list[list[str]]:
    """Return pages of lines; # in a head or foot is the page's number."""
    size = -(-len(LINES) // pages)
    return [
        [
            head.replace("#", str(number)),
            *LINES[(number - 1) * size : number * size],
            foot.replace("#", str(number)),
        ]
        for number in range(1, pages + 1)
    ]


@pytest.mark.parametrize(
    ("head", "foot"),
    [
        ("The Harbour", "#"),
        ("The Harbour", "- # -"),
        ("The Harbour", "Page # of 4"),
        ("The Harbour", "[Page #]"),
        ("# The Harbour", "printed by the town"),
        ("The Harbour | #", "Seite #"),
    ],
)
def test_text_of_leaves_out_heads_and_numbers_of_a_pdf(head: str, foot: str) -> None:
    """Running heads and page numbers are not read, and no sentence ends with its page."""
    text = text_of(pdf_of_pages(book(head, foot)), PDF).text
    spoken = compose_text(text.removeprefix("The Harbour"), "en-us").text

    assert " ".join(spoken.split()) == " ".join((PROSE * 8).split())


def test_text_of_leaves_out_heads_and_numbers_of_a_text_with_pages() -> None:
    """A text with form feeds is read like a PDF."""
    pages = "\f".join("\n".join(page) for page in book("Report", "[Page #]"))
    text = text_of(pages.encode(), TEXT).text

    assert text.count("Report") == 1
    assert "Page" not in text


def test_text_of_pages_keeps_lines_that_only_look_like_heads() -> None:
    """The chapters of a book, two pages, and numbers that are no page's are all read."""
    chapters = [f"Chapter {number}\nSome words." for number in (1, 2, 3, 4)]

    assert text_of_pages(chapters).count("Chapter") == 4
    assert text_of_pages(["Title\none", "Title\ntwo"]).count("Title") == 2
    assert text_of_pages(["The answer is\n42"]) == "The answer is\n42"
    assert text_of_pages(["", "  \n"]) == ""


def test_text_of_joins_words_that_a_pdf_cuts() -> None:
    """A word that is cut at the end of a line or of a page is one word."""
    pages = [["We shall dis-", "cuss the re-"], ["construction at noon."]]
    text = text_of(pdf_of_pages(pages), PDF).text

    assert compose_text(text, "en-us").text == "We shall discuss the reconstruction at noon."


def test_text_of_says_how_much_of_a_file_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """If only a part of a file is read, its sender is told how much is not."""
    monkeypatch.setattr(decode, "MAX_TEXT_CHARS", 500)
    pages = pdf_of_pages([[f"This is page {number}. " + "Word. " * 10] for number in range(20)])
    whole = text_of(b"Some words. " * 10, TEXT)
    part = text_of(b"Some words.\n" * 100, TEXT)
    book_ = text_of(pages, PDF)

    assert whole.left_out == ""
    assert part.left_out == "the last 59 % of the file"
    assert part.text.endswith("words.\n")
    assert book_.left_out == "the last 14 of 20 pages"


def test_text_of_reads_the_other_pages_of_a_damaged_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that can't be read is left out and counted; the others are read."""
    content = pdf_of_pages([["Page one."], ["Page two."], ["Page three."]])
    extract = pypdf.PageObject.extract_text

    def damaged(page: pypdf.PageObject) -> str:
        text = extract(page)
        if "two" in text:
            raise ValueError(text)
        return text

    monkeypatch.setattr(pypdf.PageObject, "extract_text", damaged)
    read = text_of(content, PDF)

    assert read.text.split("\n") == ["Page one.", "", "Page three."]
    assert read.left_out == "1 damaged page"


def test_text_of_reads_a_pdf_without_its_end() -> None:
    """A PDF of an interrupted download is read as far as it goes."""
    content = pdf_of_pages([["Page one."], ["Page two."], ["Page three."]])
    read = text_of(content[: content.index(b"xref")], PDF)

    assert read.text.split("\n\n") == ["Page one.", "Page two.", "Page three."]


def test_text_of_recognizes_a_pdf_by_its_content() -> None:
    """A PDF that was sent as a text is read as a PDF."""
    content = io.BytesIO(pdf_of_pages([["Number 5."]])).getvalue()

    assert text_of(content, TEXT).text == "Number 5."
