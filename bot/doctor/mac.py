"""`crier doctor --mac`: what no source says and only a Mac can show, with its owner's help.

The owner is asked to send the results back. docs/mac.md says what each check decides.
"""

import functools
from collections.abc import Callable

from bot.doctor import local, mac_process, mac_sound, service
from bot.doctor.check import Check, Context, Finding, fail
from bot.doctor.mac_equipment import Equipment, equipment_of

_PERSON_S = 720.0
"""A person has to find their headphones."""


def mac_checks(context: Context, equipment: Equipment | None = None) -> tuple[Check, ...]:
    """Return the checks; without *equipment*, they use this computer's."""
    used = equipment or equipment_of(context.settings)

    def check(
        name: str,
        run: Callable[[Equipment, Context], Finding],
        limit_s: float,
        *,
        audio: bool = False,
    ) -> Check:
        return Check(name, functools.partial(_run, run, used), limit_s=limit_s, audio=audio)

    return (
        Check("python", local.python),
        check("ring", mac_sound.ring, 300.0, audio=True),
        check("cycles", mac_sound.cycles, 600.0, audio=True),
        check("switch", mac_sound.switch, _PERSON_S, audio=True),
        check("removal", mac_sound.removal, _PERSON_S, audio=True),
        check("call", mac_sound.call, _PERSON_S, audio=True),
        check("sleep", mac_sound.sleep, _PERSON_S, audio=True),
        check("airplay", mac_sound.airplay, _PERSON_S, audio=True),
        check("mute", mac_sound.mute, _PERSON_S, audio=True),
        check("notify", mac_process.notifications, _PERSON_S),
        check("numbers", mac_process.numbers, 300.0),
        check("memory", mac_process.memory, 600.0),
        check("graph", mac_process.graph, 120.0),
        Check("service", service.service),
        Check("priority", service.priority),
        check("agent", mac_process.agent, 120.0),
    )


def _run(
    run: Callable[[Equipment, Context], Finding], equipment: Equipment, context: Context
) -> Finding:
    try:
        return run(equipment, context)
    except mac_sound.NeverHeardError as exc:
        return fail(
            f"It was never heard to the end. {exc}".strip(),
            "Send this table back, and the log: `crier doctor --report`.",
        )
