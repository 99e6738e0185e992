"""Phrases of scripts without spaces, Japanese and Chinese. Pure."""

import re

# A phrase ends at a mark, or between kana and a character.
_START = re.compile(r"(?<=[、，；：])|(?<=[\u3041-\u3096])(?=[\u30a1-\u30fa\u4e00-\u9fff])")


def phrases(text: str) -> list[str]:
    """Split *text*, which has no spaces, where a voice could pause; most texts are one phrase."""
    if text.isascii():
        return [text]
    return [phrase for phrase in _START.split(text) if phrase] or [text]
