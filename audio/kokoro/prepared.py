"""The model as it is run: its graph rewritten, and how many threads are fastest here.

Both are found at set-up, and stored beside the original. What is missing or damaged is made again
when the model is loaded; where it can't be, the original runs, more slowly.

Runs on: main thread, before anything else starts, and synthesis thread, when the model is loaded.
Everything here blocks.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import platform
import shutil
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from audio.kokoro.model_files import MODELS, verify
from audio.types import AudioError

log = logging.getLogger(__name__)

_RECIPE = 2
"""Raised whenever `audio.kokoro.graph` writes another graph."""

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_MAX_PREPARING_S = 600.0  # longer than preparing takes
_MIN_AGE_S = 86_400.0  # another version of Crier may be in use beside this one


class PreparationError(AudioError):
    """The model can't be prepared; the original can be used."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The fastest way to run the model on this computer, and how fast it is."""

    kind: str
    """``fp32`` or ``int8``."""
    threads: int
    rtf: float
    """Seconds of work for a second of speech."""


def resolve_kind(kind: str, model_dir: Path) -> str:
    """Return ``fp32`` or ``int8`` for ``auto``: the fastest one, or, unmeasured, one that is there.

    The small one is preferred, since it has to be fetched.
    """
    if kind != "auto":
        return kind
    existing = existing_kinds(model_dir)
    found = stored_config(model_dir)
    if found is not None and found.kind in existing:
        return found.kind
    return "int8" if "int8" in existing or not existing else existing[0]


def existing_kinds(model_dir: Path) -> list[str]:
    """Return which models are in a folder."""
    return [kind for kind, file in MODELS.items() if (model_dir / file.name).exists()]


def prepare(model_dir: Path, kind: str) -> Path:
    """Return the prepared model, which is made if no intact one is there: within about 5 s.

    Raises:
        ModelFileError: the original is missing, truncated or damaged.
        PreparationError: it can't be made.
    """
    original = model_dir / MODELS[kind].name
    path = original.with_suffix(f".prepared-{_RECIPE}.onnx")
    checksum = path.with_suffix(".sha256")
    if _is_intact(path, checksum):
        return path
    verify(original, MODELS[kind])
    _remove_others(original, path)
    part = path.with_suffix(f".{uuid.uuid4().hex}.part")
    try:
        part.touch()
        free_bytes = shutil.disk_usage(model_dir).free
        if free_bytes < MODELS[kind].size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # known sooner
        from audio.kokoro.graph import rewrite  # noqa: PLC0415  # onnx, which only set-up needs

        rewrite(original, part)
        digest = _digest(part)
        part.replace(path)
        checksum.write_text(digest)
    except OSError as exc:
        advice = "Make the folder writable"
        if exc.errno in _FULL:
            advice = f"Make {MODELS[kind].size_bytes >> 20} MB of room there"
        raise PreparationError(
            f"{original.name} can't be prepared in {model_dir}: {exc.strerror or exc}. {advice}; "
            "until then speech is made more slowly."
        ) from exc
    except Exception as exc:
        # LookupError for another export; onnx raises a dozen classes of its own.
        raise PreparationError(
            f"{original.name} can't be prepared ({type(exc).__name__}: {exc}). Speech is made more "
            "slowly."
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def stored_config(model_dir: Path) -> ModelConfig | None:
    """Return what `find_fastest` stored; None if nothing, or for another program or computer."""
    try:
        content = json.loads(_config_path(model_dir).read_text())
        return ModelConfig(**content["config"]) if content["for"] == _circumstances() else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def store_config(model_dir: Path, found: ModelConfig) -> None:
    """Store what was found. A folder that can't be written is no error: it is found again."""
    content = {"config": asdict(found), "for": _circumstances()}
    with contextlib.suppress(OSError):
        part = _config_path(model_dir).with_suffix(f".{uuid.uuid4().hex}.part")
        part.write_text(json.dumps(content, indent=1))
        part.replace(_config_path(model_dir))


def _config_path(model_dir: Path) -> Path:
    return model_dir / "fastest.json"


def _circumstances() -> dict[str, object]:
    """Return what decides which way is fastest."""
    from importlib.metadata import version  # noqa: PLC0415  # slow to import

    name = platform.node().partition(".")[0]  # a Mac's domain changes with the network
    return {
        "onnxruntime": version("onnxruntime"),
        "computer": f"{name}, {platform.machine()}",
        "processors": usable_processors(),
        "recipe": _RECIPE,
    }


def usable_processors() -> int:
    """Return how many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_intact(path: Path, checksum: Path) -> bool:
    try:
        return checksum.read_text() == _digest(path)
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_others(original: Path, path: Path) -> None:
    """Remove what earlier versions made, and the parts of processes that were killed."""
    for other in original.parent.glob(f"{original.stem}.prepared-*"):
        with contextlib.suppress(OSError):
            is_part = other.suffix == ".part"
            if not is_part and other.name.startswith(f"{path.stem}."):
                continue
            if other.stat().st_mtime < time.time() - (_MAX_PREPARING_S if is_part else _MIN_AGE_S):
                other.unlink()
