"""The messages of the stress tests: each sentence or recording sounds as tones of its own."""

import io
import re
from typing import Any

import numpy as np
import soundfile

from audio.types import SAMPLE_RATE_HZ, Samples
from tests.support.fake_voice import tone

Codes = tuple[int, ...]
"""The tones of a message, one for each sentence."""

GAVE_UP = re.compile(r"Crier ended (twice|\d+ times) while")
"""The reply to a message during which the process died twice."""


def sound_file(codes: Codes, *, opus: bool) -> bytes:
    """Return the tones of *codes* as a WAV file, or as a voice note (OGG/Opus)."""
    silence = np.zeros(int(0.15 * SAMPLE_RATE_HZ), np.float32)
    parts: list[Samples] = [part for code in codes for part in (silence, tone(code))]
    content = io.BytesIO()
    form = {"format": "OGG", "subtype": "OPUS"} if opus else {"format": "WAV", "subtype": "PCM_16"}
    soundfile.write(content, np.concatenate([*parts, silence]), SAMPLE_RATE_HZ, **form)
    return content.getvalue()


def sentence(code: int) -> str:
    """Return the sentence that sounds as the tone of *code*."""
    return f"This is number {code}."


def file_fields(kind: str, file_id: str, size: int) -> dict[str, Any]:
    """Return the fields of a message with a file: a ``txt``, a ``sound`` or a ``voice``."""
    file = {"file_id": file_id, "file_unique_id": file_id[:8], "file_size": size}
    match kind:
        case "voice":
            return {"voice": {**file, "duration": 1, "mime_type": "audio/ogg"}}
        case "sound":
            return {"audio": {**file, "duration": 1, "mime_type": "audio/wav"}}
    return {"document": {**file, "file_name": "list.txt", "mime_type": "text/plain"}}
