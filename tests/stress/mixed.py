"""Kills while everything that can be sent arrives: ``python -m tests.stress.chaos mixed``.

Texts, files, voice notes, commands, buttons and edits are sent at random to a bot that is killed at
random, by a server that fails at random and resends what was not confirmed. The recording is
checked by its tones, the bot's answers by the sandbox's events. Counted as failures: a message
without a final receipt or with a false one, a sentence repeated without a reason, a command or a
button carried out twice, a wrong volume, a voice note sent twice, a question not asked.

Kills come in chapters of ten, each with a data folder and a server of its own. A chapter is planned
by its seed and number: one that fails prints its plan, and ``--chapter N`` runs it alone. Within a
chapter each tone belongs to one sentence.
"""

import asyncio
import random
import sys
from collections import Counter

from rich.progress import track

from tests.stress.chapter import Chapter, Totals
from tests.stress.chapter_check import ChapterCheck
from tests.stress.faulty_sandbox import FaultySandbox
from tests.stress.lab import TOKEN, lab
from tests.stress.plan import ChapterPlan, plan_chapter
from tests.support.fake_voice import find_tones
from tests.support.loudspeaker import RATE_HZ

KILLS = 10
"""In a chapter."""


async def mixed(times: int, *, seed: int, only: int | None = None) -> list[str]:
    """Kill the bot while everything arrives; return the failures of all chapters, or of one."""
    totals = Totals()
    failures: list[str] = []
    chapters = range(-(-times // KILLS)) if only is None else [only]
    for number in track(chapters, "chapters", disable=not sys.stderr.isatty()):
        lives = min(KILLS, times - number * KILLS)
        plan = plan_chapter(random.Random(f"{seed}/{number}"), lives)
        failed = await _chapter(plan, random.Random(f"{seed}/{number}/faults"), totals)
        if failed:
            print(f"chapter {number}, repeat with --seed {seed} --chapter {number}:\n{plan}")
            print("\n".join(f"  FAILED: {failure}" for failure in failed), flush=True)
            failures += [f"chapter {number}: {failure}" for failure in failed]
    _print(totals, failures)
    return failures


async def _chapter(plan: ChapterPlan, rng: random.Random, totals: Totals) -> list[str]:
    sandbox = FaultySandbox(TOKEN, rng)
    async with lab("tests.support.fake_voice", separate=False, sandbox=sandbox) as (
        _,
        bot,
        speakers,
    ):
        with speakers.listen("speaker_a") as ear:
            chapter = Chapter(plan, sandbox, bot, totals)
            for life in plan.lives:
                await chapter.live(life)
            await chapter.settle()
            await asyncio.to_thread(ear.wait_for_silence)
            recording, heard_s = ear.recording()
        check = ChapterCheck(plan, sandbox, chapter.log, totals)
        return check.failures(find_tones(recording, RATE_HZ, heard_s))


def _print(totals: Totals, failures: list[str]) -> None:
    def listed(counts: Counter[str]) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"

    print(f"{totals.kills} kills: {len(failures)} failures")
    print(f"  sent: {listed(totals.sent)}")
    print(f"  answered: {listed(totals.answered)}")
    print(f"  ended: {listed(totals.ended)}; {totals.gave_up} given up after two deaths")
    print(f"  questions about long files: {totals.questions}")
    print(f"  the server's faults: {listed(totals.faults)}")
