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

from audio.kokoro.phonemes import WITHOUT_SPACES, is_supported, phonemize, without_switches
from audio.text import inline
from audio.text.phrases import phrases
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
    if lang in WITHOUT_SPACES:
        return _read_phrases(sentence, lang)
    return _read_words(sentence, lang)


def _read_words(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
    """Return the words of a sentence, as espeak reads them."""
    texts = sentence.split()
    alone = [_espeak(text, lang) for text in texts] if len(texts) > 1 else texts
    parts = distributed(_espeak(sentence, lang), alone)
    return tuple(
        SpokenWord(text, phonemes.strip(), "espeak")
        for text, phonemes in zip(texts, parts, strict=True)
    )


def _read_phrases(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
    """Return the phrases of a sentence in a language without spaces."""
    source = "misaki" if is_supported(lang) else "espeak"
    by_word = [phrases(word) for word in sentence.split()]
    texts = [text for word in by_word for text in word]
    joined = [not is_last for word in by_word for is_last in [*[False] * (len(word) - 1), True]]
    alone = [_known(phonemize(text, lang, _espeak)) for text in texts] if len(texts) > 1 else texts
    parts = distributed(_known(phonemize(sentence, lang, _espeak)), alone)
    return tuple(
        SpokenWord(text, phonemes if is_joined else phonemes.strip(), source, joined=is_joined)
        for text, phonemes, is_joined in zip(texts, parts, joined, strict=True)
    )


def distributed(phonemes: str, alone: Sequence[str]) -> list[str]:
    """Split the phonemes of a sentence among its words.

    Args:
        phonemes: of the whole sentence, where words can be joined, shortened or lengthened.
        alone: the phonemes of each of its words, as it is read alone.

    Returns:
        As many parts as there are words; joined they are *phonemes*.
    """
    if len(alone) <= 1:
        return [phonemes] * len(alone)
    places = [place for place, sign in enumerate(phonemes) if sign != " "]
    whole = "".join(phonemes[place] for place in places)
    words = ["".join(word.split()) for word in alone]
    joined = "".join(words)
    blocks = SequenceMatcher(None, joined, whole, autojunk=False).get_matching_blocks()
    pairs = [(0, 0)]
    pairs += [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    pairs.append((len(joined), len(whole)))
    in_joined, in_whole = zip(*pairs, strict=True)
    starts = accumulate(map(len, words[:-1]), initial=0)
    places.append(len(phonemes))
    cuts = [places[round(at)] for at in np.interp([*starts], in_joined, in_whole)]
    return [phonemes[start:end] for start, end in pairwise([0, *cuts[1:], len(phonemes)])]


@functools.cache
def _tokenizer() -> Any:
    from kokoro_onnx.tokenizer import Tokenizer  # noqa: PLC0415  # slow to import

    silence_loggers()
    return Tokenizer()


def silence_loggers() -> None:
    """Keep the messages of two libraries out of the terminal and the log."""
    # kokoro-onnx prints to stderr through a handler of its own (kokoro_onnx/log.py).
    logging.getLogger("kokoro_onnx").handlers.clear()
    logging.getLogger("phonemizer").setLevel(logging.ERROR)  # warns about every odd word


def _espeak(text: str, lang: str) -> str:
    """Return *text* as espeak reads it, in phonemes that the model knows."""
    return _known(without_switches(_tokenizer().phonemize(text, lang)))


def _known(phonemes: str) -> str:
    """Return *phonemes* without those that the model does not know, and with single spaces."""
    unknown = set(phonemes).difference(_tokenizer().vocab)
    if unknown:
        log.debug("Unknown to the model in %r: %s", phonemes, " ".join(sorted(unknown)))
    return " ".join("".join(sign for sign in phonemes if sign not in unknown).split())
