"""`python -m bot` is `crier`."""

import sys

from bot.cli import main

sys.exit(main())
