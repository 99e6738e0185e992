"""Checks a chapter of the mixed test: the recording and the answers against what was sent."""

import io
import itertools
import re
from collections import Counter

import soundfile

from bot.chat.sandbox import Event
from tests.stress.chapter import VOLUME_ANSWER, ChapterLog, Item, SentCommand, Totals
from tests.stress.faulty_sandbox import FaultySandbox
from tests.stress.lab import GRACE_S, final_receipts
from tests.stress.messages import GAVE_UP
from tests.stress.plan import FILE_CHOICES, LATE_CHOICES, ChapterPlan
from tests.support.fake_voice import HeardTone, find_tones

_BUSY_S = 1.0
"""How late a sound may be on a busy machine."""
_UNANSWERED_S = 15.0
_REWIND_S = 0.3  # repeated after a pause
_ANSWERS = {
    "/stop": r"Silent\.",
    "/skip": r"Skipped\.|Nothing is being said",
    "/pause": r"Paused\. ",
    "/resume": r"Going on\.|I was not paused",
    "/replay": r"Saying it again|There is nothing to say again",
    "/status": r"(?s).*\nVoice: ",
    "/volume": VOLUME_ANSWER,
    "/mute": r"Muted until .*kept",
    "/unmute": r"Unmuted",
}
"""How answers to commands begin; those to other commands look like other messages."""


