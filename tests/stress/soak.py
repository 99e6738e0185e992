"""Soak test: ``python -m tests.stress.soak --minutes 30``.

People send texts, files, voice notes, edits, commands and floods; a program speaks over HTTP; the
server is slow and fails at random; a loudspeaker stalls, dies and freezes; the bot is restarted
whenever it exits. Counted as failures: a message without a final receipt, or with one that the
recording (by its tones) contradicts; an exit other than the watchdog's; growing memory, files,
threads, tasks, connections or database. Prints a table over time; exits with 1 on failures.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Column, Table

from bot.app import WEDGED
from bot.chat.sandbox import Person
from tests.stress.faulty_sandbox import FaultySandbox
from tests.stress.lab import (
    FINAL_RECEIPTS,
    TOKEN,
    YOU,
    BotProcess,
    break_speaker,
    lab,
    repair_speaker,
)
from tests.stress.messages import GAVE_UP, Codes, file_fields, sentence, sound_file
from tests.support.fake_voice import CODES, HeardTone, find_tones
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

FLOODER = Person(2, "Bob")
_PER_MINUTE, _WAITING = 40, 60
_MAX_FAULT_S = 3.0  # how long a device stays broken
_FROZEN_S = 16.0  # longer than the watchdog waits
_END_TIMEOUT_S = 180.0
_REUSE_AFTER_S = 3.0  # before a tone is used again
_BUSY_S = 1.0  # how late a sound may be on a busy machine
_TOO_MANY = ("more than", "wait already")
_TOO_MANY_INTERVAL_S = 60.0
"""The bot reports too many messages once in this time."""
_OUTCOMES = {"heard": "👍", "stopped": "🙊", "skipped": "🙊", "failed": "💔"}

# Resource -> how much more of it a process may use at its end than at its beginning.
_ALLOWED_GROWTH: dict[str, Callable[[float], float]] = {
    "memory, MB": lambda first: 0.1 * first + 10,
    "open files": lambda _: 8,
    "threads": lambda _: 3,
    "tasks": lambda _: 15,
    "to the server": lambda _: 4,
    "data files": lambda _: 10,
}
_KB_PER_MESSAGE = 4.0


@dataclass(eq=False, slots=True)
class SentMessage:
    """A message that was sent, and how it ended."""

    kind: str
    slots: list[set[int]]
    """For each of its tones, the codes that may sound; an edit adds one."""
    sent_s: float
    chat_id: int = 0
    """0: it was sent over HTTP."""
    message_id: int = 0
    file_id: str = ""
    ended: str = ""
    """Its first final receipt."""
    ended_s: float = 0.0
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sample:
    """The resources that the process used at one time."""

    minute: float
    life: int
    used: dict[str, float]
    database_kb: float
    sent: int
    open: int


class ToneRecorder:
    """The tones heard at one loudspeaker, read in intervals so that the recording stays small."""

    def __init__(self, speakers: Loudspeakers, name: str) -> None:
        """Listen at the loudspeaker *name*."""
        self._speakers = speakers
        self._name = name
        self._ear: Ear = speakers.listen(name)
        self.heard: list[HeardTone] = []

    def roll(self, overlap_s: float = 1.0) -> None:
        """Read the recording so far and continue with a new one. Blocks."""
        fresh = self._speakers.listen(self._name)
        time.sleep(overlap_s)  # each tone is complete in one of them
        self._read()
        self._ear.close()
        self._ear = fresh

    def close(self) -> None:
        """Read the rest and stop listening. Blocks."""
        self._read()
        self._ear.close()

    def _read(self) -> None:
        recording, heard_s = self._ear.recording()
        for tone in find_tones(recording, RATE_HZ, heard_s):
            twins = [
                other
                for other in self.heard[-20:]
                if other.code == tone.code and abs(other.start_s - tone.start_s) < 0.5
            ]
            if not any(twin.complete for twin in twins):
                self.heard.append(tone)


class Soak:
    """Runs everything at once, and checks the outcome."""

    def __init__(
        self,
        sandbox: FaultySandbox,
        bot: BotProcess,
        speakers: Loudspeakers,
        *,
        minutes: float,
        seed: int,
    ) -> None:
        """Run for *minutes*."""
        self._sandbox = sandbox
        self._bot = bot
        self._speakers = speakers
        self._length_s = minutes * 60
        self._interval_factor = min(1.0, max(0.25, self._length_s / 300))
        self._started_s = time.monotonic()
        self._seed = seed
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for code in range(CODES):
            self._free.put_nowait(code)
        self._messages: list[SentMessage] = []
        self._by_message: dict[int, SentMessage] = {}
        self._cuts: list[float] = []  # when each /stop and /skip was sent
        self._refusals: list[tuple[int, float]] = []  # "too many" replies: chat, when
        self._sent: Counter[str] = Counter()
        self._exits: list[tuple[float, int]] = []
        self._frozen: list[tuple[float, float]] = []
        self._faults: list[tuple[str, float, float]] = []  # kind, start, end
        self._unrecorded: list[tuple[float, float]] = []  # when a recording may be incomplete
        self._life = 0
        self._tones = {name: ToneRecorder(speakers, name) for name in speakers.daemons}
        self._ears = asyncio.Lock()
        self.samples: list[Sample] = []

    # ---- the run ----

    async def run(self) -> list[str]:
        """Run everything, wait until all messages have ended; return the failures."""
        self._sandbox.unreliable, self._sandbox.max_delay_s = True, 0.5
        watching = [asyncio.create_task(self._supervise()), asyncio.create_task(self._receive())]
        timeout_s = self._length_s + _END_TIMEOUT_S
        with contextlib.suppress(TimeoutError):  # messages that never end are reported below
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                self._start(group)
        failures = await self._end()
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for tones in self._tones.values():
            await asyncio.to_thread(tones.close)
        return [*failures, *self._wrong_receipts(), *self._bad_exits(), *self._growth()]

    def _start(self, group: asyncio.TaskGroup) -> None:
        for name, work in {
            "texts": self._texts,
            "files": self._files,
            "edits": self._edits,
            "commands": self._commands,
            "floods": self._floods,
            "program": self._program,
            "devices": self._devices,
            "samples": self._take_samples,
        }.items():
            group.create_task(work(random.Random(f"{self._seed}/{name}")), name=name)

    async def _every(self, rng: random.Random, min_s: float, max_s: float) -> AsyncIterator[None]:
        """Yield at random intervals until the time is over; they are shorter in a short soak."""
        factor = self._interval_factor
        end_s = self._started_s + self._length_s
        while True:
            pause_s = rng.uniform(min_s, max_s) * factor
            if time.monotonic() + pause_s > end_s:
                return
            await asyncio.sleep(pause_s)
            yield

    async def _supervise(self) -> None:
        async for code in self._restarts():
            self._exits.append((time.monotonic(), code))
            for daemon in set(self._speakers.daemons.values()):
                daemon.signal(signal.SIGCONT)  # otherwise a new process would hang on it, too
            await asyncio.sleep(0.5)

    async def _restarts(self) -> AsyncIterator[int]:
        while True:
            self._life += 1
            await self._bot.start()
            assert self._bot.process is not None
            yield await self._bot.process.wait()

    async def _receive(self) -> None:
        """Record receipts and replies as they arrive."""
        for seen in itertools.count():
            event = await self._sandbox.wait_for(lambda _: True, 86400, since=seen)
            if event.kind == "message" and event.reply_to in self._by_message:
                self._by_message[event.reply_to].reasons.append(event.text)
                if any(part in event.text for part in _TOO_MANY):
                    self._refusals.append((event.chat_id, event.at_s))
            message = self._by_message.get(event.message_id)
            if event.kind == "reaction" and message is not None and event.text in FINAL_RECEIPTS:
                self._finish(message, event.text)

    def _finish(self, message: SentMessage, receipt: str) -> None:
        if message.ended:
            return  # spoken again after a /replay
        message.ended, message.ended_s = receipt, time.monotonic()
        loop = asyncio.get_running_loop()
        for code in set().union(*message.slots):
            loop.call_later(_REUSE_AFTER_S, self._free.put_nowait, code)

    # ---- the senders ----

    async def _texts(self, rng: random.Random) -> None:
        async for _ in self._every(rng, 2, 7):
            await self._send_text(YOU, rng.randint(1, 3))

    async def _send_text(self, person: Person, sentences: int, kind: str = "text") -> SentMessage:
        codes = await self._take_codes(sentences)
        text = " ".join(sentence(code) for code in codes)
        return self._record(kind, codes, person.id, self._sandbox.send(person, text))

    async def _take_codes(self, count: int) -> Codes:
        """Return codes of tones that are not in use; waits until there are enough."""
        return tuple([await self._free.get() for _ in range(count)])

    def _record(
        self, kind: str, codes: Codes, chat_id: int = 0, message_id: int = 0, file_id: str = ""
    ) -> SentMessage:
        message = SentMessage(
            kind,
            slots=[{code} for code in codes],
            sent_s=time.monotonic(),
            chat_id=chat_id,
            message_id=message_id,
            file_id=file_id,
        )
        self._messages.append(message)
        self._sent[kind] += 1
        if message_id:
            self._by_message[message_id] = message
        return message

    async def _files(self, rng: random.Random) -> None:
        async for _ in self._every(rng, 8, 20):
            codes = await self._take_codes(rng.randint(1, 3))
            kind = rng.choice(["txt", "sound", "voice"])
            text = " ".join(sentence(code) for code in codes).encode()
            content = text if kind == "txt" else sound_file(codes, opus=kind == "voice")
            file_id = self._sandbox.add_file(content)
            message_id = self._sandbox.send_fields(YOU, file_fields(kind, file_id, len(content)))
            self._record(kind, codes, YOU.id, message_id, file_id)

    async def _edits(self, rng: random.Random) -> None:
        async for _ in self._every(rng, 20, 40):
            message = await self._send_text(YOU, 2, "edited text")
            new = await self._take_codes(2)
            for slot, code in zip(message.slots, new, strict=True):
                slot.add(code)
            self._sandbox.edit(YOU, message.message_id, " ".join(sentence(code) for code in new))

    async def _commands(self, rng: random.Random) -> None:
        harmless = ["/status", "/queue", "/volume", "/devices", "/replay", "/note Good night."]
        kinds = [*harmless * 4, "/skip", "/pause", "/mute 0.05m", "/stop"]
        async for _ in self._every(rng, 5, 15):
            command = rng.choice(kinds)
            self._command(command)
            undo = {"/pause": "/resume", "/mute 0.05m": "/unmute"}.get(command)
            if undo:
                await asyncio.sleep(rng.uniform(0.2, 3.0))
                self._command(undo)
        self._undo()

    def _undo(self) -> None:
        """Unmute and resume, so that no message keeps waiting."""
        for command in ("/unmute", "/resume"):
            self._command(command)

    def _command(self, command: str) -> None:
        self._sandbox.send(YOU, command)
        self._sent[command.split(maxsplit=1)[0]] += 1
        if command in ("/stop", "/skip"):
            self._cuts.append(time.monotonic())

    async def _floods(self, rng: random.Random) -> None:
        async for _ in self._every(rng, 90, 150):
            for _ in range(rng.choice([20, 55])):
                await self._send_text(FLOODER, 1, "flood")

    async def _program(self, rng: random.Random) -> None:
        async for _ in self._every(rng, 4, 10):
            codes = await self._take_codes(rng.randint(1, 2))
            message = self._record("HTTP", codes)
            message.ended = await self._speak(f"{len(self._messages)}", codes, message)
            ended, message.ended = message.ended, ""
            self._finish(message, ended)

    async def _speak(self, key: str, codes: Codes, message: SentMessage) -> str:
        """Send a text over HTTP until the bot accepts it, across restarts; return its receipt."""
        body = {"input": " ".join(sentence(code) for code in codes), "wait": True}
        while True:
            try:
                folder = self._bot.data_dir
                port = json.loads((folder / "api.json").read_text())["port"]
                token = (folder / "api-token").read_text().strip()
                headers = {"Authorization": f"Bearer {token}", "X-Client": "soak"}
                headers["Idempotency-Key"] = key
                async with httpx.AsyncClient(timeout=60, trust_env=False, verify=False) as client:
                    response = await client.post(
                        f"http://127.0.0.1:{port}/v1/audio/speak", json=body, headers=headers
                    )
            except (OSError, ValueError, httpx.HTTPError):
                await asyncio.sleep(0.5)  # it is restarting
                continue
            if response.status_code == 200:
                result: dict[str, Any] = response.json()
                if result["outcome"] in _OUTCOMES:
                    message.reasons.append(result["reason"])
                    return _OUTCOMES[result["outcome"]]
            await asyncio.sleep(float(response.headers.get("retry-after", 1.0)))

    async def _devices(self, rng: random.Random) -> None:
        daemon = self._speakers.daemons["speaker_a"]
        async for _ in self._every(rng, 35, 60):
            # Frozen only in the first third: it ends the process, and growth shows in a long life.
            early = time.monotonic() - self._started_s < self._length_s / 3
            kind = rng.choice(["stalled", "killed", *["frozen"] * early])
            self._sent[f"loudspeaker {kind}"] += 1
            async with self._ears:
                broken_s = time.monotonic()
                await asyncio.to_thread(break_speaker, daemon, kind)
                lives = self._life
                if kind == "frozen":
                    for _ in range(int(_FROZEN_S / 0.2)):  # until the watchdog exits
                        await asyncio.sleep(0.2)
                        if self._life > lives:
                            break
                    self._frozen.append((broken_s, time.monotonic() + 5))
                else:
                    await asyncio.sleep(rng.uniform(1.0, _MAX_FAULT_S))
                repaired_s = time.monotonic()
                await asyncio.to_thread(repair_speaker, daemon, kind)
                self._faults.append((kind, broken_s, repaired_s))
                if kind == "killed":  # the recording died with the daemon
                    self._unrecorded.append((broken_s - _BUSY_S, broken_s + _BUSY_S))
                    await asyncio.to_thread(self._tones["speaker_a"].roll, 0.0)
                    self._unrecorded.append((repaired_s - _BUSY_S, time.monotonic() + _BUSY_S))

    # ---- the end ----

    async def _end(self) -> list[str]:
        """Wait until all messages have ended; return those without a final receipt."""
        self._sandbox.unreliable = False
        self._undo()
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        seen = len(self._sandbox.events)
        while open_ := [message for message in self._messages if not message.ended]:
            if time.monotonic() > deadline_s:
                return [f"a {message.kind} has no final receipt" for message in open_]
            with contextlib.suppress(TimeoutError):
                await self._sandbox.wait_for(lambda _: True, 1.0, since=seen)
            seen = len(self._sandbox.events)
        return []

    # ---- resources ----

    async def _take_samples(self, rng: random.Random) -> None:
        every_s = min(60.0, self._length_s / 6)
        async for _ in self._every(
            rng, every_s / self._interval_factor, every_s / self._interval_factor
        ):
            async with self._ears:
                for tones in self._tones.values():
                    await asyncio.to_thread(tones.roll)
            process = self._bot.process
            if process is not None and process.returncode is None and self._serves(process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._sample(psutil.Process(process.pid))

    def _serves(self, pid: int) -> bool:
        """Whether the process *pid* has started serving HTTP, and so handles signals."""
        with contextlib.suppress(OSError, ValueError):
            api_json: dict[str, Any] = json.loads((self._bot.data_dir / "api.json").read_text())
            return bool(api_json["pid"] == pid)
        return False

    def _sample(self, process: psutil.Process) -> None:
        folder = self._bot.data_dir
        port = int(self._sandbox.url.rpartition(":")[2])
        connections = process.net_connections("tcp")
        used = {
            "memory, MB": process.memory_info().rss / 1e6,
            "open files": float(process.num_fds()),
            "threads": float(process.num_threads()),
            "tasks": self._tasks(process),
            "to the server": sum(bool(c.raddr) and c.raddr.port == port for c in connections),
            "data files": sum(path.is_file() for path in folder.rglob("*")),
        }
        database_kb = sum(path.stat().st_size for path in folder.glob("crier.db*")) / 1e3
        minute = (time.monotonic() - self._started_s) / 60
        ended = sum(bool(message.ended) for message in self._messages)
        sent = len(self._messages)
        self.samples.append(Sample(minute, self._life, used, database_kb, sent, sent - ended))

    def _tasks(self, process: psutil.Process) -> float:
        """Return the number of asyncio tasks at the last request; request another count."""
        path = self._bot.data_dir / "tasks"
        count = float(path.read_text() or 0) if path.exists() else 0.0
        process.send_signal(signal.SIGUSR2)
        return count

    # ---- the checks ----

    def _wrong_receipts(self) -> list[str]:
        """Return the receipts that are false."""
        heard = [tone for tones in self._tones.values() for tone in tones.heard if tone.complete]
        failures = []
        for message in self._messages:
            match message.ended:
                case "👍":
                    failures += self._unheard(message, heard)
                case "🙊":
                    # A command sent shortly before the message may be carried out after it.
                    cut = any(message.sent_s - 15 < at_s < message.ended_s for at_s in self._cuts)
                    failures += [] if cut else [f"a {message.kind} was cut, with no /stop or /skip"]
                case "💔":
                    if not self._may_fail(message):
                        failures.append(f"{message.kind}: failed: {message.reasons}")
        return failures

    def _may_fail(self, message: SentMessage) -> bool:
        missing = message.file_id in self._sandbox.missing_files
        gave_up = any(GAVE_UP.search(reason) for reason in message.reasons)
        too_many = any(
            message.chat_id == chat_id
            and abs(at_s - message.ended_s) < _TOO_MANY_INTERVAL_S + _BUSY_S
            for chat_id, at_s in self._refusals
        )
        return missing or gave_up or too_many

    def _unheard(self, message: SentMessage, heard: list[HeardTone]) -> list[str]:
        sounded = {
            tone.code
            for tone in heard
            if message.sent_s - _BUSY_S < tone.start_s < message.ended_s + _BUSY_S
        }
        missing = [slot for slot in message.slots if not slot & sounded]
        unrecorded = any(
            start_s < message.ended_s and end_s > message.sent_s
            for start_s, end_s in self._unrecorded
        )
        self._sent["perhaps not recorded"] += bool(missing) and unrecorded
        if not missing or unrecorded:
            return []
        sent_s = message.sent_s
        minute = (sent_s - self._started_s) / 60
        faults = [
            f"; loudspeaker {kind} {broken_s - sent_s:+.1f} to {repaired_s - sent_s:+.1f} s"
            for kind, broken_s, repaired_s in self._faults
            if broken_s < message.ended_s and repaired_s > sent_s
        ]
        lasted_s = message.ended_s - sent_s
        name = f"a {message.kind} of minute {minute:.1f} has 👍 after {lasted_s:.1f} s"
        return [f"{name}, but {missing} was not heard{''.join(faults)}"]

    def _bad_exits(self) -> list[str]:
        return [
            f"the bot exited with {code} after {(at_s - self._started_s) / 60:.1f} minutes"
            for at_s, code in self._exits
            if code != WEDGED or not any(start_s < at_s < end_s for start_s, end_s in self._frozen)
        ]

    def _growth(self) -> list[str]:
        """Return the resources whose use has grown within a life."""
        failures = []
        for life in {sample.life for sample in self.samples}:
            samples = [sample for sample in self.samples if sample.life == life][1:]
            if len(samples) < 6:
                continue
            third = len(samples) // 3
            early, late = samples[:third], samples[-third:]
            for name, allowed in _ALLOWED_GROWTH.items():
                first = statistics.median(sample.used[name] for sample in early)
                last = statistics.median(sample.used[name] for sample in late)
                if last > first + allowed(first):
                    failures.append(f"life {life}: {name} grew from {first:.0f} to {last:.0f}")
            grown_kb = samples[-1].database_kb - samples[0].database_kb
            messages = samples[-1].sent - samples[0].sent
            if grown_kb > _KB_PER_MESSAGE * messages + 4000:  # a WAL may have 4 MB
                failures.append(f"life {life}: the database grew by {grown_kb:.0f} kB")
        return failures

    def report(self) -> None:
        """Print what was sent and used."""
        columns = ("minute", "life", *_ALLOWED_GROWTH, "database, kB", "sent", "not ended")
        table = Table(*(Column(name, justify="right") for name in columns))
        for sample in self.samples:
            used = [f"{sample.used[name]:.0f}" for name in _ALLOWED_GROWTH]
            row = [f"{sample.minute:.1f}", str(sample.life), *used, f"{sample.database_kb:.0f}"]
            table.add_row(*row, str(sample.sent), str(sample.open))
        Console(width=110).print(table)

        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))

        print(f"  sent: {listed(self._sent)}")
        print(
            f"  ended: {listed(Counter(message.ended or 'nothing' for message in self._messages))}"
        )
        print(f"  the server's faults: {listed(self._sandbox.fault_counts)}")
        print(f"  exits: {[code for _, code in self._exits]}, {self._life} lives")


async def soak(minutes: float, seed: int) -> list[str]:
    """Run everything for *minutes*; return the failures."""
    sandbox = FaultySandbox(TOKEN, random.Random(f"{seed}/faults"))
    variables = {
        "TELEGRAM_ALLOWED_USERS": f"{YOU.id},{FLOODER.id}",
        "LIMIT_PER_MINUTE": str(_PER_MINUTE),
        "LIMIT_WAITING": str(_WAITING),
    }
    async with lab("tests.support.fake_voice", separate=True, sandbox=sandbox, **variables) as (
        _,
        bot,
        speakers,
    ):
        run = Soak(sandbox, bot, speakers, minutes=minutes, seed=seed)
        failures = await run.run()
        run.report()
    return failures


def main() -> int:
    """Run the soak test; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    failures = asyncio.run(soak(options.minutes, options.seed))
    print("\n".join(failures[:30]) or "Every message got a correct receipt, and nothing grew.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
