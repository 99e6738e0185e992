"""Writing to a .env file. Blocks for a moment."""

import io
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from bot.paths import write_private


def change(path: Path, values: Mapping[str, str]) -> None:
    """Set variables, and keep every other line; an empty value takes the variable away.

    The file changes at once and as a whole, and only its owner may read it afterwards.

    Raises:
        OSError: it can't be written; it is as it was.
    """
    path = path.resolve()  # what a link points to is changed, not the link
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    write_private(path, _changed(text, values))


def _changed(text: str, values: Mapping[str, str]) -> str:
    # Not dotenv's own set_key, which swallows empty lines before what it changes.
    lines, missing = [], dict(values)
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.string
        if binding.key is not None and binding.key in values:
            before = line[: len(line) - len(line.lstrip())]
            line = before + _line(binding.key, values[binding.key])
            missing.pop(binding.key, None)
        lines.append(line)
    whole = "".join(lines)
    if whole and not whole.endswith("\n"):
        whole += "\n"
    return whole + "".join(_line(name, value) for name, value in missing.items())


def _line(name: str, value: str) -> str:
    """Return what sets a variable, quoted as dotenv reads it; nothing for an empty value."""
    if not value:
        return ""
    if not value.isalnum():
        value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{name}={value}\n"