class ChapterCheck:
    """Checks the recording and the bot's answers of a chapter against what was sent."""

    def __init__(
        self, plan: ChapterPlan, sandbox: FaultySandbox, log: ChapterLog, totals: Totals
    ) -> None:
        """Check what *log* and *sandbox* recorded of *plan*; count into *totals*."""
        self._plan = plan
        self._sandbox = sandbox
        self._log = log
        self._totals = totals
        self._items = list(log.items.values())

    def failures(self, heard: list[HeardTone]) -> list[str]:
        """Return what is wrong with the tones *heard* and with the bot's answers."""
        known = {code for item in self._items for code in item.codes}
        unknown = [tone for tone in heard if tone.code not in known]
        self._totals.faults += self._sandbox.fault_counts
        return [
            *self._log.failures,
            *([f"{len(unknown)} tones belong to no message: {unknown[:3]}"] if unknown else []),
            *self._wrong_receipts(heard),
            *self._wrong_skips(),
            *self._repeats(heard),
            *self._commands(),
            *self._presses(),
            *self._volume_steps(),
            *self._notes(),
            *self._questions(),
        ]

    def _wrong_receipts(self, heard: list[HeardTone]) -> list[str]:
        """Return the receipts that are missing, contradictory or false."""
        failures: list[str] = []
        contradictory: dict[str, set[str]] = {}
        for item in self._items:
            receipts = set(final_receipts(self._sandbox, item.message_id))
            self._totals.ended["".join(sorted(receipts)) or "nothing"] += 1
            if len(receipts) > 1:
                contradictory[str(item)] = receipts
            if "👍" in receipts:
                failures += self._unheard(item, heard)
            if "💔" in receipts and not self._may_fail(item):
                failures.append(f"{item} failed: {self._reasons(item)}")
            if receipts == {"🙊"} and not self._replays():
                cut_s = self._receipt_s(item, "🙊")
                late = [
                    tone
                    for tone in heard
                    if tone.code in item.codes and tone.start_s > cut_s + _BUSY_S
                ]
                failures += [f"{item} was heard after its 🙊: {late[:2]}"] if late else []
        if len(contradictory) > self._replays():
            failures.append(f"contradictory final receipts: {contradictory}")
        return failures

    def _wrong_skips(self) -> list[str]:
        """Return the messages that were cut without a /skip: each ends one earlier message."""
        skipped = [
            item
            for item in self._items
            if "🙊" in (receipts := set(final_receipts(self._sandbox, item.message_id)))
            and "👍" not in receipts
            and not self._may_be_cut(item)
        ]
        failures = []
        skips = [
            command.order for command in self._log.commands if command.name in ("/skip", "Skip")
        ]
        for count, item in enumerate(sorted(skipped, key=lambda i: -i.order), 1):
            later = sum(skip > item.order for skip in skips)
            if count > later:
                failures.append(
                    f"{item} was cut, but {later} skips came after it for {count} messages"
                )
        return failures

    def _unheard(self, item: Item, heard: list[HeardTone]) -> list[str]:
        """Return the parts of a message with 👍 that were not heard."""
        units = item.units
        if item.action.kind == "long":
            if item.action.choice == "The first paragraph":
                units = units[: item.first_paragraph]
            elif item.action.choice == "A voice note":
                notes = set().union(*(codes for _, codes in self._voice_notes()))
                missing = item.codes - notes
                aloud = [tone for tone in heard if tone.code in item.codes]
                return [
                    *([f"{item} has 👍, but its voice note lacks {missing}"] if missing else []),
                    *([f"{item} was spoken aloud: {aloud[:2]}"] if aloud else []),
                ]
            elif item.action.choice == "No":
                return [f"{item} has 👍 after No"]
        failures = []
        for unit in units:
            for tones, slot in zip(unit.tones(heard), unit.slots, strict=True):
                if not any(tone.complete for tone in tones):
                    longest_s = max((tone.end_s - tone.start_s for tone in tones), default=0.0)
                    failures.append(f"{item} has 👍, but {slot} was heard for {longest_s:.2f} s")
        return failures

    def _may_be_cut(self, item: Item) -> bool:
        """Whether a message may have been cut by something other than a /skip."""
        stopped = any(
            command.order > item.order
            for command in self._log.commands
            if command.name in ("/stop", "Stop")
        )
        left_unspoken = item.action.kind == "late" and self._plan.late != LATE_CHOICES[0]
        return stopped or left_unspoken or item.retracted or item.action.choice == "No"

    def _may_fail(self, item: Item) -> bool:
        """Whether a message may end as 💔."""
        if item.file_id in self._sandbox.missing_files:
            return True
        if any(GAVE_UP.search(reason) for reason in self._reasons(item)):
            self._totals.gave_up += 1
            return True
        return False

    def _reasons(self, item: Item) -> list[str]:
        return [
            e.text
            for e in self._sandbox.events
            if e.kind == "message" and e.reply_to == item.message_id
        ]

    def _receipt_s(self, item: Item, emoji: str) -> float:
        return next(
            e.at_s
            for e in self._sandbox.events
            if e.kind == "reaction" and (e.message_id, e.text) == (item.message_id, emoji)
        )

    def _replays(self) -> int:
        return sum(command.name in ("/replay", "Say it again") for command in self._log.commands)

    def _repeats(self, heard: list[HeardTone]) -> list[str]:
        """Return the repetitions that no kill, pause or /replay explains."""
        failures: list[str] = []
        repeated_after: Counter[float] = Counter()  # units, by the time of the kill
        repeated: dict[str, int] = {}
        for item in self._items:
            unexplained = 0
            for unit in item.units:
                kills: set[float] = set()
                slots = unit.tones(heard)
                for tones in slots:
                    count = 0
                    for first, second in itertools.pairwise(tones):
                        killed_s = self._cut_by_kill(slots, first, second)
                        if killed_s:
                            kills.add(killed_s)
                        elif not self._interrupted(first, second):
                            count += 1
                    unexplained = max(unexplained, count)
                repeated_after.update(kills)
            if unexplained:
                repeated[str(item)] = unexplained
        # Each replay repeats one message.
        if sum(repeated.values()) > self._replays():
            failures.append(f"repeated: {repeated}, with {self._replays()} replays")
        return failures + [
            f"{count} sentences were repeated after one kill"
            for count in repeated_after.values()
            if count > 1
        ]

    def _cut_by_kill(
        self, slots: list[list[HeardTone]], first: HeardTone, second: HeardTone
    ) -> float | None:
        """Return the time of the kill that explains a repeated tone, if any."""
        for killed_s in self._log.kills:
            if first.start_s < killed_s < second.start_s:
                ends = [
                    max((tone.end_s for tone in tones if tone.start_s < killed_s), default=killed_s)
                    for tones in slots
                ]
                # A unit is recorded as heard only when all of it was.
                if max(ends) >= killed_s - GRACE_S:
                    return killed_s
        return None

    def _interrupted(self, first: HeardTone, second: HeardTone) -> bool:
        """Whether a pause or a mute explains a repeated tone."""
        for start_s, end_s in self._quiet_spans():
            if start_s - _REWIND_S < first.end_s < end_s + _BUSY_S and second.start_s > start_s:
                return True
        return False

    def _quiet_spans(self) -> list[tuple[float, float]]:
        """Return when each pause and mute was sent, and when it was answered at the latest."""
        spans = []
        for command in self._log.commands:
            if command.name in ("/pause", "/mute", "Pause"):
                answered_s = next(
                    (at_s for at_s in self._answers(command) if at_s > command.at_s),
                    command.at_s + _UNANSWERED_S,
                )
                spans.append((command.at_s, answered_s))
        return spans

    def _answers(self, command: SentCommand) -> list[float]:
        """Return the times of answers to a button, or to all commands of this name."""
        if command.query_id:
            return [
                at_s
                for at_s, method, parameters in self._sandbox.calls
                if method == "answercallbackquery"
                and parameters.get("callback_query_id") == command.query_id
            ]
        pattern = _ANSWERS[command.name]
        events = self._sandbox.events
        return [e.at_s for e in events if e.kind == "message" and re.match(pattern, e.text)]

    def _commands(self) -> list[str]:
        """Return the commands that were answered, and so carried out, more often than sent."""
        failures = []
        for name in _ANSWERS:
            sent = [command for command in self._log.commands if command.name == name]
            if not sent:
                continue
            answered_s = self._answers(sent[0])
            answers, allowed = len(answered_s), len(sent)
            self._totals.answered[name] += answers
            if name == "/stop":  # it is recorded after it was carried out, not before
                allowed += sum(
                    any(at_s < killed_s < at_s + GRACE_S for killed_s in self._log.kills)
                    for at_s in answered_s
                )
            if answers > allowed:
                failures.append(f"{name} was sent {len(sent)} times and answered {answers} times")
        return failures

    def _presses(self) -> list[str]:
        """Return the buttons that were carried out several times for one press."""
        failures = []
        for press in (command for command in self._log.commands if command.query_id):
            texts = {
                str(parameters.get("text") or "")
                for _, method, parameters in self._sandbox.calls
                if method == "answercallbackquery"
                and parameters.get("callback_query_id") == press.query_id
            }
            self._totals.answered[f"[{press.name}]"] += bool(texts)
            if len({text for text in texts if text.startswith("Volume")}) > 1:
                failures.append(f"one press of {press.name} was carried out several times: {texts}")
        return failures

    def _volume_steps(self) -> list[str]:
        """Return what is wrong with the volume after all steps up or down."""
        steps = [command for command in self._log.commands if command.name in ("Louder", "Softer")]
        answered = sum(bool(self._answers(step)) for step in steps)
        carried_out = abs(self._log.volume - 100) // 15
        limit = 3  # from 100 to 150, or as often as Softer is pressed at most
        if not min(answered, limit) <= carried_out <= len(steps):
            steps_sent = f"{len(steps)} steps, {answered} of them answered"
            return [f"the volume is {self._log.volume} % after {steps_sent}"]
        return []

    def _voice_notes(self) -> list[tuple[Event, set[int]]]:
        """Return the voice notes that the bot sent, and the codes of the tones in each."""
        notes = []
        for event in self._sandbox.events:
            if event.kind == "voice":
                samples, rate_hz = soundfile.read(io.BytesIO(event.content), dtype="float32")
                notes.append((event, {tone.code for tone in find_tones(samples, rate_hz)}))
        return notes

    def _notes(self) -> list[str]:
        """Return the voice notes that were sent twice, or without a request."""
        failures = []
        notes = self._voice_notes()
        for code in self._log.note_codes:
            sent_s = [event.at_s for event, codes in notes if code in codes]
            self._totals.answered["/note"] += len(sent_s)
            failures += self._sent_twice(f"the /note of {code}", sent_s)
        for item in self._items:
            if item.action.kind != "long":
                continue
            (code,) = item.units[0].slots[0]
            sent_s = [event.at_s for event, codes in notes if code in codes]
            if sent_s and item.action.choice != "A voice note":
                failures.append(f"{item} was sent as a voice note after {item.action.choice}")
            failures += self._sent_twice(f"the voice note of {item}", sent_s)
        return failures

    def _sent_twice(self, name: str, sent_s: list[float]) -> list[str]:
        """Return a failure for each repetition without a kill close to the time before it.

        A voice note is owed until Telegram's answer is stored, so a kill then may repeat it.
        """
        return [
            f"{name} was sent twice"
            for first_s in sent_s[:-1]
            if not any(abs(killed_s - first_s) < GRACE_S for killed_s in self._log.kills)
        ]

    def _questions(self) -> list[str]:
        """Return the long files about which nobody was asked."""
        asked = {e.reply_to for e in self._sandbox.events if FILE_CHOICES[0] in dict(e.buttons)}
        self._totals.questions += len(asked)
        return [
            f"nobody was asked about {item}"
            for item in self._items
            if item.action.kind == "long"
            and item.message_id not in asked
            and set(final_receipts(self._sandbox, item.message_id)) != {"💔"}
            and not self._may_be_cut(item)
        ]
