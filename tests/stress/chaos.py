"""Kills and faults, many of them: `make chaos`, or `python -m tests.stress.chaos WHAT --times N`.

Kills: the bot is killed with SIGKILL at random moments while messages come in. What was heard is
told by its tones: nothing may be missing, nothing may be heard again but the sentence that was cut.

Mixed: the same with everything else that can be sent; see tests/stress/mixed.py.

Devices: the loudspeaker in use is stalled, killed and frozen in turn, in mid-message.

Network: Telegram fails in every way that is known, for ten seconds each.
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
from tests.stress.lab import GRACE_S, YOU, Bot, all_ended, break_, lab, mend, receipts
from tests.stress.mixed import GAVE_UP, mixed
from tests.support.fake_voice import CODES, TONE_S, HeardTone, find_tones
from tests.support.loudspeaker import RATE_HZ, Ear

# httpx keeps an idle connection for 5 s; what is open after that stays open.
_KEPT_ALIVE_S = 7.0


def complaints(spoken: list[int], heard: list[HeardTone], kills: list[float]) -> list[str]:
    """Return what is wrong with what was heard.

    Args:
        spoken: the code of each sentence that was accepted, in order; they repeat after `CODES`.
        heard: what was heard, in order.
        kills: when the bot was killed.
    """
    found = []
    repeats: Counter[float] = Counter()
    rest = list(heard)
    for code in spoken:
        # A code comes again only long after, so the next ones of its kind are this sentence's.
        mine = [h for h in rest[:40] if h.code == code]
        if not any(h.whole for h in mine):
            longest_s = max((h.end_s - h.start_s for h in mine), default=0.0)
            found.append(f"sentence {code} was not heard whole: {longest_s:.2f} of {TONE_S} s")
        for first, again in itertools.pairwise(mine):
            killed_s = next((k for k in kills if first.start_s < k < again.start_s), None)
            if killed_s is None:
                found.append(f"sentence {code} was said twice without a kill between")
            elif first.end_s < killed_s - GRACE_S:
                found.append(
                    f"sentence {code} was said again, {killed_s - first.end_s:.2f} s after its end"
                )
            else:
                repeats[killed_s] += 1
        rest = [h for h in rest if h not in mine]
    found += [f"{n} sentences were repeated after one kill" for n in repeats.values() if n > 1]
    found += [f"{len(rest)} tones belong to no sentence: {rest[:3]}"] if rest else []
    return found


async def kills(times: int, *, real: bool, seed: int) -> list[str]:
    """Kill the bot at random moments while messages come in; return what went wrong."""
    chance = random.Random(seed)  # no secret
    codes = itertools.cycle(range(CODES))
    messages: dict[int, list[int]] = {}
    killed: list[float] = []
    async with lab("bot run" if real else "tests.support.fake_voice", apart=False) as (
        sandbox,
        bot,
        speakers,
    ):
        with speakers.listen("speaker_a") as ear:
            for _ in track(range(times), "kill -9", disable=not sys.stderr.isatty()):
                await bot.start()
                for _ in range(chance.randint(1, 2)):
                    sentences = [next(codes) for _ in range(chance.randint(1, 3))]
                    text = " ".join(f"This is number {code}." for code in sentences)
                    messages[sandbox.send(YOU, text)] = sentences
                # A start takes 1 to 2 s, so a third of the kills fall into it.
                await asyncio.sleep(chance.uniform(0.3, 8.0 if real else 4.0))
                killed.append(await bot.kill())
            await bot.start()
            await all_ended(sandbox, list(messages), 60 + 5 * len(messages))
            await asyncio.to_thread(ear.wait_for_silence)
            recording, heard_s = ear.recording()
    # By chance two kills in a row may fall into the making of the same one.
    given_up = {e.reply_to for e in sandbox.events if GAVE_UP.search(e.text)}
    said = {m: sentences for m, sentences in messages.items() if m not in given_up}
    spoken = [code for sentences in said.values() for code in sentences]
    wrong = [] if real else complaints(spoken, find_tones(recording, RATE_HZ, heard_s), killed)
    wrong += [
        f"message {m} ended with {receipts(sandbox, m)}"
        for m in messages
        if set(receipts(sandbox, m)) != {"👍" if m in said else "💔"}
    ]
    print(
        f"{times} kills, {len(messages)} messages, {len(spoken)} sentences: {len(wrong)} wrong; "
        f"{len(given_up)} given up, since two kills fell into the making of them"
    )
    return wrong


FAULTS = ("stalled", "killed", "frozen")


async def devices(times: int) -> list[str]:
    """Break the loudspeaker in use in each way in turn; return what went wrong."""
    wrong: list[str] = []
    took_s: dict[str, list[float]] = {kind: [] for kind in FAULTS}
    restarts: Counter[str] = Counter()
    async with lab("tests.support.fake_voice", apart=True) as (sandbox, bot, speakers):
        ended: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
        recovered_s: list[float] = []
        daemon = speakers.daemons["speaker_a"]

        async def supervise() -> None:
            async for code in bot.supervise():
                ended.put_nowait((code, time.monotonic()))
                daemon.signal(signal.SIGCONT)  # a new process would hang on it like the old one

        supervisor = asyncio.create_task(supervise())
        for number in track(range(times), "faults", disable=not sys.stderr.isatty()):
            kind = FAULTS[number % 3]
            codes = {(number * 7 + k) % CODES for k in range(7)}
            with speakers.listen("speaker_a") as ear_a, speakers.listen("speaker_b") as ear_b:
                sent_s = time.monotonic()
                text = " ".join(f"This is number {code}." for code in codes)
                message = sandbox.send(YOU, text)
                await asyncio.to_thread(heard_anywhere, sent_s, ear_a, ear_b)
                await asyncio.sleep(0.1 + 0.17 * (number % 11))
                broken_s = time.monotonic()
                break_(daemon, kind)
                await all_ended(sandbox, [message], 60)
                took_s[kind].append(time.monotonic() - broken_s)
                mend(daemon, kind)
                await asyncio.sleep(0.3)  # what was heard last is on its way into the recording
                tones = [*told(ear_a), *told(ear_b)]
                spans = sorted([*ear_a.spans(broken_s), *ear_b.spans(broken_s)])
            missing = codes - {tone.code for tone in tones if tone.whole}
            if missing or receipts(sandbox, message) != ["👍"]:
                wrong.append(f"{kind}: {missing} not heard, receipts {receipts(sandbox, message)}")
            while not ended.empty():
                restarts[kind] += 1
                code, ended_s = ended.get_nowait()
                # Nothing sounds again where it had been heard to its end.
                recovered_s += [s - ended_s for s, _ in spans if s > ended_s][:1]
                if code != WEDGED or kind != "frozen":
                    wrong.append(f"{kind}: the bot ended with {code}")
            await asyncio.sleep(0.7)  # the stream is closed, so the next message looks anew
        supervisor.cancel()
    print(f"{times} device faults: {len(wrong)} wrong")
    for kind, all_s in took_s.items():
        if all_s:
            print(f"  {kind}: to the receipt {max(all_s):.1f} s at most, {restarts[kind]} restarts")
    if recovered_s:
        most_s = max(recovered_s)
        print(f"  from an exit to the next sound {most_s:.1f} s at most, of {len(recovered_s)}")
    return wrong


async def network(outage_s: float) -> list[str]:
    """Break the network in each way for a while; tell how soon after it the bot hears again."""
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
    took_s: dict[str, float] = {}
    async with lab("tests.support.fake_voice", apart=False) as (sandbox, bot, speakers):
        supervisor = asyncio.create_task(keep_running(bot, sandbox))
        with speakers.listen("speaker_a") as ear:
            for what, broken in track(faults.items(), disable=not sys.stderr.isatty()):
                await sandbox.wait_for_call("getupdates")
                sandbox.faults = dict(zip(("getupdates", "getme"), broken, strict=False))
                sandbox.end_poll()
                await asyncio.sleep(outage_s)
                sandbox.faults = {}
                mended_s = time.monotonic()
                message = sandbox.send(YOU, "This is number 1.")
                took_s[what] = await asyncio.to_thread(ear.wait_for_sound, mended_s, 90) - mended_s
                await all_ended(sandbox, [message], 30)
            url_port = int(sandbox.url.rpartition(":")[2])
        supervisor.cancel()
    async with lab("tests.support.fake_voice", apart=False) as (sandbox, bot, speakers):
        bot.set("TELEGRAM_API_URL", f"http://127.0.0.1:{url_port}")  # nobody listens there
        supervisor = asyncio.create_task(keep_running(bot, sandbox))
        with speakers.listen("speaker_a") as ear:
            await asyncio.sleep(outage_s)
            async with sandbox.serve(url_port):
                mended_s = time.monotonic()
                message = sandbox.send(YOU, "This is number 1.")
                heard_s = await asyncio.to_thread(ear.wait_for_sound, mended_s, 90)
                took_s["no network at start"] = heard_s - mended_s
                await all_ended(sandbox, [message], 30)
        supervisor.cancel()
    table = Table("network fault", Column("first sound after it is over", justify="right"))
    for what, seconds in took_s.items():
        table.add_row(what, f"{seconds:.1f} s")
    Console().print(table)
    return []


async def many(times: int) -> list[str]:
    """Speak many short messages; tell what grows."""
    looks: dict[int, dict[str, float]] = {}
    async with lab("tests.support.fake_voice", apart=False) as (sandbox, bot, _):
        await bot.start()
        assert bot.process is not None
        process = psutil.Process(bot.process.pid)
        waiting: list[int] = []
        for number in track(range(1, times + 1), "messages", disable=not sys.stderr.isatty()):
            waiting.append(sandbox.send(YOU, f"This is number {number}."))
            if len(waiting) > 5:
                await all_ended(sandbox, [waiting.pop(0)], 30)
            if number in {50, times // 2, times}:
                await all_ended(sandbox, waiting, 60)
                waiting.clear()
                await asyncio.sleep(_KEPT_ALIVE_S)
                looks[number] = {
                    "memory, MB": process.memory_info().rss / 1e6,
                    "files": process.num_fds(),
                    "threads": process.num_threads(),
                    "sockets": len(process.net_connections("all")),
                    "database, kB": sum(f.stat().st_size for f in bot.data_dir.glob("*.db*")) / 1e3,
                }
        await all_ended(sandbox, waiting, 60)
    table = Table("", *(f"after {number}" for number in looks))
    for what in looks[50]:
        table.add_row(what, *(f"{look[what]:.0f}" for look in looks.values()))
    Console().print(table)
    first, last = looks[50], looks[times]
    wrong = []
    if last["memory, MB"] > 1.05 * first["memory, MB"]:
        wrong.append("memory has grown by more than 5 %")
    wrong += [f"{what} has grown" for what in ("threads", "sockets") if last[what] > first[what]]
    return wrong


async def keep_running(bot: Bot, sandbox: Sandbox) -> None:
    """Start the bot anew whenever it ends, as launchd would."""
    async for code in bot.supervise():
        print(f"  the bot ended with {code} after {len(sandbox.calls)} calls")
        await asyncio.sleep(1)


def told(ear: Ear) -> list[HeardTone]:
    """Return the tones that were heard."""
    return find_tones(ear.recording()[0], RATE_HZ)


def heard_anywhere(since_s: float, *ears: Ear) -> None:
    """Return when one of them hears something."""
    deadline_s = time.monotonic() + 20
    while not any(ear.spans(since_s) for ear in ears):
        if time.monotonic() > deadline_s:
            raise TimeoutError("nothing was heard")
        time.sleep(0.02)


def main() -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kills", "mixed", "devices", "network", "many"])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--chapter", type=int, help="of mixed, that one alone")
    parser.add_argument("--real", action="store_true", help="with the real voice")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    if options.what == "kills":
        wrong = asyncio.run(kills(options.times, real=options.real, seed=options.seed))
    elif options.what == "mixed":
        wrong = asyncio.run(mixed(options.times, seed=options.seed, only=options.chapter))
    elif options.what == "devices":
        wrong = asyncio.run(devices(options.times))
    elif options.what == "many":
        wrong = asyncio.run(many(options.times))
    else:
        wrong = asyncio.run(network(10.0))
    print("\n".join(wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
