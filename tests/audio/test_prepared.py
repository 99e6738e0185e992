"""The model as it is run."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.kokoro import fastest
from audio.kokoro.model_files import DICTIONARY_FILE, MODELS, VOICES_FILE
from audio.kokoro.prepared import (
    ModelConfig,
    PreparationError,
    prepare,
    resolve_kind,
    store_config,
    stored_config,
)
from audio.kokoro.voice import KokoroVoice
from audio.types import CancelToken, Chunk, ModelFileError, Samples

LONG_AGO_S = 1_000_000_000


@pytest.fixture
def folder(tmp_path: Path, model_dir: Path) -> Path:
    """Return a folder with the original files."""
    for file in (MODELS["int8"], VOICES_FILE, DICTIONARY_FILE):
        (tmp_path / file.name).symlink_to(model_dir / file.name)
    return tmp_path


@pytest.fixture
def rewritings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copy nothing and rewrite nothing; return which files were made."""
    made: list[Path] = []

    def rewrite(source: Path, target: Path) -> None:
        made.append(target)
        target.write_bytes(source.read_bytes()[:1000])

    monkeypatch.setattr("audio.kokoro.graph.rewrite", rewrite)
    return made


def names(folder: Path) -> set[str]:
    """Return what was made in a folder."""
    return {path.name for path in folder.iterdir() if not path.is_symlink()}


def test_prepare_makes_the_model_once(folder: Path, rewritings: list[Path]) -> None:
    """An intact model is used again."""
    path = prepare(folder, "int8")

    assert prepare(folder, "int8") == path
    assert len(rewritings) == 1
    assert names(folder) == {path.name, path.with_suffix(".sha256").name}


@pytest.mark.parametrize("damage", ["truncated", "changed", "without checksum"])
def test_prepare_replaces_a_damaged_model(
    folder: Path, rewritings: list[Path], damage: str
) -> None:
    """Whatever is not as it was made is made again."""
    path = prepare(folder, "int8")
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[:-1])
    elif damage == "changed":
        path.write_bytes(b"x" + content[1:])
    else:
        path.with_suffix(".sha256").unlink()

    assert prepare(folder, "int8").read_bytes() == content
    assert len(rewritings) == 2


@pytest.mark.usefixtures("rewritings")
def test_prepare_removes_what_earlier_versions_and_killed_processes_left(folder: Path) -> None:
    """A process that prepares now keeps its part, and a version beside this one its model."""
    stem = Path(MODELS["int8"].name).stem
    kept = folder / f"{stem}.prepared-1.new.part"
    for name in ("prepared-0.onnx", "prepared-0.sha256", "prepared-1.old.part"):
        old = folder / f"{stem}.{name}"
        old.touch()
        os.utime(old, (LONG_AGO_S, LONG_AGO_S))
    beside = folder / f"{stem}.prepared-9.onnx"
    for file in (kept, beside):
        file.touch()
    path = prepare(folder, "int8")

    ours = {path.name, path.with_suffix(".sha256").name}
    assert names(folder) == {*ours, kept.name, beside.name}


@contextlib.contextmanager
def no_room_for(size_bytes: int) -> Iterator[None]:
    """Limit the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_voice_runs_the_original_where_there_is_no_room(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With too little disk, speech is slower, and the log says what to do."""
    voice = KokoroVoice(folder, "int8")
    with no_room_for(1 << 20):
        voice.load()

    assert voice.decoding == "plain"
    assert "Make 88 MB of room" in caplog.text
    assert names(folder) == set()


def test_prepare_refuses_a_damaged_original(folder: Path) -> None:
    """Nothing is made of a file that is not the official one."""
    original = folder / MODELS["int8"].name
    original.unlink()
    original.write_bytes(b"truncated")
    with pytest.raises(ModelFileError, match="checksum is wrong"):
        prepare(folder, "int8")


