"""Is it understood as well as text synthesized at once? `python -m bench.understood`.

Forty messages are spoken by the bot at a virtual loudspeaker and recorded there; the same texts are
synthesized by one `create` call per sentence. A recogniser (faster-whisper, offline) transcribes
both, and the word error rates are compared.
"""

import asyncio
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from audio.text.sentences import sentences
from bench.run import HERE, crier, environment
from bench.texts import MESSAGES
from bot.settings import load
from tests.support.loudspeaker import RATE_HZ, Loudspeakers

WHISPER_HZ = 16_000


def words(text: str) -> list[str]:
    """Return the words of a text as a recogniser might write them."""
    return re.sub(r"[^a-z' ]", " ", text.lower().replace("’", "'")).split()


def errors(expected: list[str], heard: list[str]) -> int:
    """Return how many words were missed, added or mistaken (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(expected, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


async def record(folder: Path, messages: Sequence[str]) -> None:
    """Speak every message with the bot, and save what the loudspeaker played."""
    speakers = Loudspeakers(folder)
    env = {**os.environ, "ALSA_CONFIG_PATH": str(speakers.alsa_config)}
    env["MODEL_DIR"] = str(load()[0].model_dir)
    async with crier(env, folder / "data") as system:
        await system.say("Warming up before we begin.")
        for number, text in enumerate(messages):
            with speakers.listen("speaker_a") as ear:
                began_s = time.monotonic()
                await system.say(text)
                await asyncio.to_thread(ear.wait_for_silence, 0.5)
                print(f"{number + 1} of {len(messages)}: {time.monotonic() - began_s:.1f} s")
                heard = resample_poly(ear.samples(), WHISPER_HZ, RATE_HZ).astype(np.float32)
            np.save(folder / f"crier-{number:02d}.npy", heard)
    speakers.close()


def whole(folder: Path) -> None:
    """Save every message as synthesized by one `create` call per sentence."""
    from kokoro_onnx import Kokoro

    model_dir = load()[0].model_dir
    kokoro = Kokoro(str(model_dir / "kokoro-v1.0.int8.onnx"), str(model_dir / "voices-v1.0.bin"))
    pause = np.zeros(8400, np.float32)
    for number, text in enumerate(MESSAGES):
        parts = []
        for sentence in sentences(text, "en-us"):
            parts += [kokoro.create(sentence, "af_heart", 1.0, "en-us")[0], pause]
        made = resample_poly(np.concatenate(parts), WHISPER_HZ, 24_000).astype(np.float32)
        np.save(folder / f"whole-{number:02d}.npy", made)


def main() -> None:
    """Print both word error rates, and every message with an error."""
    python = environment(HERE / ".venv")
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        asyncio.run(record(folder, MESSAGES))
        whole(folder)
        done = subprocess.run(
            [python, HERE / "recognise.py", folder], check=True, stdout=subprocess.PIPE
        )
        heard: dict[str, str] = json.loads(done.stdout)
    total = sum(len(words(text)) for text in MESSAGES)
    for kind in ("whole", "crier"):
        wrong = 0
        for number, text in enumerate(MESSAGES):
            said = heard[f"{kind}-{number:02d}"]
            missed = errors(words(text), words(said))
            wrong += missed
            if missed:
                print(f"{kind} {missed}: {text}\n          {said}")
        print(f"{kind}: {wrong} of {total} words wrong, {100 * wrong / total:.2f} %")


if __name__ == "__main__":
    main()
