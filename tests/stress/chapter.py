"""A chapter of the mixed test: what is sent, and what is logged for the checks."""

import asyncio
import contextlib
import itertools
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bot.chat.sandbox import Event, Sandbox
from tests.stress.faulty_sandbox import FaultySandbox
from tests.stress.lab import YOU, BotProcess, final_receipts
from tests.stress.messages import file_fields, sentence, sound_file
from tests.stress.plan import FILE_CHOICES, Action, ChapterPlan, Life
from tests.support.fake_voice import HeardTone

VOLUME_ANSWER = r"The volume is \d+ %"
_SETTLE_TIMEOUT_S = 90.0
_PRESS_AGAIN_S = 5.0
_LATE_S = 3600
_MAX_SOFTER = 3  # so that tones stay loud enough to be recognized
_FILLER = (
    "After that there was a very long stretch of words in which nobody counted anything, since "
    "all of them were busy with talking about the weather and about the garden behind the house. "
)


@dataclass(eq=False, slots=True)
class Unit:
    """The unit of repetition: a sentence, or a complete recording."""

    slots: list[set[int]]
    """For each of its tones, the codes that may sound; an edit adds one."""

    def tones(self, heard: list[HeardTone]) -> list[list[HeardTone]]:
        """Return the tones heard for each slot."""
        return [[tone for tone in heard if tone.code in slot] for slot in self.slots]


@dataclass(eq=False, slots=True)
class Item:
    """A message to be spoken."""

    action: Action
    message_id: int
    order: int
    """Its position among everything sent, commands and buttons included."""
    units: list[Unit]
    first_paragraph: int = 0
    """The number of units in the first paragraph of a long file."""
    retracted: bool = False
    file_id: str = ""

    def __str__(self) -> str:
        return f"{self.action.kind} #{self.action.number}"

    @property
    def codes(self) -> set[int]:
        """The codes of all tones that may sound for it."""
        return {code for unit in self.units for slot in unit.slots for code in slot}


@dataclass(eq=False, slots=True)
class SentCommand:
    """A command, or a button that was pressed."""

    name: str
    """The command with its slash, or the button's label."""
    order: int
    at_s: float
    query_id: str = ""


@dataclass(eq=False, slots=True)
class Totals:
    """The counts of all chapters."""

    kills: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    gave_up: int = 0
    """Messages that ended as 💔 because the process died twice while working on them."""
    questions: int = 0


@dataclass(eq=False, slots=True)
class ChapterLog:
    """The actions of a chapter, and their times."""

    items: dict[int, Item] = field(default_factory=dict)
    """By message number."""
    commands: list[SentCommand] = field(default_factory=list)
    note_codes: list[int] = field(default_factory=list)
    """The codes sent with /note."""
    kills: list[float] = field(default_factory=list)
    """By `time.monotonic`."""
    volume: int = 100
    """In the end, in percent."""
    failures: list[str] = field(default_factory=list)


