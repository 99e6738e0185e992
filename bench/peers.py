"""The other systems, each as a process: a text a line on stdin, ``done`` a line on stdout.

Usage: ``python bench/peers.py KIND MODEL VOICES``. Some of them run in environments of their own,
so this file imports nothing of the project.
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

VOICE, LANG = "af_heart", "en-us"
RECIPE_CHARS = 400
WRITE_BLOCK = 4096


def open_stream() -> Any:
    """Open a stream according to the usual recipe."""
    import sounddevice as sd

    sd._terminate()
    sd._initialize()
    stream = sd.OutputStream(
        samplerate=24_000, channels=1, dtype="float32", blocksize=2048, latency="high"
    )
    stream.start()
    return stream


def write(stream: Any, samples: Any) -> None:
    """Write in blocks of about 170 ms."""
    column = samples.astype("float32").reshape(-1, 1)
    for start in range(0, len(column), WRITE_BLOCK):
        stream.write(column[start : start + WRITE_BLOCK])


def finish(stream: Any) -> None:
    """Pad the end with silence, as each of them must on ALSA, and close."""
    import numpy as np

    stream.write(np.zeros((12_288, 1), np.float32))
    stream.close()


def create(kokoro: Any) -> Callable[[str], None]:
    """Synthesize all of it, then play."""

    def speak(text: str) -> None:
        samples, _ = kokoro.create(text, VOICE, 1.0, LANG)
        stream = open_stream()
        write(stream, samples)
        finish(stream)

    return speak


def stream(kokoro: Any) -> Callable[[str], None]:
    """Play what `create_stream` yields, as it comes."""

    async def play(text: str) -> None:
        out = open_stream()
        async for samples, _ in kokoro.create_stream(text, VOICE, 1.0, LANG):
            await asyncio.to_thread(write, out, samples)
        finish(out)

    return lambda text: asyncio.run(play(text))


def recipe(kokoro: Any) -> Callable[[str], None]:
    """Synthesize chunks of at most 400 characters, one ahead of playback."""

    def chunks(text: str) -> list[str]:
        parts: list[str] = []
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            if parts and len(parts[-1]) + len(sentence) < RECIPE_CHARS:
                parts[-1] += f" {sentence}"
            else:
                parts.append(sentence)
        return parts

    def speak(text: str) -> None:
        parts = chunks(text)
        out = open_stream()
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(kokoro.create, parts[0], VOICE, 1.0, LANG)
            for following in [*parts[1:], None]:
                samples, _ = ahead.result()
                if following is not None:
                    ahead = pool.submit(kokoro.create, following, VOICE, 1.0, LANG)
                write(out, samples)
        finish(out)

    return speak


def stackvox(model: str, voices: str) -> Callable[[str], None]:
    """Speak with stackvox, with the same model files."""
    from stackvox import Stackvox

    folder = Path(tempfile.mkdtemp())
    shutil.copy(model, folder / "kokoro-v1.0.onnx")
    shutil.copy(voices, folder / "voices-v1.0.bin")
    engine = Stackvox(voice=VOICE, speed=1.0, lang=LANG, cache_dir=folder)
    speak: Callable[[str], None] = engine.speak
    return speak


def served(make: Callable[[str], AsyncIterator[Any]]) -> Callable[[str], None]:
    """Play what *make* yields while it makes the next, as a client of its server would.

    The server sends what is ready, and never waits for the client.
    """

    def speak(text: str) -> None:
        parts: SimpleQueue[Any] = SimpleQueue()

        async def collect() -> None:
            async for samples in make(text):
                parts.put(samples)

        out = open_stream()
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(asyncio.run, collect())
            made.add_done_callback(lambda _: parts.put(None))
            while (samples := parts.get()) is not None:
                write(out, samples)
        made.result()
        finish(out)

    return speak


def kokoro_pi(model: str, voices: str) -> Callable[[str], None]:
    """Speak with kokoro-pi: its graph made of the same model, clause by clause as its server.

    Its build accepts another export only. Its kernel for integers, which needs the convolutions as
    floats, and is written for ARM, is left out; its README advises the same for other processors.
    """
    import onnx
    from kokoro_pi import Kokoro, graph, paths

    folder = Path(tempfile.mkdtemp())
    shutil.copy(voices, folder / "voices-v1.0.bin")
    shutil.copy(paths.prebuilt_library(), folder / paths.LIBRARY)
    fused, _ = graph.optimise(onnx.load(model))
    onnx.save(fused, str(folder / "fused.onnx"))
    variant = {"model": "fused.onnx", "custom_ops": [paths.LIBRARY], "backend": "float-fused"}
    manifest = {"voice": VOICE, "variant": "float", "variants": {"float": variant}}
    (folder / "models.json").write_text(json.dumps(manifest))
    kokoro = Kokoro(folder, threads=os.cpu_count() or 1)

    async def make(text: str) -> AsyncIterator[Any]:
        for part in kokoro.split_for_streaming(text):
            samples, _ = kokoro.create(part, VOICE, 1.0, LANG)
            yield samples

    return served(make)


def fastkokoro(model: str, voices: str) -> Callable[[str], None]:
    """Speak with fastkokoro as its server does by default, with the same model files."""
    import numpy as np

    os.environ["FASTKOKORO_MODEL_PATH"] = model
    os.environ["FASTKOKORO_VOICES_PATH"] = voices
    os.environ["FASTKOKORO_CACHE_DIR"] = tempfile.mkdtemp()
    from fastkokoro.engine import FastKokoro

    engine = FastKokoro()

    async def make(text: str) -> AsyncIterator[Any]:
        async for frames in engine.create_stream(text, voice=VOICE, lang=LANG):
            yield np.frombuffer(frames, "<i2") / np.float32(32768)

    return served(make)


def main() -> None:
    """Speak line by line."""
    kind, model, voices = sys.argv[1:]
    others = {"stackvox": stackvox, "kokoro-pi": kokoro_pi, "fastkokoro": fastkokoro}
    if kind in others:
        speak = others[kind](model, voices)
    else:
        from kokoro_onnx import Kokoro

        speak = {"create": create, "stream": stream, "recipe": recipe}[kind](Kokoro(model, voices))
    print("ready", flush=True)
    for line in sys.stdin:
        speak(line.strip())
        print("done", flush=True)


if __name__ == "__main__":
    main()
