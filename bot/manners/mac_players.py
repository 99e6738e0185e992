"""Music and Spotify on a Mac step back, by their scripting (`osascript`).

macOS asks once, for each of them, whether Crier may control it. The script is JavaScript, which
needs no dictionary of a program that is not installed; an AppleScript would ask where it is.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bot.manners.music import FADE_STEP_S, Change, Look, Volumes
from bot.manners.processes import ProgramError, run

# For as long as macOS asks for permission, nothing answers.
_TIMEOUT_S = 60.0
_NOT_PERMITTED = -1743  # errAEEventNotPermitted. Source: AEDataModel.h.
_DB_PER_FACTOR = 20.0

# The order is an argument, never part of the script. `running` starts nothing.
_SCRIPT = """
function run(argv) {
    const order = JSON.parse(argv[0]);
    const answers = {};
    for (const name of order.players) {
        try {
            const player = Application(name);
            if (!player.running()) continue;
            const answer = answers[name] = {};
            try {
                for (const volume of order.volumes[name] || []) {
                    player.soundVolume = volume;
                    delay(order.step_s);
                }
                if (order.pause.includes(name)) player.pause();
                if (order.play.includes(name)) player.play();
                answer.state = player.playerState();
                answer.volume = player.soundVolume();
            } catch (error) {
                answer.error = error.errorNumber || 0;
            }
        } catch (error) {
            // It is not installed.
        }
    }
    return JSON.stringify(answers);
}
"""

RunScript = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def _run_script(order: dict[str, Any]) -> dict[str, Any]:
    command = ("osascript", "-l", "JavaScript", "-e", _SCRIPT, json.dumps(order))
    printed = await run(*command, timeout_s=_TIMEOUT_S)
    try:
        answers: dict[str, Any] = json.loads(printed)
    except ValueError as exc:
        raise ProgramError(f"osascript answered {printed[:80]!r}") from exc
    return answers


class MacPlayers:
    """Pauses Music and Spotify, or makes them quieter."""

    NAMES = ("Music", "Spotify")

    def __init__(self, duck: str | float, run_script: RunScript = _run_script) -> None:
        """Pause them, or make them quieter by *duck* dB, with *run_script* or a stand-in."""
        self._factor = None if isinstance(duck, str) else 10 ** (-duck / _DB_PER_FACTOR)
        self._run_script = run_script

    async def look(self) -> Look:
        """Return those that play, and which may not be controlled.

        Raises:
            ProgramError: the script does not run.
        """
        answers = await self._do()
        refused = [name for name in answers if answers[name].get("error") == _NOT_PERMITTED]
        return Look(
            tuple(
                self._change(name, int(answer.get("volume", 0)))
                for name, answer in answers.items()
                if answer.get("state") == "playing"
            ),
            (refused and _permission(refused)) or "",
        )

    def _change(self, name: str, volume: int) -> Change:
        if self._factor is None:
            return Change(name)
        return Change(name, (volume,), (round(volume * self._factor),))

    async def lower(self, changes: Sequence[Change]) -> None:
        """Pause them, or fade them down."""
        await self._do(
            pause=[change.player for change in changes if not change.before],
            volumes={change.player: change.steps[1:] for change in changes if change.before},
        )

    async def restore(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Start again those that are still paused; fade up those whose volume is as it was set.

        Returns:
            The changes of volume of players that are not running.

        Raises:
            ProgramError: the script does not run.
        """
        answers = await self._do()
        volumes: dict[str, list[Volumes]] = {}
        play, left = [], []
        for change in changes:
            answer = answers.get(change.player)
            if answer is None:
                left += [change] if change.before else []
            elif not change.before:
                play += [change.player] if answer.get("state") == "paused" else []
            elif steps := change.left_at((int(answer.get("volume", -1)),)):
                volumes[change.player] = steps
        if play or volumes:
            await self._do(play=play, volumes=volumes)
        return tuple(left)

    async def _do(
        self,
        *,
        pause: Sequence[str] = (),
        play: Sequence[str] = (),
        volumes: dict[str, list[Volumes]] | None = None,
    ) -> dict[str, Any]:
        """Do something to players that are running; return their states and volumes afterwards."""
        return await self._run_script(
            {
                "players": self.NAMES,
                "pause": pause,
                "play": play,
                "volumes": {name: [step[0] for step in v] for name, v in (volumes or {}).items()},
                "step_s": FADE_STEP_S,
            }
        )


def _permission(refused: Sequence[str]) -> str:
    names = " and ".join(refused)
    return (
        f"macOS does not let Crier control {names}, so music does not step back (DUCK). Allow it "
        "in System Settings, Privacy & Security, Automation, for Python or Terminal."
    )
