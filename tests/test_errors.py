"""The tree of errors that is drawn in bot/errors.py."""

import importlib
import inspect
import pkgutil
import re

import bot
from bot import errors


def defined() -> set[tuple[str, str]]:
    """Return each error class of bot with its parent; the parent of a root is empty."""
    classes = set()
    for module in pkgutil.walk_packages(bot.__path__, "bot."):
        if module.name == "bot.__main__":  # importing it runs Crier
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Exception) and kind.__module__ == module.name:
                base = kind.__bases__[0]
                ours = base.__module__.startswith("bot.")
                classes.add((full_name(kind), full_name(base) if ours else ""))
    return classes


def full_name(kind: type) -> str:
    """Return a class's name with its module, as the tree has it."""
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("bot.")


def drawn() -> set[tuple[str, str]]:
    """Return what the tree shows, in the same form."""
    classes = set()
    parents: dict[int, str] = {}
    line = re.compile(r"^ {4}([│├└─ ]*)([a-z_.]+\.\w+)", re.MULTILINE)
    for indent, name in line.findall(errors.__doc__ or ""):
        depth = len(indent) // 4
        parents[depth] = name
        classes.add((name, parents[depth - 1] if depth else ""))
    return classes


def test_errors_draws_the_tree_of_all_error_classes() -> None:
    """Each class is drawn once, under its parent, and nothing else is."""
    assert drawn() == defined()
