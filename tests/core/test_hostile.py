"""Hostile texts: none stops the bot, none is lost, none takes long."""

import asyncio
import json
import logging
import queue
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.cost import SynthesisCost
from audio.kokoro.espeak import word
from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.planner import Planner
from audio.text.english import Rule, rules
from audio.text.normalize import _in_plain_letters, pronounce, read
from audio.text.scripts import is_readable, language_by_script, without_unread
from audio.text.sentences import LONGEST_SENTENCE_CHARS, pieces, sentences, speakable
from audio.types import AudioError, Ended, Outcome, Samples
from audio.voices import LANGUAGES
from bench.shapes import SHAPES
from bot.chat.sandbox import Sandbox
from bot.core.composing import ComposeError, run_composer
from bot.core.plain_text import compose_text, nothing_to_say, without_emphasis
from bot.http.schemas import MAX_INPUT_CHARS
from bot.settings import Settings
from tests.chat.steps import send_file
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.fake_voice import ToneVoice, read_letters
from tests.support.http_face import Face, serve
from tests.support.pipelines import Facts, order

# Of the processor's time; quadratic work takes many times as long.
_BOUND_S = 5.0
# For an answer, on a busy machine; an answer that waited for composing would take tens of seconds.
_ANSWER_TIMEOUT_S = 5.0

SPOKEN = Path(__file__).parent.parent / "data" / "spoken.json"


@pytest.mark.parametrize("name", SHAPES)
def test_composing_and_planning_are_linear(name: str) -> None:
    """Each hostile shape of 30,000 characters is composed and planned with little work."""
    text = SHAPES[name](30_000)
    started_s = time.thread_time()
    spoken = compose_text(text, "en-us", name_emoji=True).text
    for input_ in (text, spoken):
        if speakable(input_):
            planner = Planner(input_, "en-us", 1.0)
            planner.prepare(read_letters)
            planner.next(SynthesisCost(), 0.0)
            if not planner.done:
                planner.prepare(read_letters)
                planner.next_delayed(SynthesisCost(), 0.5)

    assert time.thread_time() - started_s < _BOUND_S


BITS = st.sampled_from(
    [
        *"ſ K ı İ Å ß ﬁ 𝐁 ế ٣ ५ ² ½ ① Ⅻ ａ １ 汉 あ ア 한 и ש ש ก π µ 👍 👨 🏽".split(),
        *"sat sun mon ſat-sun fri 1 2 30 12:30 24/7 1/2 2026-11-24 v1.2 km/h 5kg A a Dr.".split(),
        *"St. Henry VIII I w/o k am p.m. 000 http:// www. a@b.c".split(),
        *"- – / : . , ' ’ $ € £ % ° # @ ` ``` * ** _ ~ > | [ ] ( )".split(),
        *("\u0301", "\u200d", "\ufe0f", "\u20e3", "\ud800", "\0"),
        *(" ", "\n", "\t", "\u00a0", "\u2028"),
    ]
)


@settings(max_examples=300)
@given(st.lists(BITS | st.characters(), max_size=60), st.sampled_from(LANGUAGES))
def test_composing_and_planning_raise_nothing(bits: list[str], lang: str) -> None:
    """Any combination of difficult parts is composed and planned without an error."""
    composed = compose_text("".join(bits), lang, name_emoji=True)
    pronounce(composed.text, {"sat": "sitting", "c++": "see", "new york": "ny"})
    if speakable(composed.text):
        planner = Planner(composed.text, lang, 1.0)
        while not planner.done:
            planner.prepare(read_letters)
            planner.next(SynthesisCost(), 1.0)


@settings(max_examples=300)
@given(st.lists(BITS, max_size=60))
def test_reading_skips_a_rule_only_if_it_finds_nothing(bits: list[str]) -> None:
    """If a pattern matches, the text has the characters that its rule requires."""
    read_by_all(_in_plain_letters("".join(bits)))


def test_reading_skips_no_rule_that_the_table_needs() -> None:
    """The same holds for the table of what people write, which uses nearly all rules."""
    matching = [read_by_all(case["sent"]) for case in json.loads(SPOKEN.read_text())]

    assert len(set().union(*matching)) > 0.8 * len(rules("en-us"))


def read_by_all(text: str) -> set[Rule]:
    """Apply every rule, and return those that matched."""
    matching = set()
    for rule in rules("en-us"):
        chars = frozenset(text)
        text, matches = rule.pattern.subn(rule.reading, text)
        if matches:
            assert rule.may_match(chars), rule.pattern.pattern
            matching.add(rule)
    return matching


