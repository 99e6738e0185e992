"""Keeps a thread on the fast cores of a Mac. Runs on: the thread itself."""

import contextlib
import ctypes
import sys
from typing import Any

_USER_INTERACTIVE = 0x21  # QOS_CLASS_USER_INTERACTIVE. Source: sys/qos.h.


def _system() -> Any:
    return ctypes.CDLL(None) if sys.platform == "darwin" else None


def prefer_fast_cores() -> None:
    """Ask macOS to schedule the calling thread as one that a person waits for.

    Threads that don't ask drift to the efficiency cores after some minutes (stan-dev/math#3277).
    """
    with contextlib.suppress(AttributeError, OSError):  # sound without it is better than none
        if system := _system():
            system.pthread_set_qos_class_self_np(_USER_INTERACTIVE, 0)
