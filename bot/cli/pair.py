"""`crier pair`: the code that pairs the first phone."""

import argparse
import sys
import time

from bot.console import invitation
from bot.core.pairing_file import CODE_LIFE_S, FILE
from bot.errors import OK, CommandError
from bot.paths import data_dir


def pair(_: argparse.Namespace) -> int:
    """Show the code that pairs the first phone.

    Raises:
        CommandError: there is none, or it is too old.
    """
    path = data_dir() / FILE
    try:
        code, *links = path.read_text().split()
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        raise CommandError(
            "There is no pairing code: somebody may speak already and can /invite others from the "
            "chat, or Crier does not run yet (`crier logs` says why)."
        ) from None
    except OSError as exc:
        raise CommandError(f"{path} can't be read ({exc.strerror}).") from exc
    if age_s > CODE_LIFE_S:
        raise CommandError(
            "The pairing code is too old. Send /pair to your bot, which makes a new one, and run "
            "this again."
        )
    print(f"Send this to your bot:  /pair {code}")
    for link in links:
        print(invitation(link) if sys.stdout.isatty() else f"Or open {link}")
    return OK
