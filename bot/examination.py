"""What `crier doctor` is made of: checks, what they find, and what they are told.

Imports nothing but the standard library when it is loaded, so that the doctor can still say which
package is missing. A check blocks, runs in a thread of its own, and does not know how it is shown.
"""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.settings import Settings

CHECKOUT = Path(__file__).resolve().parent.parent

_TOOL_TIMEOUT_S = 5.0


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


@dataclass(eq=False, slots=True)
class Patient:
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
    say: Callable[[str], None] = lambda _: None
    """Shows what goes on within a check, until the next word of it."""
    tell: Callable[[str], None] = lambda _: None
    """Tells the one at the computer what to do."""
    ask: Callable[[str], bool] = lambda _: False
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
    look: Callable[[Patient], Finding]
    limit_s: float = 20.0
    audio: bool = False
    """It calls PortAudio."""


def patient(checkout: Path = CHECKOUT, *, sound: bool = False) -> Patient:
    """Read the settings as far as they can be read."""
    try:
        from bot.settings import Settings, SettingsError, load  # noqa: PLC0415  # may be missing
    except ImportError:
        return Patient(None, checkout=checkout, sound=sound)
    try:
        settings, warnings = load(checkout)
    except SettingsError as exc:
        # All that is left to look at is what holds where nothing is set, and where the data is.
        values: dict[str, Any] = {}
        for name in ("data_dir", "model_dir"):
            if given := os.environ.get(name.upper()):
                values[name] = Path(given).expanduser().absolute()
        return Patient(Settings.model_construct(**values), str(exc), checkout=checkout, sound=sound)
    return Patient(settings, warnings=warnings, checkout=checkout, sound=sound)


def installed(package: str) -> str | None:
    """Return the version of a package; None where it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
