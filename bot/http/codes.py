"""Codes that open the page: each once, and for a minute.

`crier page` gives the browser an address, which everybody on this computer can read in the list of
processes. So it holds a code and not the token: once the page has exchanged it, it opens nothing.
Runs on the event loop.
"""

import secrets
import time

LIFE_S = 60.0
_BYTES = 18
_MOST = 16


class Codes:
    """Gives codes out, and takes each back once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._until_s: dict[str, float] = {}

    def make(self) -> str:
        """Return a new code; of many that nobody has used, the oldest is forgotten."""
        if len(self._until_s) >= _MOST:
            del self._until_s[next(iter(self._until_s))]
        code = secrets.token_urlsafe(_BYTES)
        self._until_s[code] = time.monotonic() + LIFE_S
        return code

    def use(self, given: str) -> bool:
        """Whether a code was given out within the last minute; it is used up by this."""
        now_s = time.monotonic()
        self._until_s = {
            code: until_s for code, until_s in self._until_s.items() if until_s > now_s
        }
        # Each is compared, in a time that says nothing of how much of it is right.
        found = [
            code
            for code in self._until_s
            if secrets.compare_digest(code.encode(), given.encode("utf-8", "replace"))
        ]
        for code in found:
            del self._until_s[code]
        return bool(found)
