"""Sentences -> chunks, so that sound starts soon and never stops. Pure: no threads, no clock.

A chunk is what the model is given at once. The first one is the shortest from which the buffer can
grow; each later one is the longest whose synthesis ends before the buffered sound does. Where it
has to end inside a clause, it takes some words of what surrounds it along, so that the model reads
on instead of ending; they are read and not spoken (audio/kokoro/graph.py), which costs little.
"""

import copy
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from audio.cost import SynthesisCost, speech_length
from audio.text.sentences import sentences
from audio.types import Chunk

MAX_CHUNK_S = 4.0
"""Kokoro takes 510 phonemes, about 30 s; long before that it costs more memory, 25 MB for each
second of it, and no less time. Measured: 3.5 to 5.5 s on two x86 cores."""
# One word for the plan; a longer one is sliced.
_MAX_WORD_LETTERS = 60.0
# So many marks in a row are left where they are.
_MOST_MARKS = 5

SENTENCE_PAUSE_S = 0.35
CLAUSE_PAUSE_S = 0.15
"""Silence after a chunk, by what it ends with: about what the model itself leaves there."""

# How much is taken along on each side of a cut. The encoder takes a thousandth of a second for a
# letter. With 60 on each side the words at a cut are as long as in the sentence read whole, with 30
# the last one is x 1.06, with 12 x 1.08. Measured: 4 sentences, 4 voices, cut 4 times each.
_CONTEXT_LETTERS = 40.0
# A chunk as long as this may end badly before one that is too late.
_POOR_AFTER_LETTERS = 15.0
# What a plan may be wrong by, besides what `SynthesisCost.late` says.
_MARGIN_S = 0.18
# How long before its turn a chunk shall be there, where the first word is held back for it.
_READY_S = 0.05
# How far ahead a plan is thought through: some minutes of speech, and a few milliseconds' work.
_LOOK_AHEAD_CHUNKS = 30
# The same in words, which counts only where they are tiny.
_LOOK_AHEAD_WORDS = 300
# The same for each way in which a text might begin: what decides is over soon.
_FIRST_LOOK_AHEAD_CHUNKS = 5
# On a machine that is slower than speech, chunks while one waits for the first word.
_UNHURRIED_S = 3.0


class Cut(IntEnum):
    """How well a chunk can end after a word."""

    NEVER = -1
    POOR = 0
    PHRASE = 1
    CLAUSE = 2
    SENTENCE = 3


_PAUSE_S = {Cut.SENTENCE: SENTENCE_PAUSE_S, Cut.CLAUSE: CLAUSE_PAUSE_S}

# How much later the first word may come for a better end of the first chunk.
_WORTH_WAITING_S = {Cut.POOR: -0.15, Cut.PHRASE: 0.0, Cut.CLAUSE: 0.25, Cut.SENTENCE: 0.3}
# The same where sound has run dry or is about to, in seconds of sound.
_WORTH_S = {Cut.NEVER: -3.0, Cut.POOR: -1.0, Cut.PHRASE: 0.0, Cut.CLAUSE: 0.8, Cut.SENTENCE: 1.2}

_CLAUSE_END = re.compile(r"[,;:…—–)\]、，；：）」』]['\"»”’]*$")
_CLAUSE_START = re.compile(r"^['\"«“‘]*[(\[—–]")

# English words that begin a phrase, so that a cut before them is hardly heard ...
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
# ... and words that lean on the next one, so that a cut after them is.
_NOT_AFTER = frozenset(
    """a an the this these those my your his her its our their some any no every each another such
    be been being having not very too more most less quite rather i you he she it we they there
    i'm you're he's she's it's we're they're i've you've we've they've i'll you'll he'll she'll
    it'll we'll they'll mr mrs ms dr st""".split()
).union(_BEFORE, _AUXILIARIES)
# Japanese and Chinese have no spaces: a phrase ends at a mark, or where characters follow kana.
_PHRASE_START = re.compile(r"(?<=[、，；：])|(?<=[\u3041-\u3096])(?=[\u30a1-\u30fa\u4e00-\u9fff])")
_SHORT_WORD = 3
"""In other languages articles and prepositions are short, and little else is."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """What a pace says, worked out once for a plan, which asks it some thousand times."""

    a_s: float
    b: float
    late: float
    spread: float
    s_per_letter: float

    @classmethod
    def of(cls, pace: SynthesisCost) -> Self:
        return cls(pace.a_s, pace.b, pace.late, pace.spread, pace.audio_s(1.0, 1.0))

    def cost_s(self, spoken_s: float) -> float:
        return (self.a_s + self.b * spoken_s) * max(1.0, self.late)

    def audio_s(self, letters: float, speed: float) -> float:
        return letters * self.s_per_letter / speed


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    letters: float
    cut: Cut
    """How well a chunk can end after it."""
    glued: bool
    """It is a slice of a long word, and the next slice follows without a space."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    words: list[_Word]
    letters_from: list[float]
    """How much there is from a word on, to the end; one more than there are words."""
    shortest: dict[int, float] = field(default_factory=dict)
    """How much the shortest chunk from a word on has, as far as was asked for."""


