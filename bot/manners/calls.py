"""Not into a call: what is not urgent is held while another program uses a microphone.

On a Mac also while the screen shows the session of somebody else. Which programs record is known
without any permission: CoreAudio lists them since macOS 14.2, PulseAudio and PipeWire everywhere. A
device's own "is running" is not asked, since it is true for a headset that only plays
(Vixen-Labs/busylight#93). Runs on the event loop.
"""

import asyncio
import logging
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable, Collection

from audio.output import coreaudio, pulse
from audio.output.microphone import MicrophoneUser
from bot.manners import pactl
from bot.manners.processes import ProgramError

log = logging.getLogger(__name__)

# What records for less is no call: the test of a microphone, or a headset that is being connected.
_SURE_AFTER_S = 2.0
# A program that changes its device lets go of the microphone for a moment.
_OVER_AFTER_S = 3.0
# How often CoreAudio is asked. Its listeners would call Python on a thread of its own.
_POLL_S = 1.0
# How soon it is looked for a sound server again, and how soon one that does not answer is asked.
_RETRY_S, _RETRY_FAILED_S = 10.0, 60.0
# A change between the start of `pactl subscribe` and its first report is seen by a second look.
_SECOND_LOOK_S = 1.0

# The parts of macOS that listen all day, for "Siri", sounds and spoken commands: CoreSpeech records
# for as long as Siri may be called (heardlabs/heard#31).
_ALWAYS_LISTENING = (
    "com.apple.corespeech",
    "com.apple.assistantd",
    "com.apple.siri",
    "com.apple.accessibility.heard",
    "com.apple.universalaccessd",
)

_COMPUTER = "Mac" if sys.platform == "darwin" else "computer"
IN_CALL = f"The {_COMPUTER} is in a call"
SOMEBODY_ELSE = f"Somebody else is using the {_COMPUTER}"

Hold = Callable[[str, str], Awaitable[None]]
"""Of `bot.core.quiet_hold`: takes what noticed a condition, and the condition or nothing."""


class CallDetector:
    """Decides from who records, and for how long, whether there is a call.

    Logs the names of who does, which NOT_CALLS may need.
    """

    def __init__(self, not_calls: Collection[str] = ()) -> None:
        """Ignore programs with one of *not_calls*, in lower case, in their name."""
        self._not_calls = (*_ALWAYS_LISTENING, *not_calls)
        self._since_s: dict[MicrophoneUser, float] = {}
        self._last_s = -math.inf  # when somebody was last in a call
        self._is_first = True
        self._was_sure = False
        self.in_call = False

    def update(self, users: Collection[MicrophoneUser], now_s: float) -> float | None:
        """Take note of who records now; return in how many seconds that may mean something else.

        None: not before *users* change. Whoever records at the first call has done so for a while.
        """
        unknown_s, self._is_first = (-math.inf if self._is_first else now_s), False
        self._since_s = {
            user: self._since_s.get(user, unknown_s)
            for user in users
            if not any(part in user.name.casefold() for part in self._not_calls)
        }
        ages_s = [now_s - since_s for since_s in self._since_s.values()]
        is_sure = any(age_s >= _SURE_AFTER_S for age_s in ages_s)
        if is_sure or self._was_sure:
            self._last_s = now_s
        if is_sure and not self.in_call:
            names = sorted(user.name for user in self._since_s)
            log.info("A microphone is in use by: %s", ", ".join(names))
        self._was_sure = is_sure
        over_in_s = self._last_s + _OVER_AFTER_S - now_s
        self.in_call = over_in_s > 0
        due_s = [_SURE_AFTER_S - age_s for age_s in ages_s if age_s < _SURE_AFTER_S]
        if self.in_call and not is_sure:
            due_s.append(over_in_s)
        return min(due_s, default=None)


class CallWatch:
    """Holds messages while there is a call."""

    def __init__(self, hold: Hold, not_calls: Collection[str] = ()) -> None:
        """Report calls to *hold*; see `CallDetector` for *not_calls*."""
        self._hold = hold
        self._not_calls = not_calls
        self._detector = CallDetector(not_calls)
        self.looked = asyncio.Event()
        """Set as soon as it is known whether there is a call, or that it can't be known."""

    async def run(self) -> None:
        """Watch until cancelled, or until it is clear that nothing can be known."""
        follow = self._follow_mac if sys.platform == "darwin" else self._follow_pulse
        if sys.platform != "darwin" and not pactl.is_installed():
            log.info("Calls are not noticed: there is no pactl (Debian's pulseaudio-utils)")
            self.looked.set()
            return
        error = ""
        while True:
            self._detector = CallDetector(self._not_calls)
            retry_s = _RETRY_S
            try:
                await follow()
            except ProgramError as exc:
                retry_s = _RETRY_FAILED_S
                if str(exc) != error:  # an old pactl never answers
                    error = str(exc)
                    log.warning("Calls are not noticed: %s. Trying again.", error)
            except Exception:  # for example a full disk; tried again
                retry_s = _RETRY_FAILED_S
                log.exception("Unexpected error in noticing calls")
            self.looked.set()
            await self._release()  # it is unknown, or over with the server
            await asyncio.sleep(retry_s)

    async def _release(self) -> None:
        try:
            await self._hold("call", "")
        except Exception:  # QuietHold releases them at its next check
            log.exception("Unexpected error in noticing calls")

    async def _follow_pulse(self) -> None:
        """Follow the sound server until it ends, if there is one."""
        if not pulse.has_server():
            return
        async with pactl.changes("source-output") as changes:
            timeout_s: float | None = _SECOND_LOOK_S
            while not changes.over:
                listing = await pactl.listing()
                due_s = await self._report(pulse.microphone_users(listing, os.getpid()))
                await changes.wait(timeout_s if due_s is None else due_s)
                timeout_s = None

    async def _follow_mac(self) -> None:
        """Ask CoreAudio and the window server again and again."""
        while True:
            # On another thread, since it asks other processes, which may hang.
            users, in_front = await asyncio.to_thread(_ask_mac)
            await self._hold("session", "" if in_front else SOMEBODY_ELSE)
            await self._report(users)
            await asyncio.sleep(_POLL_S)

    async def _report(self, users: Collection[MicrophoneUser]) -> float | None:
        due_s = self._detector.update(users, time.monotonic())
        await self._hold("call", IN_CALL if self._detector.in_call else "")
        self.looked.set()
        return due_s


def _ask_mac() -> tuple[tuple[MicrophoneUser, ...], bool]:
    return coreaudio.microphone_users(os.getpid()), coreaudio.is_in_front()
