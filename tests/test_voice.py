"""The real voice."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from audio.models import VOICES_FILE
from audio.types import (
    SAMPLE_RATE_HZ,
    Interrupt,
    ModelFileError,
    SynthesisError,
    UnknownVoiceError,
)
from audio.voice import FADE_FRAMES, KokoroVoice, fade_edges
from audio.voices import LANGUAGES, VOICES, check_voice, language_of

TEXT = "The kettle is on, and the cat has eaten the butter."


def speak(voice: KokoroVoice, text: str, speed: float = 1.0) -> np.ndarray:
    """Return *text* in the default voice."""
    return voice.synthesize(text, "af_heart", speed, "en-us", Interrupt())


def test_a_sentence_takes_the_time_that_a_person_needs(voice: KokoroVoice) -> None:
    """51 characters last two to five seconds, audible and within full scale, in float32."""
    samples = speak(voice, TEXT)

    assert samples.dtype == np.float32
    assert 2 < len(samples) / SAMPLE_RATE_HZ < 5
    assert 0.1 < np.abs(samples).max() <= 1


def test_speed_changes_the_length(voice: KokoroVoice) -> None:
    """Twice the speed takes about half the time."""
    assert len(speak(voice, TEXT, 2.0)) < 0.65 * len(speak(voice, TEXT, 1.0))


def test_edges_are_faded(voice: KokoroVoice) -> None:
    """A chunk begins and ends at zero, so that joins don't click."""
    samples = speak(voice, TEXT)

    assert samples[0] == 0
    assert samples[-1] == 0


def test_a_fade_leaves_the_middle_alone() -> None:
    """Only the first and last 48 frames change; what is too short for it is left whole."""
    ones = np.ones(200, np.float32)
    faded = fade_edges(ones)

    assert np.array_equal(faded[FADE_FRAMES:-FADE_FRAMES], ones[FADE_FRAMES:-FADE_FRAMES])
    assert np.array_equal(fade_edges(ones[:90]), ones[:90])


def test_an_interrupt_ends_the_inference(voice: KokoroVoice) -> None:
    """A long text that is interrupted fails within a fraction of the time it would take."""
    interrupt = Interrupt()
    timer = threading.Timer(0.2, interrupt.set)
    timer.start()
    began_s = time.monotonic()
    with pytest.raises(SynthesisError):
        voice.synthesize(TEXT * 5, "af_heart", 1.0, "en-us", interrupt)

    assert time.monotonic() - began_s < 1.0


def test_an_interrupt_that_came_first_counts(voice: KokoroVoice) -> None:
    """An interrupt set before the synthesis began ends it all the same."""
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(SynthesisError):
        voice.synthesize(TEXT, "af_heart", 1.0, "en-us", interrupt)


def test_the_next_synthesis_is_not_interrupted(voice: KokoroVoice) -> None:
    """An interrupt ends one synthesis, not the voice."""
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(SynthesisError):
        voice.synthesize(TEXT, "af_heart", 1.0, "en-us", interrupt)

    assert len(speak(voice, TEXT))


def test_what_cannot_be_pronounced_is_empty(voice: KokoroVoice) -> None:
    """Where the language's rules find nothing to say, there is no sound instead of an error."""
    assert len(speak(voice, "\u200b")) == 0


def test_the_catalogue_is_the_voices_file(model_dir: Path) -> None:
    """The 54 names are those in the file, and each has a language."""
    with np.load(model_dir / VOICES_FILE.name) as voices:
        assert sorted(VOICES) == sorted(voices)
    assert {language_of(voice) for voice in VOICES} == set(LANGUAGES)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_language_can_be_spoken(voice: KokoroVoice, lang: str) -> None:
    """espeak-ng knows every code that the catalogue uses."""
    name = next(name for name in VOICES if language_of(name) == lang)

    assert len(voice.synthesize("Radio 1", name, 1.0, lang, Interrupt()))


def test_an_unknown_voice_is_named_with_its_neighbours() -> None:
    """The message offers what was probably meant."""
    with pytest.raises(UnknownVoiceError, match="af_heart"):
        check_voice("af_hart")


def test_a_damaged_model_is_refused_before_it_is_loaded(tmp_path: Path, model_dir: Path) -> None:
    """A truncated model file is named, with the command that mends it."""
    (tmp_path / VOICES_FILE.name).symlink_to(model_dir / VOICES_FILE.name)
    (tmp_path / "kokoro-v1.0.int8.onnx").write_bytes(b"truncated")
    with pytest.raises(ModelFileError, match=r"kokoro-v1\.0\.int8\.onnx.*crier models"):
        KokoroVoice(tmp_path, "int8").load()
