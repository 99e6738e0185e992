"""The model files and the English dictionary: sources, checksums, progress.

Each file has several sources, tried in turn: first the official release, then the packages of
`audio.kokoro.mirrors`. Whatever the source, a file is accepted only if its SHA-256 is right.

The dictionary is compiled from several files; the result has a known SHA-256, too. Without it
espeak reads English, so it may be missing.

Runs on: main thread, before anything else starts (`ensure`, `ensure_dictionary`), and synthesis
thread, when the model is loaded (`verify`). Everything here blocks.
"""

import contextlib
import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from audio.certificates import tls_context
from audio.kokoro.dictionary import compile_dictionary
from audio.kokoro.mirrors import (
    SourceError,
    fetch_int8_model,
    fetch_tagger,
    fetch_voices,
    fetch_words,
)
from audio.types import ModelFileError

log = logging.getLogger(__name__)

RELEASE_URL = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"

WORDS_URL = (
    "https://raw.githubusercontent.com/hexgrad/misaki/"
    "fba1236595f2d2bf21d414ba6e57d25256afada3/misaki/data"
)

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes fetched so far, and the total bytes."""

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 18
_MAX_RESUMES = 5
_SOURCES_PREFIX = "english-"
_KEPT_SOURCES = "dictionary-sources"
# Longer than a slow network needs for one of the dictionary's files.
_MAX_FETCHING_S = 3600.0
# Errors after which an immediate retry is pointless.
_NOT_RETRIED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.HTTPStatusError)


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


DICTIONARY_FILE = ModelFile(
    "english-v1.txt",
    11_080_871,
    "98dda7798d0b132e2a1078cb889638bafd5bfd5268027efc30d4ba0a927bf0d0",
)
_WORDS = (
    ModelFile(
        "us_gold.json",
        3_000_469,
        "dc414872a49a28ae6c141463d502fd945f3b2fde040484fdc47d00cc4612686f",
    ),
    ModelFile(
        "us_silver.json",
        3_099_517,
        "de8f67be911bb6c659187b4a65fd966b6a30e56350e0f790d763210b053ac475",
    ),
    ModelFile(
        "gb_gold.json",
        2_838_552,
        "29e62f4b60261c88f7f3c2c7811ca3825978948090b72d2b27d565b729282f71",
    ),
    ModelFile(
        "gb_silver.json",
        3_663_898,
        "48131e2d92ccc41655f4543e87e0f938e71463eb5a54be7f0693bb712ebb6bce",
    ),
)
_TAGGER = ModelFile(
    "tagger.json.gz",
    1_069_428,
    "4d8c07a3a9bcbef257c18999bb4ddcf501ecede229a8f9d9e62850623a6e97f7",
)


def ensure(
    kind: str, model_dir: Path, progress: Progress, release_url: str = RELEASE_URL
) -> list[Path]:
    """Fetch the model of *kind* and the voices into *model_dir*, unless intact copies are there.

    Returns:
        The files that were fetched.

    Raises:
        ModelFileError: no source provides a file; the message lists the error of each.
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


def ensure_dictionary(
    model_dir: Path, progress: Progress, words_url: str = WORDS_URL
) -> list[Path]:
    """Fetch and compile the English dictionary, unless an intact one is in *model_dir*.

    Returns:
        The file, if it was made.

    Raises:
        ModelFileError: no source provides what it is made from; the message lists the errors.
    """
    path = model_dir / DICTIONARY_FILE.name
    _remove_old_sources(model_dir)
    with contextlib.suppress(ModelFileError):
        verify(path, DICTIONARY_FILE)
        return []
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=model_dir, prefix=_SOURCES_PREFIX) as name:
            folder = Path(name)
            with _kept_sources(model_dir / _KEPT_SOURCES, folder):
                _fetch_dictionary_sources(folder, progress, words_url)
            compiled = folder / DICTIONARY_FILE.name
            compile_dictionary(folder, compiled)
            verify(compiled, DICTIONARY_FILE)
            compiled.replace(path)
    except OSError as exc:
        raise ModelFileError(
            f"{path} can't be written: {exc.strerror or exc}. Make room or set MODEL_DIR to a "
            "folder that can be written."
        ) from exc
    return [path]


@contextlib.contextmanager
def _kept_sources(kept: Path, folder: Path) -> Iterator[None]:
    """Copy what an earlier attempt kept into *folder*; keep what is intact there on an error."""
    files = (*_WORDS, _TAGGER)
    for file in files:
        if _is_intact(kept / file.name, file):
            shutil.copy(kept / file.name, folder)
    try:
        yield
    except ModelFileError:
        for file in files:
            if _is_intact(folder / file.name, file):
                kept.mkdir(exist_ok=True)
                (folder / file.name).replace(kept / file.name)
        raise
    shutil.rmtree(kept, ignore_errors=True)


def _remove_old_sources(model_dir: Path) -> None:
    """Remove the folders of processes that were killed while making the dictionary."""
    for folder in model_dir.glob(f"{_SOURCES_PREFIX}*/"):
        with contextlib.suppress(OSError):
            if folder.is_dir() and folder.stat().st_mtime < time.time() - _MAX_FETCHING_S:
                shutil.rmtree(folder)


