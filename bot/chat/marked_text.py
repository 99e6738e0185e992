"""A text together with what Telegram marks in it: links, mentions, code, spoilers. Pure."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from telegram import MessageEntity

TABLE, FORMULA = "table", "formula"
"""Kinds of entities that only rich messages have; Telegram itself sends them as blocks."""


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text and its entities, whose offsets count UTF-16 code units, as Telegram's do."""

    text: str = ""
    entities: tuple[MessageEntity, ...] = ()

    def part(self, entity: MessageEntity) -> str:
        """Return what an entity marks."""
        units = self.text.encode("utf-16-le", errors="replace")
        return _decoded(units[2 * entity.offset : 2 * (entity.offset + entity.length)])

    def after_command(self) -> "MarkedText":
        """Return what follows the command that the text begins with, if it does."""
        first = next((entity for entity in self.entities if entity.offset == 0), None)
        if first is None or first.type != MessageEntity.BOT_COMMAND:
            return self
        rest = _decoded(self.text.encode("utf-16-le", errors="replace")[2 * first.length :])
        begin = first.length + len(rest) - len(rest.lstrip())  # blanks are one unit each
        moved = (
            MessageEntity(
                entity.type,
                max(0, entity.offset - begin),
                entity.offset + entity.length - max(begin, entity.offset),
                entity.url,
            )
            for entity in self.entities
            if entity.offset + entity.length > begin
        )
        return MarkedText(rest.lstrip(), tuple(moved))


class Writer:
    """Writes a marked text, piece by piece."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._parts: list[str] = []
        self._units = 0
        self._entities: list[MessageEntity] = []

    @property
    def units(self) -> int:
        """How long it is, in UTF-16 code units."""
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
        """Begin a new line, unless one has just begun."""
        if self._parts and not self._parts[-1].endswith("\n"):
            self.write("\n")

    def leave_out(self, kind: str) -> None:
        """Mark that something of this kind was here."""
        with self.marking(kind):
            self.write(" ")

    @contextlib.contextmanager
    def marking(self, kind: str, url: str | None = None) -> Iterator[None]:
        """Mark what is written meanwhile."""
        begin = self._units
        yield
        if self._units > begin:
            self._entities.append(MessageEntity(kind, begin, self._units - begin, url))

    def written(self) -> MarkedText:
        """Return what was written."""
        return MarkedText("".join(self._parts), tuple(self._entities))


def _decoded(units: bytes) -> str:
    return units.decode("utf-16-le", errors="replace")
