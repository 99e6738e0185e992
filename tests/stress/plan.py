"""The plan of a chapter of the mixed test: what is sent and when, and when the bot is killed."""

import itertools
import random
from dataclasses import dataclass

from tests.stress.messages import Codes
from tests.support.fake_voice import CODES

# How often each kind of action is planned, relative to the others.
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


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a person does."""

    at_s: float
    """Seconds since the start of the life."""
    kind: str
    """A key of the weights above, ``/resume`` or ``/unmute``."""
    codes: Codes = ()
    number: int = 0
    """The number of the message in this chapter, if this sends or changes a message."""
    choice: str = ""
    """The label of the button to press."""

    def __str__(self) -> str:
        details = [f"#{self.number}"] if self.number else []
        details += [str(list(self.codes))] if self.codes else []
        details += [repr(self.choice)] if self.choice else []
        return f"+{self.at_s:.2f} s {self.kind} {' '.join(details)}".rstrip()


@dataclass(frozen=True, slots=True)
class Life:
    """What happens between a start of the bot and its kill."""

    lasts_s: float
    actions: tuple[Action, ...]
    unconfirmed: bool
    """Whether all actions are sent before the start, and their updates again after the kill."""
    from_status_message: bool = False
    """Whether its time counts from the status message about the first action."""

    def __str__(self) -> str:
        details = ", its confirmations lost" if self.unconfirmed else ""
        details += ", from the status message on" if self.from_status_message else ""
        actions = "".join(f"\n    {action}" for action in self.actions)
        return f"  a life of {self.lasts_s:.2f} s{details}:{actions}"


@dataclass(frozen=True, slots=True)
class ChapterPlan:
    """The lives of a chapter, and how its questions are answered."""

    lives: tuple[Life, ...]
    late: tuple[str, ...]
    """The labels of the buttons to press if messages arrived late, by preference."""
    louder: bool
    """Whether volume buttons turn it up; otherwise down."""

    def __str__(self) -> str:
        return "\n".join([f"  late messages: {self.late[0]}", *map(str, self.lives)])


LATE_CHOICES = (("Say all", "Say it"), ("Only the latest", "Say it"), ("No",))
FILE_CHOICES = ("All of it", "The first paragraph", "A voice note", "No")


def plan_chapter(rng: random.Random, lives: int) -> ChapterPlan:
    """Plan a chapter at random."""
    planner = _Planner(rng)
    planned = tuple(planner.life() for _ in range(lives))
    return ChapterPlan(planned, rng.choices(LATE_CHOICES, [4, 1, 1])[0], rng.random() < 0.5)


class _Planner:
    """Plans lives, with a tone for each sentence and a number for each message."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._codes = iter(range(CODES))  # a chapter that needs more raises
        self._numbers = itertools.count(1)

    def life(self) -> Life:
        """Plan what happens between a start and a kill."""
        rng = self._rng
        match rng.random():
            case roll if roll < 0.2:
                return self._unconfirmed()
            case roll if roll < 0.45:
                return self._with_status_message()
        lasts_s = rng.uniform(0.3, 6.0)
        kinds = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=rng.randint(1, 3))
        actions = [action for kind in kinds for action in self._actions(kind, lasts_s)]
        actions.sort(key=lambda action: action.at_s)
        return Life(lasts_s, tuple(actions), unconfirmed=False)

    def _unconfirmed(self) -> Life:
        """Plan a batch with a command that waits at the start, and is received twice."""
        rng = self._rng
        kinds = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=rng.randint(1, 3))
        kinds = ["text", *kinds, rng.choice(["/stop", "/skip", "/replay", "step"]), "text"]
        actions = [action for kind in kinds for action in self._actions(kind, 0.0)]
        return Life(rng.uniform(0.3, 2.0), tuple(actions), unconfirmed=True)

    def _with_status_message(self) -> Life:
        """Plan a text long enough for a status message, and presses of its buttons."""
        rng = self._rng
        lasts_s = rng.uniform(0.3, 3.5)
        text = Action(0.0, "text", self._take_codes(12), next(self._numbers))
        kinds = rng.choices(["step", "press"], [3, 1], k=2)
        actions = [action for kind in kinds for action in self._actions(kind, lasts_s)]
        actions = [text, *sorted(actions, key=lambda action: action.at_s)]
        return Life(lasts_s, tuple(actions), unconfirmed=False, from_status_message=True)

    def _actions(self, kind: str, last_s: float) -> list[Action]:
        """Plan one action until *last_s*, and those that it needs before or after it."""
        rng = self._rng
        at_s = rng.uniform(0.0, last_s)
        soon_s = min(last_s, at_s + rng.uniform(0.0, 1.0))
        match kind:
            case "text" | "urgent" | "late" | "txt" | "sound" | "voice":
                return [
                    Action(at_s, kind, self._take_codes(rng.randint(1, 3)), next(self._numbers))
                ]
            case "long":
                codes = self._take_codes(rng.randint(2, 4))
                return [Action(at_s, kind, codes, next(self._numbers), rng.choice(FILE_CHOICES))]
            case "edit" | "retract":
                text = Action(
                    at_s, "text", self._take_codes(rng.randint(1, 2)), next(self._numbers)
                )
                new = self._take_codes(len(text.codes)) if kind == "edit" else ()
                return [text, Action(soon_s, kind, new, text.number)]
            case "/pause":
                return [Action(at_s, kind), Action(soon_s, "/resume")]
            case "/mute":
                return [Action(at_s, kind), Action(soon_s, "/unmute")]
            case "/note":
                return [Action(at_s, kind, self._take_codes(1))]
            case "press":
                label = rng.choice(["Pause", "Skip", "Stop", "Say it again"])
                resume = [Action(soon_s, "/resume")] if label == "Pause" else []
                return [Action(at_s, kind, choice=label), *resume]
        return [Action(at_s, kind)]

    def _take_codes(self, count: int) -> Codes:
        return tuple(next(self._codes) for _ in range(count))
