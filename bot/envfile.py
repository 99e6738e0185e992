"""Writing to a .env file. Blocks for a moment."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values, set_key, unset_key


def change(path: Path, values: Mapping[str, str]) -> None:
    """Set variables, and keep every other line; an empty value takes the variable away.

    The file changes at once and as a whole, and only its owner may read it afterwards.

    Raises:
        OSError: it can't be written; it is as it was.
    """
    path = path.resolve()  # what a link points to is changed, not the link
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(path.read_bytes() if path.exists() else b"")
    try:
        for name, value in values.items():
            if value:
                set_key(part, name, value, quote_mode="auto")
            elif name in dotenv_values(part, interpolate=False):
                unset_key(part, name)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
