"""Everything at once, for long: ``python -m tests.stress.soak --minutes 30``.

People send texts, files, voice notes, edits, commands and floods; a program speaks over HTTP; the
server is slow and fails by chance; loudspeakers stall, die and freeze. A supervisor starts the bot
again where it ends. Every message must end with a true receipt (what was heard is told by its
tones), and what the process uses must not grow. Prints a table over time; exits with 1 if wrong.
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
from tests.stress.lab import FINAL, TOKEN, YOU, Bot, break_, lab, mend
from tests.stress.mixed import GAVE_UP, Codes, file_fields, sentence, sound_file
from tests.support.fake_voice import CODES, HeardTone, find_tones
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

FLOODER = Person(2, "Bob")
_PER_MINUTE, _WAITING = 40, 60
_LATE_FAULT_S = 3.0  # a device is broken for so long
_FROZEN_S = 16.0  # longer than the watchdog waits
_END_TIMEOUT_S = 180.0
_KEPT_S = 3.0  # before a tone is used again
_BUSY_S = 1.0
_TOO_MANY = ("more than", "wait already")
_SAID_EVERY_S = 60.0
"""That there are too many messages is said once in so long."""
_OUTCOMES = {"heard": "👍", "stopped": "🙊", "skipped": "🙊", "failed": "💔"}

# What may be used more at a life's end than at its beginning.
_MAY_GROW: dict[str, Callable[[float], float]] = {
    "memory, MB": lambda first: 0.1 * first + 10,
    "open files": lambda _: 8,
    "threads": lambda _: 3,
    "tasks": lambda _: 15,
    "to the server": lambda _: 4,
    "files kept": lambda _: 10,
}
_KB_PER_MESSAGE = 4.0


@dataclass(eq=False, slots=True)
class Said:
    """A message, and what has become of it."""

    what: str
    slots: list[set[int]]
    """Its tones; an edit adds what may sound instead."""
    sent_s: float
    chat_id: int = 0
    """0: it came over HTTP."""
    message_id: int = 0
    file_id: str = ""
    ended: str = ""
    """Its first last receipt."""
    ended_s: float = 0.0
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process used at a time."""

    minute: float
    life: int
    used: dict[str, float]
    database_kb: float
    sent: int
    open: int


class Tones:
    """What was heard at one loudspeaker, told minute by minute so that no recording grows."""

    def __init__(self, speakers: Loudspeakers, name: str) -> None:
        """Listen at *name*."""
        self._speakers = speakers
        self._name = name
        self._ear: Ear = speakers.listen(name)
        self.heard: list[HeardTone] = []

    def roll(self, overlap_s: float = 1.0) -> None:
        """Tell what was heard so far, and go on with a fresh recording. Blocks."""
        fresh = self._speakers.listen(self._name)
        time.sleep(overlap_s)  # each tone is whole in one of the two
        self._take()
        self._ear.close()
        self._ear = fresh

    def close(self) -> None:
        """Tell the rest, and stop listening. Blocks."""
        self._take()
        self._ear.close()

    def _take(self) -> None:
        recording, heard_s = self._ear.recording()
        for tone in find_tones(recording, RATE_HZ, heard_s):
            twins = [
                other
                for other in self.heard[-20:]
                if other.code == tone.code and abs(other.start_s - tone.start_s) < 0.5
            ]
            if not any(twin.whole for twin in twins):
                self.heard.append(tone)


