"""Hard-wrapped text -> paragraphs."""

import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.text.wrapping import unwrap

PROSE = {
    "English": (
        "The committee met on Tuesday to discuss the plan for the harbour, and it decided that the "
        "ferry should leave half an hour earlier in winter. Nobody objected. Mr. Smith asked "
        "whether the cafe on the pier would stay open; it will. After that we talked about the "
        "well-known problem of parking near the old lighthouse, which has no answer yet."
    ),
    "German": (
        "Der Ausschuss hat am Dienstag über den Plan für den Hafen gesprochen und beschlossen, "
        "dass die Fähre im Winter eine halbe Stunde früher abfährt. Niemand hat Einwände gegen die "
        "neue Regelung der Stadt erhoben, auch wenn das Café auf der Mole dann noch nicht offen "
        "ist und die Kinder aus dem Dorf länger auf den Bus zur Schule warten müssen."
    ),
    "French": (
        "Le comité s'est réuni mardi pour parler du plan du port, et il a décidé que le bac "
        "partirait une demi-heure plus tôt en hiver. Personne ne s'y est opposé, bien que le café "
        "du quai ne soit pas encore ouvert à cette heure et que les enfants doivent attendre."
    ),
    "Russian": (
        "Комитет собрался во вторник, чтобы обсудить план порта, и решил, что паром зимой будет "
        "отходить на полчаса раньше. Никто не возражал, хотя кафе на причале в это время ещё "
        "закрыто, а детям придётся ждать автобуса в школу немного дольше, чем раньше."
    ),
}


@pytest.mark.parametrize("width", [40, 50, 60, 66, 72, 76, 79, 80, 100])
@pytest.mark.parametrize("language", PROSE)
def test_unwrap_joins_a_paragraph_of_any_width(language: str, width: int) -> None:
    """A paragraph that a program has wrapped is one line again."""
    text = PROSE[language]

    assert unwrap(textwrap.fill(text, width)) == text
    assert unwrap(textwrap.fill(text, width).replace("\n", "\r\n")) == text


@pytest.mark.parametrize("width", [66, 72, 79])
def test_unwrap_keeps_what_surrounds_a_paragraph(width: int) -> None:
    """A heading, a greeting, items and a name keep their lines."""
    text = PROSE["English"]
    item = textwrap.fill(text, width, initial_indent="- ", subsequent_indent="  ")
    wrapped = f"The plan\n{textwrap.fill(text, width)}\n\n{item}\n- Milk\n{item}\n\nBest,\nJane Doe"

    assert unwrap(wrapped) == f"The plan\n{text}\n\n- {text}\n- Milk\n- {text}\n\nBest,\nJane Doe"


@pytest.mark.parametrize("width", [60, 72])
def test_unwrap_starts_a_paragraph_where_the_indentation_says_so(width: int) -> None:
    """Paragraphs without blank lines between them are told apart by their first lines."""
    indented = textwrap.fill(PROSE["English"], width, initial_indent="   ")

    assert unwrap(f"{indented}\n{indented}") == "\n".join(["   " + PROSE["English"]] * 2)


def test_unwrap_joins_lines_of_differing_letters() -> None:
    """Text copied from a page reaches its margin only roughly."""
    lines = textwrap.wrap(PROSE["English"], 74)
    ragged = [line if index % 2 else textwrap.shorten(line, 70) for index, line in enumerate(lines)]
    ragged = [line.replace(" [...]", "") for line in ragged]

    assert "\n" not in unwrap("\n".join(ragged))


def test_unwrap_joins_japanese_without_blanks() -> None:
    """Scripts without blanks get none at the end of a line."""
    text = (
        "これは日本語の文章で、とても長いので途中で折り返されています。"
        "次の文もここに続いていて、読む人は改行に気づきません。"
    )
    lines = [text[start : start + 24] for start in range(0, len(text), 24)]

    assert unwrap("\n".join(lines)) == text


def test_unwrap_reads_two_columns_one_after_the_other() -> None:
    """Two columns of prose side by side are two paragraphs; the rows of a table are not."""
    left, right = (textwrap.wrap(PROSE[language], 34) for language in ("English", "French"))
    rows = [f"{a:40}{b}" for a, b in zip(left, right, strict=False)]
    table = "NAME          AGE          TOWN\n" + "Anna          thirty       Rome\n" * 5

    assert unwrap("\n".join(rows)).count("\n") == 2
    assert unwrap(table) == table


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("dis-\ncuss", "discuss"),
        ("well-\nknown", "well-known"),
        ("twenty-\none", "twenty-one"),
        ("long-\nterm", "long-term"),
        ("high-\ner", "higher"),
        ("Donau\u00ad\ndampfer", "Donaudampfer"),
        ("re-read or re-\nread", "re-read or re-read"),
        ("pre-\nand post-war", "pre- and post-war"),
        ("see you -\nbye", "see you -\nbye"),
        ("pre-\npost-", "pre-\npost-"),
    ],
)
def test_unwrap_joins_cut_words(cut: str, whole: str) -> None:
    """A hyphen at the end of a line is kept where the word has one."""
    assert unwrap(cut) == whole


@given(st.text("ab AB.-\n\r\t>1:|\u00ad漢", max_size=200))
def test_unwrap_loses_no_letter(text: str) -> None:
    """Only blanks, hyphens at line ends and the marks of quotations may change."""
    assert letters(unwrap(text)) == letters(text)


def letters(text: str) -> str:
    return re.sub(r"[^\w.:|]", "", text)
