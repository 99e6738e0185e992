"""Checks of this computer, the settings, the data and the log."""

import datetime as dt
import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bot import keychain as bot_keychain
from bot.doctor.check import (
    CheckSkipped,
    Context,
    Finding,
    fail,
    installed_version,
    ok,
    skip,
    warn,
)
from bot.paths import files_of, find_setting

_OLDEST_PYTHON, _NEWEST_PYTHON = (3, 11), (3, 13)
_OLDEST_MACOS = 14
_FULL_BYTES, _SHORT_BYTES = 50 << 20, 500 << 20
_LOG_BYTES = 50 << 20  # its own rotation keeps it below 6 MB
_RECENT_S = 24 * 3600.0
_BUSY_PER_CORE = 2.0
# Name, version and marker. Source: pip's requirements file format.
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]*))?", re.MULTILINE)
# A token in the file itself, not in the Keychain.
_TOKEN_LINE = re.compile(r"(?im)^[^#\n]*token[ \t]*=[ \t]*(?!keychain\b)[^\s#]")


# ---- this computer ----


def python(context: Context) -> Finding:
    """Check that Crier runs on this Python, at full speed."""
    version = sys.version_info[:2]
    found = f"{platform.python_version()} on {platform.machine()}, {_system()}"
    if not _OLDEST_PYTHON <= version <= _NEWEST_PYTHON:
        return fail(
            f"{found}. Crier needs 3.11 to 3.13.", "Remove the folder .venv, then `make setup`."
        )
    if context.platform == "darwin":
        if context.output("sysctl", "-n", "sysctl.proc_translated") == "1":
            return fail(
                f"{found}, under Rosetta: an Intel Python on Apple silicon makes speech several "
                "times slower.",
                "Remove the folder .venv, then run `make setup` in a Terminal that is not opened "
                "using Rosetta.",
            )
        home = Path(sys.base_prefix).resolve()
        if not home.is_relative_to(context.checkout.resolve()):
            return warn(
                f"{found}, from {home}: another program's Python, whose next update may remove it, "
                "and then the service does not start.",
                "Remove the folder .venv, then `make setup`: it installs a Python of its own.",
            )
        major = platform.mac_ver()[0].partition(".")[0]
        if major.isdigit() and int(major) < _OLDEST_MACOS:
            return warn(
                f"{found}. Crier is made for macOS {_OLDEST_MACOS} and newer.", "Update macOS."
            )
    return ok(found)


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", sys.platform)
    except OSError:
        return sys.platform


def packages(context: Context) -> Finding:
    """Check that the versions in requirements.txt are installed."""
    pinned = dict(_pinned(context.checkout / "requirements.txt"))
    versions = {name: installed_version(name) for name in pinned}
    missing = [name for name, version in versions.items() if version is None]
    different = [
        f"{name} {version} instead of {pinned[name]}"
        for name, version in versions.items()
        if version not in (None, pinned[name])
    ]
    if missing:
        return fail(f"Missing: {', '.join(missing)}.", "`make setup`")
    if different:
        return warn(f"Not the tested version: {', '.join(different)}.", "`make setup`")
    return ok(f"{len(pinned)} are installed, each in the version that was tested")


def _pinned(path: Path) -> Iterator[tuple[str, str]]:
    for name, version, marker in _PINNED.findall(path.read_text(encoding="utf-8")):
        if not marker.strip() or _applies(marker.strip()):
            yield name, version


def _applies(marker: str) -> bool:
    try:
        from packaging.markers import Marker  # noqa: PLC0415  # may be missing
    except ImportError:
        return False
    return Marker(marker).evaluate()


def disk(context: Context) -> Finding:
    """Check that there is room on the disk, and that the data folder is writable."""
    settings = context.settings
    for name, folder in (("DATA_DIR", settings.data_dir), ("MODEL_DIR", settings.model_dir)):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if name == "DATA_DIR":
            try:
                with tempfile.NamedTemporaryFile(dir=existing, prefix=".crier-doctor-") as file:
                    file.write(b"\0" * 4096)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as exc:
                return fail(
                    f"{name}: {existing} can't be written to ({exc.strerror}), so no message can "
                    "be accepted.",
                    f"Make room there, see that you may write there, or set {name} elsewhere.",
                )
        free_bytes = shutil.disk_usage(existing).free
        if free_bytes < _FULL_BYTES:
            return fail(
                f"{name}: {free_bytes >> 20} MB are left at {existing}, so messages may soon be "
                "refused.",
                "Make room there.",
            )
        if free_bytes < _SHORT_BYTES:
            return warn(
                f"{name}: {free_bytes >> 20} MB are left at {existing}.", "Make room there."
            )
    free_gb = shutil.disk_usage(existing).free / (1 << 30)
    return ok(f"{free_gb:.0f} GB free; {settings.data_dir} can be written")