@given(st.text("*_~`ab \n.", max_size=40))
def test_without_emphasis_equals_its_pattern(text: str) -> None:
    """Marks of emphasis are removed as by the pattern that defines them, in less time."""
    pattern = r"(?<!\w)(```|\*\*|__|\*|_|~~|`)(?=\S)([^\n]*?\S)\1(?!\w)"

    assert without_emphasis(text) == re.sub(pattern, r"\2", text)


def test_reading_knows_letters_that_match_without_case() -> None:
    """A long s and a dotless i are read as the letters that they stand for."""
    assert compose_text("Open \u017fat-sun", "en-us").text == "Open Saturday to Sunday"
    assert compose_text("Open fr\u0131-sun", "en-us").text.startswith("Open fr")


def test_reading_reads_digits_of_every_script() -> None:
    """Digits of other scripts are read as numbers, also by rules that look them up."""
    assert compose_text("at ٧:٣٠", "en-us").text == "at 7 30"
    assert (
        compose_text("call 555-1234", "en-us").text == compose_text("call ٥٥٥-١٢٣٤", "en-us").text
    )


@given(st.text(), st.integers(1, 50))
def test_pieces_are_short_and_lose_nothing(text: str, max_chars: int) -> None:
    """A text is the sum of its pieces, and none is longer than allowed."""
    parts = list(pieces(text, max_chars))

    assert "".join(parts) == text
    assert all(len(part) <= max_chars for part in parts)


def test_sentences_do_not_depend_on_the_length_of_a_line() -> None:
    """A long line is cut at its sentences, and no abbreviation is split."""
    line = "Dr. Smith paid 3.50 at 10 a.m. sharp to Mr. Jones. " * 200

    assert set(sentences(line, "en-us")) == {line[:50]}
    assert max(map(len, sentences("word " * 9000, "en-us"))) <= LONGEST_SENTENCE_CHARS


def test_pronounce_takes_thousands_of_words() -> None:
    """Many taught words in a long text take no longer than the sum of both."""
    words = {f"word{number}": f"said{number}" for number in range(5000)} | {"new york": "the city"}
    started_s = time.thread_time()
    spoken = pronounce("Word17 of New York. " * 5000, words)

    assert spoken == "said17 of the city. " * 5000
    assert time.thread_time() - started_s < _BOUND_S


async def test_composing_leaves_the_loop_free() -> None:
    """While a long text is composed, the event loop does other work."""
    turns = 0
    text = SHAPES["words"](60_000)
    work = asyncio.create_task(run_composer(len(text), compose_text, text, "en-us"))
    while not work.done():
        turns += 1
        await asyncio.sleep(0)

    assert (await work).text
    assert turns > 10


