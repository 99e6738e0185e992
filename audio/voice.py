"""Chunk -> samples. The only file that knows Kokoro and onnxruntime.

Everything here runs on the synthesis thread.
"""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.models import MODELS, VOICES_FILE, read_verified, verify
from audio.types import Interrupt, Samples, SynthesisError

log = logging.getLogger(__name__)

FADE_FRAMES = 48
"""2 ms: too short to hear, long enough that two chunks join without a click."""

# More threads than this bring little on a model of this size, and on a Mac the rest are
# efficiency cores. Source: FACTS on kokoro-onnx, onnxruntime's threading page.
_MAX_THREADS = 4


class _Session:
    """An `onnxruntime.InferenceSession` whose every run can be ended early.

    kokoro-onnx calls ``run(None, inputs)`` and passes no options of its own.
    """

    def __init__(self, session: Any, model_path: Path) -> None:
        self._session = session
        self._model_path = str(model_path)  # Kokoro.from_session reads it
        self.interrupt: Interrupt | None = None
        self.get_inputs = session.get_inputs
        self.get_outputs = session.get_outputs
        self.get_modelmeta = session.get_modelmeta

    def run(self, names: list[str] | None, inputs: dict[str, NDArray[Any]]) -> list[Any]:
        """Run the model, with the current interrupt's options."""
        import onnxruntime  # noqa: PLC0415  # slow to import: only when speaking

        options = onnxruntime.RunOptions()
        if self.interrupt is not None:
            self.interrupt.bind(lambda: setattr(options, "terminate", True))
        outputs: list[Any] = self._session.run(names, inputs, options)
        return outputs


class KokoroVoice:
    """Kokoro-82M through kokoro-onnx."""

    def __init__(self, model_dir: Path, kind: str) -> None:
        """Remember where the model is; `load` reads it.

        Args:
            model_dir: the folder of the model files.
            kind: ``fp32`` or ``int8``.
        """
        self._model_dir = model_dir
        self._kind = kind
        self._session: _Session | None = None
        self._kokoro: Any = None

    def load(self) -> None:
        """Read and check the model files and warm the model up. Blocks for about a second.

        Raises:
            ModelFileError: a file is missing or damaged.
        """
        if self._kokoro is not None:
            return
        import onnxruntime  # noqa: PLC0415  # slow to import
        from kokoro_onnx import Kokoro  # noqa: PLC0415  # slow to import

        # kokoro-onnx prints to stderr by a handler of its own (kokoro_onnx/log.py).
        logging.getLogger("kokoro_onnx").handlers.clear()
        logging.getLogger("phonemizer").setLevel(logging.ERROR)  # warns about every odd word

        voices = self._model_dir / VOICES_FILE.name
        verify(voices, VOICES_FILE)
        model = self._model_dir / MODELS[self._kind].name

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(_MAX_THREADS, os.cpu_count() or 1)
        options.inter_op_num_threads = 1
        # A spinning pool burns whole cores while nothing is spoken (FACTS 4.5), and a memory
        # pattern per text length grows without end (hexgrad/kokoro#358).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False
        session = onnxruntime.InferenceSession(
            read_verified(model, MODELS[self._kind]), options, providers=["CPUExecutionProvider"]
        )
        self._session = _Session(session, model)
        kokoro = Kokoro.from_session(self._session, str(voices))
        kokoro.create("Ready.", "af_heart")  # the first run of a session is the slowest
        self._kokoro = kokoro
        log.info("Voice ready: %s", model.name)

    def synthesize(
        self, text: str, voice: str, speed: float, lang: str, interrupt: Interrupt
    ) -> Samples:
        """Return *text* as sound, silence around it removed, edges faded.

        Blocks for about a third of the sound's length on two x86 cores.

        Returns:
            Empty where the language's rules find nothing to pronounce.

        Raises:
            ModelFileError: see `load`.
            SynthesisError: the model failed, or *interrupt* was set.
        """
        self.load()
        assert self._session is not None  # noqa: S101  # load sets it
        self._session.interrupt = interrupt
        try:
            if not self._kokoro.tokenizer.phonemize(text, lang).strip():
                return np.zeros(0, np.float32)
            samples, _ = self._kokoro.create(text, voice, speed, lang)
        except Exception as exc:
            # onnxruntime, phonemizer and kokoro-onnx raise a dozen classes between them.
            raise SynthesisError(
                f"The voice failed on a text of {len(text)} characters ({type(exc).__name__}). "
                "Send it again; if it fails again, send it in other words."
            ) from exc
        finally:
            self._session.interrupt = None
        return fade_edges(np.asarray(samples, dtype=np.float32).ravel())


def fade_edges(samples: Samples) -> Samples:
    """Return a copy that rises from and falls to zero within `FADE_FRAMES`."""
    if len(samples) < 2 * FADE_FRAMES:
        return samples
    ramp = np.linspace(0, 1, FADE_FRAMES, dtype=np.float32)
    faded = samples.copy()
    faded[:FADE_FRAMES] *= ramp
    faded[-FADE_FRAMES:] *= ramp[::-1]
    return faded
