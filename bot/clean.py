r"""Escape control characters in text from outside, for a terminal, a log or a notification.

The name of a neighbour's Bluetooth device, or a text in a chat, may contain terminal control codes.
They are escaped as \u001b, as in JSON, so that JSON stays valid and keeps its meaning.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

# Control characters (C0 except tab and newline, DEL, C1), characters that change the writing
# direction (UAX #9), and single surrogates, which can't be encoded for a terminal.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Return *text* with control characters escaped; tabs and newlines stay."""
    return _UNSAFE.sub(_escaped, text)


def clean_line(text: str) -> str:
    """Return *text* on one line, with control characters and line breaks escaped."""
    return _UNSAFE_IN_LINE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class CleanStream:
    """A text stream that cleans written text; everything else is left to the wrapped stream."""

    def __init__(self, raw: TextIO) -> None:
        """Wrap *raw*."""
        self.raw = raw

    def write(self, text: str) -> int:
        """Write *text*, cleaned; return its length."""
        self.raw.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of *lines*, cleaned."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def cleaned(stream: TextIO) -> TextIO:
    """Return a stream that cleans text and writes it to *stream*."""
    return stream if isinstance(stream, CleanStream) else cast(TextIO, CleanStream(stream))


def raw(stream: TextIO) -> TextIO:
    """Return the stream inside a `CleanStream`, for our own control codes, such as rich's."""
    return stream.raw if isinstance(stream, CleanStream) else stream


def clean_output() -> None:
    """Clean everything that this process prints from now on, even tracebacks and usage errors."""
    sys.stdout = cleaned(sys.stdout)
    sys.stderr = cleaned(sys.stderr)
