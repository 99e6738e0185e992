"""The English dictionary: how words are pronounced, in Kokoro's alphabet.

It is misaki's, which Kokoro was trained with: words that people checked ("gold") and words that a
program made ("silver"), American and British. Set-up compiles it, with the weights of the tagger,
into one file of sorted lines, which is searched where it lies on the disk. The same sources give
the same bytes, so the file is verified like those of the model.

Runs on: any thread, one at a time; `compile_dictionary` on the main thread, at set-up.
"""

import functools
import gzip
import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFAULT: Final = "DEFAULT"
"""The reading of a word whose part of speech has none of its own."""

TAGS: Final = (
    "ADJ|- ADP|- ADV|- AUX|Fin AUX|Inf AUX|Part CCONJ|- DET|- INTJ|- NOUN|- NUM|- PART|- PRON|- "
    "PROPN|- SCONJ|- VERB|Fin VERB|Ger VERB|Inf VERB|Part X|-"
).split()
"""The tagger's tags: parts of speech and verb forms of Universal Dependencies."""

_CACHED_WORDS = 4096
_CACHED_ROWS = 8192

# misaki's signs for Kokoro v1.0. Source: the end of misaki's en.py.
_V1 = str.maketrans({"ɾ": "T", "ʔ": "t"})

# A line is a key and its values, with tabs between them. Those of the tagger begin with a sign that
# no word begins with.
_FEATURE, _CERTAIN = "#", "##"
_SILVER = "~"
_SOURCES = ("us_gold", "us_silver", "gb_gold", "gb_silver")


@dataclass(frozen=True, slots=True)
class Entry:
    """A word of the dictionary."""

    readings: Mapping[str, str]
    """Phonemes by part of speech; `DEFAULT` is one of them. Empty phonemes: it is spelled."""
    checked: bool
    """Whether a person checked it."""


class Dictionary:
    """The compiled dictionary on the disk."""

    def __init__(self, path: Path) -> None:
        """Open the file at *path*, which `audio.kokoro.model_files.verify` found intact.

        Raises:
            OSError: it can't be read.
            ValueError: it is empty.
        """
        with path.open("rb") as file:
            self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # Wrapped here, since a cache in the class would hold on to its instances.
        self.word = functools.lru_cache(_CACHED_WORDS)(self._word)
        self.weights = functools.lru_cache(_CACHED_ROWS)(self._weights)

    def _word(self, word: str, british: bool) -> Entry | None:
        """Return a word, also if the dictionary has it with another first letter: lawn, Lawn."""
        entry = self._entry(word, british)
        if (entry and entry.checked) or len(word) <= 1 or word[1:] != word[1:].lower():
            return entry
        other = self._entry(word[0].swapcase() + word[1:], british)
        return other if other and (other.checked or not entry) else entry

    def _entry(self, word: str, british: bool) -> Entry | None:
        line = None if word.startswith(_FEATURE) else self._find(word)
        value = line[british] if line else ""
        if not value:
            return None
        checked = not value.startswith(_SILVER)
        value = value.removeprefix(_SILVER)
        if "=" not in value:
            return Entry({DEFAULT: value}, checked)
        return Entry(dict(reading.split("=") for reading in value.split(" ")), checked)

    def certain_tag(self, word: str) -> str | None:
        """Return the tag of a word that has only one."""
        line = self._find(_CERTAIN + word)
        return TAGS[int(line[0])] if line else None

    def _weights(self, feature: str) -> tuple[tuple[int, float], ...]:
        """Return the weights of a feature: an index of `TAGS` and how much it speaks for it."""
        line = self._find(_FEATURE + feature)
        pairs = (pair.split(":") for pair in line[0].split(" ")) if line else ()
        return tuple((int(tag), float(weight)) for tag, weight in pairs)

    def _find(self, key: str) -> list[str] | None:
        """Return the values of a key."""
        lines, wanted = self._lines, f"{key}\t".encode()
        low, high = 0, len(lines)
        while low < high:
            middle = (low + high) // 2
            start = lines.rfind(b"\n", low, middle) + 1 or low
            end = lines.find(b"\n", middle)
            line = lines[start:end]
            if line.startswith(wanted):
                return line[len(wanted) :].decode().split("\t")
            if line < wanted:
                low = end + 1
            else:
                high = start
        return None


def compile_dictionary(sources: Path, target: Path) -> None:
    """Write the dictionary to *target* from the files in the folder *sources*.

    Raises:
        OSError: a file can't be read or written.
    """
    words = [
        {word: _value(value, silver="silver" in name) for word, value in _load(sources, name)}
        for name in _SOURCES
    ]
    us, gb = words[1] | words[0], words[3] | words[2]
    lines = {word: f"{us.get(word, '')}\t{gb.get(word, '')}" for word in us.keys() | gb.keys()}
    lines |= _tagger_lines(json.loads(gzip.decompress((sources / "tagger.json.gz").read_bytes())))
    ordered = sorted((f"{key}\t".encode(), value.encode()) for key, value in lines.items())
    target.write_bytes(b"".join(key + value + b"\n" for key, value in ordered))


def _load(folder: Path, name: str) -> Iterator[tuple[str, Any]]:
    yield from json.loads((folder / f"{name}.json").read_text(encoding="utf-8")).items()


def _value(value: str | dict[str, str | None], *, silver: bool) -> str:
    """Return phonemes, or readings such as ``DEFAULT=… VERB=…``, as they are in a line."""
    if isinstance(value, dict):
        value = " ".join(f"{tag}={phonemes or ''}" for tag, phonemes in sorted(value.items()))
    return (_SILVER if silver else "") + value.translate(_V1)


def _tagger_lines(tagger: dict[str, Any]) -> dict[str, str]:
    numbers = {tag: number for number, tag in enumerate(TAGS)}
    lines = {_CERTAIN + word: str(numbers[tag]) for word, tag in tagger["tagdict"].items()}
    for feature, weights in tagger["weights"].items():
        pairs = sorted((numbers[tag], weight) for tag, weight in weights.items())
        lines[_FEATURE + feature] = " ".join(f"{number}:{weight:g}" for number, weight in pairs)
    return lines
