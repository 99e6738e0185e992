"""The output of `crier --version`: the version, the commit of the checkout, and the model.

Blocks while git runs.
"""

import os
import subprocess
from pathlib import Path

from bot import __version__
from bot.paths import CHECKOUT

_GIT_TIMEOUT_S = 5.0


def describe() -> str:
    """Return the version, the commit if there is one, and the model with its folder."""
    commit = commit_of(CHECKOUT)
    return f"crier {__version__}{f' (commit {commit})' if commit else ''}\n{_model()}"


def commit_of(checkout: Path) -> str:
    """Return the short hash of the checked-out commit; empty if git finds none."""
    # An unpacked archive inside another repository has no commit of its own.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(checkout.parent)}
    try:
        return subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_TIMEOUT_S,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _model() -> str:
    from audio.kokoro.model_files import (  # noqa: PLC0415  # slow to import
        DICTIONARY_FILE,
        MODELS,
        VOICES_FILE,
    )
    from audio.kokoro.prepared import resolve_kind  # noqa: PLC0415  # likewise
    from bot.settings import SettingsError, load  # noqa: PLC0415  # slow to import

    try:
        settings, _ = load(ask_keychain=False)
    except SettingsError as exc:
        return f"model: not known, since a setting is wrong. {exc}"
    kind = resolve_kind(settings.kokoro_model, settings.model_dir)
    missing = [
        file.name
        for file in (MODELS[kind], VOICES_FILE, DICTIONARY_FILE)
        if not (settings.model_dir / file.name).exists()
    ]
    note = f"; missing: {', '.join(missing)} (`crier models` fetches them)" if missing else ""
    return f"model: Kokoro-82M v1.0, {kind}, in {settings.model_dir}{note}"
