"""Japanese and Chinese: read by packages that are installed on request, or by espeak."""

import re
import sys
from types import ModuleType

import pytest

from audio.kokoro import phonemes
from audio.kokoro.phonemes import as_v1, is_supported, phonemize

# jieba was written for older Pythons.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
]
needs_japanese = pytest.mark.skipif(not is_supported("ja"), reason="make japanese")
needs_chinese = pytest.mark.skipif(not is_supported("cmn"), reason="make chinese")


def espeak(text: str, lang: str) -> str:
    """Mark a text as read by espeak."""
    return f"<{lang}: {text}>"


@pytest.mark.parametrize(
    ("later", "v1"),
    [
        ("ᶄoːwa", "kʲoːβa"),
        ("teɴki", "teŋkʲi"),
        ("ɕiɴbuɴ", "ɕimbɯɴ"),
        ("saɴbaɴ", "sambaɴ"),
        ("dekimaɕita", "dekʲimaɕita"),
        ("muzukaɕii", "mɯzɨkaɕii"),
        ("niɴzin", "ɲinzin"),
        ("furu", "ɸɯɾɯ"),
        ("zaʔɕi", "ʣaʔɕi"),
    ],
)
def test_as_v1_converts_japanese_phonemes(later: str, v1: str) -> None:
    """The symbols of a later Kokoro become those of v1.0."""
    assert as_v1(later) == v1


def test_phonemize_without_the_packages_uses_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages espeak reads; other languages are read by espeak in any case."""
    monkeypatch.setattr(phonemes, "is_supported", lambda lang: lang not in ("ja", "cmn"))

    assert phonemize("東京", "ja", espeak) == "<ja: 東京>"
    assert phonemize("北京", "cmn", espeak) == "<cmn: 北京>"
    assert phonemize("Paris", "fr-fr", espeak) == "<fr-fr: Paris>"


def test_phonemize_falls_back_to_espeak_on_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever fails inside the packages, the sentence is spoken."""

    def fail() -> None:
        raise AssertionError("moras")

    monkeypatch.setattr(phonemes, "is_supported", lambda _: True)
    monkeypatch.setattr(phonemes, "_openjtalk", fail)

    assert phonemize("東京", "ja", espeak) == "<ja: 東京>"


@needs_japanese
def test_phonemize_reads_japanese_characters() -> None:
    """Characters are read as in their word, and numbers as in their sentence."""
    assert phonemize("今日は7時に来てください。", "ja", espeak) == "kʲoːβa ɕiʨiʥiɲi kʲitekɯdasai."


@needs_japanese
def test_as_v1_agrees_with_misaki_on_every_kana(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Misaki's table for this model equals its other table, converted."""
    for name in ("fugashi", "jaconv", "mojimoji"):  # what the other table's module imports
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["fugashi"], "Tagger", object, raising=False)
    from misaki.cutlet import HEPBURN
    from misaki.ja import M2P

    kana = {k: v for k, v in HEPBURN.items() if re.fullmatch("[\u3041-\u3096]+", k)}
    katakana = {"".join(chr(ord(char) + 0x60) for char in k): v for k, v in kana.items()}

    assert {k: as_v1(M2P[k]) for k in katakana if k in M2P} == {
        k: v for k, v in katakana.items() if k in M2P
    }


@needs_chinese
def test_phonemize_reads_chinese_characters() -> None:
    """Tones, numbers and neutral syllables are right; espeak reads a foreign name."""
    assert phonemize("我们七点回家。", "cmn", espeak) == "wo↓mən ʨʰi→tjɛ↓n xwei↗ʨja→."
    assert "<en-us: OK>" in phonemize("OK吗？", "cmn", espeak)


@needs_chinese
def test_phonemize_reads_rare_characters() -> None:
    """What the packages leave as it is, espeak reads."""
    assert phonemize("我㐀们", "cmn", lambda text, lang: f"{lang}ə" if text == "㐀" else "") == (
        "wo↓ cmnə mən"
    )


@needs_chinese
def test_phonemize_puts_no_space_between_a_foreign_word_and_its_punctuation() -> None:
    """A mark follows a foreign word as it follows a Chinese one."""
    spoken = phonemize("A、B（Go）。", "cmn", lambda text, _: text)

    assert spoken.split() == ["A,", "B", "(Go)."]
