"""The locations of Crier's files, and their protection from other users.

Messages, logs, recordings and tokens are private, even in a data folder that existed before or was
made by an older Crier. Imports only the standard library when it is loaded. Every function blocks
for a moment.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

PACE_FILE = "pace.json"
"""The name of the file with what was learned of this machine's speed."""

_UMASK = 0o077
# Everything that Crier or macOS puts into a data folder.
_OWN = [
    "crier.*",
    "libraries.log",
    "launchd.log",
    "sounds",
    "spoken",
    "demo",
    "history",
    "keychain.json",
    "models",
    "api.json*",
    "api.sock",
    "api-token*",
    "attempts.json*",
    "crash.txt",
    PACE_FILE,
    "hook-project",
    "notices.json",
    "pairing-code*",
    ".env*",
    ".DS_Store",
]


# ---- settings that are needed before bot.settings, which takes long to import ----


def data_dir(checkout: Path = CHECKOUT) -> Path:
    """Return DATA_DIR as `bot.settings` does, even if another setting is wrong."""
    value = find_setting("DATA_DIR", checkout)
    return Path(value).expanduser().absolute() if value else default_data_dir()


def default_data_dir() -> Path:
    """Return the data folder that is used when DATA_DIR is not set."""
    import platformdirs  # noqa: PLC0415  # the doctor runs without it

    return platformdirs.user_data_path("crier")


def default_model_dir() -> Path:
    """Return the folder of the model files that is used when MODEL_DIR is not set.

    On a Mac beside the data: macOS empties caches when the disk is nearly full.
    """
    if sys.platform == "darwin":
        return default_data_dir() / "models"
    return _cached_models()


def adopt_cached_models(folder: Path) -> None:
    """Move what an older Crier fetched into the Mac's cache to *folder*, the default one.

    Errors are ignored; what is missing is fetched.
    """
    import shutil  # noqa: PLC0415  # for this alone

    cached = _cached_models()
    if folder != default_model_dir() or folder == cached or not cached.is_dir():
        return
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in cached.iterdir():
            if path.is_file() and not (folder / path.name).exists():
                shutil.move(path, folder / path.name)
        cached.rmdir()


def _cached_models() -> Path:
    import platformdirs  # noqa: PLC0415  # the doctor runs without it

    return platformdirs.user_cache_path("crier") / "models"


def find_setting(name: str, *folders: Path) -> str:
    """Return a variable of the environment, or of the first .env that sets it; may be empty.

    A .env that can't be read counts as missing here; the bot reports it when it starts.
    """
    for key, value in os.environ.items():
        if key.upper() == name and value:
            return value
    for folder in folders:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = (folder / ".env").read_text(encoding="utf-8")
            # Rarely true; parsing takes 20 ms, mostly for the import.
            if re.search(rf"{name}\W*=[ \t]*[^\s#]", text, re.IGNORECASE):
                for key, value in parse_env(text).items():
                    if key.upper() == name:
                        return value
    return ""


def parse_env(text: str) -> dict[str, str]:
    """Return the variables in the text of a .env file; empty values are left out."""
    from dotenv import dotenv_values  # noqa: PLC0415  # see find_setting

    values = dotenv_values(stream=io.StringIO(text))
    return {key: value for key, value in values.items() if value}


# ---- private files ----


def make_private(folder: Path) -> None:
    """Create a data folder, and deny other users access to it and to Crier's files.

    The folder itself stays accessible if it contains files that are not Crier's: its owner may have
    selected a shared one.

    Raises:
        OSError: the folder can't be created.
    """
    os.umask(_UMASK)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    existing = list(folder.iterdir())
    own = [path for path in existing if _is_own(path)]
    if len(own) == len(existing):
        _close_to_others(folder)
    for path in own:
        _close_to_others(path)
        if path.name == "sounds":
            for recording in path.iterdir():
                _close_to_others(recording)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically with one that only its owner can read.

    Raises:
        OSError: it can't be written; the old file is unchanged.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # left by a crash, perhaps with another mode
    try:
        # The mode is right from the beginning, regardless of the umask.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def files_of(folder: Path) -> Iterator[Path]:
    """Yield Crier's own files in a data folder."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and _is_own(path):
            yield path


def _is_own(path: Path) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in _OWN)


def _close_to_others(path: Path) -> None:
    if path.is_symlink():
        return  # its target may belong to somebody else
    with contextlib.suppress(OSError):  # another user's, or deleted meanwhile
        path.chmod(0o700 if path.is_dir() else 0o600)