async def test_composing_logs_an_error_without_the_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An error in a reading rule becomes a ComposeError; the log says where, but not the text."""

    def rule(text: str) -> str:
        return {"known": "word"}[text]

    for chars in (10, 10_000):
        with caplog.at_level(logging.ERROR), pytest.raises(ComposeError, match="other words"):
            await run_composer(chars, rule, "canary")

    assert "Unexpected error in composing a text: KeyError" in caplog.text
    assert "in rule" in caplog.text
    assert "canary" not in caplog.text


# ---- letters that would be spelled out ----

SAMPLES = {
    "CYRILLIC": "привет",
    "GREEK": "καλημέρα",
    "ARABIC": "مرحبا",
    "HANGUL": "한국어",
    "KANA": "ありがとう",
    "DEVANAGARI": "नमस्ते",
    "GEORGIAN": "გამარჯობა",
    "LATIN": "banana",
    "HEBREW": "צהריים",
    "THAI": "สวัสดี",
    "TIBETAN": "བོད",
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("script", SAMPLES)
def test_readable_scripts_are_not_spelled(script: str, lang: str) -> None:
    """A word in a readable script has about as many sounds as letters, whatever is around it."""
    if not is_readable(script, lang):
        assert script in ("HEBREW", "THAI", "TIBETAN")
        return
    sounds = word(SAMPLES[script], lang)

    assert 0.5 * len(SAMPLES[script]) <= len(sounds) <= 3 * len(SAMPLES[script])


@pytest.mark.parametrize(
    ("text", "lang", "spoken"),
    [
        ("Привет, как дела?", "en-us", "ru"),
        ("Привіт, як справи?", "en-us", "uk"),
        ("Η γάτα κοιμάται", "fr-fr", "el"),
        ("안녕하세요 OK", "en-us", "ko"),
        ("شام آماده است. چرا؟", "en-us", "fa"),
        ("ありがとう東京", "en-us", "ja"),
        ("Hello Привет everybody", "en-us", "en-us"),
        ("π", "en-us", "en-us"),
        ("сэр", "uk", "uk"),
        ("བོད་སྐད", "en-us", "en-us"),
        ("naïve café", "it", "it"),
    ],
)
def test_language_by_script_names_the_only_choice(text: str, lang: str, spoken: str) -> None:
    """A text mostly in letters that the language does not have is read by theirs."""
    assert language_by_script(text, lang) == spoken


@pytest.mark.parametrize(
    ("sent", "lang", "spoken", "skipped"),
    [
        ("안녕하세요 hello", "en-us", "안녕하세요 hello", ""),
        ("བོད hello", "en-us", "hello", "1 word in Tibetan"),
        ("สวัสดี, שלום? Fine.", "fr-fr", ", ? Fine.", "1 word in Thai, 1 word in Hebrew letters"),
        ("π is 3.14, 5 µm", "en-us", "π is 3.14, 5 µm", ""),
        ("η γάτα", "en-us", "η γάτα", ""),
        ("नमस्ते hello", "hi", "नमस्ते hello", ""),
        ("café Łódź", "it", "café Łódź", ""),
        ("𝐇𝐞𝐥𝐥𝐨 ﬁne Nguyễn", "en-us", "Hello fine Nguyen", ""),
        ("Nguyễn", "vi", "Nguyễn", ""),
    ],
)
def test_compose_leaves_out_words_that_would_be_spelled(
    sent: str, lang: str, spoken: str, skipped: str
) -> None:
    """Words in letters that no language of espeak-ng's reads are left out, and counted."""
    composed = compose_text(sent, lang)

    assert composed.text.split() == spoken.split()
    assert composed.skipped == skipped


def test_nothing_to_say_names_the_languages() -> None:
    """If all of a text is left out, the reason names the languages that can be spoken."""
    reason = nothing_to_say(compose_text("สวัสดี", "en-us"))

    assert reason.startswith("There is nothing to say but 1 word in Thai. I speak English, Spanish")
    assert reason.endswith("Mandarin Chinese, and others with an accent.")
    assert without_unread("Ann", "ja") == ("Ann", {})


async def test_chat_refuses_words_that_would_be_spelled(
    start_toned: StartBot, sandbox: Sandbox
) -> None:
    """A Thai text for an English voice gets 💔 and one reply, and the next text is heard."""
    async with start_toned():
        sent = sandbox.send(ALICE, "สวัสดีครับ")
        await sandbox.wait_for(reaction_to(sent, "💔"))
        await sandbox.wait_for(reply_with("I speak English", to=sent))
        again = sandbox.send(ALICE, "Number 7.")
        await sandbox.wait_for(reaction_to(again, "👍"))


async def test_chat_says_once_that_a_language_has_an_accent(
    start_toned: StartBot, sandbox: Sandbox
) -> None:
    """A Russian text is heard; its language is named the first time only."""
    async with start_toned():
        for text in ("Привет, как дела?", "Ужин готов."):
            sent = sandbox.send(ALICE, text)
            await sandbox.wait_for(reaction_to(sent, "👍"))

    notices = [event.text for event in sandbox.events if "with an accent" in event.text]
    assert notices == ["I speak Russian with an accent."]


async def test_chat_survives_hostile_texts(start_toned: StartBot, sandbox: Sandbox) -> None:
    """Texts that are hard to plan or to read get a receipt, and those after them are heard."""
    async with start_toned():
        hard = sandbox.send(ALICE, SHAPES["dashes, then a letter"](4096))
        empty = sandbox.send(ALICE, SHAPES["joined emoji"](2000))
        odd = sandbox.send(ALICE, "Open \u017fat-sun")
        last = sandbox.send(ALICE, "Number 7.")
        await sandbox.wait_for(reaction_to(empty, "💔"))
        for sent in (hard, odd, last):
            await sandbox.wait_for(reaction_to(sent, "👍"))


# ---- planning on the worker ----


