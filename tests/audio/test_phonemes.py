"""Japanese and Chinese: read by packages that are installed on request, or by espeak."""

import re
import sys
from types import ModuleType

import pytest

from audio.kokoro import phonemes
from audio.kokoro.phonemes import as_v1, is_supported, phonemize, without_switches
from audio.kokoro.voice import pronounced

# jieba was written for older Pythons.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
]
needs_japanese = pytest.mark.skipif(not is_supported("ja"), reason="make japanese")
needs_chinese = pytest.mark.skipif(not is_supported("cmn"), reason="make chinese")


def espeak(text: str, lang: str) -> str:
    """Stand for espeak, visibly."""
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
def test_japanese_is_spelled_as_this_model_learned_it(later: str, v1: str) -> None:
    """The signs of a later Kokoro become those of v1.0."""
    assert as_v1(later) == v1


def test_without_the_packages_espeak_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is not missed; other languages are espeak's in any case."""
    monkeypatch.setattr(phonemes, "is_supported", lambda lang: lang not in ("ja", "cmn"))

    assert phonemize("東京", "ja", espeak) == "<ja: 東京>"
    assert phonemize("北京", "cmn", espeak) == "<cmn: 北京>"
    assert phonemize("Paris", "fr-fr", espeak) == "<fr-fr: Paris>"


def test_a_sign_that_misaki_does_not_know_is_left_to_espeak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever goes wrong inside the packages, the sentence is said."""

    def fail() -> None:
        raise AssertionError("moras")

    monkeypatch.setattr(phonemes, "is_supported", lambda _: True)
    monkeypatch.setattr(phonemes, "_openjtalk", fail)

    assert phonemize("東京", "ja", espeak) == "<ja: 東京>"


@needs_japanese
def test_japanese_characters_are_read() -> None:
    """Characters are read as in their word, and numbers as in their sentence."""
    assert phonemize("今日は7時に来てください。", "ja", espeak) == "kʲoːβa ɕiʨiʥiɲi kʲitekɯdasai."


@needs_japanese
def test_every_kana_is_spelled_as_misaki_spells_it_for_this_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The two tables of misaki's agree through ours."""
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
def test_chinese_characters_are_read() -> None:
    """Tones, numbers and neutral syllables are there; a foreign name is espeak's."""
    assert phonemize("我们七点回家。", "cmn", espeak) == "wo↓mən ʨʰi→tjɛ↓n xwei↗ʨja→."
    assert "<en-us: OK>" in phonemize("OK吗？", "cmn", espeak)


def test_phonemes_have_no_names_of_languages() -> None:
    """Where espeak changes its voice within a text, the names of the two are not spoken."""
    assert without_switches(pronounced("hello", "hi")) == "həlˈəʊ"
    assert without_switches(pronounced("(en) π", "fr-fr")) == "(ˈɑ̃) pˈi"