class Planner:
    """Hands out the chunks of one text, each planned for the moment at which it is asked for."""

    def __init__(self, text: str, lang: str, speed: float, first_sentence: int = 0) -> None:
        """Plan *text* from sentence *first_sentence* on.

        Raises:
            NothingToSpeakError: nothing in *text* can be spoken.
        """
        self._speed = speed
        self._sentence = first_sentence
        self._lang = lang
        self._sentences = sentences(text, lang)
        self._next = 0  # the word that the next chunk begins with
        self._passed = 0  # how many words were handed out
        lengths = (speech_length(sentence) + 1 for sentence in reversed(self._sentences))
        self._letters_after = [*itertools.accumulate(lengths, initial=0.0)][-2::-1]
        # What has been cut into words: shared with copies, and never more than a few sentences.
        self._cut_up: dict[int, _Sentence] = {}

    @property
    def letters_left(self) -> float:
        """How much has not been handed out, as `audio.cost.letters` counts."""
        if self.done:
            return 0.0
        here = self._words.letters_from[self._next]
        return here + self._letters_after[self._sentence]

    @property
    def done(self) -> bool:
        """Whether every chunk has been handed out."""
        return self._sentence >= len(self._sentences)

    def next(self, pace: SynthesisCost, buffered_s: float, *, hurry: bool = True) -> Chunk:
        """Return the next chunk.

        Args:
            pace: what is known of the machine.
            buffered_s: how long the sound that is ready will last.
            hurry: False where the first word is held back, so that there is time for whole clauses.
        """
        return self._take(_Rates.of(pace), buffered_s, hurry=hurry)

    def _take(self, pace: _Rates, buffered_s: float, *, hurry: bool) -> Chunk:
        first, best = self._next, self._end(pace, buffered_s, hurry=hurry)
        chunk = self._chunk(self._words.words, first, best)
        self._move_to(best)
        return chunk

    def _pass(self, pace: _Rates, buffered_s: float, *, hurry: bool) -> tuple[float, float]:
        """Go past the next chunk, and return its letters and its pause."""
        words, first = self._words.words, self._next
        best = self._end(pace, buffered_s, hurry=hurry)
        self._move_to(best)
        return _length(words, first, best)

    def _end(self, pace: _Rates, buffered_s: float, *, hurry: bool) -> int:
        """Return where the next chunk ends: the number of the word after it."""
        words, first = self._words.words, self._next
        if hurry and first == 0 and buffered_s == 0.0:
            return self._soonest_end(words, pace)
        return self._best_end(words, first, pace, buffered_s, hurry)

    def _move_to(self, end: int) -> None:
        """Go on with word number *end* of the present sentence."""
        self._passed += end - self._next
        self._next = end
        if end == len(self._words.words):
            self._sentence, self._next = self._sentence + 1, 0

    @property
    def _words(self) -> _Sentence:
        """The present sentence."""
        number = self._sentence
        if number not in self._cut_up:
            if len(self._cut_up) > 2 * _LOOK_AHEAD_CHUNKS:
                self._cut_up.clear()
            self._cut_up[number] = _cut_up(self._sentences[number], self._lang)
        return self._cut_up[number]

    def next_held(self, pace: SynthesisCost, stored_s: float) -> tuple[Chunk, float]:
        """Return the next chunk of a text whose first word has not been let out yet.

        Args:
            pace: what is known of the machine.
            stored_s: how much of this text's sound is ready.

        Returns:
            The chunk, and for how many seconds from now to hold the first word back, so that sound
            need not stop for lack of more later on; 0 on a machine with speed to spare.
        """
        rates = _Rates.of(pace)
        here = self._sentence, self._next
        plans = []
        for hurry in (True, False):
            self._sentence, self._next = here
            chunk = self._take(rates, stored_s, hurry=hurry)
            length = chunk.letters, chunk.pause_s
            wait_s = self._wait_s(rates, stored_s, length, hurry=hurry)
            plans.append((wait_s, chunk, (self._sentence, self._next)))
        wait_s, chunk, (self._sentence, self._next) = min(plans, key=lambda plan: plan[0])
        return chunk, wait_s

    def _wait_s(
        self,
        pace: _Rates,
        stored_s: float,
        length: tuple[float, float],
        *,
        hurry: bool,
        chunks: int = _LOOK_AHEAD_CHUNKS,
    ) -> float:
        """Play through what follows a chunk, which is about to be synthesized.

        Args:
            pace: what is known of the machine.
            stored_s: how much sound is ready.
            length: the chunk's letters, and its pause.
            hurry: as for the chunks that follow.
            chunks: how many are looked at.

        Returns:
            How long to hold back what is stored, so that each of so many chunks is there in time.
        """
        ahead = copy.copy(self)
        spent_s = wait_s = 0.0
        for _ in range(chunks):
            letters_, pause_s = length
            spoken_s = pace.audio_s(letters_, self._speed)
            spent_s += pace.cost_s(spoken_s)
            ready_s = spent_s * (1 + pace.spread) + (_READY_S if stored_s else 0.0)
            wait_s = max(wait_s, ready_s - stored_s)
            stored_s += spoken_s + pause_s
            if ahead.done or ahead._passed - self._passed > _LOOK_AHEAD_WORDS:  # noqa: SLF001
                break
            length = ahead._pass(pace, wait_s + stored_s - spent_s, hurry=hurry)  # noqa: SLF001
        return wait_s

    def _soonest_end(self, words: list[_Word], pace: _Rates) -> int:
        """Return where the first chunk ends, so that the first word can be let out soonest.

        A longer one takes longer; a shorter one does not bridge the next, and has to be held back.
        """
        best, best_score = len(words), math.inf
        audio_s = 0.0
        for end in range(1, len(words) + 1):
            cut = words[end - 1].cut
            audio_s += pace.audio_s(words[end - 1].letters, self._speed)
            too_late = pace.cost_s(audio_s) - max(_WORTH_WAITING_S.values()) > best_score
            if too_late or (audio_s > MAX_CHUNK_S and best < len(words)):
                break
            if cut == Cut.NEVER:
                continue
            ahead = copy.copy(self)
            ahead._move_to(end)  # noqa: SLF001  # a copy of this one
            length = _length(words, 0, end)
            after = _FIRST_LOOK_AHEAD_CHUNKS
            wait_s = ahead._wait_s(pace, 0.0, length, hurry=True, chunks=after)  # noqa: SLF001
            score = wait_s - _WORTH_WAITING_S[cut]
            if score < best_score:
                best, best_score = end, score
        return best

    def _best_end(
        self, words: list[_Word], first: int, pace: _Rates, buffered_s: float, hurry: bool
    ) -> int:
        """Return where the next chunk ends: the number of the word after it."""
        b = min(0.9, pace.b * max(1.0, pace.late))
        # From a chunk of this length on, the next of its kind is ready before this one ends.
        grows_s = pace.cost_s(0.0) / (1 - b) + _MARGIN_S if hurry else _UNHURRIED_S

        fitting = starting = None
        fitting_rank, starting_score = (False, 0.0), math.inf
        audio_s = 0.0
        for end in range(first + 1, len(words) + 1):
            word = words[end - 1]
            audio_s += pace.audio_s(word.letters, self._speed)
            if audio_s > MAX_CHUNK_S and starting is not None:
                break
            whole = word.cut >= Cut.CLAUSE
            cost_s = pace.cost_s(audio_s)
            if cost_s + _MARGIN_S <= buffered_s and word.cut > Cut.POOR:
                # Ends of clauses first, unless they are too near to keep the buffer up.
                rank = (whole and (audio_s >= grows_s or end == len(words)), audio_s)
                if rank > fitting_rank:
                    fitting, fitting_rank = end, rank
            # Too short to bridge the next chunk costs a stall later; too long costs time now.
            left_s = max(0.0, buffered_s - cost_s) + audio_s
            needed_s = self._next_cost_s(words, end, pace) + _MARGIN_S if hurry else 0.0
            short_s = max(0.0, grows_s - audio_s, needed_s - left_s)
            # While something sounds, only what comes too late is waited for.
            wait_s = 6 * max(0.0, cost_s - buffered_s) if buffered_s > 0 else audio_s
            score = short_s * 4 + wait_s - _WORTH_S[word.cut]
            if score < starting_score:
                starting, starting_score = end, score
            too_long = cost_s + _MARGIN_S > buffered_s
            if too_long and (fitting or wait_s - _WORTH_S[Cut.SENTENCE] >= starting_score):
                break  # no longer one can be better
        return fitting or starting or len(words)

    def _next_cost_s(self, words: list[_Word], end: int, pace: _Rates) -> float:
        """Return how long the shortest chunk from word number *end* on would take."""
        if end == len(words):
            return 0.0  # the next sentence has its own first chunk
        shortest = self._words.shortest
        if end not in shortest:
            shortest[end] = _shortest(words, end)
        return pace.cost_s(pace.audio_s(shortest[end], self._speed))

    def _chunk(self, words: list[_Word], first: int, end: int) -> Chunk:
        cut = words[end - 1].cut
        inside = first > 0 and words[first - 1].cut < Cut.CLAUSE
        context = _join(_context_before(words, first)) if inside else ""
        ahead = _join(_context(itertools.islice(words, end, None))) if cut < Cut.CLAUSE else ""
        length, pause_s = _length(words, first, end)
        glued = words[end - 1].glued or (first > 0 and words[first - 1].glued)
        return Chunk(
            text=_join(words[first:end]),
            before="" if glued else context,
            after="" if glued else ahead,
            sentence=self._sentence,
            ends_sentence=end == len(words),
            pause_s=pause_s,
            letters=length,
            sentence_letters=self._words.letters_from[0],
        )


