"""A text and its entities, as Telegram marks them: links, mentions, code, spoilers. Pure."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from telegram import MessageEntity

TABLE, FORMULA = "table", "formula"
"""Entity types of our own for rich messages, which have these as blocks."""


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text and its entities, whose offsets are in UTF-16 code units, as Telegram's are."""

    text: str = ""
    entities: tuple[MessageEntity, ...] = ()

    def part(self, entity: MessageEntity) -> str:
        """Return the part of the text that an entity marks."""
        units = self.text.encode("utf-16-le", errors="replace")
        return _decoded(units[2 * entity.offset : 2 * (entity.offset + entity.length)])

    def after_command(self) -> "MarkedText":
        """Return the text after the command at its beginning; all of it if there is none."""
        first = next((entity for entity in self.entities if entity.offset == 0), None)
        if first is None or first.type != MessageEntity.BOT_COMMAND:
            return self
        return self._after(first.length)

    def after(self, chars: int) -> "MarkedText":
        """Return the text after its first *chars* characters, and after blanks."""
        return self._after(len(self.text[:chars].encode("utf-16-le", errors="replace")) // 2)

    def _after(self, units: int) -> "MarkedText":
        rest = _decoded(self.text.encode("utf-16-le", errors="replace")[2 * units :])
        start = units + len(rest) - len(rest.lstrip())  # blanks are one unit each
        shifted = (
            MessageEntity(
                entity.type,
                max(0, entity.offset - start),
                entity.offset + entity.length - max(start, entity.offset),
                entity.url,
            )
            for entity in self.entities
            if entity.offset + entity.length > start
        )
        return MarkedText(rest.lstrip(), tuple(shifted))


class Writer:
    """Builds a marked text."""

    def __init__(self) -> None:
        """Start with an empty text."""
        self._parts: list[str] = []
        self._units = 0
        self._entities: list[MessageEntity] = []

    @property
    def units(self) -> int:
        """The length so far, in UTF-16 code units."""
        return self._units

    def write(self, text: str, entities: Iterable[MessageEntity] = ()) -> None:
        """Add a text with its own entities."""
        self._entities += [
            MessageEntity(entity.type, self._units + entity.offset, entity.length, entity.url)
            for entity in entities
        ]
        self._parts.append(text)
        self._units += len(text.encode("utf-16-le", errors="replace")) // 2

    def end_line(self) -> None:
        """Start a new line, unless already at the start of one."""
        if self._parts and not self._parts[-1].endswith("\n"):
            self.write("\n")

    def leave_out(self, kind: str) -> None:
        """Write a blank with an entity of this type in place of something left out."""
        with self.marking(kind):
            self.write(" ")

    @contextlib.contextmanager
    def marking(self, kind: str, url: str | None = None) -> Iterator[None]:
        """Mark the text written within the context."""
        start = self._units
        yield
        if self._units > start:
            self._entities.append(MessageEntity(kind, start, self._units - start, url))

    def written(self) -> MarkedText:
        """Return the text written so far."""
        return MarkedText("".join(self._parts), tuple(self._entities))


def _decoded(units: bytes) -> str:
    return units.decode("utf-16-le", errors="replace")
