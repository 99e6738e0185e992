"""Chunks -> samples. The only module that uses onnxruntime, and kokoro-onnx's model.

Runs on: synthesis thread.
"""

import contextlib
import ctypes
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.kokoro.model_files import MODELS, VOICES_FILE, verify
from audio.kokoro.prepared import PreparationError, prepare, stored_config, usable_processors
from audio.kokoro.reader import reader_of
from audio.kokoro.window import FRAME_SAMPLES, PRIOR, PRIOR_FRAMES, WINDOW, Statistics
from audio.kokoro.word_times import SILENT, words
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    CancelToken,
    Chunk,
    ModelFileError,
    Samples,
    Sound,
    SpokenWord,
    SynthesisError,
    Word,
    phonemes_of,
    silence,
)
from audio.voices import blend, gain_of

log = logging.getLogger(__name__)

FADE_FRAMES = 48
"""2 ms: too short to hear, long enough that two chunks join without a click."""

MAX_PHONEMES = 510
"""The limit for one run of the model. Source: kokoro_onnx/config.py, MAX_PHONEME_LENGTH."""

# Relative to the loudest sample, since some voices whisper: -48 dB.
_QUIET = 0.004
_LEAD_FRAMES = 120  # 5 ms
_TAIL_FRAMES = 960  # 40 ms: a last consonant rings out
_MAX_PHRASE_S = 6.0
_CACHE_BYTES = 8 << 20  # about 85 s of sound
_MOST_STATISTICS = 32  # each about 0.1 MB

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 4 << 20

# More threads gain little on a model of this size, and on a Mac the other cores are efficiency
# cores. Source: onnxruntime.ai, thread management.
MAX_THREADS = 4

# The name of the phoneme input in the various exports. Source: kokoro_onnx/__init__.py.
_TOKENS = ("tokens", "input_ids")

# The frames decoded around the phonemes that are heard. A first consonant starts up to 9 frames
# before its phoneme; a last one ends up to 3 frames after it. Measured: 6 texts, 13 voices.
_LEAD_WINDOW_FRAMES, _TAIL_WINDOW_FRAMES = 10, 6
# At the start of a window inside a sentence the decoder emits a click of up to 100 times the
# loudest sound, one frame long; at its end it emits none. Measured: 7 voices, 5 windows.
_CLICK_SAMPLES = 2 * FRAME_SAMPLES


class _Session:
    """An `onnxruntime.InferenceSession` whose runs can be cancelled, and decode only what is heard.

    kokoro-onnx calls ``run(None, inputs)`` and passes no options of its own. It puts a pad before
    the first phoneme and after the last one, which the model turns into silence.
    """

    def __init__(self, session: Any, model_path: Path) -> None:
        self._session = session
        self._model_path = str(model_path)  # Kokoro.from_session reads it
        self.is_windowed = {item.name for item in session.get_inputs()}.issuperset(WINDOW)
        self.cancel_token: CancelToken | None = None
        self.unheard = (0, 0)
        """The number of context phonemes at the start and at the end, which are not heard."""
        self.prior: Statistics | None = None
        """With what the next run's statistics are blended."""
        self.own: Statistics | None = None
        """The last run's statistics."""
        self._priors = [i.name for i in session.get_inputs() if i.name.startswith(PRIOR)]
        self.get_inputs = session.get_inputs
        self.get_outputs = session.get_outputs
        self.get_modelmeta = session.get_modelmeta

    def run(self, names: list[str] | None, inputs: dict[str, NDArray[Any]]) -> list[Any]:
        """Run the model; the current cancel token terminates it."""
        import onnxruntime  # noqa: PLC0415  # slow to import: only when speaking

        options = onnxruntime.RunOptions()
        # Frees what the run used; otherwise the largest run's memory is never freed.
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        if self.cancel_token is not None:
            self.cancel_token.bind(lambda: setattr(options, "terminate", True))
        if not self.is_windowed:
            outputs: list[Any] = self._session.run(names, inputs, options)
            return outputs
        tokens = next(tokens for name, tokens in inputs.items() if name in _TOKENS)
        before, after = self.unheard
        first, end = 1 + before, tokens.shape[1] - 1 - after
        values = (first, end, _LEAD_WINDOW_FRAMES, _TAIL_WINDOW_FRAMES)
        window = {name: np.array([value]) for name, value in zip(WINDOW, values, strict=True)}
        audio, duration, *own = self._session.run(names, inputs | window | self._prior(), options)
        heard = _within(duration.ravel(), first, end)
        if audio.size != FRAME_SAMPLES * heard.sum():
            raise ValueError(f"{audio.size} samples for {heard.sum()} frames")
        self.own = Statistics(float(heard.sum()), tuple(map(np.copy, own)))  # as below
        if before:
            audio = audio.ravel().copy()  # onnxruntime's memory
            audio[:_CLICK_SAMPLES] = 0
        return [audio, heard]

    def _prior(self) -> dict[str, NDArray[np.float32]]:
        """Return the inputs for the prior."""
        if self.prior is None:
            nothing = dict.fromkeys(self._priors, np.zeros((1, 1, 1), np.float32))
            return {PRIOR_FRAMES: np.zeros(1, np.float32), **nothing}
        values = zip(self._priors, self.prior.values, strict=True)
        return {PRIOR_FRAMES: np.array([self.prior.frames], np.float32), **dict(values)}