def _length(words: list[_Word], first: int, end: int) -> tuple[float, float]:
    """Return the letters of the chunk between two words, and the pause after it."""
    pause_s = _PAUSE_S.get(words[end - 1].cut, 0.0)
    return sum(word.letters for word in words[first:end]), pause_s


def _shortest(words: list[_Word], first: int) -> float:
    """Return the letters of the shortest chunk from a word on."""
    last, length = first, words[first].letters
    while last < len(words) - 1 and words[last].cut < Cut.PHRASE and length < _MAX_WORD_LETTERS:
        if words[last].cut == Cut.POOR and length > _POOR_AFTER_LETTERS:
            break
        last += 1
        length += words[last].letters
    return length


def _cut_up(sentence: str, lang: str) -> _Sentence:
    """Return the words of a sentence with the quality of a cut after each."""
    texts = sentence.split(" ")
    words: list[_Word] = []
    for index, text in enumerate(texts):
        following = texts[index + 1] if index + 1 < len(texts) else ""
        slices = list(_slices(text))
        words += [
            _Word(part, speech_length(part), _cut_after(part), glued=True) for part in slices[:-1]
        ]
        cut = _cut_between(text, following, lang) if following else Cut.SENTENCE
        words.append(_Word(slices[-1], speech_length(slices[-1]) + 1, cut, glued=False))
    words = _without_bare_marks(words)
    lengths = (word.letters for word in reversed(words))
    return _Sentence(words, [*itertools.accumulate(lengths, initial=0.0)][::-1])