class Chapter:
    """Carries out the plan of a chapter."""

    def __init__(
        self, plan: ChapterPlan, sandbox: FaultySandbox, bot: BotProcess, totals: Totals
    ) -> None:
        """Act through *sandbox* on *bot*; count into *totals*."""
        self.log = ChapterLog()
        self._plan = plan
        self._sandbox = sandbox
        self._bot = bot
        self._totals = totals
        self._order = itertools.count()

    # ---- a life ----

    async def live(self, life: Life) -> None:
        """Start the bot, carry out the planned actions, and kill it."""
        sandbox = self._sandbox
        sandbox.unreliable = True
        sandbox.confirmation_lost.clear()
        if life.unconfirmed:
            for action in life.actions:
                self._carry_out(action)
            sandbox.lose_confirmations = True
        await self._bot.start()
        actions = life.actions
        if life.from_status_message:
            seen = len(sandbox.events)
            self._carry_out(actions[0])
            actions = actions[1:]
            with contextlib.suppress(TimeoutError):  # long messages may wait before it
                await sandbox.wait_for(lambda e: "Stop" in dict(e.buttons), 20.0, since=seen)
        started_s = time.monotonic()
        if life.unconfirmed:
            async with asyncio.timeout(60):
                await sandbox.confirmation_lost.wait()
            started_s = time.monotonic()
        else:
            for action in actions:
                await asyncio.sleep(started_s + action.at_s - time.monotonic())
                self._carry_out(action)
        await asyncio.sleep(started_s + life.lasts_s - time.monotonic())
        self.log.kills.append(await self._bot.kill())
        sandbox.lose_confirmations = False
        self._totals.kills += 1

    def _carry_out(self, action: Action) -> None:
        match action.kind:
            case "edit" | "retract":
                item = self.log.items[action.number]
                item.retracted = action.kind == "retract"
                for unit, code in zip(item.units, action.codes, strict=False):
                    unit.slots[0].add(code)
                text = " ".join(sentence(code) for code in action.codes) or "."
                self._sandbox.edit(YOU, item.message_id, text)
                self._totals.sent[action.kind] += 1
            case "/note":
                self.log.note_codes += action.codes
                self._command("/note", sentence(action.codes[0]))
            case "/mute":
                self._command("/mute", "0.05m")
            case "step":
                self._step()
            case "press":
                self._press(action.choice)
            case "decide":
                self._decide()
            case command if command.startswith("/"):
                self._command(command)
            case _:
                self._send(action)

    def _step(self) -> None:
        """Press Louder or Softer."""
        if self._plan.louder:
            self._press("Louder")
        elif sum(command.name == "Softer" for command in self.log.commands) < _MAX_SOFTER:
            self._press("Softer")

    def _send(self, action: Action) -> None:
        sentences = [sentence(code) for code in action.codes]
        units = [Unit([{code}]) for code in action.codes]
        fields: dict[str, Any] = {"text": " ".join(sentences)}
        file_id, first = "", 0
        match action.kind:
            case "urgent":
                fields["text"] = f"!{fields['text']}"
            case "late":
                fields["date"] = int(time.time()) - _LATE_S
            case "txt" | "long":
                text = fields["text"]
                if action.kind == "long":
                    first = len(sentences) - 1
                    parts = [" ".join(sentences[:first]), _FILLER * 10, sentences[first]]
                    text = "\n\n".join(parts)
                file_id = self._sandbox.add_file(text.encode())
                fields = file_fields("txt", file_id, len(text))
            case "sound" | "voice":
                units = [Unit([{code} for code in action.codes])]
                content = sound_file(action.codes, opus=action.kind == "voice")
                file_id = self._sandbox.add_file(content)
                fields = file_fields(action.kind, file_id, len(content))
        self.log.items[action.number] = Item(
            action,
            message_id=self._sandbox.send_fields(YOU, fields),
            order=next(self._order),
            units=units,
            first_paragraph=first,
            file_id=file_id,
        )
        self._totals.sent[action.kind] += 1

    def _command(self, command: str, words: str = "") -> None:
        self._sandbox.send(YOU, f"{command} {words}".strip())
        self.log.commands.append(SentCommand(command, next(self._order), time.monotonic()))
        self._totals.sent[command] += 1

    def _press(self, label: str) -> None:
        """Press a button of the newest status message that has it, if there is one."""
        for message_id, buttons in reversed(buttons_of(self._sandbox).items()):
            if label in buttons:
                self._press_button(message_id, label, buttons[label])
                return

    def _press_button(self, message_id: int, label: str, data: str) -> None:
        query_id = self._sandbox.press(YOU, message_id, data)
        self.log.commands.append(SentCommand(label, next(self._order), time.monotonic(), query_id))
        self._totals.sent[f"[{label}]"] += 1

    def _decide(self) -> bool:
        """Answer every open question; return whether there was one."""
        any_open = False
        choices = {item.message_id: item.action.choice for item in self.log.items.values()}
        asked = {e.message_id: e.reply_to for e in self._sandbox.events if e.kind == "message"}
        for message_id, buttons in buttons_of(self._sandbox).items():
            label = choices.get(asked[message_id], "") if FILE_CHOICES[0] in buttons else ""
            if not {"Say it", "Say all"}.isdisjoint(buttons):
                label = next(label for label in self._plan.late if label in buttons)
            if label:
                self._press_button(message_id, label, buttons[label])
                any_open = True
        return any_open

    # ---- the end ----

    async def settle(self) -> None:
        """Start the bot once more, unmute and resume it, and wait until nothing is open."""
        sandbox = self._sandbox
        sandbox.unreliable = False
        await self._bot.start()
        for command in ("/unmute", "/resume"):
            self._command(command)
        deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
        pressed_s = 0.0
        while open_ := self._open():
            seen = len(sandbox.events)
            if time.monotonic() > deadline_s:
                self.log.failures += [f"not ended: {name}" for name in open_]
                break
            if time.monotonic() - pressed_s > _PRESS_AGAIN_S and self._decide():
                pressed_s = time.monotonic()
            try:  # until an event, or until it is time to press again
                await sandbox.wait_for(lambda _: True, 1.0, since=seen)
            except TimeoutError:
                continue
        since = len(sandbox.events)
        self._command("/volume")
        try:
            answer = await sandbox.wait_for(_is_volume, 10.0, since=since)
            self.log.volume = int(re.findall(r"\d+", answer.text)[0])
        except TimeoutError:
            self.log.failures.append("/volume was not answered")

    def _open(self) -> list[str]:
        """Return the messages, questions and status messages that have not ended."""
        waiting = [
            f"{item} has no final receipt"
            for item in self.log.items.values()
            if not final_receipts(self._sandbox, item.message_id)
        ]
        for message_id, buttons in buttons_of(self._sandbox).items():
            kind_of = {"Stop": "status message", FILE_CHOICES[0]: "question"}
            kind_of |= {"Say all": "question", "Say it": "question"}
            kinds = [kind for label, kind in kind_of.items() if label in buttons]
            waiting += [f"{kind} {message_id} still has its buttons" for kind in kinds[:1]]
        return waiting


def buttons_of(sandbox: Sandbox) -> dict[int, dict[str, str]]:
    """Return the current buttons (label -> data) of each of the bot's messages that has any."""
    current: dict[int, dict[str, str]] = {}
    for event in sandbox.events:
        if event.kind in ("message", "edit"):
            current[event.message_id] = dict(event.buttons)
    return {message_id: buttons for message_id, buttons in current.items() if buttons}


def _is_volume(event: Event) -> bool:
    return event.kind == "message" and re.match(VOLUME_ANSWER, event.text) is not None