class Soak:
    """Who does what, and what is to be said of it."""

    def __init__(
        self, sandbox: FaultySandbox, bot: Bot, speakers: Loudspeakers, minutes: float, seed: int
    ) -> None:
        """Go on for *minutes*."""
        self._sandbox = sandbox
        self._bot = bot
        self._speakers = speakers
        self._length_s = minutes * 60
        self._hurry = min(1.0, max(0.25, self._length_s / 300))
        self._began_s = time.monotonic()
        self._seed = seed
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for code in range(CODES):
            self._free.put_nowait(code)
        self._said: list[Said] = []
        self._by_message: dict[int, Said] = {}
        self._cuts: list[float] = []  # when a /stop or /skip was sent
        self._refusals: list[tuple[int, float]] = []  # who was told that it is too much, and when
        self._sent: Counter[str] = Counter()
        self._exits: list[tuple[float, int]] = []
        self._frozen: list[tuple[float, float]] = []
        self._faults: list[tuple[str, float, float]] = []  # of a loudspeaker, from when till when
        self._blind: list[tuple[float, float]] = []  # when an ear may have missed something
        self._life = 0
        self._tones = {name: Tones(speakers, name) for name in speakers.daemons}
        self._ears = asyncio.Lock()
        self.samples: list[Sample] = []

    # ---- all together ----

    async def run(self) -> list[str]:
        """Let everything happen, wait until all has ended; return what went wrong."""
        self._sandbox.moody, self._sandbox.slow_s = True, 0.5
        watching = [asyncio.create_task(self._supervise()), asyncio.create_task(self._receive())]
        timeout_s = self._length_s + _END_TIMEOUT_S
        with contextlib.suppress(TimeoutError):  # what waits for ever is told of below
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                self._start(group)
        wrong = await self._end()
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for tones in self._tones.values():
            await asyncio.to_thread(tones.close)
        return [*wrong, *self._untrue(), *self._bad_exits(), *self._growth()]

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

    async def _every(
        self, chance: random.Random, least_s: float, most_s: float
    ) -> AsyncIterator[None]:
        """Yield at random intervals until the time is over; a short soak hurries."""
        hurry = self._hurry
        end_s = self._began_s + self._length_s
        while True:
            pause_s = chance.uniform(least_s, most_s) * hurry
            if time.monotonic() + pause_s > end_s:
                return
            await asyncio.sleep(pause_s)  # how often something comes is what is made up here
            yield

    async def _supervise(self) -> None:
        async for code in self._started_again():
            self._exits.append((time.monotonic(), code))
            for daemon in set(self._speakers.daemons.values()):
                daemon.signal(signal.SIGCONT)  # a new process would hang on it like the old one
            await asyncio.sleep(0.5)

    async def _started_again(self) -> AsyncIterator[int]:
        while True:
            self._life += 1
            await self._bot.start()
            assert self._bot.process is not None
            yield await self._bot.process.wait()

    async def _receive(self) -> None:
        """Note the receipts as they come."""
        for seen in itertools.count():
            event = await self._sandbox.wait_for(lambda _: True, 86400, since=seen)
            if event.kind == "message" and event.reply_to in self._by_message:
                self._by_message[event.reply_to].reasons.append(event.text)
                if any(part in event.text for part in _TOO_MANY):
                    self._refusals.append((event.chat_id, event.at_s))
            said = self._by_message.get(event.message_id)
            if event.kind == "reaction" and said is not None and event.text in FINAL:
                self._over(said, event.text)

    def _over(self, said: Said, receipt: str) -> None:
        if said.ended:
            return  # said again, after a /replay
        said.ended, said.ended_s = receipt, time.monotonic()
        loop = asyncio.get_running_loop()
        for code in set().union(*said.slots):
            loop.call_later(_KEPT_S, self._free.put_nowait, code)

    # ---- who does what ----

    async def _texts(self, chance: random.Random) -> None:
        async for _ in self._every(chance, 2, 7):
            await self._send_text(YOU, chance.randint(1, 3))

    async def _send_text(self, person: Person, sentences: int, what: str = "text") -> Said:
        codes = await self._take(sentences)
        text = " ".join(sentence(code) for code in codes)
        return self._note(what, codes, person.id, self._sandbox.send(person, text))

    async def _take(self, count: int) -> Codes:
        """Return tones that nothing else sounds with; waits where there are none."""
        return tuple([await self._free.get() for _ in range(count)])

    def _note(
        self, what: str, codes: Codes, chat_id: int = 0, message_id: int = 0, file_id: str = ""
    ) -> Said:
        slots = [{code} for code in codes]
        said = Said(what, slots, time.monotonic(), chat_id, message_id, file_id)
        self._said.append(said)
        self._sent[what] += 1
        if message_id:
            self._by_message[message_id] = said
        return said

    async def _files(self, chance: random.Random) -> None:
        async for _ in self._every(chance, 8, 20):
            codes = await self._take(chance.randint(1, 3))
            what = chance.choice(["txt", "sound", "voice"])
            text = " ".join(sentence(code) for code in codes).encode()
            content = text if what == "txt" else sound_file(codes, opus=what == "voice")
            file_id = self._sandbox.add_file(content)
            message_id = self._sandbox.send_fields(YOU, file_fields(what, file_id, len(content)))
            self._note(what, codes, YOU.id, message_id, file_id)

    async def _edits(self, chance: random.Random) -> None:
        async for _ in self._every(chance, 20, 40):
            said = await self._send_text(YOU, 2, "edited text")
            new = await self._take(2)
            for slot, code in zip(said.slots, new, strict=True):
                slot.add(code)
            self._sandbox.edit(YOU, said.message_id, " ".join(sentence(code) for code in new))

    async def _commands(self, chance: random.Random) -> None:
        harmless = ["/status", "/queue", "/volume", "/devices", "/replay", "/note Good night."]
        kinds = [*harmless * 4, "/skip", "/pause", "/mute 0.05m", "/stop"]
        async for _ in self._every(chance, 5, 15):
            command = chance.choice(kinds)
            self._command(command)
            undo = {"/pause": "/resume", "/mute 0.05m": "/unmute"}.get(command)
            if undo:
                await asyncio.sleep(chance.uniform(0.2, 3.0))
                self._command(undo)
        self._undo()

    def _undo(self) -> None:
        """Undo what keeps messages waiting."""
        for command in ("/unmute", "/resume"):
            self._command(command)

    def _command(self, command: str) -> None:
        self._sandbox.send(YOU, command)
        self._sent[command.split(maxsplit=1)[0]] += 1
        if command in ("/stop", "/skip"):
            self._cuts.append(time.monotonic())

    async def _floods(self, chance: random.Random) -> None:
        async for _ in self._every(chance, 90, 150):
            for _ in range(chance.choice([20, 55])):
                await self._send_text(FLOODER, 1, "flood")

    async def _program(self, chance: random.Random) -> None:
        async for _ in self._every(chance, 4, 10):
            codes = await self._take(chance.randint(1, 2))
            said = self._note("HTTP", codes)
            said.ended = await self._speak(f"{len(self._said)}", codes, said)
            ended, said.ended = said.ended, ""
            self._over(said, ended)

    async def _speak(self, key: str, codes: Codes, said: Said) -> str:
        """Have a text said, whatever becomes of the bot meanwhile; return its receipt."""
        body = {"input": " ".join(sentence(code) for code in codes), "wait": True}
        while True:
            try:
                folder = self._bot.data_dir
                port = json.loads((folder / "api.json").read_text())["port"]
                token = (folder / "api-token").read_text().strip()
                headers = {"Authorization": f"Bearer {token}", "X-Client": "soak"}
                headers["Idempotency-Key"] = key
                async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                    answer = await client.post(
                        f"http://127.0.0.1:{port}/v1/audio/speak", json=body, headers=headers
                    )
            except (OSError, ValueError, httpx.HTTPError):
                await asyncio.sleep(0.5)  # it is being started again
                continue
            if answer.status_code == 200:
                result: dict[str, Any] = answer.json()
                if result["outcome"] in _OUTCOMES:
                    said.reasons.append(result["reason"])
                    return _OUTCOMES[result["outcome"]]
            await asyncio.sleep(float(answer.headers.get("retry-after", 1.0)))

    async def _devices(self, chance: random.Random) -> None:
        daemon = self._speakers.daemons["speaker_a"]
        async for _ in self._every(chance, 35, 60):
            # In the first third only, since each may cost a life, and growth is seen in a long one.
            early = time.monotonic() - self._began_s < self._length_s / 3
            kind = chance.choice(["stalled", "killed", *["frozen"] * early])
            self._sent[f"loudspeaker {kind}"] += 1
            async with self._ears:
                broken_s = time.monotonic()
                await asyncio.to_thread(break_, daemon, kind)
                lives = self._life
                if kind == "frozen":
                    for _ in range(int(_FROZEN_S / 0.2)):  # until the watchdog has ended it
                        await asyncio.sleep(0.2)
                        if self._life > lives:
                            break
                    self._frozen.append((broken_s, time.monotonic() + 5))
                else:
                    await asyncio.sleep(chance.uniform(1.0, _LATE_FAULT_S))
                mended_s = time.monotonic()
                await asyncio.to_thread(mend, daemon, kind)
                self._faults.append((kind, broken_s, mended_s))
                if kind == "killed":  # what sounded last never came to the ear, which died, too
                    self._blind.append((broken_s - _BUSY_S, broken_s + _BUSY_S))
                    await asyncio.to_thread(self._tones["speaker_a"].roll, 0.0)
                    self._blind.append((mended_s - _BUSY_S, time.monotonic() + _BUSY_S))

    # ---- how it ends ----

    async def _end(self) -> list[str]:
        """Wait until all has ended, and return what has no last receipt."""
        self._sandbox.moody = False
        self._undo()
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        seen = len(self._sandbox.events)
        while open_ := [said for said in self._said if not said.ended]:
            if time.monotonic() > deadline_s:
                return [f"a {said.what} has no last receipt" for said in open_]
            with contextlib.suppress(TimeoutError):
                await self._sandbox.wait_for(lambda _: True, 1.0, since=seen)
            seen = len(self._sandbox.events)
        return []

    # ---- what is used ----

    async def _take_samples(self, chance: random.Random) -> None:
        every_s = min(60.0, self._length_s / 6)
        async for _ in self._every(chance, every_s / self._hurry, every_s / self._hurry):
            async with self._ears:
                for tones in self._tones.values():
                    await asyncio.to_thread(tones.roll)
            process = self._bot.process
            if process is not None and process.returncode is None and self._serves(process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._sample(psutil.Process(process.pid))

    def _serves(self, pid: int) -> bool:
        """Whether this life has come so far that it answers programs, and signals."""
        with contextlib.suppress(OSError, ValueError):
            facts: dict[str, Any] = json.loads((self._bot.data_dir / "api.json").read_text())
            return bool(facts["pid"] == pid)
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
            "files kept": sum(path.is_file() for path in folder.rglob("*")),
        }
        database_kb = sum(path.stat().st_size for path in folder.glob("crier.db*")) / 1e3
        minute = (time.monotonic() - self._began_s) / 60
        ended = sum(bool(said.ended) for said in self._said)
        sent = len(self._said)
        self.samples.append(Sample(minute, self._life, used, database_kb, sent, sent - ended))

    def _tasks(self, process: psutil.Process) -> float:
        """Return the asyncio tasks that the process counted when it was last asked; ask again."""
        path = self._bot.data_dir / "tasks"
        count = float(path.read_text() or 0) if path.exists() else 0.0
        process.send_signal(signal.SIGUSR2)
        return count

    # ---- what is to be said of it ----

    def _untrue(self) -> list[str]:
        """Return the receipts that are not true."""
        heard = [tone for tones in self._tones.values() for tone in tones.heard if tone.whole]
        found = []
        for said in self._said:
            match said.ended:
                case "👍":
                    found += self._unheard(said, heard)
                case "🙊":
                    # One that came shortly before it may have been carried out after it.
                    cut = any(said.sent_s - 15 < at_s < said.ended_s for at_s in self._cuts)
                    found += [] if cut else [f"a {said.what} was cut, with no /stop or /skip"]
                case "💔":
                    if not self._may_fail(said):
                        found.append(f"{said.what}: failed: {said.reasons}")
        return found

    def _may_fail(self, said: Said) -> bool:
        gone = said.file_id in self._sandbox.gone
        killed = any(GAVE_UP.search(why) for why in said.reasons)
        too_many = any(
            said.chat_id == chat_id and abs(at_s - said.ended_s) < _SAID_EVERY_S + _BUSY_S
            for chat_id, at_s in self._refusals
        )
        return gone or killed or too_many

    def _unheard(self, said: Said, heard: list[HeardTone]) -> list[str]:
        sounded = {
            tone.code
            for tone in heard
            if said.sent_s - _BUSY_S < tone.start_s < said.ended_s + _BUSY_S
        }
        missing = [slot for slot in said.slots if not slot & sounded]
        unsure = any(b < said.ended_s and e > said.sent_s for b, e in self._blind)
        self._sent["not sure to have been heard"] += bool(missing) and unsure
        if not missing or unsure:
            return []
        minute = (said.sent_s - self._began_s) / 60
        faults = [
            f"; loudspeaker {kind} {broken_s - said.sent_s:+.1f} to {mended_s - said.sent_s:+.1f} s"
            for kind, broken_s, mended_s in self._faults
            if broken_s < said.ended_s and mended_s > said.sent_s
        ]
        lasted_s = said.ended_s - said.sent_s
        what = f"a {said.what} of minute {minute:.1f} has 👍 after {lasted_s:.1f} s"
        return [f"{what}, but {missing} was not heard{''.join(faults)}"]

    def _bad_exits(self) -> list[str]:
        return [
            f"the bot ended with {code} after {(at_s - self._began_s) / 60:.1f} minutes"
            for at_s, code in self._exits
            if code != WEDGED or not any(b < at_s < e for b, e in self._frozen)
        ]

    def _growth(self) -> list[str]:
        """Return what a life used more and more of."""
        found = []
        for life in {sample.life for sample in self.samples}:
            mine = [sample for sample in self.samples if sample.life == life][1:]
            if len(mine) < 6:
                continue
            third = len(mine) // 3
            early, late = mine[:third], mine[-third:]
            for what, more in _MAY_GROW.items():
                first = statistics.median(sample.used[what] for sample in early)
                last = statistics.median(sample.used[what] for sample in late)
                if last > first + more(first):
                    found.append(f"life {life}: {what} went from {first:.0f} to {last:.0f}")
            grown_kb = mine[-1].database_kb - mine[0].database_kb
            messages = mine[-1].sent - mine[0].sent
            if grown_kb > _KB_PER_MESSAGE * messages + 4000:  # a WAL may have 4 MB
                found.append(f"life {life}: the database grew by {grown_kb:.0f} kB")
        return found

    def report(self) -> None:
        """Print what was done and used."""
        table = Table(
            *(Column(what, justify="right") for what in ("minute", "life", *_MAY_GROW)),
            *(Column(what, justify="right") for what in ("database, kB", "sent", "not ended")),
        )
        for sample in self.samples:
            used = [f"{sample.used[what]:.0f}" for what in _MAY_GROW]
            row = [f"{sample.minute:.1f}", str(sample.life), *used, f"{sample.database_kb:.0f}"]
            table.add_row(*row, str(sample.sent), str(sample.open))
        Console(width=110).print(table)

        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))

        print(f"  sent: {listed(self._sent)}")
        print(f"  ended: {listed(Counter(said.ended or 'nothing' for said in self._said))}")
        print(f"  the server's faults: {listed(self._sandbox.suffered)}")
        print(f"  exits: {[code for _, code in self._exits]}, {self._life} lives")


async def soak(minutes: float, seed: int) -> list[str]:
    """Let everything happen for *minutes*; return what went wrong."""
    sandbox = FaultySandbox(TOKEN, random.Random(f"{seed}/faults"))
    variables = {
        "TELEGRAM_ALLOWED_USERS": f"{YOU.id},{FLOODER.id}",
        "LIMIT_PER_MINUTE": str(_PER_MINUTE),
        "LIMIT_WAITING": str(_WAITING),
    }
    async with lab("tests.support.fake_voice", apart=True, sandbox=sandbox, **variables) as (
        _,
        bot,
        speakers,
    ):
        work = Soak(sandbox, bot, speakers, minutes, seed)
        wrong = await work.run()
        work.report()
    return wrong


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    wrong = asyncio.run(soak(options.minutes, options.seed))
    print("\n".join(wrong[:30]) or "Every message ended with a true receipt, and nothing grew.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
