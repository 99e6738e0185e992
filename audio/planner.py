"""Sentences -> chunks, so that sound starts soon and never stops. Pure: no threads, no clock.

A chunk is the input of one run of the model. The first one is the shortest from which the buffer
can grow; each later one is the longest whose synthesis ends before the buffered sound does. A chunk
that has to end inside a clause carries some words of context, so that the model does not lower its
voice as at the end of a sentence; the context is encoded and not decoded (audio/kokoro/graph.py),
which costs little.

A sentence is read as a whole, then cut between its words, so that no cut changes how a word is
pronounced. Lengths are in phonemes; those of sentences that are not read yet are estimated
(`audio.cost.speech_length`), which is enough for a look ahead.
"""

import copy
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum

from audio.cost import SynthesisCost, speech_length
from audio.text.phrases import phrases
from audio.text.sentences import sentences
from audio.types import Chunk, SpokenWord, phonemes_of

MAX_CHUNK_S = 4.0
"""Kokoro accepts 510 phonemes, about 30 s; well below that a longer chunk costs more memory, 25
MB for each second, and saves no time. Measured: 3.5 to 5.5 s on two x86 cores."""
# A longer word is split.
_MAX_WORD_LENGTH = 60.0
# In a longer run of words after which a cut is noticed there is one nevertheless.
_MAX_UNCUT_LENGTH = 30.0
# How far from the middle of such a word a better place for a cut is searched for.
_NEARBY_PHONEMES = 15
# No longer chunk is searched for among the stored ones, which are at most some seconds long.
_MAX_STORED_LENGTH = 120.0
# More punctuation marks in a row are dropped.
_MAX_MARKS = 5

SENTENCE_PAUSE_S = 0.35
CLAUSE_PAUSE_S = 0.15
"""Silence after a chunk, by what it ends with: about as much as the model itself leaves there."""

# The context on each side of a cut. The encoder takes 0.001 s for a phoneme. With 60 on each side
# the words at a cut last as long as in the uncut sentence, with 30 the last one lasts x 1.06, with
# 12 x 1.08. Measured: 4 sentences, 4 voices, cut 4 times each.
_CONTEXT_LENGTH = 40.0
# The error of a plan, in addition to what `SynthesisCost.slowdown` covers.
_MARGIN_S = 0.18
# How long before its turn a chunk should be ready, if the first word is delayed for it.
_READY_S = 0.05
# How far ahead a plan is simulated: some minutes of speech, which takes a few milliseconds.
_LOOK_AHEAD_CHUNKS = 30
# The same for each candidate for the first chunk: the first few chunks decide.
_FIRST_LOOK_AHEAD_CHUNKS = 5


class Cut(IntEnum):
    """How good a place after a word is for the end of a chunk."""

    NEVER = -1
    POOR = 0
    PHRASE = 1
    CLAUSE = 2
    SENTENCE = 3


_PAUSE_S = {Cut.SENTENCE: SENTENCE_PAUSE_S, Cut.CLAUSE: CLAUSE_PAUSE_S}

# How much later the first word may be heard for a better end of the first chunk.
_WORTH_WAITING_S = {Cut.POOR: -0.15, Cut.PHRASE: 0.0, Cut.CLAUSE: 0.25, Cut.SENTENCE: 0.3}
# The same if sound has run out or is about to, in seconds of sound.
_WORTH_S = {Cut.NEVER: -3.0, Cut.POOR: -1.0, Cut.PHRASE: 0.0, Cut.CLAUSE: 0.8, Cut.SENTENCE: 1.2}

_CLAUSE_END = re.compile(r"[,;:…—–)\]、，；：）」』]['\"»”’]*$")
_CLAUSE_START = re.compile(r"^['\"«“‘]*[(\[—–]")

# English words that start a phrase, so that a cut before them is hardly noticed ...
_BEFORE = frozenset(
    """about above across after against along although among and around as at because before behind
    below beneath beside between beyond but by despite down during except for from how if in inside
    into like near nor of off on onto or out outside over past since so than that though through
    throughout till to toward towards under underneath unless until up upon what when where whereas
    whether which while who whom whose why with within without yet""".split()
)
# ... as it is between a subject and these ...
_AUXILIARIES = frozenset(
    """am is are was were have has had do does did will would shall should can could may might
    must isn't aren't wasn't weren't don't doesn't didn't won't can't couldn't""".split()
)
# ... and words that depend on the next one, so that a cut after them is noticed.
_NOT_AFTER = frozenset(
    """a an the this these those my your his her its our their some any no every each another such
    be been being having not very too more most less quite rather i you he she it we they there
    i'm you're he's she's it's we're they're i've you've we've they've i'll you'll he'll she'll
    it'll we'll they'll mr mrs ms dr st""".split()
).union(_BEFORE, _AUXILIARIES)
_SHORT_WORD = 3
"""In other languages articles and prepositions are short, and little else is."""


