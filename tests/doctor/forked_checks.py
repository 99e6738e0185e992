"""Runs audio checks in forks of a process that has imported what they need, with the tone voice.

They need processes of their own, since PortAudio knows the devices of its start. On a Mac, where a
fork after imports is not safe, each process starts from nothing, with the real voice.
"""

import functools
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from typing import Any

import pytest

from bot.doctor import runner
from bot.doctor.check import Context


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `run_checks` fork, with this process's environment."""
    if sys.platform != "linux":
        return
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload([__name__, "audio.pipeline", "bot.app", "bot.doctor.command"])
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: forkserver)
    monkeypatch.setattr(runner, "_serve", functools.partial(_serve, dict(os.environ)))


def _serve(environment: dict[str, str], pipe: Connection, context: Context) -> None:
    from audio.kokoro import voice  # already imported
    from tests.support.fake_voice import ToneVoice

    def make_voice(*_: Any) -> ToneVoice:
        return ToneVoice()

    os.environ.clear()
    os.environ.update(environment)
    voice.KokoroVoice = make_voice  # type: ignore[assignment,misc]
    runner._serve(pipe, context)