def _without_bare_marks(words: list[_Word]) -> list[_Word]:
    """Let no chunk consist of marks alone: a dash on its own can't be spoken."""
    bare = [not any(char.isalnum() for char in word.text) for word in words]
    last = max(index for index, is_bare in enumerate(bare) if not is_bare)
    found: list[_Word] = []
    marks, uncut_letters = 0, 0.0
    for index, word in enumerate(words):
        cut = word.cut
        marks = marks + 1 if bare[index] else 0
        if index < len(words) - 1 and marks > _MOST_MARKS:
            continue  # nobody hears them
        if index == len(words) - 1:
            pass
        elif index >= last:
            cut = Cut.NEVER  # what follows has no letter
        elif bare[index]:
            cut = min(cut, Cut.POOR)
        elif cut == Cut.NEVER and uncut_letters > _MAX_WORD_LETTERS:
            cut = Cut.POOR
        uncut_letters = uncut_letters + word.letters if cut == Cut.NEVER else 0.0
        found.append(_Word(word.text, word.letters, cut, word.glued))
    return found


def _context(words: Iterable[_Word]) -> list[_Word]:
    """Return the first of *words*, as many as are taken along."""
    taken: list[_Word] = []
    length = 0.0
    for word in words:
        if length >= _CONTEXT_LETTERS:
            break
        taken.append(word)
        length += word.letters
    return taken


def _context_before(words: list[_Word], first: int) -> list[_Word]:
    return _context(words[i] for i in range(first - 1, -1, -1))[::-1]


def _slices(word: str) -> Iterator[str]:
    """Cut a word that is too long to be one, or is several."""
    if word.isascii() and speech_length(word) <= _MAX_WORD_LETTERS:
        yield word
        return
    for phrase in _PHRASE_START.split(word):
        start, length = 0, 0.0
        for index, char in enumerate(phrase):
            length += speech_length(char)
            if length > _MAX_WORD_LETTERS and index > start:
                yield phrase[start:index]
                start, length = index, speech_length(char)
        if start < len(phrase) or not word:
            yield phrase[start:]


def _cut_after(part: str) -> Cut:
    """Say how well a chunk can end after a part of a word."""
    return Cut.CLAUSE if _CLAUSE_END.search(part) else Cut.POOR


def _cut_between(word: str, following: str, lang: str) -> Cut:
    """Say how well a chunk can end between two words of a sentence."""
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
    """Return a word as the lists above have it."""
    return word.strip("'\"“”‘’.,;:!?()[]").lower().replace("’", "'")


def _join(words: list[_Word]) -> str:
    """Return words as text."""
    return "".join(word.text + ("" if word.glued else " ") for word in words).strip()
