"""Reads the menu that a plugin prints, as SwiftBar and xbar do.

Sources: SwiftBar's MenuLineParameters.swift, MenuItemNode.swift and MenuBarItem.swift; xbar's
parse.go and item_params.go.
"""

import re
from dataclasses import dataclass, field

_XBAR_PARAMETERS = set(
    "disabled key href color font size shell bash templateImage image terminal refresh dropdown"
    " length trim alternate emojize ansi".split()
)
_NEWLINES = re.compile("[\n\v\f\r\x85\u2028\u2029]")  # as Foundation's CharacterSet.newlines


@dataclass(slots=True)
class Item:
    """A line of a menu."""

    text: str
    parameters: dict[str, str]
    children: "list[Item]" = field(default_factory=list)

    @property
    def command(self) -> list[str]:
        """The program and its arguments that a click runs; empty if there is none."""
        if "shell" not in self.parameters:
            return []
        numbers = range(1, 1 + sum(name.startswith("param") for name in self.parameters))
        return [self.parameters["shell"], *(self.parameters[f"param{n}"] for n in numbers)]


@dataclass(slots=True)
class Menu:
    """What is shown in the menu bar, and below it."""

    title: Item
    items: list[Item]
    """Without separators."""

    def find(self, text: str) -> Item:
        """Return the item with this text, wherever it is."""
        found = [item for item in _all(self.items) if item.text == text]
        assert len(found) == 1, (text, self.texts)
        return found[0]

    @property
    def texts(self) -> list[str]:
        """The texts of all items."""
        return [item.text for item in _all(self.items)]


def _all(items: list[Item]) -> list[Item]:
    return [found for item in items for found in (item, *_all(item.children))]


def read_menu(printed: str, *, is_xbar: bool) -> Menu:
    """Return the menu that a plugin has printed.

    Raises:
        ValueError: the program would show an error.
    """
    lines = [line for line in _NEWLINES.split(printed) if line]
    end = next(number for number, line in enumerate(lines) if line.startswith("---"))
    if end != 1:
        raise ValueError("several titles would take turns")
    title = Item(*_split(lines[0], is_xbar=is_xbar))
    root = Item("", {})
    path = [root]
    for line in lines[end:]:
        level, rest = 0, line
        while rest.startswith("--") and rest != "---":
            level, rest = level + 1, rest[2:]
        if rest == "---":
            continue
        if level >= len(path):
            raise ValueError(f"a submenu of nothing: {line!r}")
        del path[level + 1 :]
        item = Item(*_split(rest, is_xbar=is_xbar))
        path[level].children.append(item)
        path.append(item)
    return Menu(title, root.children)


def _split(line: str, *, is_xbar: bool) -> tuple[str, dict[str, str]]:
    text, _, rest = line.partition("|")
    parameters = {}
    for match in re.finditer(r"""\s*([^=\s]+)=(?:"([^"]*)"|'([^']*)'|(\S*))""", rest):
        name, value = match[1], match[2] or match[3] or match[4] or ""
        is_known = name in _XBAR_PARAMETERS or re.fullmatch(r"param[1-9]\d*", name)
        if is_xbar and not is_known:
            raise ValueError(f"unknown parameter: {name}")
        parameters[name] = value
    leftover = re.sub(r"""[^=\s]+=(?:"[^"]*"|'[^']*'|\S*)""", "", rest).strip()
    if leftover:
        raise ValueError(f"malformed parameters: {leftover!r}")
    return text.strip(), parameters
