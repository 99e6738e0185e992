"""`crier hook` with the inputs of each agent, as `tests/data/hooks` has them."""

import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cli.agent_events import FORMS, last_message, project_name, read_event
from bot.cli.main import main
from bot.paths import CHECKOUT
from tests.support.fake_api import FakeApi, serve_fake_api

INPUTS = CHECKOUT / "tests" / "data" / "hooks"
TRANSCRIPT = INPUTS / "claude-transcript.jsonl"
EXCERPT = "POST /v1/audio/excerpt"
STOP = {"hook_event_name": "Stop", "cwd": "/Users/example/my-project"}


@pytest.fixture(autouse=True)
def _data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    for name in ("CLAUDE_PROJECT_DIR", "GEMINI_PROJECT_DIR", "CURSOR_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake_api(tmp_path: Path) -> Iterator[FakeApi]:
    """Run a fake of the bot's API, which accepts excerpts."""
    with (
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        serve_fake_api(tmp_path / "data", Path(folder) / "api.sock") as fake_api,
    ):
        fake_api.answer(EXCERPT, {"id": 1, "position": 1}, 202)
        yield fake_api


def hook(monkeypatch: pytest.MonkeyPatch, payload: object, *options: str) -> int:
    """Run the command with a payload on stdin, and return its exit code."""
    given = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    stdin = io.TextIOWrapper(io.BytesIO(given))
    monkeypatch.setattr(sys, "stdin", stdin)
    return main(["hook", *options])


def bodies(fake_api: FakeApi) -> list[dict[str, Any]]:
    """Return what was sent to be spoken."""
    return [body for request, _, body in fake_api.requests if request == EXCERPT]


@pytest.mark.parametrize("path", sorted(INPUTS.glob("*.json")), ids=lambda path: path.stem)
def test_read_event_understands_each_agent(path: Path) -> None:
    """The recorded input of each event gives what is worth saying, or nothing."""
    recorded = json.loads(path.read_text())
    given = recorded["input"]
    if given.get("transcript_path") == "TRANSCRIPT":
        given["transcript_path"] = str(TRANSCRIPT)
    event = read_event(given)

    assert recorded["source"]
    if event is None:
        assert (recorded["message"], recorded["waits_for"]) == ("", "")
    else:
        assert event.message == recorded["message"]
        assert event.waits_for == recorded["waits_for"]
        assert event.project == recorded["project"]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"hook_event_name": 7},
        {"hook_event_name": "Stop", "last_assistant_message": ["x"], "transcript_path": 5},
        {"hook_event_name": "PermissionRequest", "tool_input": "x", "workspace_roots": [1]},
        {"hook_event_name": "SubagentStop", "agent_transcript_path": "\0"},
        {"type": "message", "message": " \n "},
    ],
)
def test_read_event_bears_other_types(payload: dict[str, Any]) -> None:
    """Fields that are missing or of another type count as empty."""
    event = read_event(payload)

    assert event is None or event.message == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {"hook_event_name": st.sampled_from(sorted(FORMS))},
        optional=dict.fromkeys(
            ("message", "text", "cwd", "workspace_roots", "tool_input", "tool_name", "status"),
            _JSON,
        ),
    )
)
def test_read_event_bears_any_json(payload: dict[str, Any]) -> None:
    """Whatever an agent puts into its fields, what is said of it are texts."""
    event = read_event(payload)

    assert event is None or event.message or event.waits_for


def test_last_message_is_of_the_last_turn(tmp_path: Path) -> None:
    """A turn that ended without words has no message, not that of the turn before it."""
    lines = TRANSCRIPT.read_text().splitlines()[:5]
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join([*lines, "not json", '"text"']))

    assert last_message(str(short)) == ""
    assert last_message(str(tmp_path / "missing")) == ""


