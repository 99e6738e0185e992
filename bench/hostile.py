"""What do hostile texts cost, and what do they block? `python -m bench.hostile`.

Each shape of `bench.shapes` at three lengths: the processor's time for composing and for planning,
the longest pause of an event loop on which it is composed, and of the audio thread of a pipeline
that plans it and begins to play it (with a voice of tones, into files), beyond its usual turn.
"""

import argparse
import asyncio
import gc
import json
import queue
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.planner import Planner
from audio.text.sentences import speakable
from audio.types import Ended, Fact, Utterance
from bench.shapes import SHAPES
from bot.core.composing import run_composer
from bot.core.plain_text import compose_text
from tests.support.fake_voice import ToneVoice, read_letters

LENGTHS_CHARS = (4_096, 30_000, 100_000)
LANG = "en-us"
_TURN_S = 0.001
_PLAYED_S = 0.2
_WATCHED_S = 15.0
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of one shape at one length."""

    shape: str
    chars: int
    composing_s: float
    planning_s: float
    loop_ms: float
    audio_ms: float

    @property
    def work_s(self) -> float:
        """Composing and planning together."""
        return self.composing_s + self.planning_s


def work_on(text: str) -> tuple[str, float, float]:
    """Return what is spoken of a text, and how long composing and planning it take."""
    begun_s = time.thread_time()
    said = compose_text(text, LANG, name_emoji=True).text
    composed_s = time.thread_time()
    if speakable(said):
        Planner(said, LANG, 1.0).prepare(read_letters)
    return said, composed_s - begun_s, time.thread_time() - composed_s


async def watched(text: str) -> tuple[tuple[str, float, float], float]:
    """Return the same, and the longest time for which it blocks an event loop."""
    work = asyncio.create_task(run_composer(len(text), work_on, text))
    longest_s, last_s = 0.0, time.monotonic()
    while not work.done():
        await asyncio.sleep(_TURN_S)
        now_s = time.monotonic()
        longest_s, last_s = max(longest_s, now_s - last_s - _TURN_S), now_s
    return await work, longest_s


class Room:
    """A pipeline that plays into files, and the longest time for which its audio thread is busy."""

    def __init__(self, folder: Path) -> None:
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._speaker = WavSpeaker(folder)
        self._pipeline = SpeechPipeline(ToneVoice(0.0), self._speaker, self._note)
        self._pipeline.start()
        self._pipeline.devices().result(10)
        self._number = 0

    def _note(self, fact: Fact) -> None:
        if isinstance(fact, Ended):
            self._ended.put(fact.id)

    def pause_s(self, text: str) -> float:
        """Speak the start of a text."""
        self._number += 1
        begun_s = last_s = time.monotonic()
        self._pipeline.say(Utterance(self._number, text, "af_heart", 1.0, LANG))
        longest_s = sounding_s = 0.0
        while self._ended.empty() and time.monotonic() - begun_s < _WATCHED_S:
            status = self._pipeline.status()
            if status.heartbeat_s > last_s:
                longest_s, last_s = max(longest_s, status.heartbeat_s - last_s), status.heartbeat_s
            if status.speaking:
                sounding_s = sounding_s or time.monotonic()
                if time.monotonic() - sounding_s > _PLAYED_S:
                    break
            time.sleep(0.0005)
        self._pipeline.abort()
        self._ended.get(timeout=60)
        return max(0.0, longest_s - self._speaker.poll_s)

    def close(self) -> None:
        self._pipeline.close().result(10)


def main() -> None:
    """Measure, and print the slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--chars", type=int, nargs="*", default=LENGTHS_CHARS)
    options = parser.parse_args()
    console = Console()
    costs = []
    with tempfile.TemporaryDirectory(prefix="crier") as folder:
        room = Room(Path(folder))
        asyncio.run(
            watched(SHAPES["words"](LENGTHS_CHARS[0]))
        )  # loads what is imported at first use
        gc.freeze()  # as the bot does
        for name, shape in track(SHAPES.items(), "Measuring", console=console):
            for chars in options.chars:
                text = shape(chars)
                (said, composing_s, planning_s), loop_s = asyncio.run(watched(text))
                audio_s = room.pause_s(said)
                costs.append(
                    Cost(name, chars, composing_s, planning_s, 1000 * loop_s, 1000 * audio_s)
                )
        room.close()
    table = Table("shape", "characters", "composing s", "planning s", "loop ms", "audio thread ms")
    for cost in sorted(costs, key=lambda cost: -cost.work_s)[:_SHOWN]:
        table.add_row(
            *(cost.shape, f"{cost.chars:,}", f"{cost.composing_s:.3f}", f"{cost.planning_s:.3f}"),
            *(f"{cost.loop_ms:.0f}", f"{cost.audio_ms:.0f}"),
        )
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=1))
    names = [field.name for field in fields(Cost)][2:]
    worst = {name: max(costs, key=lambda cost: float(getattr(cost, name))) for name in names}
    print(
        f"{len(SHAPES)} shapes; at most "
        + ", ".join(
            f"{name} {getattr(cost, name):.3g} ({cost.shape})" for name, cost in worst.items()
        )
    )


if __name__ == "__main__":
    main()