def _within(duration: NDArray[np.float32], first: int, end: int) -> NDArray[np.float32]:
    """Return how many frames of each token are in the sound of a window."""
    heard = np.zeros_like(duration)
    heard[first:end] = duration[first:end]
    heard[first - 1] = min(_LEAD_WINDOW_FRAMES, duration[:first].sum())
    heard[end] = min(_TAIL_WINDOW_FRAMES, duration[end:].sum())
    return heard


class KokoroVoice:
    """Kokoro-82M through kokoro-onnx."""

    def __init__(
        self,
        model_dir: Path,
        kind: str,
        *,
        even: bool = True,
        prepared: bool = True,
        threads: int = 0,
        session_config: Mapping[str, str] | None = None,
    ) -> None:
        """Create a voice without its model; `load` reads it.

        Args:
            model_dir: the folder of the model files, and of the reader's.
            kind: ``fp32`` or ``int8``.
            even: whether to make all voices equally loud.
            prepared: whether to run the prepared model, or the original.
            threads: for one run of the model; 0 means as many as are fastest.
            session_config: onnxruntime's session options; they override those set here.
        """
        self._even = even
        self._prepared, self._threads = prepared, threads
        self._session_config = session_config or {}
        self._model_dir = model_dir
        self._kind = kind
        self._session: _Session | None = None
        self._kokoro: Any = None
        self._cache = _PhraseCache()
        # By voice and the order of magnitude of the style's row, the latest last.
        self._statistics: dict[Hashable, Statistics] = {}
        self._reader = reader_of(model_dir)

    def load(self) -> None:
        """Read and verify the model files, and warm the model up. Blocks for about a second.

        Raises:
            ModelFileError: a file is missing or damaged.
            SynthesisError: no sentence can be read; see `Reader.read`.
        """
        if self._kokoro is not None:
            return
        verify(self._model_dir / VOICES_FILE.name, VOICES_FILE)
        ready = phonemes_of(self.read("Ready.", "en-us"))  # the first time is the slowest
        if not self._prepared:
            self._start_unchanged(ready)
            return
        try:
            self._start(ready, prepare(self._model_dir, self._kind))
        except ModelFileError:
            raise
        except PreparationError as exc:
            log.warning("%s", exc)
            self._start_unchanged(ready)
        except Exception as exc:  # one of a dozen of onnxruntime's own
            log.warning(
                "The prepared model can't be run (%s: %s); falling back to the original (slower).",
                type(exc).__name__,
                exc,
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            self._start_unchanged(ready)
        log.info("Voice ready: %s", MODELS[self._kind].name)

    def _start_unchanged(self, phonemes: str) -> None:
        """Load the original model: no sentence is read in its context, and no word is timed.

        Raises:
            ModelFileError: see `load`.
        """
        original = self._model_dir / MODELS[self._kind].name
        verify(original, MODELS[self._kind])
        self._start(phonemes, original)

    def _start(self, phonemes: str, model: Path) -> None:
        """Load a model, and run it once, on *phonemes*."""
        import onnxruntime  # noqa: PLC0415  # slow to import
        from kokoro_onnx import Kokoro  # noqa: PLC0415  # slow to import

        self._session = self._kokoro = None  # not two models at once
        _silence_loggers()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads or default_threads(self._model_dir)
        options.inter_op_num_threads = 1
        # A spinning thread pool uses whole cores while idle, and a memory pattern for each text
        # length grows without bound (hexgrad/kokoro#358).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if sys.platform == "darwin":
            # Wrong numbers on M4 and M5: onnxruntime#26669, #31569. `crier doctor --mac` compares.
            options.add_session_config_entry("mlas.disable_kleidiai", "1")
        for key, value in self._session_config.items():
            options.add_session_config_entry(key, value)
        options.enable_mem_pattern = False
        _return_memory()
        # From a file, since loading from memory would hold the bytes twice.
        session = _Session(
            onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]),
            model,
        )
        kokoro = Kokoro.from_session(session, str(self._model_dir / VOICES_FILE.name))
        kokoro.create(
            phonemes, "af_heart", is_phonemes=True
        )  # the first run of a session is the slowest
        self._session, self._kokoro = session, kokoro

    def read(self, sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        """Return the words of a sentence with their phonemes; see `audio.kokoro.reader.Reader`.

        Raises:
            SynthesisError: see `Reader.read`.
        """
        return self._reader.read(sentence, lang)

    @property
    def decoding(self) -> str:
        """What the loaded graph allows: ``window``, or ``plain`` for the original."""
        is_windowed = self._session is not None and self._session.is_windowed
        return "window" if is_windowed else "plain"

    def clear_cache(self) -> None:
        """Drop the cached phrases."""
        self._cache = _PhraseCache()

    def is_stored(self, chunk: Chunk, voice: str, speed: float) -> bool:
        """Return whether the sound of a chunk is stored; see `ports.Voice`."""
        return _key(chunk, voice, speed) in self._cache

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> Sound:
        """Return a chunk as sound: without the silence and context around it, edges faded.

        Blocks for about a third of the sound's duration on two x86 cores; not at all for a cached
        phrase.

        Returns:
            The sound; without samples if nothing in the chunk can be pronounced.

        Raises:
            ModelFileError: see `load`.
            SynthesisError: see `load`; or the model failed, or *cancel_token* was cancelled.
        """
        self.load()
        key = _key(chunk, voice, speed)
        chunk = self._known(chunk)
        if (cached := self._cache.get(key)) is not None:
            return cached
        started_s = time.perf_counter()
        try:
            samples, spoken_words = self._speak_finite(chunk, voice, speed, cancel_token)
        except AudioError:
            raise
        except Exception as exc:
            # onnxruntime and kokoro-onnx raise a dozen classes between them.
            raise SynthesisError(
                f"The voice failed on a text of {len(chunk.text)} characters "
                f"({type(exc).__name__}). Send it again; if it fails again, in other words."
            ) from exc
        if self._even:
            samples = samples * np.float32(gain_of(voice))
        samples = fade_edges(samples)
        self._cache.put(key, Sound(samples, words=spoken_words))
        return Sound(samples, time.perf_counter() - started_s, spoken_words)

    def _speak_finite(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> tuple[Samples, tuple[Word, ...]]:
        """Return what `_speak` does; if that is no number, by the original model from now on.

        Raises:
            FloatingPointError: the original's sound is no number, either.
        """
        with contextlib.suppress(FloatingPointError):
            return self._speak(chunk, voice, speed, cancel_token)
        # Here, since a traceback would keep the session in memory beside the new one.
        if self.decoding != "window":
            raise FloatingPointError
        log.warning("The model's sound is no number; it runs unchanged from now on (slower).")
        self._start_unchanged(chunk.phonemes)
        return self._speak(chunk, voice, speed, cancel_token)

    def _speak(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> tuple[Samples, tuple[Word, ...]]:
        """Return the sound of a chunk without its context, and its words."""
        session = self._session
        assert session is not None  # noqa: S101  # load sets it
        before, text, after = chunk.before, chunk.phonemes, chunk.after
        if SILENT.issuperset(text):  # of marks alone the model makes noise
            return silence(0), ()
        if len(before) + len(text) + len(after) + 2 > MAX_PHONEMES:
            before = after = ""  # kokoro-onnx would split it, and the timings would not match
        if not self._kokoro.has_timings:
            before = after = ""  # nothing says where to cut
        phonemes = " ".join(part for part in (before, text, after) if part)
        style = self._style(voice)
        length = len(phonemes)
        if before or after:
            # A style has a row for each number of phonemes, which sets the speaking rate; a part of
            # a sentence uses the row of the whole sentence.
            length = min(max(chunk.sentence_phonemes, len(phonemes)), len(style))
            style = np.broadcast_to(style[length - 1], style.shape)
        # The statistics of a voice are nearly the same for all texts whose style has a similar row.
        similar = (voice, length.bit_length())
        session.prior = self._statistics.get(similar) if before or after else None
        if len(phonemes) + 2 <= MAX_PHONEMES:  # else kokoro-onnx splits it
            session.unheard = (len(before), len(after))
        session.cancel_token = cancel_token
        try:
            audio, _, timings = self._kokoro.create_timed(
                phonemes,
                style,
                speed,
                is_phonemes=True,
                trim=False,
                sentence_pause=0.0,
                clause_pause=0.0,
            )
        finally:
            session.cancel_token, session.unheard = None, (0, 0)
        raw = np.asarray(audio, dtype=np.float32).ravel()
        if not np.isfinite(raw).all():
            raise FloatingPointError
        if session.own is not None:
            self._carry(similar, session.own)
        first, last = _loud_part(raw)
        spoken = timings[len(before) + 1 if before else 0 :]
        # The model reports the duration of each phoneme; the cut is in the middle of the space.
        if before:
            space = timings[len(before)]
            first = int((space.start + space.end) / 2 * SAMPLE_RATE_HZ)
        if after:
            space = timings[len(phonemes) - len(after) - 1]
            last = int((space.start + space.end) / 2 * SAMPLE_RATE_HZ)
            spoken = spoken[: len(text)]
        samples = raw[first:last]
        return samples, words(
            chunk.words,
            spoken,
            start_s=first / SAMPLE_RATE_HZ,
            length_s=len(samples) / SAMPLE_RATE_HZ,
        )

    def _carry(self, similar: Hashable, own: Statistics) -> None:
        """Keep the statistics of a run, for windows of a similar style."""
        self._statistics[similar] = own.joined(self._statistics.pop(similar, None))
        if len(self._statistics) > _MOST_STATISTICS:
            del self._statistics[next(iter(self._statistics))]

    def _known(self, chunk: Chunk) -> Chunk:
        """Return a chunk without the signs that the model does not know."""
        signs = {*chunk.before, *chunk.phonemes, *chunk.after}
        unknown = signs.difference(self._kokoro.tokenizer.vocab)
        if not unknown:
            return chunk
        log.debug("Unknown to the model in %r: %s", chunk.text, " ".join(sorted(unknown)))
        without = str.maketrans("", "", "".join(unknown))
        return replace(
            chunk,
            words=tuple(replace(w, phonemes=w.phonemes.translate(without)) for w in chunk.words),
            before=chunk.before.translate(without),
            after=chunk.after.translate(without),
        )

    def _style(self, voice: str) -> NDArray[np.float32]:
        """Return a voice's style, or the weighted mean of those of a blend."""
        styles = [(self._kokoro.get_voice_style(name), share) for name, share in blend(voice)]
        mean: NDArray[np.float32] = sum(style * np.float32(share) for style, share in styles)
        return mean


def default_threads(model_dir: Path) -> int:
    """Return with how many threads a run is fastest, as far as it was measured."""
    found = stored_config(model_dir)
    return found.threads if found else min(MAX_THREADS, usable_processors())


def _return_memory() -> None:
    """Make glibc return large freed blocks to the system, here those of the model's runs.

    By default it retains blocks below a threshold that grows with each freed block, up to 32 MB.
    Source: mallopt(3), M_MMAP_THRESHOLD. Measured with 785 characters: 130 MB less.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _key(chunk: Chunk, voice: str, speed: float) -> tuple[Any, ...]:
    """Return what the sound of a chunk depends on."""
    phonemes = chunk.sentence_phonemes if chunk.before or chunk.after else 0
    return chunk.words, chunk.after, chunk.before, phonemes, voice, speed


class _PhraseCache:
    """The sound of short phrases that were spoken recently, so that repeating one costs nothing.

    Bounded in bytes; the least recently used one is dropped first.
    """

    def __init__(self) -> None:
        self._sounds: OrderedDict[Hashable, Sound] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Sound | None:
        """Return the sound of a phrase, or None."""
        if key in self._sounds:
            self._sounds.move_to_end(key)
        return self._sounds.get(key)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._sounds

    def put(self, key: Hashable, sound: Sound) -> None:
        """Store the sound of a phrase, if it is short enough."""
        if not 0 < len(sound.samples) <= _MAX_PHRASE_S * SAMPLE_RATE_HZ:
            return
        self._sounds[key] = sound
        self._bytes += sound.samples.nbytes
        while self._bytes > _CACHE_BYTES:
            self._bytes -= self._sounds.popitem(last=False)[1].samples.nbytes


def _loud_part(samples: Samples) -> tuple[int, int]:
    """Return where the words start and end, with a small margin."""
    level = np.abs(samples)
    loud = np.flatnonzero(level > _QUIET * level.max(initial=0.0))
    if not len(loud):
        return 0, 0
    return max(0, int(loud[0]) - _LEAD_FRAMES), min(len(samples), int(loud[-1]) + _TAIL_FRAMES)


def fade_edges(samples: Samples) -> Samples:
    """Return a copy that rises from and falls to zero within `FADE_FRAMES`."""
    if len(samples) < 2 * FADE_FRAMES:
        return samples
    ramp = np.linspace(0, 1, FADE_FRAMES, dtype=np.float32)
    faded = samples.copy()
    faded[:FADE_FRAMES] *= ramp
    faded[-FADE_FRAMES:] *= ramp[::-1]
    return faded


def _silence_loggers() -> None:
    # kokoro-onnx prints to stderr through a handler of its own (kokoro_onnx/log.py).
    logging.getLogger("kokoro_onnx").handlers.clear()
    logging.getLogger("phonemizer").setLevel(logging.ERROR)  # warns about every odd word
