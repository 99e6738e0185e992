"""Changes .env files. Blocks for a moment."""

import io
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from bot.paths import write_private


def change(path: Path, values: Mapping[str, str]) -> None:
    """Set variables and leave every other line as it is; an empty value removes the variable.

    The file is replaced atomically, and only its owner can read it afterwards.

    Raises:
        OSError: it can't be written; it is unchanged.
    """
    path = path.resolve()  # a link stays a link; its target is replaced
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    write_private(path, _changed(text, values))


def _changed(text: str, values: Mapping[str, str]) -> str:
    # Not dotenv's set_key, which drops empty lines before the variable.
    lines, missing = [], dict(values)
    for binding in parse_stream(io.StringIO(text)):
        line = binding.original.string
        if binding.key is not None and binding.key in values:
            indent = line[: len(line) - len(line.lstrip())]
            line = indent + _line(binding.key, values[binding.key])
            missing.pop(binding.key, None)
        lines.append(line)
    changed = "".join(lines)
    if changed and not changed.endswith("\n"):
        changed += "\n"
    return changed + "".join(_line(name, value) for name, value in missing.items())


def _line(name: str, value: str) -> str:
    """Return the line that sets a variable, quoted for dotenv; empty for an empty value."""
    if not value:
        return ""
    if not value.isalnum():
        value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{name}={value}\n"
