"""Many kills and faults: `make chaos`, or `python -m tests.stress.chaos WHAT --times N`.

``kills``: the bot gets SIGKILL at random moments while texts arrive. Each sentence is a tone of its
own. Failures: a sentence not heard completely, one repeated that no kill has cut, two sentences
repeated after one kill, a wrong receipt.

``mixed``: the same with everything that can be sent; see tests/stress/mixed.py.

``devices``: the loudspeaker in use is stalled, killed and frozen in turn, in mid-message. Failures:
a sentence not heard, a missing 👍, an exit other than the watchdog's.

``network``: Telegram fails in every known way, for ten seconds each; prints the time until the next
sound.

``rooms``: a bot, two rooms and their broker get SIGKILL in turn while texts
for one room and for everywhere arrive. Failures: as with kills, in any room.

``many``: many short texts. Failures: growing memory, threads or sockets.

Prints the failures; exits with 1 if there are any.
"""

import argparse
import asyncio
import itertools
import random
import signal
import sys
import time
from collections import Counter

import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from bot.app import WEDGED
from bot.chat.sandbox import Fault, Sandbox
from tests.stress.lab import (
    GRACE_S,
    YOU,
    BotProcess,
    break_speaker,
    final_receipts,
    lab,
    repair_speaker,
    wait_for_receipts,
)
from tests.stress.messages import GAVE_UP
from tests.stress.mixed import mixed
from tests.support.fake_voice import CODES, TONE_S, HeardTone, find_tones
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

# httpx closes an idle connection after 5 s; a connection open after this is leaked.
_IDLE_CONNECTIONS_CLOSED_S = 7.0


def recording_failures(sent: list[int], heard: list[HeardTone], kills: list[float]) -> list[str]:
    """Return what is wrong with a recording.

    Args:
        sent: the code of each accepted sentence, in order; codes repeat after `CODES` sentences.
        heard: the tones in the recording, in order.
        kills: when the bot was killed, by `time.monotonic`.
    """
    failures = []
    repeats: Counter[float] = Counter()
    rest = list(heard)
    for code in sent:
        # A code is used again only much later, so these tones belong to this sentence.
        tones = [tone for tone in rest[:40] if tone.code == code]
        if not any(tone.complete for tone in tones):
            longest_s = max((tone.end_s - tone.start_s for tone in tones), default=0.0)
            failures.append(f"sentence {code} was cut: heard {longest_s:.2f} of {TONE_S} s")
        for first, second in itertools.pairwise(tones):
            killed_s = next((k for k in kills if first.start_s < k < second.start_s), None)
            if killed_s is None:
                failures.append(f"sentence {code} was spoken twice without a kill in between")
            elif first.end_s < killed_s - GRACE_S:
                late_s = killed_s - first.end_s
                failures.append(
                    f"sentence {code} was spoken again after a kill {late_s:.2f} s after its end"
                )
            else:
                repeats[killed_s] += 1
        rest = [tone for tone in rest if tone not in tones]
    failures += [f"{n} sentences were repeated after one kill" for n in repeats.values() if n > 1]
    failures += [f"{len(rest)} tones belong to no sentence: {rest[:3]}"] if rest else []
    return failures