def test_project_name_is_that_of_the_repository(tmp_path: Path) -> None:
    """In a folder of a repository it is the repository's, as it is said."""
    (tmp_path / "the_big-thing.io" / ".git").mkdir(parents=True)
    (tmp_path / "the_big-thing.io" / "src" / "deep").mkdir(parents=True)

    assert project_name(str(tmp_path / "the_big-thing.io" / "src" / "deep")) == "the big thing io"
    assert project_name("") == ""


def test_hook_names_the_project_when_it_changes(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name comes before the first message of a project, and again after another's."""
    for project in ("one", "one", "two", "one"):
        payload = {**STOP, "cwd": f"/p/{project}", "last_assistant_message": "Done."}
        assert hook(monkeypatch, payload, "--max-seconds", "7") == 0

    assert [body.get("before") for body in bodies(fake_api)] == ["one:", None, "two:", "one:"]
    assert {(body["input"], body["max_s"]) for body in bodies(fake_api)} == {("Done.", 7.0)}
    assert capsys.readouterr() == ("", "")


def test_hook_takes_the_last_argument_as_codex_gives_it(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON as an argument is read instead of stdin."""
    monkeypatch.setattr(sys, "stdin", None)
    payload = {"type": "agent-turn-complete", "last-assistant-message": "Renamed."}

    assert main(["hook", "--client", "Codex", json.dumps(payload)]) == 0
    assert [body["input"] for body in bodies(fake_api)] == ["Renamed."]
    assert fake_api.requests[0][1]["X-Client"] == "Codex"


def test_hook_says_what_an_agent_waits_for(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permission is said last in any case."""
    payload = {"hook_event_name": "Notification", "message": "Claude needs your permission."}

    assert hook(monkeypatch, payload, "--urgent") == 0
    [body] = bodies(fake_api)
    assert (body["input"], body["after"]) == ("", "Claude needs your permission.")
    assert body["priority"] == "urgent"


def test_hook_replaces_what_the_same_project_said_before(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is out of date once the agent has gone on, and after an hour."""
    for folder in ("/home/you/shop", "/home/you/shop", "/home/you/garden"):
        payload = {
            "hook_event_name": "Stop",
            "cwd": folder,
            "last_assistant_message": "Done.",
        }
        assert hook(monkeypatch, payload) == 0
    keys = [body["replace"] for body in bodies(fake_api)]

    assert keys == ["hook shop", "hook shop", "hook garden"]
    assert {body["expires_s"] for body in bodies(fake_api)} == {3600}


def test_hook_without_bot_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An agent whose Crier is away gets exit code 0, and a line on stderr."""
    code = hook(monkeypatch, {**STOP, "last_assistant_message": "Done."})
    out, err = capsys.readouterr()

    assert (code, out) == (0, "")
    assert err.startswith("crier hook: Crier is not running.")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "payload", [b"", b"not json", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000]
)
def test_hook_with_nonsense_does_not_fail(
    payload: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no JSON object is one line on stderr, and exit code 0."""
    assert hook(monkeypatch, payload) == 0
    assert capsys.readouterr() == ("", "crier hook: what the agent gave is not a JSON object.\n")


def test_hook_with_nothing_to_say_is_silent(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An event that is not said, and a message of code alone, give no output at all."""
    error = {"message": "There is nothing to say but 1 code block.", "code": "nothing_to_speak"}
    fake_api.answer(EXCERPT, {"error": error}, 422)

    assert hook(monkeypatch, {"hook_event_name": "PreToolUse", "tool_name": "Bash"}) == 0
    assert hook(monkeypatch, {**STOP, "last_assistant_message": "```\nls\n```"}) == 0
    assert capsys.readouterr() == ("", "")
    assert len(bodies(fake_api)) == 1


def test_hook_with_wrong_options_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person who sets it up wrongly learns that; 2 would make Claude Code go on instead."""
    with pytest.raises(SystemExit) as exit_:
        main(["hook", "--max-seconds", "soon"])

    assert exit_.value.code == 1
    assert "no number of seconds" in capsys.readouterr().err
