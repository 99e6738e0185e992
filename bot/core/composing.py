"""Composes long texts off the event loop. Runs on the event loop.

One thread, so that long texts take turns and compete with the event loop no more than a single one
does. A short text is composed at once, which takes about a millisecond.
"""

import asyncio
import functools
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_SHORT_CHARS = 1000


class ComposeError(Exception):
    """A text can't be composed; the message says what its sender can do."""


async def run_composer(
    chars: int, composer: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call *composer*, on the thread if its text of *chars* characters is long; return its result.

    Raises:
        ComposeError: it failed; the log says where, without the text.
    """
    try:
        if chars <= _SHORT_CHARS:
            return composer(*args, **kwargs)
        return await off_the_loop(composer, *args, **kwargs)
    except Exception as exc:  # noqa: BLE001  # one text must not affect the others
        name = type(exc).__name__
        # The exception's own message may quote the text.
        frames = "".join(traceback.format_tb(exc.__traceback__))
        log.error("Unexpected error in composing a text: %s\n%s", name, frames)  # noqa: TRY400
        raise ComposeError(
            f"I made a mistake in reading it ({name}), so it is not said. "
            "Send it in other words, or in parts."
        ) from None


async def off_the_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run *work* on the thread for long texts; return its result."""
    call = functools.partial(work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_thread(), call)


@functools.cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="composing")