def _fetch_dictionary_sources(folder: Path, progress: Progress, words_url: str) -> None:
    """Fetch what the dictionary is compiled from, verified.

    Raises:
        ModelFileError: no source provides it.
    """
    total_bytes = sum(file.size_bytes for file in (*_WORDS, _TAGGER))

    def download_words(folder: Path) -> None:
        done_bytes = 0
        for file in _WORDS:
            before = done_bytes
            done_bytes += file.size_bytes
            if _is_intact(folder / file.name, file):
                continue

            def show(part_bytes: int, before: int = before) -> None:
                progress(DICTIONARY_FILE.name, before + part_bytes, total_bytes)

            _download(f"{words_url}/{file.name}", file, folder / file.name, show)

    words = {words_url: download_words, "the Python package misaki": fetch_words}
    _fetch_verified(_WORDS, folder, words)
    progress(DICTIONARY_FILE.name, total_bytes - _TAGGER.size_bytes, total_bytes)
    _fetch_verified((_TAGGER,), folder, {"the Python package denckring-en-pos": fetch_tagger})
    progress(DICTIONARY_FILE.name, total_bytes, total_bytes)


def _fetch_verified(
    files: tuple[ModelFile, ...], folder: Path, sources: Mapping[str, Callable[[Path], None]]
) -> None:
    """Fetch *files* into *folder* from the first source that provides them.

    Raises:
        ModelFileError: none does.
    """
    if all(_is_intact(folder / file.name, file) for file in files):
        return
    errors = []
    for name, fetch in sources.items():
        try:
            fetch(folder)
            for file in files:
                verify(folder / file.name, file)
        except SourceError as exc:
            errors.append(f"{name}: {exc}")
        except ModelFileError:
            errors.append(f"{name}: what came had a wrong checksum")
        else:
            return
        log.info("%s", errors[-1])
    reasons = "".join(f"\n  - {line}" for line in errors)
    raise ModelFileError(
        f"The English dictionary could not be fetched from anywhere:{reasons}\n"
        "Check the network, then run `crier models`."
    )


def _is_intact(path: Path, file: ModelFile) -> bool:
    try:
        verify(path, file)
    except ModelFileError:
        return False
    return True


def verify(path: Path, file: ModelFile) -> None:
    """Check the size and the checksum of *path*.

    Raises:
        ModelFileError: it is missing, truncated or damaged.
    """
    try:
        if path.stat().st_size == file.size_bytes:
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256:
                    return
    except OSError as exc:
        raise ModelFileError(_unusable(path, exc.strerror or str(exc))) from exc
    raise ModelFileError(_unusable(path, "its checksum is wrong"))


def _unusable(path: Path, reason: str) -> str:
    return (
        f"The model file {path} can't be used: {reason}. `crier models` fetches what is missing "
        "or damaged; then start Crier again."
    )


def _fetch(file: ModelFile, path: Path, progress: Progress, release_url: str) -> None:
    """Fetch *file* to *path* from the first source that provides it."""
    errors = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(path.parent).free
        if free_bytes < 2 * file.size_bytes:  # the file and its parts
            raise ModelFileError(
                f"There is too little space in {path.parent} for {file.name}: "
                f"{2 * file.size_bytes >> 20} MB are needed, {free_bytes >> 20} MB are free. "
                "Make room, or set MODEL_DIR to a folder with more."
            )
        part = path.with_name(f"{path.name}.part")
        for name, fetch in _sources(file, release_url, progress):
            try:
                fetch(part)
                verify(part, file)
            except SourceError as exc:
                errors.append(f"{name}: {exc}")
            except ModelFileError:
                part.unlink(missing_ok=True)
                errors.append(f"{name}: what came had a wrong checksum")
            else:
                part.replace(path)
                return
            log.info("%s", errors[-1])
    except OSError as exc:
        raise ModelFileError(
            f"{path} can't be written: {exc.strerror or exc}. Make room or set MODEL_DIR to a "
            "folder that can be written."
        ) from exc
    reasons = "".join(f"\n  - {line}" for line in errors)
    raise ModelFileError(
        f"{file.name} ({file.size_bytes >> 20} MB) could not be fetched from anywhere:{reasons}\n"
        f"Check the network and try again, or put the file into {path.parent} by hand; "
        f"it is on {release_url}"
    )


def _sources(
    file: ModelFile, release_url: str, progress: Progress
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield the name of each source of *file*, and a function that fetches it into a path."""

    def report(done_bytes: int) -> None:
        progress(file.name, done_bytes, file.size_bytes)

    url = f"{release_url}/{file.name}"
    yield f"the release at {url}", lambda part: _download(url, file, part, report)
    if file == MODELS["int8"]:
        yield "the Python packages", lambda part: fetch_int8_model(part, report)
    if file == VOICES_FILE:
        yield "the npm package kokoro-js", lambda part: fetch_voices(part, report)


def _download(url: str, file: ModelFile, part: Path, report: Callable[[int], None]) -> None:
    """Download *url* to *part*, resuming an earlier attempt.

    Raises:
        SourceError: the download failed.
    """
    timeout = httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    with httpx.Client(follow_redirects=True, timeout=timeout, verify=tls_context()) as client:
        for tries_left in range(_MAX_RESUMES, -1, -1):
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
                            report(done)
                            if done > file.size_bytes:
                                break  # another file: its checksum will be wrong
                if done >= file.size_bytes:
                    return
                error = f"the connection closed after {done} of {file.size_bytes} bytes"
            except httpx.HTTPError as exc:
                if isinstance(exc, _NOT_RETRIED) or not tries_left:
                    raise SourceError(_describe(exc)) from exc
                error = _describe(exc)
            log.info("Download of %s was interrupted (%s); resuming", file.name, error)
    raise SourceError(error)


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__
