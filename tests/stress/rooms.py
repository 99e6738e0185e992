"""A bot, two rooms and their broker, killed in turn: `python -m tests.stress.chaos rooms`."""

import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.progress import track

from bot.chat.sandbox import Sandbox
from bot.settings import load
from tests.stress.chaos import recording_failures
from tests.stress.lab import (
    GRACE_S,
    TOKEN,
    YOU,
    BotProcess,
    final_receipts,
    wait_for_receipts,
)
from tests.stress.messages import GAVE_UP, sentence
from tests.support.broker import Mosquitto
from tests.support.fake_voice import CODES, TONE_S, HeardTone, find_tones
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

ROOMS = {"kitchen": "Kitchen", "study": "Study", "attic": "Attic"}
"""By the loudspeaker: the names of the rooms; the first is the bot's."""
HOME, *OTHERS = ROOMS
BROKER = "broker"

_AWAY_S = (0.0, 0.0, 1.0, 8.0)
"""How long a victim stays away; past 5 s, its sender is told."""
_SETTLE_S = 180.0
_NEAR_S = 1.0
"""Only a tone that ends this near to a kill can have been cut by it."""
_PART_GAP_S, _PARTS_S = 0.25, 0.55
"""The longest pause between parts of a tone, and less than two tones with a pause take."""


@dataclass
class RoomsLab:
    """The processes, and what is heard in each room."""

    sandbox: Sandbox
    broker: Mosquitto
    processes: dict[str, BotProcess]
    ears: dict[str, Ear]
    kills: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ROOMS})
    """By `time.monotonic`."""

    async def kill(self, victim: str) -> None:
        """Send SIGKILL to a bot, a room or the broker."""
        if victim == BROKER:
            await asyncio.to_thread(self.broker.kill)
        else:
            self.kills[victim].append(await self.processes[victim].kill())

    async def start(self, victim: str) -> None:
        """Start it again."""
        if victim == BROKER:
            await asyncio.to_thread(self.broker.start)
        else:
            await self.processes[victim].start()


@asynccontextmanager
async def rooms_lab(module: str, **variables: str) -> AsyncIterator[RoomsLab]:
    """Start a broker and loudspeakers; yield them with processes that are not started yet.

    Args:
        module: the module that runs a bot or a room, with its arguments.
        variables: environment variables of each process that differ from the defaults.
    """
    sandbox = Sandbox(TOKEN)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crier")))
        speakers = Loudspeakers(folder, names=tuple(ROOMS))
        stack.callback(speakers.close)
        broker = Mosquitto(folder / BROKER)
        stack.callback(broker.close)
        await stack.enter_async_context(sandbox.serve())
        common = {
            **os.environ,
            "ALSA_CONFIG_PATH": str(speakers.alsa_config),
            "MODEL_DIR": str(load()[0].model_dir),
            "MQTT_URL": broker.url(),
            "STREAM_IDLE_S": "0.5",
            "API_PORT": "0",
            **variables,
        }
        telegram = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_ALLOWED_USERS": str(YOU.id),
            "TELEGRAM_API_URL": sandbox.url,
            "LIMIT_PER_MINUTE": "0",
            "LIMIT_WAITING": "0",
        }
        processes = {}
        for speaker, name in ROOMS.items():
            own = {"ROOM": name, "AUDIO_DEVICE": speaker, "DATA_DIR": str(folder / f"d-{speaker}")}
            bot = telegram if speaker == HOME else {}
            process = processes[speaker] = BotProcess(module, {**common, **own, **bot})
            stack.push_async_callback(_end, process)
        ears = {name: stack.enter_context(speakers.listen(name, 20)) for name in ROOMS}
        yield RoomsLab(sandbox, broker, processes, ears)


async def _end(process: BotProcess) -> None:
    if process.process is not None and process.process.returncode is None:
        await process.kill()


