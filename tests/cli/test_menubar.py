"""The menu for SwiftBar and xbar, in every state of the bot."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import menubar
from bot.cli.main import main
from bot.cli.menubar import PROGRAM
from tests.support.fake_api import FakeApi
from tests.support.menus import Menu, read_menu

IDLE: dict[str, Any] = {
    "speaking": False,
    "speaking_id": None,
    "left_s": 0.0,
    "paused": False,
    "waiting": 0,
    "volume": 100,
    "quiet": "",
    "muted": False,
    "blocked": "",
    "polling": {"ok": True, "age_s": 1.0, "warning": ""},
    "warnings": [],
}
SPEAKING = {**IDLE, "speaking": True, "speaking_id": 7, "left_s": 3.2, "waiting": 1}
ITEMS = [
    {"id": 7, "text": "Dinner is ready.", "source": "telegram", "state": "sounding"},
    {"id": 8, "text": "Build at 41 %.", "source": "ci", "state": "waiting"},
]
DEVICES = {
    "outputs": [
        {"name": "MacBook Speakers", "is_default": True, "in_use": False},
        {"name": "Jane’s AirPods", "is_default": False, "in_use": True},
    ],
    "wanted": "Jane’s AirPods",
    "warning": "",
}


def show(
    fake_api: FakeApi,
    capsys: pytest.CaptureFixture[str],
    status: dict[str, Any],
    items: list[dict[str, Any]] | None = None,
    devices: dict[str, Any] = DEVICES,
) -> Menu:
    """Return the menu that a bot in this state gets, as both programs read it."""
    fake_api.answer("GET /v1/status", status)
    fake_api.answer("GET /v1/queue", {"items": items or []})
    fake_api.answer("GET /v1/devices?max_age_s=300", devices)
    return printed_menu(capsys)


def printed_menu(capsys: pytest.CaptureFixture[str]) -> Menu:
    """Return the menu that the command prints, if both programs read the same."""
    with pytest.MonkeyPatch.context() as patch:
        assert main(["menubar"]) == 0
        xbar = read_menu(capsys.readouterr().out, is_xbar=True)
        patch.setitem(os.environ, "SWIFTBAR", "1")
        assert main(["menubar"]) == 0
        swiftbar = read_menu(capsys.readouterr().out, is_xbar=False)
    assert swiftbar.items == xbar.items
    assert (swiftbar.title.text, xbar.title.parameters) == ("", {})
    swiftbar.title.text = xbar.title.text
    return swiftbar


@pytest.mark.parametrize(
    ("status", "symbol", "character"),
    [
        (IDLE, "speaker.wave.1", "🔈"),
        (SPEAKING, "speaker.wave.3.fill", "🔊"),
        ({**SPEAKING, "paused": True}, "pause.circle.fill", "⏸"),
        ({**IDLE, "quiet": "Muted until 18:30.", "muted": True}, "moon.zzz.fill", "😴"),
        ({**IDLE, "quiet": "Quiet hours until 07:00."}, "moon.zzz.fill", "😴"),
        ({**SPEAKING, "blocked": "There is no device."}, "exclamationmark.triangle.fill", "⚠️"),
        ({**IDLE, "warnings": ["The clock is wrong."]}, "exclamationmark.triangle.fill", "⚠️"),
        ({**IDLE, "polling": {"ok": False}}, "exclamationmark.triangle.fill", "⚠️"),
    ],
)
def test_menubar_shows_the_state_as_a_symbol(
    commanded: FakeApi,
    capsys: pytest.CaptureFixture[str],
    status: dict[str, Any],
    symbol: str,
    character: str,
) -> None:
    """SwiftBar draws Apple's, which xbar does not know."""
    menu = show(commanded, capsys, status, ITEMS)

    assert menu.title.parameters == {"sfimage": symbol}
    assert menu.title.text == character


