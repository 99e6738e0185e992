"""English sentences in Kokoro's alphabet."""

import random
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kokoro_onnx.tokenizer import Tokenizer

from audio.kokoro.english import EnglishReader, load_reader
from audio.kokoro.model_files import DICTIONARY_FILE

VOCABULARY = set(Tokenizer().vocab)


def espeak(word: str) -> str:
    """Stand in for espeak: every letter sounds."""
    return "".join("ə" for _ in word)


def read(english: EnglishReader, sentence: str, lang: str = "en-us") -> str:
    """Return the phonemes of a sentence."""
    return " ".join(word.phonemes for word in english.read(sentence, lang, espeak))


@pytest.mark.parametrize(
    ("sentence", "phonemes"),
    [
        # Short words, by what follows.
        ("Go to an apple.", "ɡˌO tʊ ɐn ˈæpᵊl."),
        ("the end, the dog", "ði ˈɛnd, ðə dˈɔɡ"),
        ("I am in.", "ˌI ɐm ˈɪn."),
        ("What are you up to?", "wˌʌt ɑɹ ju ˌʌp tˈu?"),
        ("to go", "tə ɡˌO"),
        ("Plan A is a plan.", "plˈæn ˈA ɪz ɐ plˈæn."),
        # Punctuation and apostrophes.
        ("“Stop!” she (Tom) said – now…", "“stˈɑp!” ʃi (tˈɑm) sˈɛd — nˈW…"),
        ('"Stop" now.', "“stˈɑp” nˈW."),
        ("It’s 'fine'.", "ˌɪts fˈIn."),
        # Inflections and compounds.
        ("the boss's bowls", "ðə bˈɔsᵻz bˈOlz"),
        ("Bob’s dogs’ toys", "bˈɑbz dˈɔɡz tˈYz"),
        ("It rebooted while rebooting.", "ˌɪt ɹˌibˈuTᵻd wˌIl ɹˌibˈuTɪŋ."),
        ("a well-known T-shirt", "ɐ wˌɛlnˈOn tˈiʃˌɜɹt"),
        # Capitals.
        ("The FBI and NASA met.", "ði ˌɛfbˌiˈI ænd nˈæsə mˈɛt."),
        ("My PCs and the CEO's TV.", "mˌI pˌisˈiz ænd ðə sˌiˌiˈOz tˌivˈi."),
        ("Our IT team is in the US.", "ˌWəɹ ˌItˈi tˈim ɪz ɪn ðə jˌuˈɛs."),
        ("DO IT NOW!", "dˈu ˈɪt nˈW!"),
        ("Stop it NOW!", "stˈɑp ɪt nˈW!"),
        ("I am in at 7 AM.", "ˌI ɐm ɪn æt sˈɛvən ˌAˈɛm."),
        ("The C I failed.", "ðə sˈi ˈI fˈAld."),
        ("J. Smith, e.g. in the U.S.", "ʤˈA smˈɪθ, ˌiʤˈi ɪn ðə jˌuˈɛs."),
        # Numbers.
        ("Be home at 7 30.", "bˌi hˈOm æt sˈɛvən θˈɜɹTi."),
        ("the 3rd of 12,000", "ðə θˈɜɹd ʌv twˈɛlv θˈWzᵊnd"),
        ("-5 or 3.14", "mˈInəs fˈIv ɔɹ θɹˈi pYnt wˈʌn fˈɔɹ"),
        ("in the 20s", "ɪn ðə twˈɛntiz"),
        ("A4 and R&D", "ˈA fˈɔɹ ænd ˈɑɹ ænd dˈi"),
        # Capital letters that decide.
        ("my Polish friend", "mI pˈOlɪʃ fɹˈɛnd"),
        ("Polish the table.", "pˈɑlɪʃ ðə tˈAbᵊl."),
        ("in august", "ɪn ˈɔɡəst"),
        ("a last-minute change", "ɐ lˌæstmˈɪnət ʧˈAnʤ"),
        # Accents that change the word.
        ("a naïve résumé", "ɐ nɑˈiv ɹˈɛzəmˌA"),
        ("Rosé, pâté, soufflé", "ɹOzˈA, pɑtˈA, suflˈA"),
        ("a café by Nestlé", "ɐ kæfˈA bI nˈɛslA"),
        # The letter A, and the article.
        ("The A team got an A.", "ði ˈA tˈim ɡɑt ɐn ˈA."),
        ("Press A to start.", "pɹˈɛs ˈA tə stˈɑɹt."),
        ("Is A bigger than B?", "ˌɪz ˈA bˈɪɡəɹ ðən bˈi?"),
        ("A plus B", "ˈA plˈʌs bˈi"),
        ("A and E is full.", "ˈA ænd ˈi ɪz fˈʊl."),
        ("(a) first", "(ˈA) fˈɜɹst"),
        ("2 A A", "tˈu ˈA ˈA"),
        ("a (small) thing", "ɐ (smˈɔl) θˈɪŋ"),
        ("A B-52 is a plane.", "ɐ bˈi fˈɪfti tˈu ɪz ɐ plˈAn."),
        ("A plus is that.", "ɐ plˈʌs ɪz ðˈæt."),
        ("Give Me A Call", "ɡˈɪv mˌi ɐ kˈɔl"),
        ("NOT A DRILL", "nˈɑt ɐ dɹˈɪl"),
        ("“A dog”, he said: A dog", "“ɐ dˈɔɡ”, hi sˈɛd: ɐ dˈɔɡ"),
        # Acronyms beside &, and beside others.
        ("AT and T sells M and Ms.", "ˌAtˈi ænd tˈi sˈɛlz ˈɛm ænd ˈɛmz."),
        ("US GDP rose.", "jˌuˈɛs ʤˌidˌipˈi ɹˈOz."),
        ("5 PM EST, PST", "fˈIv pˌiˈɛm ˌiˌɛstˈi, pˌiˌɛstˈi"),
        ("ER MRI, LED TV", "ˌiˈɑɹ ˌɛmˌɑɹˈI, ˌɛlˌidˈi tˌivˈi"),
        ("The HR AD role", "ði ˌAʧˈɑɹ ˌAdˈi ɹˈOl"),
        ("GOT IT! HELP US NOW!", "ɡˈɑt ˈɪt! hˈɛlp ˈʌs nˈW!"),
        ("AAA and MI5", "tɹˈɪpᵊl ˈA ænd ˌɛmˈI fˈIv"),
        ("IKEA, NAS, PaaS", "Ikˈiə, nˈæs, pˈæs"),
        # Subjects, programs, and brackets without a partner.
        ("Re: dinner", "ɹˈi: dˈɪnəɹ"),
        ("Re-read it.", "ɹˌiɹˈid ɪt."),
        ("Pope Pius", "pˈOp pˈIəs"),
        ("config of SQLite", "kˈɑnfɪɡ ʌv ˌɛskjˌuˌɛlˈIt"),
        ("1) Milk 2) Eggs", "wˈʌn, mˈɪlk tˈu, ˈɛɡz"),
        ("fix(core): O(n) (now)", "fˈɪks kˈɔɹ: ˈO ˈɛn (nˈW)"),
    ],
)
def test_read_american(english: EnglishReader, sentence: str, phonemes: str) -> None:
    """A sentence is read as Kokoro learned it."""
    assert read(english, sentence) == phonemes