def test_prepare_refuses_another_export(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes with other names are an error that names what is slower then."""
    monkeypatch.setattr("audio.kokoro.graph._ENCODED", "/encoder/Other_output_0")
    with pytest.raises(PreparationError, match="more slowly"):
        prepare(folder, "int8")

    assert names(folder) == set()


def test_prepared_model_sounds_like_the_original(
    voice: KokoroVoice, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same length, and the same spectrum within what can be heard."""

    def refuse(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("audio.kokoro.graph.rewrite", refuse)
    original = KokoroVoice(folder, "int8")

    ours, theirs = (speak(one, "The kettle is on.") for one in (voice, original))
    assert len(ours) == pytest.approx(len(theirs), rel=0.02)
    difference_db = fastest.spectrum_db(ours) - fastest.spectrum_db(theirs)
    assert np.abs(difference_db).max() < 3


def speak(voice: KokoroVoice, text: str) -> Samples:
    """Return a text as sound."""
    voice.load()
    voice.clear_cache()
    chunk = Chunk.whole(voice.read(text, "en-us"))
    return voice.synthesize(chunk, "af_heart", 1.0, CancelToken()).samples


TONE = np.sin(np.arange(24_000) * 0.1).astype(np.float32)
OTHER_TONE = np.sin(np.arange(24_000) * 2.0).astype(np.float32)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[Samples, float]]:
    """Return what is measured: by number of threads, 0 for the original, a sound and its RTF."""
    results = {0: (TONE, 0.9), 1: (TONE, 0.8), 2: (TONE, 0.5)}
    monkeypatch.setattr(fastest, "measure", lambda voice: results[voice._threads])
    monkeypatch.setattr(fastest, "prepare", lambda *_: None)
    monkeypatch.setattr(fastest, "usable_processors", lambda: 2)
    return results


@pytest.mark.usefixtures("measured")
def test_find_fastest_keeps_the_fastest(folder: Path) -> None:
    """What was found is used from then on, and what is measured is shown."""
    shown: list[str] = []
    best = fastest.find_fastest(folder, shown.append)

    assert best == stored_config(folder) == ModelConfig("int8", 2, 0.5)
    assert shown == ["the original", "int8, 2 threads", "int8, 1 thread"]


@pytest.mark.parametrize("wrong", [OTHER_TONE, np.full(24_000, np.nan, np.float32)])
@pytest.mark.parametrize("threads", [1, 2])
def test_find_fastest_refuses_wrong_sound(
    folder: Path, measured: dict[int, tuple[Samples, float]], wrong: Samples, threads: int
) -> None:
    """A variant that is fast because it computes something else is not used."""
    measured[threads] = (wrong, 0.1)
    best = fastest.find_fastest(folder, lambda _: None)

    assert best is not None
    assert best.threads == 3 - threads


def test_find_fastest_compares_with_the_real_original(folder: Path, model_dir: Path) -> None:
    """The real model in its variants is right."""
    for made in model_dir.glob("*.prepared-*"):
        (folder / made.name).symlink_to(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastest, "_RUNS", 1)
        best = fastest.find_fastest(folder, lambda _: None)

    assert best is not None
    assert best.rtf > 0


@pytest.mark.parametrize(("one_thread", "threads"), [(0.47, 2), (0.40, 1)])
def test_find_fastest_prefers_more_threads_unless_fewer_are_clearly_faster(
    folder: Path,
    measured: dict[int, tuple[Samples, float]],
    one_thread: float,
    threads: int,
) -> None:
    """Measurements scatter; what is usually fastest is not given up for a little."""
    measured[1] = (TONE, one_thread)
    best = fastest.find_fastest(folder, lambda _: None)

    assert best is not None
    assert best.threads == threads


def test_stored_config_is_forgotten_where_it_does_not_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another computer, or another onnxruntime, may be faster in another way."""
    store_config(tmp_path, ModelConfig("int8", 2, 0.3))
    assert stored_config(tmp_path) == ModelConfig("int8", 2, 0.3)

    monkeypatch.setattr("audio.kokoro.prepared.usable_processors", lambda: 12)
    assert stored_config(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"config": {"threads": 2}, "for": {}}'])
def test_stored_config_ignores_a_damaged_file(tmp_path: Path, content: str) -> None:
    """It is measured again."""
    (tmp_path / "fastest.json").write_text(content)

    assert stored_config(tmp_path) is None


@pytest.mark.parametrize(
    ("wanted", "existing", "found", "kind"),
    [
        ("fp32", ["int8"], None, "fp32"),
        ("auto", [], None, "int8"),
        ("auto", ["fp32"], None, "fp32"),
        ("auto", ["int8", "fp32"], None, "int8"),
        ("auto", ["int8", "fp32"], "fp32", "fp32"),
        ("auto", ["int8"], "fp32", "int8"),
    ],
)
def test_resolve_kind_prefers_what_was_measured_and_is_there(
    tmp_path: Path, wanted: str, existing: list[str], found: str | None, kind: str
) -> None:
    """Without a measurement a model that is there is used, the small one first."""
    for name in existing:
        (tmp_path / MODELS[name].name).touch()
    if found:
        store_config(tmp_path, ModelConfig(found, 2, 0.3))

    assert resolve_kind(wanted, tmp_path) == kind
