"""Run `crier install` for a platform and a checkout, as a user who is not root.

`python -m tests.support.run_install PLATFORM CHECKOUT`.
"""

import os
import sys
from pathlib import Path

from bot.service.manage import install_service

if __name__ == "__main__":
    os.getuid = lambda: 501
    _, _platform, _checkout = sys.argv
    sys.exit(
        install_service(
            ask=True, try_notification=True, platform=_platform, checkout=Path(_checkout)
        )
    )