@dataclass(frozen=True, slots=True)
class _Word:
    spoken: SpokenWord
    """Without phonemes if its sentence is not read yet."""
    length: float
    cut: Cut
    """The quality of a cut after it."""
    pause_s: float
    """Silence after it, if a chunk ends there."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    words: list[_Word]
    length_from: list[float]
    """The length of the rest of the sentence, from each word on; one more than there are words."""
    pauses: list[int]
    """The index after each word with a pause that the sender asked for; a chunk ends there."""
    phonemes: int
    """How many it has; 0 if it is not read yet."""
    stored_ends: dict[int, int] = field(default_factory=dict)
    """The end of the chunk from a word on, if the voice has stored its sound."""

    def words_to_pause(self, first: int) -> list[_Word]:
        """Return the words up to the next pause after word *first*, or all."""
        end = next((end for end in self.pauses if end > first), None)
        return self.words if end is None else self.words[:end]


class Planner:
    """Hands out the chunks of one text, each planned when it is requested.

    `prepare` runs on the synthesis thread, everything else on the audio thread.
    """

    def __init__(self, text: str, lang: str, speed: float, first_sentence: int = 0) -> None:
        """Plan *text* from sentence *first_sentence* on.

        Raises:
            NothingToSpeakError: nothing in *text* can be spoken.
        """
        self.text = text
        self._speed = speed
        self._sentence = first_sentence
        self._lang = lang
        self._sentences = sentences(text, lang)
        self._next_word = 0  # the first of the next chunk
        lengths = (speech_length(sentence) + 1 for sentence in reversed(self._sentences))
        self._length_after = [*itertools.accumulate(lengths, initial=0.0)][-2::-1]
        # The current sentence, and the one before it; replaced by `prepare`, never changed.
        self._read: dict[int, _Sentence] = {}
        # Sentences that are not read yet: a cache of a few, shared with copies.
        self._unread: dict[int, _Sentence] = {}

    def prepare(
        self,
        read: Callable[[str, str], tuple[SpokenWord, ...]],
        is_stored: Callable[[Chunk], bool] = lambda _: False,
    ) -> None:
        """Read the sentence of the next chunk, unless it is `prepared`. Blocks for a millisecond.

        Args:
            read: (sentence, language) -> its words, as `audio.ports.Voice.read`.
            is_stored: whether the sound of a chunk is stored, as `audio.ports.Voice.is_stored`;
                the longest that are become chunks again, whatever synthesis costs now.

        Raises:
            AudioError: the sentence can't be read.
        """
        if self.prepared:
            return
        index = self._sentence
        text = self._sentences[index]
        words = read(text, self._lang) or (SpokenWord(text, "", ""),)
        last = {i: sentence for i, sentence in self._read.items() if i == index - 1}
        sentence = _read_sentence(words, self._lang)
        first = 0
        while end := self._stored_end(sentence, first, is_stored):
            sentence.stored_ends[first] = end
            first = end
        self._read = {**last, index: sentence}

    def _stored_end(
        self, sentence: _Sentence, first: int, is_stored: Callable[[Chunk], bool]
    ) -> int:
        """Return the end of the longest chunk from a word on whose sound is stored, or 0."""
        last = len(sentence.words_to_pause(first))
        longest = first
        while longest < last and (
            sentence.length_from[first] - sentence.length_from[longest + 1] <= _MAX_STORED_LENGTH
        ):
            longest += 1
        for end in range(longest, first, -1):
            if is_stored(self._chunk(sentence, first, end)):
                return end
        return 0

    @property
    def prepared(self) -> bool:
        """Whether `next` may be called: the sentence of the next chunk has been read."""
        return self.done or self._sentence in self._read

    @property
    def length_left(self) -> float:
        """The speech length of the text that has not been handed out."""
        if self.done:
            return 0.0
        return self._words.length_from[self._next_word] + self._length_after[self._sentence]

    @property
    def sentence(self) -> int:
        """The sentence of the next chunk, counted from 0."""
        return self._sentence

    @property
    def done(self) -> bool:
        """Whether every chunk has been handed out."""
        return self._sentence >= len(self._sentences)

    def next(self, cost: SynthesisCost, buffered_s: float) -> Chunk:
        """Return the next chunk; its sentence is `prepared`.

        Args:
            cost: the synthesis cost on this machine.
            buffered_s: how long the sound that is ready will last.
        """
        sentence = self._read[self._sentence]
        first, end = self._next_word, self._find_end(cost, buffered_s)
        chunk = self._chunk(sentence, first, end)
        self._move_to(end)
        return chunk

    def _skip(self, cost: SynthesisCost, end: int) -> tuple[float, float]:
        """Move to *end*; return how long the chunk up to there takes, and how long it lasts."""
        sentence, first = self._words, self._next_word
        spoken_s = self._audio_s(cost, sum(word.length for word in sentence.words[first:end]))
        took_s = 0.0 if sentence.stored_ends.get(first) == end else cost.cost_s(spoken_s)
        self._move_to(end)
        return took_s, spoken_s + sentence.words[end - 1].pause_s

    def _find_end(self, cost: SynthesisCost, buffered_s: float) -> int:
        """Return the end of the next chunk: the index of the word after it."""
        first = self._next_word
        if first in self._words.stored_ends:
            return self._words.stored_ends[first]
        words = self._words.words_to_pause(first)
        if first == 0 and buffered_s == 0.0:
            return self._soonest_end(words, cost)
        return self._best_end(words, first, cost, buffered_s)

    def _move_to(self, end: int) -> None:
        """Continue with the word of index *end* in the current sentence."""
        self._next_word = end
        if end == len(self._words.words):
            self._sentence, self._next_word = self._sentence + 1, 0

    @property
    def _words(self) -> _Sentence:
        """The current sentence."""
        index = self._sentence
        if index in self._read:
            return self._read[index]
        if index not in self._unread:
            if len(self._unread) > 2 * _LOOK_AHEAD_CHUNKS:
                self._unread.clear()
            self._unread[index] = _unread_sentence(self._sentences[index], self._lang)
        return self._unread[index]

    def next_delayed(self, cost: SynthesisCost, stored_s: float) -> tuple[Chunk, float]:
        """Return the next chunk of a text whose first word has not been played yet.

        Its sentence is `prepared`.

        Args:
            cost: the synthesis cost on this machine.
            stored_s: how much of this text's sound is ready.

        Returns:
            The chunk, and for how many seconds from now to delay the first word, so that sound does
            not run out later; 0 on a machine with speed to spare.
        """
        delay_s = self.delay_s(cost, stored_s)
        return self.next(cost, stored_s), delay_s

    def delay_s(
        self, cost: SynthesisCost, stored_s: float, end: int = 0, chunks: int = _LOOK_AHEAD_CHUNKS
    ) -> float:
        """Simulate playback from the next chunk on, which is about to be synthesized.

        Args:
            cost: the synthesis cost on this machine.
            stored_s: how much sound is ready.
            end: where the first chunk ends; 0 if that is to be planned.
            chunks: how many to simulate.

        Returns:
            How long to delay playback, so that each of these chunks is ready in time.
        """
        ahead = copy.copy(self)
        spent_s, delay_s, buffered_s = 0.0, 0.0, stored_s
        for _ in range(chunks):
            end = end or ahead._find_end(cost, buffered_s)  # noqa: SLF001  # a copy of this one
            took_s, lasts_s = ahead._skip(cost, end)  # noqa: SLF001
            end = 0
            spent_s += took_s
            ready_s = spent_s * (1 + cost.error) + (_READY_S if stored_s else 0.0)
            delay_s = max(delay_s, ready_s - stored_s)
            stored_s += lasts_s
            buffered_s = delay_s + stored_s - spent_s
            if ahead.done:
                break
        return delay_s

    def _audio_s(self, cost: SynthesisCost, length: float) -> float:
        return cost.audio_s(length, self._speed, self._lang)

    def _soonest_end(self, words: list[_Word], cost: SynthesisCost) -> int:
        """Return the end of the first chunk with which the first word can be played soonest.

        A longer chunk takes longer; a shorter one does not bridge the synthesis of the next, so
        that it has to be delayed.
        """
        best, best_score = len(words), math.inf
        audio_s = 0.0
        for end in range(1, len(words) + 1):
            cut = words[end - 1].cut
            audio_s += self._audio_s(cost, words[end - 1].length)
            too_late = cost.cost_s(audio_s) - max(_WORTH_WAITING_S.values()) > best_score
            if too_late or (audio_s > MAX_CHUNK_S and best < len(words)):
                break
            if cut == Cut.NEVER:
                continue
            delay_s = self.delay_s(cost, 0.0, end=end, chunks=_FIRST_LOOK_AHEAD_CHUNKS)
            score = delay_s - _WORTH_WAITING_S[cut]
            if score < best_score:
                best, best_score = end, score
        return best

    def _best_end(
        self, words: list[_Word], first: int, cost: SynthesisCost, buffered_s: float
    ) -> int:
        """Return the end of a later chunk: the index of the word after it."""
        rtf = min(0.9, cost.rtf * max(1.0, cost.slowdown))
        # A chunk of this duration bridges the synthesis of the next of the same duration.
        grows_s = cost.cost_s(0.0) / (1 - rtf) + _MARGIN_S

        fitting = starting = None
        fitting_rank, starting_score = (False, 0.0), math.inf
        audio_s = 0.0
        for end in range(first + 1, len(words) + 1):
            word = words[end - 1]
            audio_s += self._audio_s(cost, word.length)
            if audio_s > MAX_CHUNK_S and starting is not None:
                break
            ends_clause = word.cut >= Cut.CLAUSE
            cost_s = cost.cost_s(audio_s)
            if cost_s + _MARGIN_S <= buffered_s and word.cut > Cut.POOR:
                # Ends of clauses first, unless they are too near for the buffer to grow.
                rank = (ends_clause and (audio_s >= grows_s or end == len(words)), audio_s)
                if rank > fitting_rank:
                    fitting, fitting_rank = end, rank
            # A chunk too short to bridge the next costs a stall later; one too long costs time now.
            short_s = max(0.0, grows_s - audio_s)
            # During playback a chunk costs waiting only if it is ready too late.
            wait_s = 6 * max(0.0, cost_s - buffered_s) if buffered_s > 0 else audio_s
            # Of equal ones, the longest.
            score = short_s * 4 + wait_s - _WORTH_S[word.cut] - 0.01 * audio_s
            if score < starting_score:
                starting, starting_score = end, score
            too_long = cost_s + _MARGIN_S > buffered_s
            if too_long and (fitting or wait_s - _WORTH_S[Cut.SENTENCE] >= starting_score):
                break  # no longer one can be better
        return fitting or starting or len(words)

    def _chunk(self, sentence: _Sentence, first: int, end: int) -> Chunk:
        words = sentence.words
        before = after = []
        if first > 0 and _is_open(words[first - 1]):
            before = _context(words[i] for i in range(first - 1, -1, -1))[::-1]
        if _is_open(words[end - 1]):
            after = _context(itertools.islice(words, end, None))
        return Chunk(
            words=tuple(word.spoken for word in words[first:end]),
            before=phonemes_of(word.spoken for word in before),
            after=phonemes_of(word.spoken for word in after),
            sentence=self._sentence,
            ends_sentence=end == len(words),
            pause_s=words[end - 1].pause_s,
            sentence_phonemes=sentence.phonemes,
        )


def _is_open(word: _Word) -> bool:
    """Return whether a cut after a word needs context: inside a clause, between two words."""
    joined = word.spoken.joined and not word.spoken.phonemes.endswith(" ")
    return word.cut < Cut.CLAUSE and not joined


def _read_sentence(words: Iterable[SpokenWord], lang: str) -> _Sentence:
    """Return a sentence that was read, with the quality of a cut after each of its words."""
    parts = [part for word in words for part in _slices(word)]

    def length(word: SpokenWord) -> float:
        return len(word.phonemes) + (not word.joined) if word.phonemes else 0.0

    sounding = [any(map(str.isalnum, part.phonemes)) for part in parts]
    return _sentence(parts, [*map(length, parts)], sounding, lang)


def _unread_sentence(text: str, lang: str) -> _Sentence:
    """Return the same for a sentence that is not read yet, with estimated lengths."""
    parts = []
    for word in text.split(" "):
        *joined, last = phrases(word)
        parts += [SpokenWord(part, "", "", joined=True) for part in joined]
        parts.append(SpokenWord(last, "", ""))
    lengths = [speech_length(part.text) + (not part.joined) for part in parts]
    return _sentence(parts, lengths, [any(map(str.isalnum, part.text)) for part in parts], lang)


def _sentence(
    parts: list[SpokenWord], lengths: list[float], sounding: list[bool], lang: str
) -> _Sentence:
    """Return a sentence of words with their lengths, and whether each is more than marks."""
    words = []
    for part, following, length in zip(parts, [*parts[1:], None], lengths, strict=True):
        if following is None:
            cut = Cut.SENTENCE
        elif part.joined:
            cut = Cut.CLAUSE if _CLAUSE_END.search(part.text) else Cut.POOR
        else:
            cut = _cut_between(part.text, following.text, lang)
        words.append(_Word(part, length, cut, 0.0))
    words = _without_bare_marks(words, sounding)
    remaining = itertools.accumulate((word.length for word in reversed(words)), initial=0.0)
    return _Sentence(
        words,
        length_from=[*remaining][::-1],
        pauses=[index + 1 for index, word in enumerate(words) if word.spoken.pause_s],
        phonemes=len(phonemes_of(word.spoken for word in words)),
    )


def _without_bare_marks(words: list[_Word], sounding: list[bool]) -> list[_Word]:
    """Return *words* with their pauses, without cuts that leave a chunk of only marks."""
    last = max((index for index, sounds in enumerate(sounding) if sounds), default=0)
    result: list[_Word] = []
    marks, uncut_length = 0, 0.0
    for index, (word, sounds) in enumerate(zip(words, sounding, strict=True)):
        cut = word.cut
        is_mark = not (sounds or word.spoken.pause_s or any(map(str.isalnum, word.spoken.text)))
        marks = marks + 1 if is_mark else 0
        if index < len(words) - 1 and marks > _MAX_MARKS:
            continue  # it is inaudible
        if index == len(words) - 1:
            pass
        elif index >= last:
            cut = Cut.NEVER  # the rest has no sound
        elif not sounds:
            cut = min(cut, Cut.POOR)
        elif cut == Cut.NEVER and uncut_length > _MAX_UNCUT_LENGTH:
            cut = Cut.POOR
        uncut_length = uncut_length + word.length if cut == Cut.NEVER else 0.0
        pause_s = max(_PAUSE_S.get(cut, 0.0), word.spoken.pause_s)
        if word.spoken.pause_s:
            cut = Cut.SENTENCE  # its sender asked for a pause
        result.append(replace(word, cut=cut, pause_s=pause_s))
    return result


def _context(words: Iterable[_Word]) -> list[_Word]:
    """Return the first of *words*, as many as fit into the context."""
    context: list[_Word] = []
    length = 0.0
    for word in words:
        if length >= _CONTEXT_LENGTH:
            break
        context.append(word)
        length += word.length
    return context


def _slices(word: SpokenWord) -> Iterator[SpokenWord]:
    """Split a word that is too long, such as a long number, between the words in it if it can."""
    count = math.ceil(len(word.phonemes) / _MAX_WORD_LENGTH)
    if count <= 1:
        yield word
        return
    in_phonemes = in_text = 0
    for number in range(1, count):
        end = _boundary(word.phonemes, round(number * len(word.phonemes) / count))
        end_in_text = min(round(end / len(word.phonemes) * len(word.text)), len(word.text) - 1)
        text, phonemes = word.text[in_text:end_in_text], word.phonemes[in_phonemes:end]
        yield SpokenWord(text, phonemes, word.source, joined=True)
        in_phonemes, in_text = end, end_in_text
    yield replace(word, text=word.text[in_text:], phonemes=word.phonemes[in_phonemes:])


def _boundary(phonemes: str, place: int) -> int:
    """Return where to cut phonemes near *place*: after a space, before a stress, or there."""
    nearby = range(place - _NEARBY_PHONEMES, place + _NEARBY_PHONEMES + 1)
    inside = [at for at in nearby if 0 < at < len(phonemes)]
    after_spaces = [at for at in inside if phonemes[at - 1] == " "]
    before_stresses = [at for at in inside if phonemes[at] in "ˈˌ"]
    return min(after_spaces or before_stresses or [place], key=lambda at: abs(at - place))


def _cut_between(word: str, following: str, lang: str) -> Cut:
    """Return the quality of a cut between two words of a sentence."""
    if _CLAUSE_END.search(word) or _CLAUSE_START.search(following):
        return Cut.CLAUSE
    left, right = _bare(word), _bare(following)
    if lang.startswith("en"):
        if left in _NOT_AFTER:
            return Cut.NEVER
        return Cut.PHRASE if right in _BEFORE or right in _AUXILIARIES else Cut.POOR
    if len(left) <= _SHORT_WORD:
        return Cut.NEVER
    return Cut.PHRASE if len(right) <= _SHORT_WORD else Cut.POOR


def _bare(word: str) -> str:
    """Return a word in the form that the lists above use."""
    return word.strip("'\"“”‘’.,;:!?()[]").lower().replace("’", "'")
