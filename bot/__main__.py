"""`python -m bot` is `crier`."""

import sys

from bot.clean import clean_output
from bot.cli.main import main


def crier() -> None:
    """Run the command line; all output is cleaned of control characters."""
    clean_output()
    sys.exit(main())


if __name__ == "__main__":
    crier()
