"""Refuse docstrings that begin with Be, Have, Let, Tell or Say. Standard library only.

A docstring says what a function returns or does, or what a class is. These five verbs describe it
from somebody's point of view instead: "Return the position", not "Say where it is".
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("audio", "bot", "tests", "bench", "scripts")
REFUSED = frozenset({"Be", "Have", "Let", "Tell", "Say"})

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Print each refused docstring as file:line; return 1 if there is one."""
    refused = [
        f"{path.relative_to(ROOT)}:{line}: a docstring begins with {word!r}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if ".venv" not in path.parts
        for line, word in refused_docstrings(path.read_text(encoding="utf-8"))
    ]
    print("\n".join(refused) or "No docstring begins with Be, Have, Let, Tell or Say.")
    return 1 if refused else 0


def refused_docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the first word of each refused docstring of a module."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Documented) or not (text := ast.get_docstring(node)):
            continue
        word = text.split(maxsplit=1)[0].rstrip(".,:;")
        if word in REFUSED:
            yield node.body[0].lineno, word


if __name__ == "__main__":
    sys.exit(main())
