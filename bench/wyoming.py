"""Home Assistant's voice, and what it costs the loudspeaker: `python -m bench.wyoming`.

Twenty texts through wyoming's own client: the first sound and the whole of each. Then the first
sound of messages at the loudspeaker while long texts are made for another client, beside that of an
idle bot, in turn. Linux only, as bench.run.
"""

import argparse
import asyncio
import os
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from bench.api import face, spoken
from bench.run import SETTLE_S, console, crier
from bench.texts import AFTER_STOP, BEFORE_STOP, LONG, MESSAGES
from bot.settings import load
from tests.support.loudspeaker import Loudspeakers

_TEXTS = 20
_TARGET_RATIO = 1.1


async def made(client: AsyncTcpClient, text: str) -> tuple[float, float, float]:
    """Return when a text's first sound came, when its last, and how long it lasts, in seconds."""
    ordered_s = time.monotonic()
    await client.write_event(Synthesize(text).event())
    first_s, length_s = 0.0, 0.0
    while (event := await client.read_event()) is not None:
        now_s = time.monotonic() - ordered_s
        if AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            first_s = first_s or now_s
            length_s += chunk.samples / chunk.rate
        elif AudioStop.is_type(event.type):
            return first_s, now_s, length_s
    raise RuntimeError("the connection was closed")


@asynccontextmanager
async def in_use(port: int) -> AsyncIterator[None]:
    """Request long texts as a client, one after the other, while the context lasts."""

    async def work() -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            while True:
                await made(client, " ".join(LONG))

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found: list[tuple[float, float, float]] = []
    idle_s: list[float] = []
    busy_s: list[float] = []
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder)
        env = {**os.environ, "ALSA_CONFIG_PATH": str(speakers.alsa_config)}
        env |= {"MODEL_DIR": str(load()[0].model_dir), "WYOMING_PORT": str(port)}
        env["WYOMING_HOST"] = "127.0.0.1"
        with speakers.listen("speaker_a") as ear:
            async with crier(env, folder / "data") as system, face(folder / "data") as api:
                await system.say("Warming up before we begin.")
                async with AsyncTcpClient("127.0.0.1", port) as client:
                    for number in range(_TEXTS):
                        text = f"Number {number}. {MESSAGES[number % len(MESSAGES)]}"
                        found.append(await made(client, text))
                texts = iter(f"{words} is ready." for words in (*BEFORE_STOP, *AFTER_STOP))
                for number in range(rounds):
                    console.print(f"round {number + 1} of {rounds}")
                    await asyncio.sleep(SETTLE_S)
                    idle_s.append((await spoken(api, next(texts), ear))[0])
                    async with in_use(port):
                        await asyncio.sleep(SETTLE_S)
                        busy_s.append((await spoken(api, next(texts), ear))[0])
        speakers.close()
    table = Table(title=f"{_TEXTS} texts, by wyoming's client")
    for column in ("", "median", "most"):
        table.add_column(column)
    for name, values in {
        "first sound, s": [first for first, _, _ in found],
        "whole, s": [whole for _, whole, _ in found],
        "whole, for a second of speech": [whole / length for _, whole, length in found],
    }.items():
        table.add_row(name, f"{statistics.median(values):.2f}", f"{max(values):.2f}")
    Console().print(table)
    idle, busy = statistics.median(idle_s), statistics.median(busy_s)
    Console().print(
        f"first sound at the loudspeaker, idle and meanwhile: {idle:.2f} and {busy:.2f} s, "
        f"x {busy / idle:.2f} (at most {_TARGET_RATIO} is wanted)"
    )


if __name__ == "__main__":
    asyncio.run(main())
