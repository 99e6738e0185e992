"""How much memory a process uses. Standard library and psutil only; nothing here blocks."""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import psutil

_RUSAGE_INFO_V0 = 0


class _ResourceUsage(ctypes.Structure):
    """The struct rusage_info_v0. Source: <sys/resource.h> of macOS."""

    _fields_ = (
        ("uuid", ctypes.c_uint8 * 16),
        ("user_time", ctypes.c_uint64),
        ("system_time", ctypes.c_uint64),
        ("pkg_idle_wkups", ctypes.c_uint64),
        ("interrupt_wkups", ctypes.c_uint64),
        ("pageins", ctypes.c_uint64),
        ("wired_size", ctypes.c_uint64),
        ("resident_size", ctypes.c_uint64),
        ("phys_footprint", ctypes.c_uint64),
        ("proc_start_abstime", ctypes.c_uint64),
        ("proc_exit_abstime", ctypes.c_uint64),
    )


def used_bytes(pid: int | None = None) -> int:
    """Return the memory that a process uses, by default this one.

    On macOS its footprint, as Activity Monitor shows it: the resident size also counts pages that
    were freed and that the system takes back only when it needs them, which was seen to be three
    times as much (libuv#5217, AutoPTZ#77). Elsewhere the resident size.

    Raises:
        psutil.Error: there is no such process, or it belongs to somebody else.
    """
    if sys.platform == "darwin":
        usage = _ResourceUsage()
        failed = _proc_pid_rusage()(
            ctypes.c_int(os.getpid() if pid is None else pid),
            ctypes.c_int(_RUSAGE_INFO_V0),
            ctypes.byref(usage),
        )
        if not failed:
            return int(usage.phys_footprint)
    return resident_bytes(pid)


def resident_bytes(pid: int | None = None) -> int:
    """Return the resident size of a process, by default this one.

    Raises:
        psutil.Error: there is no such process, or it belongs to somebody else.
    """
    return int(psutil.Process(pid).memory_info().rss)


@functools.cache
def _proc_pid_rusage() -> Callable[..., Any]:
    """Return the function of libproc, which is part of the C library. Source: <libproc.h>."""
    function: Callable[..., Any] = ctypes.CDLL(None).proc_pid_rusage
    return function
