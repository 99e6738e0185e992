"""First sound in another room against home: `python -m bench.rooms`.

A bot, a room and a broker in processes of their own, the real voice, two virtual loudspeakers. The
same texts in turn at home and in the room, from the moment at which the Bot API server offers a
message to the first frame above -50 dBFS; prints medians side by side.
"""

import argparse
import asyncio
import statistics
import time

from rich.console import Console
from rich.table import Column, Table

from bench.texts import AFTER_STOP, BEFORE_STOP
from tests.stress.lab import YOU, wait_for_receipts
from tests.stress.rooms import HOME, OTHERS, RoomsLab, rooms_lab

SETTLE_S = 4.0  # longer than a stream stays open: each message finds an idle machine
STUDY = OTHERS[0]


async def first_sound_ms(lab: RoomsLab, room: str, text: str) -> float:
    """Return how long the first sound of a text takes on an idle machine, in ms."""
    await asyncio.sleep(SETTLE_S)
    sent_s = time.monotonic()
    message = lab.sandbox.send(YOU, text if room == HOME else f"/to {room} {text}")
    heard_s = await asyncio.to_thread(lab.ears[room].wait_for_sound, sent_s)
    await wait_for_receipts(lab.sandbox, [message], 60)
    await asyncio.to_thread(lab.ears[room].wait_for_silence)
    return 1000 * (heard_s - sent_s)


async def measure(times: int) -> dict[str, list[float]]:
    """Return the times to the first sound at home and in the room, in ms, taken in turn."""
    took: dict[str, list[float]] = {HOME: [], STUDY: []}
    async with rooms_lab("bot run", KOKORO_MODEL="int8", STREAM_IDLE_S="3") as lab:
        for room in took:
            await lab.processes[room].start()
        for room in took:  # until both are there, and have loaded the model
            while True:
                try:
                    await asyncio.wait_for(first_sound_ms(lab, room, "Warming up."), 30)
                    break
                except TimeoutError:
                    continue
        texts = [f"{words} is ready." for words in (*BEFORE_STOP, *AFTER_STOP)]
        for number in range(times):
            for room in took if number % 2 else reversed(took):
                text = texts[(2 * number + (room == HOME)) % len(texts)]
                took[room].append(await first_sound_ms(lab, room, text))
    return took


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    took = asyncio.run(measure(parser.parse_args().times))
    table = Table("first sound", *(Column(name, justify="right") for name in took))
    medians = [statistics.median(each) for each in took.values()]
    table.add_row("median", *(f"{median:.0f} ms" for median in medians))
    table.add_row("worst", *(f"{max(each):.0f} ms" for each in took.values()))
    table.add_row("difference of the medians", "", f"{medians[1] - medians[0]:+.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
