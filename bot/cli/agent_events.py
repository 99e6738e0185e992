"""What coding agents tell their hooks: a table of their forms. Standard library only.

Each form is the name of an event and a function that reads it. Fields that are missing or of
another type count as empty, since agents change them.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TAIL_BYTES = 1 << 20
"""How much of the end of a transcript is read."""

_FOLDERS = ("CLAUDE_PROJECT_DIR", "GEMINI_PROJECT_DIR", "CURSOR_PROJECT_DIR")
"""Variables in which agents name the folder of their project."""

_SILENT = frozenset({"auth_success", "elicitation_complete", "elicitation_response"})
"""Kinds of Claude Code's notifications that need nobody."""

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """What is worth saying about an event; may be nothing."""

    project: str
    """The name of the project, as it is said."""
    message: str = ""
    """What the agent wrote: Markdown."""
    waits_for: str = ""
    """What the agent needs of a person."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one event of one or several agents."""

    agents: str
    read: Callable[[Payload], tuple[str, str]]
    """Returns the message, and what the agent waits for."""


def _after_turn(payload: Payload) -> tuple[str, str]:
    message = _text(payload, "last_assistant_message")
    return message or last_message(_text(payload, "transcript_path")), ""


def _after_subagent(payload: Payload) -> tuple[str, str]:
    message = _text(payload, "last_assistant_message")
    message = message or last_message(_text(payload, "agent_transcript_path"), of_subagent=True)
    name = _text(payload, "agent_type")
    return (f"{name}: {message}" if name and message else message), ""


def _notification(payload: Payload) -> tuple[str, str]:
    is_silent = _text(payload, "notification_type") in _SILENT
    return "", "" if is_silent else _text(payload, "message")


def _permission(payload: Payload) -> tuple[str, str]:
    given = payload.get("tool_input")
    what = _text(given, "description") if isinstance(given, Mapping) else ""
    tool = _text(payload, "tool_name") or "a tool"
    return "", f"I need your permission to use {tool}{f': {what}' if what else ''}."


def _after_cursor_run(payload: Payload) -> tuple[str, str]:
    # Its text has been said: `afterAgentResponse`.
    return "", "I stopped with an error." if _text(payload, "status") == "error" else ""


FORMS = {
    "Stop": Form("Claude Code, Codex", _after_turn),
    "SubagentStop": Form("Claude Code", _after_subagent),
    "Notification": Form("Claude Code, Gemini CLI", _notification),
    "PermissionRequest": Form("Claude Code, Codex", _permission),
    "agent-turn-complete": Form("Codex", lambda p: (_text(p, "last-assistant-message"), "")),
    "AfterAgent": Form("Gemini CLI", lambda p: (_text(p, "prompt_response"), "")),
    "afterAgentResponse": Form("Cursor", lambda p: (_text(p, "text"), "")),
    "stop": Form("Cursor", _after_cursor_run),
    "message": Form("any other", lambda p: (_text(p, "message"), _text(p, "waits_for"))),
}
"""The forms, by the name of the event: ``hook_event_name`` or ``type``."""


def read_event(payload: Payload) -> AgentEvent | None:
    """Return what an event is about; None if it is not worth saying."""
    name = _text(payload, "hook_event_name") or _text(payload, "type")
    form = FORMS.get(name)
    if form is None:
        return None
    message, waits_for = (text.strip() for text in form.read(payload))
    if not message and not waits_for:
        return None
    return AgentEvent(project_name(_folder(payload)), message, waits_for)


def project_name(folder: str) -> str:
    """Return the name of the project that a folder belongs to, as it is said."""
    if not folder:
        return ""
    path = Path(folder)
    root = next((place for place in (path, *path.parents) if (place / ".git").exists()), path)
    return re.sub(r"[-_.\s]+", " ", root.name).strip()


def last_message(path: str, *, of_subagent: bool = False) -> str:
    """Return what an agent wrote last in its turn, from a transcript of Claude Code.

    Args:
        path: a file of JSON lines; an empty or unreadable one has no message.
        of_subagent: whether it is a subagent's own transcript.
    """
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # the first line may be cut
            continue
        if not isinstance(entry, dict) or (entry.get("isSidechain") and not of_subagent):
            continue
        text = _text_of(entry.get("message"))
        if text and entry.get("type") == "assistant":
            return text
        if text and entry.get("type") == "user":
            return ""  # what is above it belongs to an earlier turn
    return ""


def _text_of(message: object) -> str:
    """Return the words of a message in a transcript, without calls of tools and their results."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [_text(part, "text") for part in parts if isinstance(part, dict)]
    return "\n".join(filter(None, texts))


def _folder(payload: Payload) -> str:
    """Return the folder that an agent works in."""
    roots = payload.get("workspace_roots")
    first = roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], str) else ""
    named = next((value for name in _FOLDERS if (value := os.environ.get(name))), "")
    return named or _text(payload, "cwd") or first


def _text(payload: Payload, name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""
