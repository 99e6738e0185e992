"""Many messages, a busy machine, long queues: `python -m bench.endure --help`.

Listens for silences longer than punctuation asks for, watches memory, and measures what a long text
and a long queue cost. With ``--one-by-one`` each message comes to an idle bot, and the wait before
the first word is compared with the shortest that would have done without a stop later on; with
``--busy`` two processes compete for both cores meanwhile. On one core: ``taskset -c 0`` before it.
"""

import argparse
import asyncio
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bench.run import GAP_S, SETTLE_S, YOU, Crier, crier, text_of, told
from bench.texts import AFTER_STOP, LONG, MEDIUM, MESSAGES
from bot.settings import load
from tests.support.loudspeaker import Ear, Loudspeakers

AHEAD = 3  # messages that wait, so that silence between messages is Crier's own
BATCH = 25
RECEIPT_S = 0.3  # how long after the last sound of a message its receipt may come


@contextlib.contextmanager
def competition(busy: bool) -> Iterator[None]:
    """Keep both cores busy with other work."""
    spin = "while True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2 if busy else 0)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def resident_mb(pid: int) -> float:
    """Return the current memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def many(system: Crier, speakers: Loudspeakers, count: int) -> None:
    """Speak *count* messages, with a few always queued, and report silences and memory."""
    texts = [f"Number {n}. {MESSAGES[n % len(MESSAGES)]}" for n in range(count)]
    waiting: list[int] = []
    inside_s: list[float] = []
    between_s: list[float] = []
    memory_mb: dict[int, float] = {}
    ends_s: list[float] = []

    async def hear(message: int) -> None:
        await system.heard(message)
        ends_s.append(time.monotonic())

    for begin in range(0, count, BATCH):
        with speakers.listen("speaker_a") as ear:
            began_s = time.monotonic()
            for number, text in enumerate(texts[begin : begin + BATCH], begin + 1):
                waiting.append(system.sandbox.send(YOU, text))
                if len(waiting) > AHEAD:
                    await hear(waiting.pop(0))
                memory_mb[number] = resident_mb(system.pid)
            while waiting:
                await hear(waiting.pop(0))
            for (_, last_s), (first_s, _) in pairwise(ear.spans(began_s, gap_s=0.05)):
                if first_s - last_s > GAP_S:
                    ended = any(last_s < end_s < first_s + RECEIPT_S for end_s in ends_s)
                    (between_s if ended else inside_s).append(first_s - last_s)
        last = max(memory_mb)
        print(f"{last} of {count}: {memory_mb[last]:.0f} MB, {len(inside_s)} silences > {GAP_S} s")
    print(f"silences over {GAP_S} s: {[round(s, 2) for s in inside_s]}")
    print(f"... between two messages: {[round(s, 2) for s in between_s]}")
    if count > 20:  # noqa: PLR2004
        print(f"memory after 20: {memory_mb[20]:.0f} MB, after {count}: {memory_mb[count]:.0f} MB")


async def one_by_one(system: Crier, speakers: Loudspeakers, count: int, log: Path) -> None:
    """Speak *count* messages, each to an idle bot; report silences and the first waits."""
    stumbles: list[float] = []
    ordered_s: list[float] = []
    first_s: list[float] = []
    for number in range(count):
        with speakers.listen("speaker_a") as ear:
            ordered_s.append(time.monotonic())
            await system.say(f"Number {number}. {MESSAGES[number % len(MESSAGES)]}")
            spans = ear.spans(ordered_s[-1], gap_s=0.05)
        stumbles += [b[0] - a[1] for a, b in pairwise(spans) if b[0] - a[1] > GAP_S]
        first_s.append(spans[0][0])
        if number % BATCH == BATCH - 1:
            print(f"{number + 1} of {count}: {len(stumbles)} silences > {GAP_S} s")
    sounds = told(log, "Sound")
    ratios = []
    for number in range(count):
        # Sound may start once every chunk will be ready before the one before it has been heard.
        needed_s, before_s = 0.0, 0.0
        for sound in sounds[number + 2]:  # 1 was the warm-up
            needed_s = max(needed_s, sound["at_s"] - before_s)
            before_s += sound["sound_s"] + sound["pause_s"]
        ratios.append((first_s[number] - ordered_s[number]) / (needed_s - ordered_s[number]))
    waits_s = sorted(f - o for f, o in zip(first_s, ordered_s, strict=True))
    ratios.sort()
    print(f"silences over {GAP_S} s: {[round(s, 2) for s in stumbles]}")
    print(f"first sound: median {statistics.median(waits_s):.2f} s, longest {waits_s[-1]:.2f} s")
    print(
        f"x the shortest wait that would have done: median {statistics.median(ratios):.2f}, "
        f"95 % {ratios[int(0.95 * len(ratios))]:.2f}, most {ratios[-1]:.2f}"
    )


async def first_sound(system: Crier, ear: Ear, text: str) -> float:
    """Return the time to the first sound of *text*, which is then stopped."""
    await asyncio.sleep(SETTLE_S)
    ordered_s = time.monotonic()
    system.sandbox.send(YOU, text)
    heard_s = await asyncio.to_thread(ear.wait_for_sound, ordered_s)
    system.sandbox.send(YOU, "/stop")
    await asyncio.to_thread(ear.wait_for_silence)
    return heard_s - ordered_s


async def long_text(system: Crier, ear: Ear) -> None:
    """Compare the first sound of 4,000 characters with that of 200."""
    short, long_ = [], []
    for number in range(5):
        # Starts of the same length, each new, since repeated phrases are cached.
        start = f"{AFTER_STOP[number]} and chair, "
        short.append(await first_sound(system, ear, start + MEDIUM[0][4:170]))
        start = f"{AFTER_STOP[number + 5]} and chair, "
        long_.append(await first_sound(system, ear, start + MEDIUM[0][4:] + LONG[0] * 5))
    ratio = statistics.median(long_) / statistics.median(short)
    print(f"first sound of 4,000 characters, x that of 200: {ratio:.2f}")


async def long_queue(system: Crier) -> None:
    """Queue 1,000 messages, and report how long each took to be accepted."""
    began_s = time.monotonic()
    for number in range(1000):
        system.sandbox.send(YOU, f"Message {number}.")
    while system.sandbox.pending:  # noqa: ASYNC110  # coarse enough to cost nothing
        await asyncio.sleep(0.02)
    print(f"1,000 messages: {time.monotonic() - began_s:.2f} ms each until they were on the disk")
    system.sandbox.send(YOU, "/stop")
    await system.sandbox.wait_for(lambda e: e.kind == "message" and "Silent" in e.text, 60)


async def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--busy", action="store_true", help="with two competing processes")
    parser.add_argument("--one-by-one", action="store_true", help="each to an idle bot")
    options = parser.parse_args()
    one_at_a_time = options.busy or options.one_by_one
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder)
        env = {**os.environ, "ALSA_CONFIG_PATH": str(speakers.alsa_config)}
        env["MODEL_DIR"] = str(load()[0].model_dir)
        async with crier(env, folder / "data") as system:
            await system.say("Warming up before we begin.")
            if not one_at_a_time:
                await asyncio.sleep(SETTLE_S)
                cpu_s = system.cpu_s()
                await asyncio.sleep(20)
                print(f"idle: {100 * (system.cpu_s() - cpu_s) / 20:.2f} % of one core")
                with speakers.listen("speaker_a") as ear:
                    await long_text(system, ear)
            with competition(options.busy):
                if one_at_a_time:
                    log = folder / "data" / "crier.log"
                    await one_by_one(system, speakers, options.messages, log)
                else:
                    await many(system, speakers, options.messages)
                    await long_queue(system)
        inside = sum(
            int(n) for n in re.findall(r", (\d+) underruns", text_of(folder / "data" / "crier.log"))
        )
        underruns = (folder / "data" / "libraries.log").read_text().count("underrun occurred")
        print(f"underruns inside messages: {inside}; with those between them: {underruns}")
        speakers.close()


if __name__ == "__main__":
    asyncio.run(main())
