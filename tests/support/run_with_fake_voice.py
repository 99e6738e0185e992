"""Run `crier COMMAND` with the tone voice, without a model.

`python -m tests.support.run_with_fake_voice COMMAND`.
"""

import sys
from typing import Any

from bot import console, start
from bot.cli.main import main
from bot.setup import preview, wizard
from tests.support.fake_voice import ToneVoice


def _voice(*_: Any) -> ToneVoice:
    return ToneVoice()


def _fetch_nothing(_: Any) -> None:
    pass


def replace_parts() -> None:
    """Replace the voice, and what fetches its files."""
    for module, name, stand_in in (
        (start, "KokoroVoice", _voice),
        (preview, "KokoroVoice", _voice),
        (wizard, "fetch_models", _fetch_nothing),
        (console, "fetch_models", _fetch_nothing),
    ):
        setattr(module, name, stand_in)


if __name__ == "__main__":
    replace_parts()
    sys.exit(main())