def test_menubar_shows_what_is_said_by_whom(
    commanded: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """And how many wait; each control is a command of this program."""
    menu = show(commanded, capsys, SPEAKING, ITEMS)

    assert menu.texts[:3] == ["Speaking", "“Dinner is ready.” from telegram", "1 message waits"]
    for text, *command in (
        ("Pause", "pause"),
        ("Skip", "skip"),
        ("Stop", "stop"),
        ("Mute for an hour", "mute", "1h"),
        ("Open the page", "page"),
    ):
        item = menu.find(text)
        assert item.command == [str(PROGRAM), *command]
        assert item.parameters["terminal"] == "false"
    assert menu.find("Mute until I unmute").parameters["alternate"] == "true"


def test_menubar_offers_what_ends_a_pause_and_a_mute(
    commanded: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resume in place of Pause, Unmute in place of Mute."""
    status = {**IDLE, "paused": True, "quiet": "Muted until /unmute.", "muted": True}
    menu = show(commanded, capsys, status)

    assert menu.texts[:2] == ["Paused", "Muted until you unmute."]
    assert menu.find("Resume").command[1:] == ["resume"]
    assert menu.find("Unmute").command[1:] == ["unmute"]
    assert not {"Pause", "Mute for an hour", "Skip", "Stop"} & set(menu.texts)


def test_menubar_checks_the_device_and_the_volume(
    commanded: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """A click on another one selects it, by its whole name; a volume between the steps is shown."""
    menu = show(commanded, capsys, {**IDLE, "volume": 85})
    devices = menu.find("Device").children
    volumes = menu.find("Volume 85 %").children

    assert [item.text for item in devices] == [
        "The system's default",
        "MacBook Speakers",
        "✓ Jane’s AirPods",
        "Search again",
    ]
    assert devices[0].command[1:] == ["devices", "--follow"]
    assert devices[1].command[1:] == ["devices", "--", "MacBook Speakers"]
    assert [item.text for item in volumes if item.text.startswith("✓")] == ["✓ 85 %"]
    assert volumes[0].command[1:] == ["volume", "25"]


@pytest.mark.parametrize(
    ("wanted", "checked"),
    [("", "✓ The system's default"), ("airpods", "✓ Jane’s AirPods"), ("gone", None)],
)
def test_menubar_checks_what_is_wanted(
    commanded: FakeApi, capsys: pytest.CaptureFixture[str], wanted: str, checked: str | None
) -> None:
    """A part of a name means the device; one that is gone has no check mark."""
    menu = show(commanded, capsys, IDLE, devices={**DEVICES, "wanted": wanted})
    marked = [i.text for i in menu.find("Device").children if i.text.startswith("✓")]

    assert marked == ([checked] if checked else [])


def test_menubar_without_devices_has_the_rest(
    commanded: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loudspeaker that does not answer costs its submenu only."""
    commanded.answer("GET /v1/status", IDLE)
    commanded.answer("GET /v1/devices?max_age_s=300", {"error": {"message": "Busy."}}, 503)
    menu = printed_menu(capsys)

    assert "Device" not in menu.texts
    assert menu.texts[-1] == "Open the page"


@pytest.mark.parametrize("is_installed", [True, False])
def test_menubar_offers_to_start_the_bot(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_installed: bool,
) -> None:
    """The service, or to install it, which asks in a terminal."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    service = tmp_path / "service"
    monkeypatch.setattr(menubar, "_service_file", lambda: service)
    if is_installed:
        service.touch()
    menu = printed_menu(capsys)

    assert menu.title.text == "🔇"
    assert menu.texts[0] == "Crier is not running."
    start = menu.items[1]
    assert start.command[1:] == (["restart"] if is_installed else ["install"])
    assert start.parameters["terminal"] == ("false" if is_installed else "true")


def test_menubar_shows_a_refusal(commanded: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes wrong is a line of the menu, not an error of the plugin."""
    commanded.answer("GET /v1/status", {"error": {"message": "No."}}, 401)
    menu = printed_menu(capsys)

    assert menu.title.text == "⚠️"
    assert menu.texts[0].startswith("Crier does not take the token in")


EVIL = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("|-=\"'\\\n\r\u2028\x85: "),
    max_size=30,
)


@given(text=EVIL, source=EVIL, name=EVIL, warning=EVIL)
def test_menu_holds_any_text(text: str, source: str, name: str, warning: str) -> None:
    """Whatever texts and names contain, the lines and the commands are the same."""
    queue = [{"id": 7, "text": text, "source": source}]
    status = {**SPEAKING, "warnings": [warning]}
    devices = {"outputs": [{"name": name}, {"name": "Desk"}], "wanted": name}
    lines = [
        "title",
        "---",
        *map(menubar._label, menubar._state(status, queue)),
        *menubar._device_menu(devices),
    ]
    for is_xbar in (True, False):
        menu = read_menu("\n".join(lines), is_xbar=is_xbar)

        assert menu.items[0].text == "Speaking"
        assert [item.command for item in menu.items] == [[]] * 4
        default, evil, desk, again = menu.items[-1].children
        assert [default.command[1:], again.command[1:]] == [["devices", "--follow"], ["devices"]]
        assert evil.command[1:3] in ([], ["devices", "--"])
        assert desk.command[1:] in ([], ["devices", "--", "Desk"])
        assert all(part in name for part in evil.command[3:])


def test_menu_cuts_a_long_text(commanded: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """A menu is no place for a chapter."""
    items = [{**ITEMS[0], "text": "word " * 500}]
    menu = show(commanded, capsys, SPEAKING, items)

    assert max(map(len, menu.texts)) < 100
    assert menu.texts[1].endswith("…” from telegram")