async def rooms(times: int, *, seed: int) -> list[str]:
    """Kill bot, rooms and broker in turn while texts arrive; return the failures."""
    rng = random.Random(seed)  # not for secrets
    codes = itertools.cycle(range(CODES))
    sent: dict[int, tuple[list[int], tuple[str, ...]]] = {}  # codes, and the rooms meant
    async with rooms_lab("tests.support.fake_voice") as lab:
        for process in lab.processes.values():
            await process.start()
        await _wait_until_known(lab)
        victims = itertools.cycle([*ROOMS, BROKER])
        for victim in track(
            itertools.islice(victims, times), "kill -9", times, disable=not sys.stderr.isatty()
        ):
            for _ in range(rng.randint(1, 2)):
                _send(lab, rng, codes, sent)
            await asyncio.sleep(rng.uniform(0.1, 3.0))
            await lab.kill(victim)
            away_s = rng.choice(_AWAY_S)
            if away_s:
                _send(lab, rng, codes, sent)
                await asyncio.sleep(away_s)
            await lab.start(victim)
        failures = await _wait_for_all(lab, list(sent))
        recordings = {}
        for name, ear in lab.ears.items():
            await asyncio.to_thread(ear.wait_for_silence)
            recordings[name] = ear.recording()
    given_up = {e.reply_to for e in lab.sandbox.events if GAVE_UP.search(e.text)}
    for name, (recording, heard_s) in recordings.items():
        meant = [
            code
            for message, (spoken, where) in sent.items()
            if name in where and message not in given_up
            for code in spoken
        ]
        # A message that was given up in one room is heard in the others.
        unsure = {c for m in given_up & sent.keys() if name in sent[m][1] for c in sent[m][0]}
        tones = [t for t in find_tones(recording, RATE_HZ, heard_s) if t.code not in unsure]
        found = recording_failures(meant, _as_played(tones, lab.kills[name]), lab.kills[name])
        failures += [f"{ROOMS[name]}: {failure}" for failure in found]
    failures += _receipt_failures(lab.sandbox, list(sent), given_up)
    told = sum("is away" in event.text for event in lab.sandbox.events)
    print(
        f"{times} kills, {len(sent)} messages, {sum(len(c) * len(w) for c, w in sent.values())} "
        f"sentences to be heard: {len(failures)} failures; {told} times a sender was told that a "
        f"room is away; {len(given_up)} messages given up, since two kills hit their synthesis"
    )
    return failures


def _as_played(tones: list[HeardTone], kills: list[float]) -> list[HeardTone]:
    """Return tones as they were sent to a loudspeaker.

    A busy machine loses parts of a tone or plays a part again, and plays what it had got after the
    kill of its sender; none of that is the rooms' business. Two whole tones stay two.
    """
    played: list[HeardTone] = []
    for tone in tones:
        last = played[-1] if played else None
        if (
            last is not None
            and last.code == tone.code
            and tone.start_s - last.end_s < _PART_GAP_S
            and tone.end_s - last.start_s < _PARTS_S
            and not any(last.start_s < k < tone.start_s for k in kills)
        ):
            played[-1] = replace(last, end_s=tone.end_s)
        else:
            played.append(tone)
    return [_whole(tone, kills) for tone in played]


def _whole(tone: HeardTone, kills: list[float]) -> HeardTone:
    """Return a tone with what no kill can have taken from it, and begun before the kill it met."""
    start_s = next((k - 0.001 for k in kills if k < tone.start_s < k + GRACE_S), tone.start_s)
    is_cut = any(abs(k - tone.end_s) < _NEAR_S for k in kills)
    end_s = tone.end_s if is_cut else max(tone.end_s, tone.start_s + TONE_S)
    return replace(tone, start_s=start_s, end_s=end_s)


async def _wait_until_known(lab: RoomsLab) -> None:
    """Wait until the bot has spoken to both rooms."""
    deadline_s = time.monotonic() + 60
    for name in OTHERS:
        while True:
            message = lab.sandbox.send(YOU, f"/to {name} This is a test.")
            try:
                await wait_for_receipts(lab.sandbox, [message], 2)
                break
            except TimeoutError:
                if time.monotonic() > deadline_s:
                    raise


def _send(
    lab: RoomsLab,
    rng: random.Random,
    codes: Iterator[int],
    sent: dict[int, tuple[list[int], tuple[str, ...]]],
) -> None:
    spoken = [next(codes) for _ in range(rng.randint(1, 2))]
    room = rng.choice([*OTHERS, "everywhere", "everywhere"])
    text = " ".join(map(sentence, spoken))
    message = lab.sandbox.send(YOU, f"/to {room} {text}")
    sent[message] = spoken, tuple(ROOMS) if room == "everywhere" else (room,)


async def _wait_for_all(lab: RoomsLab, messages: list[int]) -> list[str]:
    try:
        await wait_for_receipts(lab.sandbox, messages, _SETTLE_S)
    except TimeoutError as exc:
        return [str(exc)]
    return []


def _receipt_failures(sandbox: Sandbox, messages: list[int], given_up: set[int]) -> list[str]:
    """Return the messages whose last receipt is not true."""
    failures = []
    for message in messages:
        expected = "💔" if message in given_up else "👍"
        if set(receipts := final_receipts(sandbox, message)) != {expected}:
            failures.append(f"message {message} ended with {receipts}")
    return failures