async def kills(times: int, *, real: bool, seed: int) -> list[str]:
    """Kill the bot at random moments while texts arrive; return the failures.

    With the *real* voice only receipts are checked, since there are no tones.
    """
    rng = random.Random(seed)  # not for secrets
    codes = itertools.cycle(range(CODES))
    messages: dict[int, list[int]] = {}
    killed: list[float] = []
    async with lab("bot run" if real else "tests.support.fake_voice", separate=False) as (
        sandbox,
        bot,
        speakers,
    ):
        with speakers.listen("speaker_a") as ear:
            for _ in track(range(times), "kill -9", disable=not sys.stderr.isatty()):
                await bot.start()
                for _ in range(rng.randint(1, 2)):
                    sentences = [next(codes) for _ in range(rng.randint(1, 3))]
                    text = " ".join(f"This is number {code}." for code in sentences)
                    messages[sandbox.send(YOU, text)] = sentences
                # Starting takes 1 to 2 s, so a third of the kills hit it.
                await asyncio.sleep(rng.uniform(0.3, 8.0 if real else 4.0))
                killed.append(await bot.kill())
            await bot.start()
            await wait_for_receipts(sandbox, list(messages), 60 + 5 * len(messages))
            await asyncio.to_thread(ear.wait_for_silence)
            recording, heard_s = ear.recording()
    # By chance two consecutive kills may hit the synthesis of the same message.
    given_up = {e.reply_to for e in sandbox.events if GAVE_UP.search(e.text)}
    finished = {m: sentences for m, sentences in messages.items() if m not in given_up}
    sent = [code for sentences in finished.values() for code in sentences]
    failures = (
        [] if real else recording_failures(sent, find_tones(recording, RATE_HZ, heard_s), killed)
    )
    failures += [
        f"message {m} ended with {final_receipts(sandbox, m)}"
        for m in messages
        if set(final_receipts(sandbox, m)) != {"👍" if m in finished else "💔"}
    ]
    print(
        f"{times} kills, {len(messages)} messages, {len(sent)} sentences: {len(failures)} "
        f"failures; {len(given_up)} messages given up, since two kills hit their synthesis"
    )
    return failures


FAULTS = ("stalled", "killed", "frozen")


async def devices(times: int) -> list[str]:
    """Break the loudspeaker in use in each way in turn; return the failures."""
    async with lab("tests.support.fake_voice", separate=True) as (sandbox, bot, speakers):
        run = _DeviceFaults(sandbox, bot, speakers)
        supervisor = asyncio.create_task(run.supervise())
        for number in track(range(times), "faults", disable=not sys.stderr.isatty()):
            await run.break_in_mid_message(number)
            await asyncio.sleep(0.7)  # the stream closes, so the next message opens a device
        supervisor.cancel()
    print(f"{times} device faults: {len(run.failures)} failures")
    run.report()
    return run.failures


class _DeviceFaults:
    """Faults of the loudspeaker in use, and the outcome of the messages."""

    def __init__(self, sandbox: Sandbox, bot: BotProcess, speakers: Loudspeakers) -> None:
        self.failures: list[str] = []
        self._sandbox = sandbox
        self._bot = bot
        self._speakers = speakers
        self._daemon = speakers.daemons["speaker_a"]
        self._exits: asyncio.Queue[tuple[int, float]] = asyncio.Queue()  # exit code, when
        self._receipt_s: dict[str, list[float]] = {kind: [] for kind in FAULTS}
        self._restarts: Counter[str] = Counter()
        self._recovered_s: list[float] = []

    async def supervise(self) -> None:
        """Restart the bot whenever it exits."""
        async for code in self._bot.supervise():
            self._exits.put_nowait((code, time.monotonic()))
            self._daemon.signal(signal.SIGCONT)  # otherwise a new process would hang on it, too

    async def break_in_mid_message(self, number: int) -> None:
        """Send a message, break the loudspeaker while it sounds, and check what was heard."""
        kind = FAULTS[number % 3]
        codes = {(number * 7 + k) % CODES for k in range(7)}
        with (
            self._speakers.listen("speaker_a") as ear_a,
            self._speakers.listen("speaker_b") as ear_b,
        ):
            sent_s = time.monotonic()
            text = " ".join(f"This is number {code}." for code in codes)
            message = self._sandbox.send(YOU, text)
            await asyncio.to_thread(wait_for_any_sound, sent_s, ear_a, ear_b)
            await asyncio.sleep(0.1 + 0.17 * (number % 11))
            broken_s = time.monotonic()
            break_speaker(self._daemon, kind)
            await wait_for_receipts(self._sandbox, [message], 60)
            self._receipt_s[kind].append(time.monotonic() - broken_s)
            repair_speaker(self._daemon, kind)
            await asyncio.sleep(0.3)  # the last sound is on its way into the recording
            tones = [*tones_at(ear_a), *tones_at(ear_b)]
            spans = sorted([*ear_a.spans(broken_s), *ear_b.spans(broken_s)])
        missing = codes - {tone.code for tone in tones if tone.complete}
        receipts = final_receipts(self._sandbox, message)
        if missing or receipts != ["👍"]:
            self.failures.append(f"{kind}: {missing} not heard, receipts {receipts}")
        self._check_exits(kind, spans)

    def _check_exits(self, kind: str, spans: list[tuple[float, float]]) -> None:
        while not self._exits.empty():
            self._restarts[kind] += 1
            code, exited_s = self._exits.get_nowait()
            # There is no later sound if the message had been heard to its end.
            self._recovered_s += [s - exited_s for s, _ in spans if s > exited_s][:1]
            if code != WEDGED or kind != "frozen":
                self.failures.append(f"{kind}: the bot exited with {code}")

    def report(self) -> None:
        """Print how long recovery took."""
        for kind, all_s in self._receipt_s.items():
            if all_s:
                restarts = self._restarts[kind]
                print(f"  {kind}: receipt after at most {max(all_s):.1f} s, {restarts} restarts")
        if self._recovered_s:
            most_s, count = max(self._recovered_s), len(self._recovered_s)
            print(f"  next sound after an exit: at most {most_s:.1f} s, in {count} cases")