class SlowVoice(ToneVoice):
    """A voice that is not ready until the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = threading.Event()

    def load(self) -> None:
        """Wait until the test allows it."""
        self.ready.wait(60)


@pytest.fixture
def slow_voice() -> SlowVoice:
    """Return a voice that keeps the worker busy until the test allows it to continue."""
    return SlowVoice()


@pytest.fixture
def facts() -> Facts:
    """Return a collector of facts."""
    return Facts()


@pytest.fixture
def started_ids() -> list[int]:
    """Return a list of the utterances that were started."""
    return []


@pytest.fixture
def pipeline(
    slow_voice: SlowVoice, facts: Facts, started_ids: list[int], tmp_path: Path
) -> Iterator[SpeechPipeline]:
    """Return a running pipeline into files."""
    pipeline = SpeechPipeline(
        slow_voice, WavSpeaker(tmp_path), facts, on_work=lambda id_, _: started_ids.append(id_)
    )
    pipeline.start()
    yield pipeline
    slow_voice.ready.set()
    pipeline.close().result(10)


def test_pipeline_plans_on_the_worker(
    pipeline: SpeechPipeline, slow_voice: SlowVoice, facts: Facts, started_ids: list[int]
) -> None:
    """While the worker is busy nothing is planned, orders are obeyed, and the rest is heard."""
    pipeline.say(order(1, "..."))  # planning it would fail
    pipeline.say(order(2, "Two."))
    pipeline.skip(2)
    assert facts.end_of(2).outcome is Outcome.SKIPPED
    pipeline.abort()
    assert facts.end_of(1).outcome is Outcome.STOPPED
    pipeline.say(order(3, "Number 3."))
    pipeline.say(order(4, "..."))
    pipeline.replace(order(4, "Number 4."))
    slow_voice.ready.set()

    assert facts.end_of(3).outcome is Outcome.HEARD
    assert facts.end_of(4).outcome is Outcome.HEARD
    assert list(dict.fromkeys(started_ids)) == [1, 3, 4]


def test_pipeline_plans_urgent_utterances_first(
    pipeline: SpeechPipeline, slow_voice: SlowVoice, facts: Facts
) -> None:
    """An urgent utterance takes the place of one that is being planned."""
    pipeline.say(order(1, "Number 1."))
    pipeline.say(order(2, "Number 2.", urgent=True))
    slow_voice.ready.set()

    assert facts.end_of(2).outcome is Outcome.HEARD
    assert facts.end_of(1).outcome is Outcome.HEARD


def test_pipeline_fails_one_utterance_alone(
    pipeline: SpeechPipeline, slow_voice: SlowVoice, facts: Facts, tmp_path: Path
) -> None:
    """An error in planning ends that utterance, and no other."""
    slow_voice.ready.set()
    pipeline.say(order(1, "Number 1."))
    pipeline.say(order(2, cast("Any", 2)))
    pipeline.say(order(3, "", recording=str(tmp_path / "none.wav")))
    pipeline.say(order(4, "Number 4."))
    ends = [facts.end_of(id_) for id_ in (2, 3, 4)]

    assert [end.outcome for end in ends] == [Outcome.FAILED, Outcome.FAILED, Outcome.HEARD]
    assert "TypeError" in ends[0].reason or "AttributeError" in ends[0].reason
    assert "recording" in ends[1].reason


def test_pipeline_starts_nothing_while_paused(
    pipeline: SpeechPipeline, slow_voice: SlowVoice, facts: Facts, started_ids: list[int]
) -> None:
    """While paused no text is planned; after a resume it is heard."""
    slow_voice.ready.set()
    pipeline.pause()
    pipeline.say(order(1, "Number 1."))
    pipeline.devices().result(10)  # the orders before it were carried out
    pipeline.devices().result(10)
    assert started_ids == []
    pipeline.resume()

    assert facts.end_of(1).outcome is Outcome.HEARD
    assert set(started_ids) == {1}


def test_pipeline_reorders_utterances_during_planning(
    pipeline: SpeechPipeline, slow_voice: SlowVoice, facts: Facts
) -> None:
    """If the order changes during planning, each utterance is heard once, in the new order."""
    for number in (1, 2, 3):
        pipeline.say(order(number, f"Number {number}."))
    pipeline.reorder((3, 2, 1))
    pipeline.devices().result(10)  # the orders before it were carried out
    slow_voice.ready.set()
    ends = [facts.until(lambda fact: isinstance(fact, Ended)) for _ in range(3)]

    assert [(end.id, end.outcome) for end in ends if isinstance(end, Ended)] == [
        (3, Outcome.HEARD),
        (2, Outcome.HEARD),
        (1, Outcome.HEARD),
    ]


def test_pipeline_renders_while_it_plans(
    pipeline: SpeechPipeline, slow_voice: SlowVoice, facts: Facts
) -> None:
    """A rendering is planned as well: it finishes, or fails with a reason."""
    good: queue.SimpleQueue[Samples | AudioError | None] = queue.SimpleQueue()
    bad: queue.SimpleQueue[Samples | AudioError | None] = queue.SimpleQueue()
    pipeline.say(order(1, "Number 1."))
    pipeline.render(order(0, "..."), bad.put)
    pipeline.render(order(0, "Number 2."), good.put)
    slow_voice.ready.set()

    assert facts.end_of(1).outcome is Outcome.HEARD
    assert isinstance(bad.get(timeout=30), AudioError)
    assert isinstance(good.get(timeout=30), np.ndarray)


def test_pipeline_closes_while_it_plans(
    slow_voice: SlowVoice, facts: Facts, tmp_path: Path
) -> None:
    """Closing waits for no plan; a planned utterance has not ended, so that it is spoken later."""
    pipeline = SpeechPipeline(slow_voice, WavSpeaker(tmp_path), facts)
    pipeline.start()
    pipeline.say(order(1, "Number 1."))
    pipeline.devices().result(10)
    closed = pipeline.close()

    closed.result(10)
    slow_voice.ready.set()
    assert not [fact for fact in facts.all if isinstance(fact, Ended)]


# ---- while a text is composed ----


@pytest.fixture
async def face(settings: Settings, tmp_path: Path) -> AsyncIterator[Face]:
    """Return a running bot, which speaks tones into files, as programs see it."""
    quiet = {"api_port": 0, "audio_device": f"file:{tmp_path / 'spoken'}"}
    async with serve(settings.replaced(**quiet), ToneVoice()) as face:
        yield face


HARD = ("months", "emphasis", "one number", "dashes, then a letter", "joined emoji")


async def test_bot_answers_while_hostile_programs_speak(face: Face, sandbox: Sandbox) -> None:
    """While long hostile texts of programs are composed and planned, /healthz and /stop answer."""
    bodies = [{"input": SHAPES[name](MAX_INPUT_CHARS)} for name in HARD]
    speaking = [
        asyncio.create_task(face.client.post("/v1/audio/speak", json=body)) for body in bodies
    ]
    await asyncio.sleep(0)
    for _ in range(5):
        health = await face.client.get("/healthz", timeout=_ANSWER_TIMEOUT_S)
        assert health.status_code == 200
    sandbox.send(ALICE, "/stop")
    await sandbox.wait_for(reply_with("Silent."), _ANSWER_TIMEOUT_S)
    answers = await asyncio.gather(*speaking)

    assert {answer.status_code for answer in answers} <= {200, 202, 422}


async def test_bot_answers_while_a_hostile_paste_and_file_come(
    face: Face, sandbox: Sandbox
) -> None:
    """The same holds for a paste in 20 messages, and for a file of 100,000 characters."""
    text = SHAPES["months"](20 * 4096)
    parts = [sandbox.send(ALICE, text[start : start + 4096]) for start in range(0, len(text), 4096)]
    send_file(sandbox, "long.txt", SHAPES["emphasis"](100_000).encode())
    for _ in range(5):
        health = await face.client.get("/healthz", timeout=_ANSWER_TIMEOUT_S)
        assert health.status_code == 200
    sandbox.send(ALICE, "/stop")
    await sandbox.wait_for(reply_with("Silent."), _ANSWER_TIMEOUT_S)

    for part in parts:
        await sandbox.wait_for(reaction_to(part))


async def test_intake_refuses_a_text_on_a_reading_error(
    face: Face, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a reading rule fails, its text gets 💔 and a reply, or 422; the next one is heard."""

    def read_or_fail(text: str, lang: str) -> str:
        if "canary" in text:
            raise KeyError(text)
        return read(text, lang)

    monkeypatch.setattr("bot.core.plain_text.read", read_or_fail)
    bad = sandbox.send(ALICE, "A canary sings.")
    await sandbox.wait_for(reaction_to(bad, "💔"))
    await sandbox.wait_for(reply_with("Send it in other words", to=bad))
    for chars in (1, 20_000):
        body = {"input": "A canary. " + "Word. " * (chars // 6)}
        answer = await face.client.post("/v1/audio/speak", json=body)
        assert answer.status_code == 422
        assert "Send it in other words" in answer.json()["error"]["message"]
        assert answer.json()["error"]["type"] == "invalid_request_error"
    good = sandbox.send(ALICE, "Number 7.")
    await sandbox.wait_for(reaction_to(good, "👍"))