def load(context: Context) -> Finding:
    """Check that nothing slows this computer down."""
    if context.platform == "darwin":
        limit = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", context.output("pmset", "-g", "therm"))
        if limit and int(limit[1]) < 100:  # noqa: PLR2004  # percent
            return warn(
                f"macOS runs the processor at {limit[1]} % to keep it cool; speech may stop and "
                "start.",
                "Give it air, or less to do.",
            )
        if re.search(r"lowpowermode\s+1", context.output("pmset", "-g")):
            return warn(
                "Low Power Mode is on, so speech is synthesized more slowly.",
                "System Settings, Battery, Low Power Mode: Never.",
            )
    cores = os.cpu_count() or 1
    now = os.getloadavg()[0]
    if now > _BUSY_PER_CORE * cores:
        return warn(
            f"{now:.1f} programs wanted one of {cores} processors in the last minute; Crier has "
            "to share them.",
            "See what keeps it busy: `top`.",
        )
    return ok(f"{now:.1f} programs on {cores} processors")


# ---- settings and data ----


def settings(context: Context) -> Finding:
    """Check that the settings can be read, that every name is known, and that each has a use."""
    if context.settings_error:
        return fail(
            f"They can't be used: {context.settings_error}",
            f"Correct it in {context.checkout / '.env'} or in the environment; .env.example "
            "shows each line.",
        )
    if context.warnings:
        return warn(
            " ".join(context.warnings),
            "Correct the name in .env (.env.example lists all) or remove it, or do as it says.",
        )
    program = shlex.split(context.settings.heard_command)[:1]
    if program and shutil.which(program[0]) is None:
        return warn(
            f"HEARD_COMMAND: there is no program {program[0]}, so what was heard is not reported.",
            "Give its full path; neither ~ nor $HOME is replaced. See that it may be run.",
        )
    if "room" in context.settings.model_fields_set and context.settings.mqtt_url is None:
        return warn(
            "ROOM is set and MQTT_URL is not, so there are no rooms.",
            "Set MQTT_URL to the broker of your rooms (docs/rooms.md), or clear ROOM.",
        )
    given = sorted(name.upper() for name in context.settings.model_fields_set)
    return ok(f"Set: {', '.join(given)}" if given else "Nothing is set; all are defaults")


def secrets(context: Context) -> Finding:
    """Check that nobody else on this computer can read the secrets."""
    folder = context.settings.data_dir
    files = list(files_of(folder)) if folder.is_dir() else []
    files = [path for path in files if not path.name.startswith(".env")]
    files += [path for path in (context.checkout / ".env", folder / ".env") if _has_token(path)]
    readable = [path for path in files if _mode(path) & 0o077]
    if folder.is_dir() and not _mode(folder) & 0o077:  # nobody else can look into it
        readable = [path for path in readable if path.parent != folder or path.name == "api-token"]
    if readable:
        names = " ".join(f"'{path}'" for path in readable)
        return warn(
            f"Others on this computer can read {', '.join(map(str, readable))}.",
            f"`chmod 600 {names}`",
        )
    return ok(f"{len(files)} files that only you can read" if files else "None on the disk")


