"""`python -m tests.toned COMMAND` is `crier COMMAND` with a voice of tones, without a model."""

import sys
from typing import Any

from bot import app, start
from bot.cli import main
from bot.setup import audition, wizard
from tests.tones import ToneVoice


def _voice(*_: Any) -> ToneVoice:
    return ToneVoice()


def _fetch_nothing(_: Any) -> None:
    pass


if __name__ == "__main__":
    for module, name, stand_in in (
        (app, "KokoroVoice", _voice),
        (audition, "KokoroVoice", _voice),
        (wizard, "fetch_models", _fetch_nothing),
        (start, "fetch_models", _fetch_nothing),
    ):
        setattr(module, name, stand_in)
    sys.exit(main())