async def network(outage_s: float) -> list[str]:
    """Break the network in each way for a while; print how long the bot takes to recover."""
    garbage = b"<html>Welcome to the hotel. Please log in.</html>"
    conflict = "Conflict: terminated by other getUpdates request"
    faults = {
        "500 to everything": [Fault(status=500, description="Internal Server Error")] * 2,
        "502 to getUpdates": [Fault(status=502, description="Bad Gateway")],
        "429, wait 5 s": [Fault(status=429, description="Too Many", retry_after_s=5, times=2)],
        "409, another instance": [Fault(status=409, description=conflict)],
        "401, token revoked": [Fault(status=401, description="Unauthorized")],
        "a hotel's login page": [Fault(raw=garbage)] * 2,
        "half-open connection": [Fault(delay_s=600)],
        "an answer without end": [Fault(raw=b'{"ok":true,"result":[')],
    }
    recovery_s: dict[str, float] = {}
    async with lab("tests.support.fake_voice", separate=False) as (sandbox, bot, speakers):
        supervisor = asyncio.create_task(keep_running(bot, sandbox))
        with speakers.listen("speaker_a") as ear:
            for name, injected in track(faults.items(), disable=not sys.stderr.isatty()):
                await sandbox.wait_for_call("getupdates")
                sandbox.faults = dict(zip(("getupdates", "getme"), injected, strict=False))
                sandbox.end_poll()
                await asyncio.sleep(outage_s)
                sandbox.faults = {}
                recovery_s[name] = await _time_to_sound(sandbox, ear)
            url_port = int(sandbox.url.rpartition(":")[2])
        supervisor.cancel()
    async with lab("tests.support.fake_voice", separate=False) as (sandbox, bot, speakers):
        bot.set("TELEGRAM_API_URL", f"http://127.0.0.1:{url_port}")  # nobody listens there
        supervisor = asyncio.create_task(keep_running(bot, sandbox))
        with speakers.listen("speaker_a") as ear:
            await asyncio.sleep(outage_s)
            async with sandbox.serve(url_port):
                recovery_s["no network at start"] = await _time_to_sound(sandbox, ear)
        supervisor.cancel()
    table = Table("network fault", Column("first sound after it is over", justify="right"))
    for name, seconds in recovery_s.items():
        table.add_row(name, f"{seconds:.1f} s")
    Console().print(table)
    return []


