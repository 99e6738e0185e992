"""What a LaunchAgent may do here, as one line of JSON: `python -m bot.doctor.mac_agent`.

`crier doctor --mac` runs it as an agent, since that has other rights than a terminal.
"""

import json
import os
import platform
import subprocess
import sys

from bot import keychain
from bot.paths import CHECKOUT, data_dir, find_setting

# Source: <sys/resource.h> of macOS. 1: throttled, 0: not.
_PRIO_DARWIN_PROCESS = 4


def facts() -> dict[str, object]:
    """Return what this process may do. Blocks while the Keychain asks, for 15 s at most."""
    folder = data_dir()
    wanted = find_setting("TELEGRAM_BOT_TOKEN", CHECKOUT, folder) == keychain.IN_KEYCHAIN
    answer, refused = "not used", False
    if wanted:
        try:
            keychain.read(str(folder))
            answer = "readable"
        except keychain.KeychainError as exc:
            answer, refused = str(exc), True
    done = subprocess.run(
        ["ps", "-o", "pri=", "-p", str(os.getpid())], capture_output=True, text=True, check=False
    )
    is_mac = sys.platform == "darwin"
    return {
        "python": platform.python_version(),
        "priority": done.stdout.strip(),
        "throttled": is_mac and os.getpriority(_PRIO_DARWIN_PROCESS, 0) == 1,
        "keychain": answer,
        "keychain_refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
