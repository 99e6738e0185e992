"""What HTTP clients cost each other: ``python -m bench.api``.

While a 4,000-character file is synthesized over HTTP, how much later is a spoken message heard, and
does it stall? And how soon is the first byte of a long text available, compared with its first
sound at the loudspeaker? Linux only, as bench.run.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.run import GAP_S, SETTLE_S, console, crier
from bench.texts import LONG, MEDIUM, SHORT
from bot.settings import load
from tests.support.loudspeaker import Ear, Loudspeakers

CHARS = 4000
# Different first words of the same length, so that no text is repeated.
NAMES = "Anna Emma Paul Mark Jane Luke Nora Ruth Carl Dora Fred Hugo Iris Jack Kate Lena".split()


@asynccontextmanager
async def face(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Wait for the API of a bot that starts, and return a client of it."""
    while not (data_dir / "api.json").exists():  # noqa: ASYNC110  # another process makes it
        await asyncio.sleep(0.05)
    port = json.loads((data_dir / "api.json").read_text())["port"]
    token = (data_dir / "api-token").read_text().strip()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {token}", "X-Client": "bench"},
        timeout=300,
        trust_env=False,
    ) as client:
        yield client


async def spoken(client: httpx.AsyncClient, text: str, ear: Ear) -> tuple[float, float]:
    """Speak *text*; return the time to the first sound, and the longest silence, in seconds."""
    ordered_s = time.monotonic()
    answer = await client.post("/v1/audio/speak", json={"input": text, "wait": True})
    assert answer.json()["outcome"] == "heard", answer.text
    await asyncio.to_thread(ear.wait_for_silence, 0.6)
    spans = ear.spans(ordered_s, gap_s=0.02)
    silences = [after[0] - before[1] for before, after in pairwise(spans)]
    return spans[0][0] - ordered_s, max(silences, default=0.0)


async def first_byte(client: httpx.AsyncClient, text: str, how: str) -> float:
    """Return the time to the first byte of a file, in seconds; the rest is not read."""
    body = {"model": "kokoro", "voice": "af_heart", "input": text, "response_format": how}
    ordered_s = time.monotonic()
    async with client.stream("POST", "/v1/audio/speech", json=body) as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_bytes():
            return time.monotonic() - ordered_s
    raise RuntimeError("there was no sound")


@asynccontextmanager
async def being_made(client: httpx.AsyncClient, text: str) -> AsyncIterator[asyncio.Event]:
    """Request files of *text*, one after the other, while the context lasts."""
    body = {"model": "kokoro", "voice": "af_heart", "input": text, "response_format": "mp3"}
    made = asyncio.Event()

    async def make() -> None:
        while True:
            (await client.post("/v1/audio/speech", json=body)).raise_for_status()
            made.set()

    making = asyncio.create_task(make())
    await asyncio.sleep(2.0)  # until synthesis is in progress
    try:
        yield made
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


async def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    texts = {"16": SHORT, "191": MEDIUM}
    long = (" ".join(LONG) * 9)[:CHARS]
    idle: dict[str, list[float]] = {length: [] for length in texts}
    busy: dict[str, list[float]] = {length: [] for length in texts}
    silences: list[float] = []
    bytes_s: dict[str, list[float]] = {"mp3": [], "pcm": [], "opus": []}
    sounds_s: list[float] = []
    names = (f"{first} {second}" for first, second in itertools.permutations(NAMES, 2))
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder)
        env = {**os.environ, "ALSA_CONFIG_PATH": str(speakers.alsa_config)}
        env["MODEL_DIR"] = str(load()[0].model_dir)
        data_dir = folder / "data"
        with speakers.listen("speaker_a") as ear:
            async with crier(env, data_dir) as system, face(data_dir) as client:
                await system.say("Warming up before we begin.")
                for number in range(options.rounds):
                    console.print(f"round {number + 1} of {options.rounds}")
                    for length, some in texts.items():
                        text = some[number % len(some)]
                        await asyncio.sleep(SETTLE_S)
                        idle[length].append(
                            (await spoken(client, f"{next(names)}, {text}", ear))[0]
                        )
                        async with being_made(client, long):
                            await asyncio.sleep(SETTLE_S)
                            first_s, silence_s = await spoken(client, f"{next(names)}, {text}", ear)
                        busy[length].append(first_s)
                        silences.append(silence_s)
                    text = LONG[number % len(LONG)]
                    for how, found in bytes_s.items():
                        await asyncio.sleep(SETTLE_S)
                        found.append(await first_byte(client, f"{next(names)}, {text}", how))
                    await asyncio.sleep(SETTLE_S)
                    ordered_s = time.monotonic()
                    body = {"input": f"{next(names)}, {text}"}
                    (await client.post("/v1/audio/speak", json=body)).raise_for_status()
                    heard_s = await asyncio.to_thread(ear.wait_for_sound, ordered_s, 60)
                    sounds_s.append(heard_s - ordered_s)
                    await client.post("/v1/audio/stop")
                    await asyncio.to_thread(ear.wait_for_silence)
        speakers.close()
    show(idle, busy, silences, sounds_s, bytes_s)


def show(
    idle: dict[str, list[float]],
    busy: dict[str, list[float]],
    silences: list[float],
    sounds_s: list[float],
    bytes_s: dict[str, list[float]],
) -> None:
    """Print the table."""
    table = Table("", "median", "of", title="HTTP, in seconds")
    for length, alone in idle.items():
        ratio = statistics.median(busy[length]) / statistics.median(alone)
        _row(table, f"first sound, {length} characters, idle", alone)
        _row(table, f"... while a {CHARS}-character file is made", busy[length])
        table.add_row("... x idle", f"{ratio:.2f}", "bar: 1.1")
    _row(table, "longest silence inside these", silences)
    stumbles = sum(silence > GAP_S for silence in silences)
    table.add_row(f"... longer than {GAP_S} s", str(stumbles), "bar: 0")
    _row(table, "first sound, long text at the loudspeaker", sounds_s)
    for how, found in bytes_s.items():
        _row(table, f"first byte, long text as {how}", found)
    Console(width=120).print(table)


def _row(table: Table, name: str, values: list[float]) -> None:
    table.add_row(
        name, f"{statistics.median(values):.2f}", " ".join(f"{value:.2f}" for value in values)
    )


if __name__ == "__main__":
    asyncio.run(main())