async def _time_to_sound(sandbox: Sandbox, ear: Ear) -> float:
    """Send a text; return the seconds until it sounds, once it has its receipt."""
    sent_s = time.monotonic()
    message = sandbox.send(YOU, "This is number 1.")
    heard_s = await asyncio.to_thread(ear.wait_for_sound, sent_s, 90)
    await wait_for_receipts(sandbox, [message], 30)
    return heard_s - sent_s


async def many(times: int) -> list[str]:
    """Speak many short texts; return which resources grew."""
    usage: dict[int, dict[str, float]] = {}
    async with lab("tests.support.fake_voice", separate=False) as (sandbox, bot, _):
        await bot.start()
        assert bot.process is not None
        process = psutil.Process(bot.process.pid)
        waiting: list[int] = []
        for number in track(range(1, times + 1), "messages", disable=not sys.stderr.isatty()):
            waiting.append(sandbox.send(YOU, f"This is number {number}."))
            if len(waiting) > 5:
                await wait_for_receipts(sandbox, [waiting.pop(0)], 30)
            if number in {50, times // 2, times}:
                await wait_for_receipts(sandbox, waiting, 60)
                waiting.clear()
                await asyncio.sleep(_IDLE_CONNECTIONS_CLOSED_S)
                usage[number] = {
                    "memory, MB": process.memory_info().rss / 1e6,
                    "files": process.num_fds(),
                    "threads": process.num_threads(),
                    "sockets": len(process.net_connections("all")),
                    "database, kB": sum(f.stat().st_size for f in bot.data_dir.glob("*.db*")) / 1e3,
                }
        await wait_for_receipts(sandbox, waiting, 60)
    table = Table("", *(f"after {number}" for number in usage))
    for resource in usage[50]:
        table.add_row(resource, *(f"{used[resource]:.0f}" for used in usage.values()))
    Console().print(table)
    first, last = usage[50], usage[times]
    failures = []
    if last["memory, MB"] > 1.05 * first["memory, MB"]:
        failures.append("memory has grown by more than 5 %")
    failures += [f"{name} has grown" for name in ("threads", "sockets") if last[name] > first[name]]
    return failures


async def keep_running(bot: BotProcess, sandbox: Sandbox) -> None:
    """Restart the bot whenever it exits, as launchd would."""
    async for code in bot.supervise():
        print(f"  the bot exited with {code} after {len(sandbox.calls)} calls")
        await asyncio.sleep(1)


def tones_at(ear: Ear) -> list[HeardTone]:
    """Return the tones heard at a loudspeaker so far."""
    return find_tones(ear.recording()[0], RATE_HZ)


def wait_for_any_sound(since_s: float, *ears: Ear) -> None:
    """Wait until there is a sound at one of the loudspeakers. Blocks."""
    deadline_s = time.monotonic() + 20
    while not any(ear.spans(since_s) for ear in ears):
        if time.monotonic() > deadline_s:
            raise TimeoutError("nothing was heard")
        time.sleep(0.02)


def main() -> int:
    """Run one of the tests; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kills", "mixed", "rooms", "devices", "network", "many"])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--chapter", type=int, help="of mixed: run only this chapter")
    parser.add_argument("--real", action="store_true", help="with the real voice")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    if options.what == "kills":
        failures = asyncio.run(kills(options.times, real=options.real, seed=options.seed))
    elif options.what == "mixed":
        failures = asyncio.run(mixed(options.times, seed=options.seed, only=options.chapter))
    elif options.what == "rooms":
        # Imported here, since it imports this module.
        from tests.stress.rooms import rooms

        failures = asyncio.run(rooms(options.times, seed=options.seed))
    elif options.what == "devices":
        failures = asyncio.run(devices(options.times))
    elif options.what == "many":
        failures = asyncio.run(many(options.times))
    else:
        failures = asyncio.run(network(10.0))
    print("\n".join(failures[:20]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
