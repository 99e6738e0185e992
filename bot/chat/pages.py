"""The pages of a PDF or of a paginated text -> one text. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_EDGE_LINES = 2  # at the top and at the bottom of a page
_MIN_PAGES = 3
_HEAD_SHARE = 0.3  # of the pages; heads of left and right pages differ
_NUMBER = re.compile(
    r"(?:page|seite|pagina|página|p\.)?[\s\[(\-\u2013\u2014|]*(\d{1,4}|[ivxlc]{1,7})"
    r"(?:\s*(?:/|of|von|de|di|sur)\s*\d{1,4})?[\s\])\-\u2013\u2014|]*",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_COUNTED = re.compile(r"(?!page)[^\W\d_]{3,} #[.:]?", re.IGNORECASE)
_OPEN_END = re.compile(r"[^\s.!?:…。！？\"”]\s*\Z")


def text_of_pages(pages: Sequence[str]) -> str:
    """Return the text of pages, without their numbers and running heads.

    A sentence that continues on the next page is not interrupted. Lines are as on the page.
    """
    lines = [[line.rstrip() for line in page.strip("\n").splitlines()] for page in pages]
    lines = [_without_blank_edges(page) for page in lines]
    heads = _running_heads(lines)
    bare = [_without_edges(page, number, heads) for number, page in enumerate(lines, 1)]
    text = ""
    for page in ("\n".join(page) for page in bare if page):
        if text:
            first = page.lstrip()[:1]
            text += "\n" if first.islower() and _OPEN_END.search(text) else "\n\n"
        text += page
    return text


def _without_blank_edges(page: list[str]) -> list[str]:
    full = [index for index, line in enumerate(page) if line.strip()]
    return page[full[0] : full[-1] + 1] if full else []


def _edges(page: list[str]) -> Iterator[tuple[int, str]]:
    """Return the positions of the lines at the top and bottom of a page, and what they say."""
    rows = [index for index, line in enumerate(page) if line.strip()]
    for index in dict.fromkeys((*rows[:_EDGE_LINES], *rows[-_EDGE_LINES:])):
        yield index, _said(page[index])


def _running_heads(pages: list[list[str]]) -> frozenset[str]:
    """Return the lines that are at the edge of many pages; a digit is written #."""
    if len(pages) < _MIN_PAGES:
        return frozenset()
    times = Counter(
        # Each page may begin a chapter, but a running head of chapters has the same one often.
        page[index] if _COUNTED.fullmatch(said) else said
        for page in pages
        for index, said in _edges(page)
    )
    enough = max(_MIN_PAGES, _HEAD_SHARE * len(pages))
    return frozenset(_said(line) for line, count in times.items() if count >= enough)


def _said(line: str) -> str:
    return _DIGITS.sub("#", " ".join(line.split()))


def _without_edges(page: list[str], number: int, heads: frozenset[str]) -> list[str]:
    """Return a page without its number and heads; a head on the first page is its title."""
    left_out = set()
    rows = [index for index, line in enumerate(page) if line.strip()]
    for index, said in _edges(page):
        is_number = (match := _NUMBER.fullmatch(page[index].strip())) and (
            match[1] == str(number) or said in heads
        )
        is_title = number == 1 and index == rows[0] and "#" not in said
        if is_number or (said in heads and not is_title):
            left_out.add(index)
    return [line for index, line in enumerate(page) if index not in left_out]
