"""Run `crier COMMAND` with the tone voice, without a model.

`python -m tests.support.run_with_fake_voice COMMAND`.
"""

import sys
from typing import Any

from bot import console
from bot.cli.main import main
from bot.setup import preview, wizard
from bot.start import phases
from tests.support.fake_voice import ToneVoice


def _voice(*_: Any) -> ToneVoice:
    return ToneVoice()


def _fetch_nothing(_: Any) -> None:
    pass


def replace_parts() -> None:
    """Replace the voice, and what fetches its files."""
    for module, name, stand_in in (
        (phases, "KokoroVoice", _voice),
        (preview, "KokoroVoice", _voice),
        (wizard, "fetch_models", _fetch_nothing),
        (console, "fetch_models", _fetch_nothing),
    ):
        getattr(module, name)  # it has moved, if this fails
        setattr(module, name, stand_in)


if __name__ == "__main__":
    replace_parts()
    sys.exit(main())
