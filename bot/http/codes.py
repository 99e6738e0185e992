"""Codes that open the page: each works once, within a minute.

`crier page` starts the browser with an address, which every user of this computer can read in the
process list. So it contains a code instead of the token, and the page exchanges the code for the
token at once. Runs on the event loop.
"""

import secrets
import time

LIFE_S = 60.0
_BYTES = 18
_MAX_CODES = 16


class Codes:
    """Issues codes, and accepts each once."""

    def __init__(self) -> None:
        """Start without codes."""
        self._until_s: dict[str, float] = {}

    def make(self) -> str:
        """Return a new code; only the latest `_MAX_CODES` unused codes are valid."""
        if len(self._until_s) >= _MAX_CODES:
            del self._until_s[next(iter(self._until_s))]
        code = secrets.token_urlsafe(_BYTES)
        self._until_s[code] = time.monotonic() + LIFE_S
        return code

    def redeem(self, given: str) -> bool:
        """Invalidate a code; return whether it was valid."""
        now_s = time.monotonic()
        self._until_s = {
            code: until_s for code, until_s in self._until_s.items() if until_s > now_s
        }
        # Compares every code in constant time, so that timing reveals nothing about them.
        matching = [
            code
            for code in self._until_s
            if secrets.compare_digest(code.encode(), given.encode("utf-8", "replace"))
        ]
        for code in matching:
            del self._until_s[code]
        return bool(matching)
