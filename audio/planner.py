"""Sentences -> chunks, so that sound starts soon and never stops. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from audio.text import clauses, sentences

# The model takes 510 phonemes at once and slows down on the way there; a Latin letter makes
# about one phoneme, other scripts more. kokoro-onnx splits what is longer.
# Source: kokoro_onnx/config.py, MAX_PHONEME_LENGTH.
MAX_CHUNK_CHARS = 200
# The first sound waits for the first chunk, so that one is short.
FIRST_CHUNK_CHARS = 60

SENTENCE_PAUSE_S = 0.35
CLAUSE_PAUSE_S = 0.15
"""Silence after a chunk, by what it ends with: about what the model itself leaves there."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the model is given at once."""

    text: str
    sentence: int
    """The sentence that it belongs to, counted from 0."""
    ends_sentence: bool
    pause_s: float
    """Silence to leave after it."""


def plan(text: str, lang: str, first_sentence: int = 0) -> list[Chunk]:
    """Cut *text* into chunks, beginning with sentence *first_sentence*.

    Raises:
        NothingToSpeakError: nothing in *text* can be spoken.
    """
    chunks: list[Chunk] = []
    for number, sentence in enumerate(sentences(text, lang)):
        if number < first_sentence:
            continue
        limit = MAX_CHUNK_CHARS if chunks else FIRST_CHUNK_CHARS
        pieces = list(_pieces(sentence, limit))
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            at_clause = piece[-1] in ",;:—–)"
            pause_s = SENTENCE_PAUSE_S if last else CLAUSE_PAUSE_S if at_clause else 0.0
            chunks.append(Chunk(piece, number, last, pause_s))
    return chunks


def _pieces(sentence: str, limit: int) -> Iterator[str]:
    """Cut one sentence into pieces: the first within *limit*, the others within the maximum.

    Every piece has a letter or a digit.
    """
    piece = ""
    for part in _atoms(sentence, limit):
        if piece and any(c.isalnum() for c in piece) and len(piece) + 1 + len(part) > limit:
            yield piece
            piece, limit = part, MAX_CHUNK_CHARS
        else:
            piece = f"{piece} {part}" if piece else part
    if piece:
        yield piece


def _atoms(sentence: str, limit: int) -> Iterator[str]:
    """Clauses where they fit, else words, else slices of a word."""
    for clause in clauses(sentence):
        if len(clause) <= limit:
            yield clause
            continue
        for word in clause.split(" "):
            for start in range(0, len(word), MAX_CHUNK_CHARS):
                yield word[start : start + MAX_CHUNK_CHARS]
