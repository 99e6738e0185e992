"""Parts of speech: an averaged perceptron that was trained on web English (UD English-EWT).

The features are those that its weights were trained with. Source: denckring-en-pos 0.6.0,
perceptron.py (Apache-2.0), after Honnibal's "A good part-of-speech tagger in about 200 lines".

Runs on: any thread, one at a time.
"""

from collections.abc import Iterator, Sequence

from audio.kokoro.dictionary import TAGS, Dictionary

_START, _END = "<s>", "</s>"


def tag(words: Sequence[str], dictionary: Dictionary) -> list[str]:
    """Return the part of speech of each word of a sentence, as `TAGS` names them.

    Args:
        words: letters and digits with apostrophes inside; no punctuation.
        dictionary: has the weights.
    """
    tags: list[str] = []
    lower = [word.lower() for word in words]
    before = before2 = _START
    for index, word in enumerate(words):
        found = dictionary.certain_tag(lower[index])
        if found is None:
            features = _features(index, word, lower, before, before2)
            found = _best(features, dictionary)
        tags.append(found)
        before, before2 = found, before
    return tags


def _best(features: Iterator[str], dictionary: Dictionary) -> str:
    scores = [0.0] * len(TAGS)
    for feature in features:
        for number, weight in dictionary.weights(feature):
            scores[number] += weight
    return TAGS[max(range(len(TAGS)), key=lambda number: (scores[number], number))]


def _features(
    index: int, word: str, lower: Sequence[str], before: str, before2: str
) -> Iterator[str]:
    this = lower[index]
    shape = ("X" if word[:1].isupper() else "x") + ("d" if any(map(str.isdigit, word)) else "")
    yield "bias"
    yield f"suf3 {this[-3:]}"
    yield f"suf2 {this[-2:]}"
    yield f"suf1 {this[-1:]}"
    yield f"pre1 {this[:1]}"
    yield f"shape {shape}"
    yield f"w {this}"
    yield f"t-1 {before}"
    yield f"t-2 {before2}"
    yield f"t-1t-2 {before} {before2}"
    yield f"w-1 {lower[index - 1] if index else _START}"
    yield f"w-2 {lower[index - 2] if index > 1 else _START}"
    yield f"w+1 {lower[index + 1] if index + 1 < len(lower) else _END}"
    yield f"w+2 {lower[index + 2] if index + 2 < len(lower) else _END}"
    yield f"t-1 w {before} {this}"
