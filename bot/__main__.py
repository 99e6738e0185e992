"""`python -m bot` is `crier`."""

import sys

from bot.clean import clean_output
from bot.cli.main import main


def crier() -> None:
    """Run the command line; nothing from outside reaches the terminal uncleaned."""
    clean_output()
    sys.exit(main())


if __name__ == "__main__":
    crier()
