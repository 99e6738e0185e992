"""Run the bot with a tone voice, and die when a due reminder was accepted, but not moved on.

``python -m tests.support.run_with_deadly_reminders``.
"""

import os
import signal

from bot.core.reminders import Reminder, Reminders
from tests.support import fake_voice


async def _die(self: Reminders, reminder: Reminder) -> None:  # noqa: ARG001  # as it is called
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Reminders.delete = _die  # type: ignore[method-assign]
    fake_voice.main()
