"""How much memory a process uses."""

import ctypes
import os
import sys
from typing import Any

import pytest

from bot import memory


def test_used_bytes_is_plausible() -> None:
    """Of this computer, by the real call: more than Python itself, less than all memory."""
    assert 10 << 20 < memory.used_bytes() < 100 << 30
    assert memory.used_bytes(os.getpid()) > 10 << 20


def test_used_bytes_on_mac_is_footprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footprint is at byte 72 of what proc_pid_rusage writes; freed pages don't count."""
    asked: list[int] = []

    def proc_pid_rusage(pid: Any, flavor: Any, buffer: Any) -> int:
        asked[:] = [pid.value, flavor.value]
        out = (ctypes.c_uint64 * 12).from_buffer(buffer._obj)
        out[8], out[9] = 3_700 << 20, 1_100 << 20  # after the 16 bytes of the UUID
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory, "_proc_pid_rusage", lambda: proc_pid_rusage)

    assert memory.used_bytes(7) == 1_100 << 20
    assert asked == [7, 0]


def test_used_bytes_on_mac_falls_back_to_resident_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """If macOS refuses, the resident size is better than nothing."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory, "_proc_pid_rusage", lambda: lambda *_: -1)

    assert memory.used_bytes() > 10 << 20