@pytest.mark.parametrize(
    ("sentence", "phonemes"),
    [
        ("The colour of water", "ðə kˈʌlə ɒv wˈɔːtə"),
        ("105 houses", "wˈʌn hˈʌndɹəd and fˈIv hˈWsɪz"),
        ("monitoring", "mˈɒnɪtəɹɪŋ"),
    ],
)
def test_read_british(english: EnglishReader, sentence: str, phonemes: str) -> None:
    """British English has a dictionary of its own."""
    assert read(english, sentence, "en-gb") == phonemes


def test_read_says_where_phonemes_come_from(english: EnglishReader) -> None:
    """Each word carries its source."""
    words = english.read("Record the FBI's 3 doorlights, Xzqwv — unmuting", "en-us", espeak)

    assert [word.source for word in words] == [
        "heteronym",
        "dictionary",
        "letters",
        "number",
        "compound",
        "espeak",
        "punctuation",
        "inflection",
    ]
    assert [word.text for word in words][2] == "FBI's"


def test_load_reader_without_a_dictionary(tmp_path: Path) -> None:
    """A missing or damaged dictionary gives no reader, and no error."""
    assert load_reader(tmp_path) is None
    (tmp_path / DICTIONARY_FILE.name).write_bytes(b"house\t")
    assert load_reader(tmp_path) is None


@given(st.text(max_size=60))
def test_read_accepts_any_text(english: EnglishReader, text: str) -> None:
    """Whatever is sent is read without an error, and word by word."""
    words = english.read(text, "en-us", espeak)

    assert [word.text for word in words] == text.split()
    assert set("".join(word.phonemes for word in words)) <= VOCABULARY


def unknown_words(count: int) -> list[str]:
    """Return words with a typo, plurals, product names and places."""
    chance = random.Random(19)  # noqa: S311  # no secret
    base = Path(__file__).parents[2] / "README.md"
    plain = sorted({word for word in base.read_text(encoding="utf-8").split() if word.isalpha()})
    places = sorted({part for zone in zoneinfo.available_timezones() for part in zone.split("/")})
    words: list[str] = []
    while len(words) < count:
        word, other = chance.choice(plain), chance.choice(places)
        at = chance.randrange(len(word))
        words += [
            word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
            word[:at] + word[at:].replace(word[at], word[at] * 2, 1) + "s",
            f"{word.capitalize()}{other}",
            f"{other}'s",
            f"{other[:3].upper()}{chance.randrange(100)}",
            f"{word}{chance.choice(['ify', 'ly', 'Hub', 'app', '-o-matic', 'ing'])}",
        ]
    return words[:count]


@pytest.mark.parametrize("lang", ["en-us", "en-gb"])
def test_read_drops_no_unknown_word(english: EnglishReader, lang: str) -> None:
    """10,000 words that no dictionary has are all heard, in signs that Kokoro knows."""
    words = unknown_words(10_000)
    spoken = english.read(" ".join(words), lang, espeak)

    assert [word.text for word in spoken if not word.phonemes] == []
    assert set("".join(word.phonemes for word in spoken)) <= VOCABULARY
