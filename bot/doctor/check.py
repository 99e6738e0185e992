"""The parts of `crier doctor`: checks, their findings, and the context that they run in.

Imports only the standard library when it is loaded, so that the doctor can report which package is
missing. A check blocks, and does not know how its finding is shown.
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


class CheckState(StrEnum):
    """The result of a check."""

    PASS = "pass"  # noqa: S105  # not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state, the facts and the fix that a check reports."""

    state: CheckState
    found: str
    """The facts; for a warning or a failure, also what they mean."""
    fix: str = ""
    """The command or step that fixes it; `mend` in `doctor --json`."""


def ok(found: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(CheckState.PASS, found)


def warn(found: str, fix: str) -> Finding:
    """Return a finding that impairs Crier."""
    return Finding(CheckState.WARN, found, fix)


def fail(found: str, fix: str) -> Finding:
    """Return a finding that keeps Crier from working."""
    return Finding(CheckState.FAIL, found, fix)


def skip(found: str, fix: str = "") -> Finding:
    """Return a finding that says why there was nothing to check."""
    return Finding(CheckState.SKIP, found, fix)


class CheckSkipped(Exception):  # noqa: N818  # an outcome, as unittest's SkipTest
    """A check needs something that is missing; the message names it."""


def _show_nothing(_: str) -> None:
    """Discard a message that nobody would see."""


def _decline(_: str) -> bool:
    """Return False: there is nobody to ask."""
    return False


@dataclass(eq=False, slots=True)
class Context:
    """The input of the checks, and results that later checks use."""

    _settings: "Settings | None"
    """None if the packages that read the settings are missing."""
    settings_error: str = ""
    """Why the settings could not be read; then `settings` has the defaults."""
    warnings: list[str] = field(default_factory=list)
    """About the .env files, such as an unknown name."""
    checkout: Path = CHECKOUT
    platform: str = sys.platform
    sound: bool = False
    """Whether checks may play sound."""
    answer_timeout_s: float = 8.0
    """How long Telegram or the running bot may take to answer."""
    progress: Callable[[str], None] = _show_nothing
    """Shows the current step of a check, until the next one."""
    instruct: Callable[[str], None] = _show_nothing
    """Shows the person at the computer what to do."""
    ask: Callable[[str], bool] = _decline
    """Shows the person what to do, and waits; False if they skip it."""
    confirm: Callable[[str], bool] = _decline
    """Asks the person a question; whether the answer is yes."""
    clock_off_s: float | None = None
    """How far this computer's clock is ahead of Telegram's, in seconds; set by `telegram`."""
    hung_check: str = ""
    """The check in which PortAudio hung; another call could hang as well."""

    @property
    def settings(self) -> "Settings":
        """The settings, or the defaults if they are wrong.

        Raises:
            CheckSkipped: the packages that read them are missing.
        """
        if self._settings is None:
            raise CheckSkipped("The settings can't be read; see packages.")
        return self._settings

    def picklable(self) -> "Context":
        """Return a copy that can be sent to another process."""
        return replace(
            self, progress=_show_nothing, instruct=_show_nothing, ask=_decline, confirm=_decline
        )

    def query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Query the database read-only; empty if there is none.

        Raises:
            CheckSkipped: it can't be read.
        """
        path = self.settings.data_dir / "crier.db"
        if not path.exists():
            return []
        try:
            uri = f"file:{quote(str(path))}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=_DATABASE_TIMEOUT_S)) as database:
                return database.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise CheckSkipped(f"The database can't be read ({exc}); see database.") from exc

    def output(self, *command: str) -> str:
        """Return what a system tool prints; empty if it fails, hangs or is missing."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True)
class Check:
    """A named check."""

    name: str
    run: Callable[[Context], Finding]
    """Must be picklable: checks run in another process."""
    limit_s: float = 20.0
    audio: bool = False
    """Whether it calls PortAudio, which can hang."""


def load_context(checkout: Path = CHECKOUT) -> Context:
    """Read the settings as far as they can be read."""
    try:
        from bot.settings import (  # noqa: PLC0415  # its packages may be missing
            Settings,
            SettingsError,
            load,
        )
    except ImportError:
        return Context(None, checkout=checkout)
    try:
        settings, warnings = load(checkout)
    except SettingsError as exc:
        # The other checks then use the data folder, and the defaults.
        values: dict[str, Any] = {"data_dir": data_dir(checkout)}
        if given := os.environ.get("MODEL_DIR"):
            values["model_dir"] = Path(given).expanduser().absolute()
        return Context(Settings.model_construct(**values), str(exc), checkout=checkout)
    return Context(settings, warnings=warnings, checkout=checkout)


def installed_version(package: str) -> str | None:
    """Return the version of a package; None if it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
