"""What `crier doctor` is made of: checks, what they find, and what they are told.

Imports nothing but the standard library when it is loaded, so that the doctor can still say which
package is missing. A check blocks, runs in a thread of its own, and does not know how it is shown.
"""

import importlib.metadata
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bot.paths import CHECKOUT, data_dir

if TYPE_CHECKING:
    from bot.settings import Settings


_TOOL_TIMEOUT_S = 5.0
_DATABASE_TIMEOUT_S = 2.0


class State(StrEnum):
    """How something is."""

    PASS = "pass"  # noqa: S105  # no password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found."""

    state: State
    found: str
    """What there is; where it is not well, what that means."""
    mend: str = ""
    """The command or the step that mends it."""


def well(found: str) -> Finding:
    """Return that all is well."""
    return Finding(State.PASS, found)


def warn(found: str, mend: str) -> Finding:
    """Return that Crier works, but not as it could."""
    return Finding(State.WARN, found, mend)


def fail(found: str, mend: str) -> Finding:
    """Return that Crier can't work like this."""
    return Finding(State.FAIL, found, mend)


def skip(found: str, mend: str = "") -> Finding:
    """Return that there is nothing to look at, and why."""
    return Finding(State.SKIP, found, mend)


class CannotLookError(Exception):
    """A check depends on something that is not there; the message says what."""


def _unsaid(_: str) -> None:
    """Say nothing: nobody looks."""


def _undone(_: str) -> bool:
    """Ask nobody."""
    return False


@dataclass(eq=False, slots=True)
class Context:
    """What the checks are told, and what they tell each other."""

    _settings: "Settings | None"
    """None where not even the packages are there that read them."""
    settings_error: str = ""
    """Why the settings could not be read; then those are the defaults."""
    warnings: list[str] = field(default_factory=list)
    """What is odd in the .env files."""
    checkout: Path = CHECKOUT
    platform: str = sys.platform
    sound: bool = False
    """Whether something may sound."""
    say: Callable[[str], None] = _unsaid
    """Shows what goes on within a check, until the next word of it."""
    tell: Callable[[str], None] = _unsaid
    """Tells the one at the computer what to do."""
    ask: Callable[[str], bool] = _undone
    """Tells the one at the computer what to do, and waits; False where it can't be done."""
    clock_off_s: float | None = None
    """By how much this computer's clock is ahead of Telegram's."""
    hangs: str = ""
    """The check that PortAudio did not let go; whoever asks it again would hang, too."""

    @property
    def settings(self) -> "Settings":
        """The settings, or the defaults where they are wrong.

        Raises:
            CannotLookError: what reads them is missing.
        """
        if self._settings is None:
            raise CannotLookError("The settings can't be read; see packages.")
        return self._settings

    def alone(self) -> "Context":
        """Return a copy that can be sent to another process."""
        return replace(self, say=_unsaid, tell=_unsaid, ask=_undone)

    def query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Ask the database, without changing it; nothing where there is none.

        Raises:
            CannotLookError: it can't be read.
        """
        path = self.settings.data_dir / "crier.db"
        if not path.exists():
            return []
        try:
            uri = f"file:{quote(str(path))}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=_DATABASE_TIMEOUT_S)) as database:
                return database.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise CannotLookError(f"The database can't be read ({exc}); see database.") from exc

    def output(self, *command: str) -> str:
        """Return what a system's tool prints; nothing where it fails, hangs or is missing."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True)
class Check:
    """A question, and who answers it."""

    name: str
    look: Callable[[Context], Finding]
    limit_s: float = 20.0
    audio: bool = False
    """It calls PortAudio."""
    apart: bool = False
    """It calls what is written in C and may take the process with it, so it gets its own."""


def context(checkout: Path = CHECKOUT, *, sound: bool = False) -> Context:
    """Read the settings as far as they can be read."""
    try:
        from bot.settings import (  # noqa: PLC0415  # what it needs may be missing
            Settings,
            SettingsError,
            load,
        )
    except ImportError:
        return Context(None, checkout=checkout, sound=sound)
    try:
        settings, warnings = load(checkout)
    except SettingsError as exc:
        # All that is left to look at is where the data is, and what holds where nothing is set.
        values: dict[str, Any] = {"data_dir": data_dir(checkout)}
        if given := os.environ.get("MODEL_DIR"):
            values["model_dir"] = Path(given).expanduser().absolute()
        return Context(Settings.model_construct(**values), str(exc), checkout=checkout, sound=sound)
    return Context(settings, warnings=warnings, checkout=checkout, sound=sound)


def installed(package: str) -> str | None:
    """Return the version of a package; None where it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
