"""The bytes of text files in many encodings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.encodings import decode_text

TEXTS = {
    "utf-8": "naïve café, “quoted” – 5 €",
    "utf-8-sig": "naïve café",
    "utf-16": "naïve café",
    "utf-16-le": "a plain text with one é",
    "utf-16-be": "a plain text with one é",
    "utf-32": "naïve café",
    "cp1252": "naïve café, “quoted” – 5 €",
    "latin-1": "Grüße aus Köln",
    "cp932": "これは日本語の文章です。",
    "euc_jp": "これは日本語の文章です。",
    "gb18030": "这是一个中文的句子，很短。",
    "cp1251": "Привет, как дела? Всё хорошо.",
    "koi8_r": "Привет, как дела? Всё хорошо.",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_decode_text_knows_the_encodings_of_text_files(encoding: str) -> None:
    """A text is read as it was written, without being told its encoding."""
    assert decode_text(TEXTS[encoding].encode(encoding)) == TEXTS[encoding]


@pytest.mark.parametrize(
    "text",
    [
        "Je vais à Paris.",
        "Paolo è qui",
        "Il caffè è già pronto, e tu?",
        "É o João.",
        "à",
        "INFORMAÇÃO",
        "GRÖßE",
        "Umlaute: äöü",
        "50 ¥ or 40 £, at 20 °C",
        "¿Qué? ¡Sí! Él es así, y tú, ¿a él o a ella?",
        "Voilà : « déjà vu »",
        "Å i åa ä e ö",
    ],
)
def test_decode_text_reads_a_few_accents_as_windows_1252(text: str) -> None:
    """Words such as à and è are not those of an encoding of another country."""
    assert decode_text(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("да", "cp1251"),
        ("print(1)  # вывести число на экран", "cp1251"),
        ("Hello! Привет, это я.", "cp1251"),
        ("да, хорошо", "koi8_r"),
        ("Version 5 版", "gb18030"),
        ("我用A和B", "gb18030"),
        ("使用 Python 编程", "gb18030"),
        ("Pythonで書く", "cp932"),
    ],
)
def test_decode_text_knows_other_scripts_beside_latin(text: str, encoding: str) -> None:
    """Short texts and mixed ones of other countries keep their letters."""
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"abc\0", "abc\0"),
        (b"abc\0def\0", "abc\0def\0"),
        (b"ab\0", "ab\0"),
        ("Hi – “you”".encode("utf-16-le"), "Hi – “you”"),
        ("Version 5 да".encode("utf-16-be"), "Version 5 да"),
    ],
)
def test_decode_text_takes_some_zeros_for_what_they_are(content: bytes, text: str) -> None:
    """A text is in UTF-16 if many of every second byte are zero, and the others no letters."""
    assert decode_text(content) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("café ".encode() + b"caf\xe9", "café café"),
        ("Grüße, ".encode() + "Grüße".encode("cp1252"), "Grüße, Grüße"),
        ("naïve “text”".encode()[:-1], "naïve “text"),
        (b"It\x92s fine", "It’s fine"),
        (b"a\x81b", "ab"),
        (b"caf\xe9 at no\xebl", "café at noël"),
    ],
)
def test_decode_text_loses_little_of_a_damaged_file(content: bytes, text: str) -> None:
    """What is no UTF-8 is read as Windows-1252, and the rest is untouched."""
    assert decode_text(content) == text


def test_decode_text_uses_the_declared_encoding() -> None:
    """HTML and XML say how they are encoded."""
    page = '<meta charset="iso-8859-2"><p>Zażółć gęślą jaźń</p>'

    assert decode_text(page.encode("iso-8859-2")) == page
    assert decode_text(b"<meta charset=rot13>caf\xe9").endswith("café")


@given(st.binary(max_size=300))
def test_decode_text_reads_any_bytes(content: bytes) -> None:
    """Any bytes are a text."""
    assert isinstance(decode_text(content), str)
