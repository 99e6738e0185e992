"""Kills while everything that can be sent comes in.

`python -m tests.stress.chaos mixed --times 200`.

Texts, files, voice notes, commands, buttons and edits are sent at random to a bot that is killed at
random, by a server that fails at random, and that sends again what it was not told to have arrived.
What was heard is told by its tones, what the bot answered by the sandbox's record.

The kills come in chapters of ten, each with a data folder and a server of its own, and planned by
its own number: a chapter that fails prints its plan, and ``--chapter N`` runs it alone. Within a
chapter each tone belongs to one sentence.
"""

import asyncio
import contextlib
import io
import itertools
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
from rich.progress import track

from audio.types import SAMPLE_RATE_HZ, Samples
from bot.chat.sandbox import Event
from tests.stress.faulty_sandbox import FaultySandbox
from tests.stress.lab import GRACE_S, TOKEN, YOU, Bot, lab, receipts
from tests.support.fake_voice import CODES, HeardTone, find_tones, tone
from tests.support.loudspeaker import RATE_HZ

KILLS = 10
"""In a chapter."""
_SETTLE_TIMEOUT_S = 90.0
_PRESS_AGAIN_S = 5.0
_LATE_S = 3600
_BUSY_S = 1.0
"""How much later than it was a sound may be told of on a busy machine."""
_UNANSWERED_S = 15.0
_MOST_SOFTER = 3  # so that tones are loud enough to be told
_REWIND_S = 0.3  # what is heard again after a pause
_FILLER = (
    "After that there was a very long stretch of words in which nobody counted anything, since "
    "all of them were busy with talking about the weather and about the garden behind the house. "
)

_WEIGHTS = {
    "text": 40,
    "urgent": 4,
    "late": 5,
    "edit": 7,
    "retract": 3,
    "txt": 8,
    "long": 6,
    "sound": 6,
    "voice": 6,
    "/stop": 1,
    "/skip": 2,
    "/pause": 2,
    "/replay": 2,
    "/note": 3,
    "/status": 2,
    "/queue": 2,
    "/volume": 1,
    "/mute": 2,
    "step": 3,  # Louder or Softer
    "press": 2,
    "decide": 6,
}
_ANSWERS = {
    "/stop": r"Silent\.",
    "/skip": r"Skipped\.|Nothing is being said",
    "/pause": r"Paused\. ",
    "/resume": r"Going on\.|I was not paused",
    "/replay": r"Saying it again|There is nothing to say again",
    "/status": r"(?s).*\nVoice: ",
    "/volume": r"The volume is \d+ %",
    "/mute": r"Muted until .*kept",
    "/unmute": r"Unmuted",
}
"""How the answers to commands begin; those of others can't be told from other messages."""

GAVE_UP = re.compile(r"Crier ended (twice|\d+ times) while")
"""What is said of a message during which the process died, and died again."""

Codes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person does."""

    at_s: float
    """Since the life began."""
    what: str
    codes: Codes = ()
    number: int = 0
    """Of the message in this chapter, for those that are messages or change one."""
    choice: str = ""
    """A button's label, or an edit's text."""

    def __str__(self) -> str:
        details = [f"#{self.number}"] if self.number else []
        details += [str(list(self.codes))] if self.codes else []
        details += [repr(self.choice)] if self.choice else []
        return f"+{self.at_s:.2f} s {self.what} {' '.join(details)}".rstrip()


@dataclass(frozen=True, slots=True)
class Life:
    """What is done between a start of the bot and its death."""

    lasts_s: float
    acts: tuple[Act, ...]
    unconfirmed: bool
    """Whether all is there at the start, and comes again after the kill."""
    talkative: bool = False
    """Whether its time counts from when there is a status message about the first act."""

    def __str__(self) -> str:
        how = ", its confirmations lost" if self.unconfirmed else ""
        how += ", once there is a status message" if self.talkative else ""
        acts = "".join(f"\n    {act}" for act in self.acts)
        return f"  a life of {self.lasts_s:.2f} s{how}:{acts}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A chapter, as it was made up."""

    lives: tuple[Life, ...]
    late: tuple[str, ...]
    """The labels of the buttons that are pressed where messages came late."""
    louder: bool
    """Whether the volume goes up in it, or down."""

    def __str__(self) -> str:
        return "\n".join([f"  late messages: {self.late[0]}", *map(str, self.lives)])


