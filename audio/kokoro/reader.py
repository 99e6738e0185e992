"""Sentences -> words with their phonemes, in Kokoro's alphabet.

A sentence is read once, as a whole, before it is cut into chunks; so a cut changes no word. Needs
no model. Runs on: any thread, one at a time.
"""

import functools
import logging
import threading
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from audio.kokoro.phonemes import phonemize, without_switches
from audio.text import inline
from audio.types import SpokenWord, SynthesisError

log = logging.getLogger(__name__)

_lock = threading.Lock()
"""espeak-ng and the packages of some languages have one state for the whole process."""


def read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
    """Return the words of a sentence with their phonemes, as `audio.ports.Voice.read` does.

    Raises:
        SynthesisError: espeak-ng, or a package that reads the language, failed.
    """
    try:
        with _lock:
            return inline.read(sentence, functools.partial(_read, lang=lang))
    except Exception as exc:  # phonemizer and the packages raise a dozen classes between them
        raise SynthesisError(
            f"A sentence of {len(sentence)} characters can't be read ({type(exc).__name__}: "
            f"{str(exc).partition(chr(10))[0][:160]}). Send it again in other words."
        ) from exc


def _read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
    texts = sentence.split()
    alone = [_phonemized(text, lang) for text in texts] if len(texts) > 1 else [""]
    parts = distributed(_phonemized(sentence, lang), alone)
    return tuple(
        SpokenWord(text, phonemes, "espeak") for text, phonemes in zip(texts, parts, strict=True)
    )


def distributed(phonemes: str, alone: Sequence[str]) -> list[str]:
    """Split the phonemes of a sentence among its words.

    Args:
        phonemes: of the whole sentence, where words can be joined, shortened or lengthened.
        alone: the phonemes of each of its words, as it is read alone.

    Returns:
        As many parts as there are words.
    """
    if len(alone) == 1:
        return [phonemes]
    places = [place for place, sign in enumerate(phonemes) if sign != " "]
    whole = "".join(phonemes[place] for place in places)
    words = ["".join(word.split()) for word in alone]
    joined = "".join(words)
    blocks = SequenceMatcher(None, joined, whole, autojunk=False).get_matching_blocks()
    pairs = [(0, 0)]
    pairs += [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    pairs.append((len(joined), len(whole)))
    in_joined, in_whole = zip(*pairs, strict=True)
    starts = [0, *accumulate(map(len, words))]
    places.append(len(phonemes))
    cuts = [places[round(at)] for at in np.interp(starts, in_joined, in_whole)]
    return [phonemes[start:end].strip() for start, end in pairwise(cuts)]


@functools.cache
def _tokenizer() -> Any:
    from kokoro_onnx.tokenizer import Tokenizer  # noqa: PLC0415  # slow to import

    # kokoro-onnx prints to stderr through a handler of its own (kokoro_onnx/log.py).
    logging.getLogger("kokoro_onnx").handlers.clear()
    logging.getLogger("phonemizer").setLevel(logging.ERROR)  # warns about every odd word
    return Tokenizer()


def _phonemized(text: str, lang: str) -> str:
    """Return *text* as phonemes that the model knows, with single spaces."""
    tokenizer = _tokenizer()

    def espeak(part: str, lang: str) -> str:
        return without_switches(tokenizer.phonemize(part, lang))

    phonemes = " ".join(phonemize(text, lang, espeak).split())
    known: str = tokenizer.known(phonemes)
    if len(known) < len(phonemes):
        unknown = sorted(set(phonemes).difference(known))
        log.debug("Left out of %r in %s: %s", text, lang, " ".join(unknown))
    return known
