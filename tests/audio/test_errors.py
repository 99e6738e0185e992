"""The tree of errors that is drawn in audio/types.py."""

import importlib
import inspect
import pkgutil
import re

import audio
from audio import types


def test_types_draws_the_tree_of_all_error_classes() -> None:
    """Each class that may cross the border is drawn once, under its parent."""
    defined = {
        (kind.__name__, kind.__bases__[0].__name__)
        for module in pkgutil.walk_packages(audio.__path__, "audio.")
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(kind, types.AudioError) and kind is not types.AudioError
    }
    drawn = set()
    parents = ["AudioError"]
    for indent, name in re.findall(r"^ {4}([│├└─ ]+)(\w+Error)", types.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 4
        parents[depth:] = [name]
        drawn.add((name, parents[depth - 1]))

    assert drawn == defined