_LATE = (("Say all", "Say it"), ("Only the latest", "Say it"), ("No",))
_FILE = ("All of it", "The first paragraph", "A voice note", "No")


def plan(chance: random.Random, lives: int) -> Plan:
    """Make up a chapter."""
    planner = _Planner(chance)
    made = tuple(planner.life() for _ in range(lives))
    return Plan(made, chance.choices(_LATE, [4, 1, 1])[0], chance.random() < 0.5)


class _Planner:
    """Makes up lives, with a tone for each sentence and a number for each message."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._codes = iter(range(CODES))  # a chapter that needs more fails
        self._numbers = itertools.count(1)

    def life(self) -> Life:
        """Make up what happens between a start and a kill."""
        chance = self._chance
        match chance.random():
            case roll if roll < 0.2:
                return self._unconfirmed()
            case roll if roll < 0.45:
                return self._talkative()
        lasts_s = chance.uniform(0.3, 6.0)
        kinds = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=chance.randint(1, 3))
        acts = [one for kind in kinds for one in self._acts(kind, lasts_s)]
        return Life(lasts_s, tuple(sorted(acts, key=lambda act: act.at_s)), unconfirmed=False)

    def _unconfirmed(self) -> Life:
        """Make up a batch, with a command in it, that is handled at once and comes twice."""
        chance = self._chance
        kinds = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=chance.randint(1, 3))
        kinds = ["text", *kinds, chance.choice(["/stop", "/skip", "/replay", "step"]), "text"]
        acts = [one for kind in kinds for one in self._acts(kind, 0.0)]
        return Life(chance.uniform(0.3, 2.0), tuple(acts), unconfirmed=True)

    def _talkative(self) -> Life:
        """Make up a burst so long that there is a status message, and presses of its buttons."""
        chance = self._chance
        lasts_s = chance.uniform(0.3, 3.5)
        text = Act(0.0, "text", self._some(12), next(self._numbers))
        kinds = chance.choices(["step", "press"], [3, 1], k=2)
        acts = [one for kind in kinds for one in self._acts(kind, lasts_s)]
        acts = [text, *sorted(acts, key=lambda act: act.at_s)]
        return Life(lasts_s, tuple(acts), unconfirmed=False, talkative=True)

    def _acts(self, what: str, last_s: float) -> list[Act]:
        """Make up one thing to do, and what belongs to it."""
        chance = self._chance
        at_s = chance.uniform(0.0, last_s)
        soon_s = min(last_s, at_s + chance.uniform(0.0, 1.0))
        match what:
            case "text" | "urgent" | "late" | "txt" | "sound" | "voice":
                return [Act(at_s, what, self._some(chance.randint(1, 3)), next(self._numbers))]
            case "long":
                codes = self._some(chance.randint(2, 4))
                return [Act(at_s, what, codes, next(self._numbers), chance.choice(_FILE))]
            case "edit" | "retract":
                text = Act(at_s, "text", self._some(chance.randint(1, 2)), next(self._numbers))
                new = self._some(len(text.codes)) if what == "edit" else ()
                return [text, Act(soon_s, what, new, text.number)]
            case "/pause":
                return [Act(at_s, what), Act(soon_s, "/resume")]
            case "/mute":
                return [Act(at_s, what), Act(soon_s, "/unmute")]
            case "/note":
                return [Act(at_s, what, self._some(1))]
            case "press":
                label = chance.choice(["Pause", "Skip", "Stop", "Say it again"])
                resume = [Act(soon_s, "/resume")] if label == "Pause" else []
                return [Act(at_s, what, choice=label), *resume]
        return [Act(at_s, what)]

    def _some(self, count: int) -> Codes:
        return tuple(next(self._codes) for _ in range(count))


@dataclass(eq=False, slots=True)
class Unit:
    """What is said in one go: a sentence, or all of a recording. Heard again, all of it is."""

    slots: list[set[int]]
    """Each of its tones; an edit adds what may sound instead."""

    def of(self, heard: list[HeardTone]) -> list[list[HeardTone]]:
        """Return what was heard of each tone."""
        return [[h for h in heard if h.code in slot] for slot in self.slots]


@dataclass(eq=False, slots=True)
class Item:
    """A message that is to be said, and what may become of it."""

    act: Act
    message_id: int
    order: int
    """Among everything that was sent."""
    units: list[Unit]
    first_paragraph: int = 0
    """How many units of a long file are its first paragraph."""
    retracted: bool = False
    file_id: str = ""

    def __str__(self) -> str:
        return f"{self.act.what} #{self.act.number}"

    @property
    def codes(self) -> set[int]:
        """All tones that may sound for it."""
        return {code for unit in self.units for slot in unit.slots for code in slot}


@dataclass(eq=False, slots=True)
class Sent:
    """A command or a pressed button."""

    what: str
    order: int
    at_s: float
    query_id: str = ""


@dataclass(eq=False, slots=True)
class Figures:
    """What a run came to."""

    kills: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    suffered: Counter[str] = field(default_factory=Counter)
    gave_up: int = 0
    """Messages that ended as 💔 since the process died twice during them."""
    questions: int = 0


class Chapter:
    """Some lives of one bot, and what is to be said of them."""

    def __init__(self, plan: Plan, sandbox: FaultySandbox, bot: Bot, figures: Figures) -> None:
        """Carry *plan* out in *sandbox* by *bot*."""
        self._plan = plan
        self._sandbox = sandbox
        self._bot = bot
        self._figures = figures
        self._order = itertools.count()
        self._items: dict[int, Item] = {}  # by number
        self._sent: list[Sent] = []
        self._noted: list[int] = []  # the codes of /note
        self._kills: list[float] = []
        self._volume = 100
        self._wrong: list[str] = []

    # ---- what is done ----

    async def live(self, life: Life) -> None:
        """Start the bot, do what is planned, and kill it."""
        sandbox = self._sandbox
        sandbox.moody = True
        sandbox.lost.clear()
        if life.unconfirmed:
            for act in life.acts:
                self._do(act)
            sandbox.confirmations_lost = True
        await self._bot.start()
        acts = life.acts
        if life.talkative:
            seen = len(sandbox.events)
            self._do(acts[0])
            acts = acts[1:]
            with contextlib.suppress(TimeoutError):  # such as where what waited before is long
                await sandbox.wait_for(lambda e: "Stop" in dict(e.buttons), 20.0, since=seen)
        began_s = time.monotonic()
        if life.unconfirmed:
            async with asyncio.timeout(60):
                await sandbox.lost.wait()
            began_s = time.monotonic()
        else:
            for act in acts:
                await asyncio.sleep(began_s + act.at_s - time.monotonic())
                self._do(act)
        # The moment of the kill is what is made up here.
        await asyncio.sleep(began_s + life.lasts_s - time.monotonic())
        self._kills.append(await self._bot.kill())
        sandbox.confirmations_lost = False
        self._figures.kills += 1

    def _do(self, act: Act) -> None:
        match act.what:
            case "edit" | "retract":
                item = self._items[act.number]
                item.retracted = act.what == "retract"
                for unit, code in zip(item.units, act.codes, strict=False):
                    unit.slots[0].add(code)
                text = " ".join(sentence(code) for code in act.codes) or "."
                self._sandbox.edit(YOU, item.message_id, text)
                self._figures.sent[act.what] += 1
            case "/note":
                self._noted += act.codes
                self._command("/note", sentence(act.codes[0]))
            case "/mute":
                self._command("/mute", "0.05m")
            case "step":
                self._step()
            case "press":
                self._press(act.choice)
            case "decide":
                self._decide()
            case what if what.startswith("/"):
                self._command(what)
            case _:
                self._send(act)

    def _step(self) -> None:
        if self._plan.louder:
            self._press("Louder")
        elif sum(sent.what == "Softer" for sent in self._sent) < _MOST_SOFTER:
            self._press("Softer")

    def _send(self, act: Act) -> None:
        sentences = [sentence(code) for code in act.codes]
        units = [Unit([{code}]) for code in act.codes]
        fields: dict[str, Any] = {"text": " ".join(sentences)}
        file_id, first = "", 0
        match act.what:
            case "urgent":
                fields["text"] = f"!{fields['text']}"
            case "late":
                fields["date"] = int(time.time()) - _LATE_S
            case "txt" | "long":
                text = fields["text"]
                if act.what == "long":
                    first = len(sentences) - 1
                    parts = [" ".join(sentences[:first]), _FILLER * 10, sentences[first]]
                    text = "\n\n".join(parts)
                file_id = self._sandbox.add_file(text.encode())
                fields = file_fields("txt", file_id, len(text))
            case "sound" | "voice":
                units = [Unit([{code} for code in act.codes])]
                content = sound_file(act.codes, opus=act.what == "voice")
                file_id = self._sandbox.add_file(content)
                fields = file_fields(act.what, file_id, len(content))
        message_id = self._sandbox.send_fields(YOU, fields)
        self._items[act.number] = Item(
            act, message_id, next(self._order), units, first, file_id=file_id
        )
        self._figures.sent[act.what] += 1

    def _command(self, command: str, words: str = "") -> None:
        self._sandbox.send(YOU, f"{command} {words}".strip())
        self._sent.append(Sent(command, next(self._order), time.monotonic()))
        self._figures.sent[command] += 1

    def _press(self, label: str) -> None:
        """Press a button of a status message, the latest that has it, if there is one."""
        for message_id, buttons in reversed(self._buttons().items()):
            if label in buttons:
                self._press_button(message_id, label, buttons[label])
                return

    def _press_button(self, message_id: int, label: str, data: str) -> None:
        query_id = self._sandbox.press(YOU, message_id, data)
        self._sent.append(Sent(label, next(self._order), time.monotonic(), query_id))
        self._figures.sent[f"[{label}]"] += 1

    def _decide(self) -> bool:
        """Answer every open question; return whether there was one."""
        found = False
        answers = {self._items[n].message_id: self._items[n].act.choice for n in self._items}
        asked = {e.message_id: e.reply_to for e in self._sandbox.events if e.kind == "message"}
        for message_id, buttons in self._buttons().items():
            label = answers.get(asked[message_id], "") if _FILE[0] in buttons else ""
            if not {"Say it", "Say all"}.isdisjoint(buttons):
                label = next(label for label in self._plan.late if label in buttons)
            if label:
                self._press_button(message_id, label, buttons[label])
                found = True
        return found

    def _buttons(self) -> dict[int, dict[str, str]]:
        """Return the buttons under each of the bot's messages as they are now."""
        found: dict[int, dict[str, str]] = {}
        for event in self._sandbox.events:
            if event.kind in ("message", "edit"):
                found[event.message_id] = dict(event.buttons)
        return {message_id: buttons for message_id, buttons in found.items() if buttons}

    # ---- how it ends ----

    async def settle(self) -> None:
        """Start the bot once more, undo what keeps it quiet, and wait until all has ended."""
        sandbox = self._sandbox
        sandbox.moody = False
        await self._bot.start()
        for command in ("/unmute", "/resume"):
            self._command(command)
        deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
        pressed_s = 0.0
        while open_ := self._open():
            seen = len(sandbox.events)
            if time.monotonic() > deadline_s:
                self._wrong += [f"not ended: {what}" for what in open_]
                break
            if time.monotonic() - pressed_s > _PRESS_AGAIN_S and self._decide():
                pressed_s = time.monotonic()
            try:  # until something happens, or an answer that did not come has to be given again
                await sandbox.wait_for(lambda _: True, 1.0, since=seen)
            except TimeoutError:
                continue
        since = len(sandbox.events)
        self._command("/volume")
        try:
            answer = await sandbox.wait_for(_is_volume, 10.0, since=since)
            self._volume = int(re.findall(r"\d+", answer.text)[0])
        except TimeoutError:
            self._wrong.append("/volume was not answered")

    def _open(self) -> list[str]:
        """Return what has not ended: messages, questions, status messages."""
        waiting = [
            f"{item} has no last receipt"
            for item in self._items.values()
            if not receipts(self._sandbox, item.message_id)
        ]
        for message_id, buttons in self._buttons().items():
            what = {"Stop": "status message", _FILE[0]: "question"}
            what |= {"Say all": "question", "Say it": "question"}
            kinds = [kind for label, kind in what.items() if label in buttons]
            waiting += [f"{kind} {message_id} has its buttons" for kind in kinds[:1]]
        return waiting

    # ---- what is to be said of it ----

    def complaints(self, heard: list[HeardTone]) -> list[str]:
        """Return what is wrong with what was heard and with what the bot answered."""
        items = list(self._items.values())
        known = {code for item in items for code in item.codes}
        strange = [h for h in heard if h.code not in known]
        found = [*self._wrong]
        found += [f"{len(strange)} tones belong to no message: {strange[:3]}"] if strange else []
        found += self._untrue_receipts(items, heard)
        found += self._repeats(items, heard)
        found += self._commands()
        found += self._steps()
        found += self._notes(items)
        found += self._questions(items)
        self._figures.suffered += self._sandbox.suffered
        return found

    def _untrue_receipts(self, items: list[Item], heard: list[HeardTone]) -> list[str]:
        """Return the receipts that are missing, that disagree or that are not true."""
        found: list[str] = []
        skipped: list[Item] = []
        several: list[Item] = []
        for item in items:
            given = receipts(self._sandbox, item.message_id)
            kinds = set(given)
            self._figures.ended["".join(sorted(kinds)) or "nothing"] += 1
            if len(kinds) > 1:
                several.append(item)
            if "👍" in kinds:
                found += self._unheard(item, heard)
            elif "🙊" in kinds and not self._may_be_cut(item):
                skipped.append(item)
            if "💔" in kinds and not self._may_fail(item):
                found.append(f"{item} failed: {self._reasons(item)}")
            if kinds == {"🙊"} and not self._replays():
                cut_s = self._given_s(item, "🙊")
                mine = [h for h in heard if h.code in item.codes and h.start_s > cut_s + _BUSY_S]
                found += [f"{item} was heard after its 🙊: {mine[:2]}"] if mine else []
        if len(several) > self._replays():
            kinds_of = {str(i): set(receipts(self._sandbox, i.message_id)) for i in several}
            found.append(f"several kinds of last receipts: {kinds_of}")
        # Each /skip ends one message, which was sent before.
        orders = [sent.order for sent in self._sent if sent.what in ("/skip", "Skip")]
        for count, item in enumerate(sorted(skipped, key=lambda i: -i.order), 1):
            able = sum(order > item.order for order in orders)
            if count > able:
                found.append(f"{item} was cut, and {able} skips came after it for {count} messages")
        return found

    def _unheard(self, item: Item, heard: list[HeardTone]) -> list[str]:
        units = item.units
        if item.act.what == "long":
            if item.act.choice == "The first paragraph":
                units = units[: item.first_paragraph]
            elif item.act.choice == "A voice note":
                notes = set().union(*(codes for _, codes in self._voice_notes()))
                missing = item.codes - notes
                aloud = [h for h in heard if h.code in item.codes]
                found = [f"{item} has 👍, but its voice note lacks {missing}"] if missing else []
                return found + ([f"{item} was said aloud: {aloud[:2]}"] if aloud else [])
            elif item.act.choice == "No":
                return [f"{item} has 👍 after No"]
        found = []
        for unit in units:
            for mine, slot in zip(unit.of(heard), unit.slots, strict=True):
                if not any(h.whole for h in mine):
                    longest_s = max((h.end_s - h.start_s for h in mine), default=0.0)
                    found.append(f"{item} has 👍, but {slot} was heard for {longest_s:.2f} s")
        return found

    def _may_be_cut(self, item: Item) -> bool:
        """Whether something else than a /skip explains why a message was cut."""
        stopped = any(s.order > item.order for s in self._sent if s.what in ("/stop", "Stop"))
        left = item.act.what == "late" and self._plan.late != _LATE[0]
        return stopped or left or item.retracted or item.act.choice == "No"

    def _may_fail(self, item: Item) -> bool:
        """Whether a message may end as 💔."""
        if item.file_id in self._sandbox.gone:
            return True
        if any(GAVE_UP.search(reason) for reason in self._reasons(item)):
            self._figures.gave_up += 1
            return True
        return False

    def _reasons(self, item: Item) -> list[str]:
        return [
            e.text
            for e in self._sandbox.events
            if e.kind == "message" and e.reply_to == item.message_id
        ]

    def _given_s(self, item: Item, emoji: str) -> float:
        return next(
            e.at_s
            for e in self._sandbox.events
            if e.kind == "reaction" and (e.message_id, e.text) == (item.message_id, emoji)
        )

    def _replays(self) -> int:
        return sum(sent.what in ("/replay", "Say it again") for sent in self._sent)

    def _repeats(self, items: list[Item], heard: list[HeardTone]) -> list[str]:
        """Return what was said again without a reason: a kill, a pause, a /replay."""
        found: list[str] = []
        cut_by: Counter[float] = Counter()
        again: dict[str, int] = {}
        for item in items:
            unexplained = 0
            for unit in item.units:
                kills: set[float] = set()
                tones = unit.of(heard)
                for mine in tones:
                    without = 0
                    for first, second in itertools.pairwise(mine):
                        killed_s = self._cut_by_kill(tones, first, second)
                        if killed_s:
                            kills.add(killed_s)
                        elif not self._interrupted(first, second):
                            without += 1
                    unexplained = max(unexplained, without)
                cut_by.update(kills)
            if unexplained:
                again[str(item)] = unexplained
        # Each replay says one message again.
        if sum(again.values()) > self._replays():
            found.append(f"said again: {again}, with {self._replays()} replays")
        found += [f"{n} sentences were repeated after one kill" for n in cut_by.values() if n > 1]
        return found

    def _cut_by_kill(
        self, tones: list[list[HeardTone]], first: HeardTone, second: HeardTone
    ) -> float | None:
        """Return when the kill was that explains why a tone was heard again."""
        for killed_s in self._kills:
            if first.start_s < killed_s < second.start_s:
                ends = [
                    max((h.end_s for h in mine if h.start_s < killed_s), default=killed_s)
                    for mine in tones
                ]
                # It was known to have been heard only if all of it had been.
                if max(ends) >= killed_s - GRACE_S:
                    return killed_s
        return None

    def _interrupted(self, first: HeardTone, second: HeardTone) -> bool:
        """Whether a pause or a mute explains why a tone was heard again."""
        for begin_s, end_s in self._quiet_spans():
            if begin_s - _REWIND_S < first.end_s < end_s + _BUSY_S and second.start_s > begin_s:
                return True
        return False

    def _quiet_spans(self) -> list[tuple[float, float]]:
        """Return when each pause and mute was sent, and when it was answered at the latest."""
        spans = []
        for sent in self._sent:
            if sent.what in ("/pause", "/mute", "Pause"):
                answered_s = next(
                    (at_s for at_s in self._answers(sent) if at_s > sent.at_s),
                    sent.at_s + _UNANSWERED_S,
                )
                spans.append((sent.at_s, answered_s))
        return spans

    def _answers(self, sent: Sent) -> list[float]:
        """Return when answers of the kind that a command or button gets came."""
        if sent.query_id:
            return [
                at_s
                for at_s, method, parameters in self._sandbox.calls
                if method == "answercallbackquery"
                and parameters.get("callback_query_id") == sent.query_id
            ]
        pattern = _ANSWERS[sent.what]
        events = self._sandbox.events
        return [e.at_s for e in events if e.kind == "message" and re.match(pattern, e.text)]

    def _commands(self) -> list[str]:
        """Return the commands that were answered, and so carried out, more often than sent."""
        found = []
        for command in _ANSWERS:
            sent = [s for s in self._sent if s.what == command]
            if not sent:
                continue
            answered_s = self._answers(sent[0])
            answers, allowed = len(answered_s), len(sent)
            self._figures.answered[command] += answers
            if command == "/stop":  # it is remembered after it was carried out, and not before
                allowed += sum(
                    any(at_s < killed_s < at_s + GRACE_S for killed_s in self._kills)
                    for at_s in answered_s
                )
            if answers > allowed:
                found.append(f"{command} was sent {len(sent)} times and answered {answers} times")
        for press in (s for s in self._sent if s.query_id):
            said = {
                str(parameters.get("text") or "")
                for _, method, parameters in self._sandbox.calls
                if method == "answercallbackquery"
                and parameters.get("callback_query_id") == press.query_id
            }
            self._figures.answered[f"[{press.what}]"] += bool(said)
            if len({text for text in said if text.startswith("Volume")}) > 1:
                found.append(f"one press of {press.what} was carried out several times: {said}")
        return found

    def _steps(self) -> list[str]:
        """Return what is wrong with the volume after all steps up or down."""
        steps = [s for s in self._sent if s.what in ("Louder", "Softer")]
        answered = sum(bool(self._answers(s)) for s in steps)
        taken = abs(self._volume - 100) // 15
        limit = 3  # from 100 to 150, or as often as it is made softer
        if not min(answered, limit) <= taken <= len(steps):
            of_them = f"{len(steps)} steps, {answered} of them answered"
            return [f"the volume is {self._volume} % after {of_them}"]
        return []

    def _voice_notes(self) -> list[tuple[Event, set[int]]]:
        """Return the voice notes that the bot sent, and the tones in each."""
        found = []
        for event in self._sandbox.events:
            if event.kind == "voice":
                samples, rate_hz = soundfile.read(io.BytesIO(event.content), dtype="float32")
                found.append((event, {h.code for h in find_tones(samples, rate_hz)}))
        return found

    def _notes(self, items: list[Item]) -> list[str]:
        """Return the voice notes that came twice, or of which nobody knows."""
        found = []
        notes = self._voice_notes()
        for code in self._noted:
            came_s = [event.at_s for event, codes in notes if code in codes]
            self._figures.answered["/note"] += len(came_s)
            found += self._repeated(f"the /note of {code}", came_s)
        wanted = {i.units[0].slots[0].copy().pop(): i for i in items if i.act.what == "long"}
        for code, item in wanted.items():
            came_s = [event.at_s for event, codes in notes if code in codes]
            if came_s and item.act.choice != "A voice note":
                found.append(f"{item} came as a voice note after {item.act.choice}")
            found += self._repeated(f"the voice note of {item}", came_s)
        return found

    def _repeated(self, what: str, came_s: list[float]) -> list[str]:
        """Return what came again without a kill in the moment in which it came.

        A voice note is owed until Telegram's answer is stored, so such a kill may repeat it.
        """
        return [
            f"{what} came twice"
            for first_s in came_s[:-1]
            if not any(abs(kill - first_s) < GRACE_S for kill in self._kills)
        ]

    def _questions(self, items: list[Item]) -> list[str]:
        """Return the long files about which nobody was asked."""
        asked = {e.reply_to for e in self._sandbox.events if _FILE[0] in dict(e.buttons)}
        self._figures.questions += len(asked)
        return [
            f"nobody was asked about {item}"
            for item in items
            if item.act.what == "long"
            and item.message_id not in asked
            and set(receipts(self._sandbox, item.message_id)) != {"💔"}
            and not self._may_be_cut(item)
        ]