def keychain(context: Context) -> Finding:
    """Check that the token can be read from the Keychain, if it is there."""
    folder = context.settings.data_dir
    setting = find_setting("TELEGRAM_BOT_TOKEN", context.checkout, folder)
    if setting != bot_keychain.IN_KEYCHAIN:
        return skip("Not used; the token is in the settings" if setting else "Not used")
    fix = "Run `crier setup` at this Mac's own screen: it stores the token again."
    try:
        bot_keychain.read(str(folder))
    except bot_keychain.KeychainError as exc:
        return fail(str(exc), fix)
    if bot_keychain.is_changed(str(folder)):
        return warn(
            f"It has the token, stored by Python {bot_keychain.stored_by(str(folder))}. This is "
            "another one: macOS may ask again at each start, and refuses while nobody answers.",
            f"{fix} Or choose Always Allow when macOS asks.",
        )
    return ok("It has the token, and this Python may read it")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _has_token(path: Path) -> bool:
    try:
        return _TOKEN_LINE.search(path.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False


# ---- the stored data ----


def database(context: Context) -> Finding:
    """Check that the database is intact, and that this Crier knows its version."""
    path = context.settings.data_dir / "crier.db"
    if not path.exists():
        return skip("None yet; the first start makes it")
    try:
        ((integrity,),) = context.query("PRAGMA quick_check(1)")
        ((version,),) = context.query("PRAGMA user_version")
        ((waiting,),) = context.query(
            "SELECT count(*) FROM message WHERE state IN ('waiting', 'held')"
        )
    except CheckSkipped as exc:
        integrity, version, waiting = str(exc.__cause__), 0, 0
    if integrity != "ok":
        return fail(
            f"{path} is damaged ({integrity}).",
            "Restart Crier: it sets the file aside, starts a new one and reports it. Everybody "
            "has to be paired again.",
        )
    if (newest := _schema_version()) and version > newest:
        return fail(
            f"{path} was made by a newer Crier (version {version}, this one knows {newest}).",
            "Update this one: `git pull`, then `make setup`.",
        )
    size_mb = path.stat().st_size / 1e6
    if newest and version < newest:
        version = f"{version} (the next start makes it {newest})"
    damaged = sorted(path.parent.glob(f"{path.name}.damaged-*"))
    found = f"Intact, version {version}, {size_mb:.1f} MB, {waiting} waiting"
    if damaged:
        return warn(
            f"{found}. An earlier one was damaged and set aside: {damaged[-1].name}.",
            f"If you miss nothing, remove {damaged[-1]}.",
        )
    return ok(found)


def _schema_version() -> int:
    try:
        from bot.core import database  # noqa: PLC0415  # its library may be missing
    except ImportError:
        return 0
    return database.SCHEMA_VERSION


def people(context: Context) -> Finding:
    """Check that somebody may speak."""
    paired = len(context.query("SELECT user_id FROM person"))
    allowed = len(context.settings.telegram_allowed_users)
    if not paired and not allowed and context.settings.telegram_bot_token is not None:
        return warn(
            "Nobody may speak yet: nobody is allowed in the settings, nobody is paired.",
            "`crier pair` shows a code; send it to your bot: /pair CODE.",
        )
    return ok(f"{allowed} allowed in the settings, {paired} paired")


def quiet(context: Context) -> Finding:
    """Check that Crier speaks at this hour."""
    from bot.core.quiet_hours import QuietHours  # noqa: PLC0415  # for this check alone

    quiet = QuietHours(context.settings.quiet_hours)
    for (until,) in context.query("SELECT value FROM choice WHERE name = 'mute'"):
        quiet.mute(float(until))
    if reason := quiet.reason():
        return warn(
            f"{reason} Messages are held until then.",
            "/unmute in the chat ends a mute; QUIET_HOURS in .env sets the hours.",
        )
    return ok("It speaks at this hour")


def manners(context: Context) -> Finding:
    """Check that calls can be noticed and music changed: on Linux by `pactl`."""
    settings = context.settings
    wanted = [
        name
        for name, is_on in (
            ("HOLD_IN_CALLS", settings.hold_in_calls),
            ("DUCK", isinstance(settings.duck, float)),
        )
        if is_on
    ]
    if not wanted or settings.audio_device.startswith("file:"):
        return skip("Neither calls nor music matter to it")
    if context.platform != "darwin" and shutil.which("pactl") is None:
        return warn(
            f"There is no pactl, so {' and '.join(wanted)} has no effect.",
            "Install it (Debian: `sudo apt install pulseaudio-utils`), then `crier restart`.",
        )
    return ok(" and ".join(wanted))


# ---- the log ----


def log(context: Context) -> Finding:
    """Check the size of the log, and the errors of the last day."""
    folder = context.settings.data_dir
    path = folder / "crier.log"
    files = list(folder.glob("crier.log*"))
    if not files:
        return skip("None yet; the first start makes it")
    size_bytes = sum(file.stat().st_size for file in files)
    if size_bytes > _LOG_BYTES:
        return warn(
            f"{size_bytes >> 20} MB; it should stay below 6 MB.",
            f"Remove {path}.* and see what fills it: `crier logs`.",
        )
    errors = [line for line in _lines(path) if line[1] in ("ERROR", "CRITICAL")]
    recent = [text for at_s, _, text in errors if time.time() - at_s < _RECENT_S]
    found = f"{size_bytes / 1e6:.1f} MB"
    if recent:
        count = "1 error" if len(recent) == 1 else f"{len(recent)} errors"
        return warn(
            f"{found}, {count} within a day; the last: {recent[-1][:200]}",
            "`crier logs` shows the lines before it.",
        )
    return ok(f"{found}, no error within a day")


def _lines(path: Path) -> Iterator[tuple[float, str, str]]:
    """Yield (seconds since 1970, level, text) of each line of a log, in text or JSON."""
    from bot.service.log_tail import as_json  # noqa: PLC0415  # its packages may be missing

    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                fields = json.loads(as_json(line.rstrip("\n")))
                at_s = dt.datetime.fromisoformat(fields["at"]).timestamp()
                yield at_s, fields["level"], f"{fields['logger']}: {fields['message']}"
            except (ValueError, KeyError, TypeError):
                continue  # a line of a traceback, or a truncated one


# ---- the running bot ----


def lock_holder(context: Context) -> int | None:
    """Return the id of the process that holds the data folder's lock.

    Returns:
        None if there is no such process, 0 if its id is unknown.
    """
    folder = context.settings.data_dir
    path = folder / "crier.lock"
    try:
        with path.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _api_pid(folder) or _locking_pid(context, path)


def _api_pid(folder: Path) -> int:
    """Return the id of the process that wrote api.json, if it still runs; else 0."""
    try:
        pid = int(json.loads((folder / "api.json").read_text(encoding="utf-8"))["pid"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return pid


def _locking_pid(context: Context, path: Path) -> int:
    """Return the id of the process that holds a lock, according to the system; else 0.

    A bot that is starting, or hangs, has no api.json.
    """
    inode = f":{path.stat().st_ino} "
    try:
        for line in Path("/proc/locks").read_text().splitlines():
            if "FLOCK" in line and inode in line:
                return int(line.split()[4])
    except (OSError, ValueError):  # macOS has no /proc
        pass
    pids = context.output("lsof", "-t", str(path)).split()
    return int(pids[0]) if pids and pids[0].isdigit() else 0
