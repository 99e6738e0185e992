r"""Text from outside, made fit for a terminal, a log and a notification.

What a neighbour calls a Bluetooth device, or somebody writes in a chat, may hold the codes that
steer a terminal. They are spelled out, as \u001b, which is also how JSON has them: what was JSON
stays it, and says the same.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

# The control characters (C0 but for tab and newline, DEL, C1), what turns the direction of writing
# around (UAX #9), and halves of surrogate pairs, which no terminal can be sent.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Return *text* with all that would steer a terminal spelled out; its lines stay."""
    return _UNFIT.sub(_spelled, text)


def clean_line(text: str) -> str:
    """Return *text* on one line, with all that would steer a terminal spelled out."""
    return _BREAKS.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class CleanStream:
    """A text stream that cleans what is written to it; in all else it is the stream it wraps."""

    def __init__(self, raw: TextIO) -> None:
        """Write to *raw*."""
        self.raw = raw

    def write(self, text: str) -> int:
        """Write *text*, cleaned; return how much of it was written: all."""
        self.raw.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of *lines*, cleaned."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def cleaned(stream: TextIO) -> TextIO:
    """Return a stream that cleans what is written, and writes it to *stream*."""
    return stream if isinstance(stream, CleanStream) else cast(TextIO, CleanStream(stream))


def raw(stream: TextIO) -> TextIO:
    """Return the stream behind one that cleans: for codes of our own, of rich and the like."""
    return stream.raw if isinstance(stream, CleanStream) else stream


def clean_output() -> None:
    """Clean from now on whatever this process prints, tracebacks and argparse's errors included."""
    sys.stdout = cleaned(sys.stdout)
    sys.stderr = cleaned(sys.stderr)