async def mixed(times: int, *, seed: int, only: int | None = None) -> list[str]:
    """Kill the bot while everything comes in; return what went wrong."""
    figures = Figures()
    wrong: list[str] = []
    chapters = range(-(-times // KILLS)) if only is None else [only]
    for number in track(chapters, "chapters", disable=not sys.stderr.isatty()):
        planned = plan(random.Random(f"{seed}/{number}"), min(KILLS, times - number * KILLS))
        found = await _chapter(planned, random.Random(f"{seed}/{number}/faults"), figures)
        if found:
            print(f"chapter {number}, again by --seed {seed} --chapter {number}:\n{planned}")
            print("\n".join(f"  WRONG: {what}" for what in found), flush=True)
            wrong += [f"chapter {number}: {what}" for what in found]
    _print(figures, wrong)
    return wrong


async def _chapter(planned: Plan, chance: random.Random, figures: Figures) -> list[str]:
    sandbox = FaultySandbox(TOKEN, chance)
    async with lab("tests.support.fake_voice", apart=False, sandbox=sandbox) as (_, bot, speakers):
        with speakers.listen("speaker_a") as ear:
            chapter = Chapter(planned, sandbox, bot, figures)
            for life in planned.lives:
                await chapter.live(life)
            await chapter.settle()
            await asyncio.to_thread(ear.wait_for_silence)
            recording, heard_s = ear.recording()
        return chapter.complaints(find_tones(recording, RATE_HZ, heard_s))


def _print(figures: Figures, wrong: list[str]) -> None:
    def listed(counts: Counter[str]) -> str:
        return ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "none"

    print(f"{figures.kills} kills: {len(wrong)} wrong")
    print(f"  sent: {listed(figures.sent)}")
    print(f"  answered: {listed(figures.answered)}")
    print(f"  ended: {listed(figures.ended)}; {figures.gave_up} given up after two deaths")
    print(f"  questions about long files: {figures.questions}")
    print(f"  the server's faults: {listed(figures.suffered)}")


def sound_file(codes: Codes, *, opus: bool) -> bytes:
    """Return the tones of *codes* as a WAV file, or as a voice note (OGG/Opus)."""
    silence = np.zeros(int(0.15 * SAMPLE_RATE_HZ), np.float32)
    parts: list[Samples] = [part for code in codes for part in (silence, tone(code))]
    content = io.BytesIO()
    form = {"format": "OGG", "subtype": "OPUS"} if opus else {"format": "WAV", "subtype": "PCM_16"}
    soundfile.write(content, np.concatenate([*parts, silence]), SAMPLE_RATE_HZ, **form)
    return content.getvalue()


def sentence(code: int) -> str:
    """Return the sentence that sounds as the tone of *code*."""
    return f"This is number {code}."


def file_fields(what: str, file_id: str, size: int) -> dict[str, Any]:
    """Return what a message with a file has: a ``txt``, a ``sound`` or a ``voice``."""
    file = {"file_id": file_id, "file_unique_id": file_id[:8], "file_size": size}
    match what:
        case "voice":
            return {"voice": {**file, "duration": 1, "mime_type": "audio/ogg"}}
        case "sound":
            return {"audio": {**file, "duration": 1, "mime_type": "audio/wav"}}
    return {"document": {**file, "file_name": "list.txt", "mime_type": "text/plain"}}


def _is_volume(event: Event) -> bool:
    return event.kind == "message" and re.match(_ANSWERS["/volume"], event.text) is not None
