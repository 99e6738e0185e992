"""Answers the calls of stand-ins for system tools from one process.

The tools are polled, and a new interpreter for each call would take longer than most tests. A tool
is a script that passes its arguments on to the process, which forks for each call.

``python -m tests.support.stand_ins`` is the process; it prints its port, and exits when its parent
does.
"""

import atexit
import contextlib
import functools
import io
import os
import signal
import socketserver
import subprocess
import sys
from pathlib import Path

from bot.paths import CHECKOUT
from tests.support.fake_launchctl import Launchctl
from tests.support.fake_systemctl import Systemctl

_ENVIRONMENT = ("HOME", "USER", "LOGNAME", "SHELL", "XDG_CONFIG_HOME")
"""The variables that a call passes on."""


def script(tool: str, state: Path) -> str:
    """Return a program that does what *tool* does, with the folder *state*."""
    variables = " ".join(f'"{name}=${name}"' for name in _ENVIRONMENT)
    return f"""#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{_port()}
printf '%s\\0' {variables} $(($# + 2)) {tool} '{state}' "$@" >&3
for part in code out err; do IFS= read -r -d '' $part <&3; done
printf %s "$out"
printf %s "$err" >&2
exit "$code"
"""


@functools.cache
def _port() -> int:
    """Start the process, and return its port."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", __name__],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )

    def close() -> None:
        process.kill()
        process.wait()

    atexit.register(close)
    assert process.stdout is not None
    with process.stdout:
        return int(process.stdout.readline())


class _Call(socketserver.StreamRequestHandler):
    """One call, in a process of its own."""

    def handle(self) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        variables = (self._word().partition("=") for _ in _ENVIRONMENT)
        os.environ.clear()
        os.environ.update({name: value for name, _, value in variables if value})
        tool, state, *arguments = [self._word() for _ in range(int(self._word()))]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _TOOLS[tool](Path(state)).main(*arguments)
        self.wfile.write(f"{code}\0{out.getvalue()}\0{err.getvalue()}\0".encode())

    def _word(self) -> str:
        word = bytearray()
        while byte := self.rfile.read(1).rstrip(b"\0"):
            word += byte
        return word.decode()


_TOOLS: dict[str, type[Launchctl | Systemctl]] = {"launchctl": Launchctl, "systemctl": Systemctl}


class _Server(socketserver.ForkingTCPServer):
    """Exits when the tests have ended."""

    max_children = 1000
    parent = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self.parent:
            os._exit(0)


if __name__ == "__main__":
    with _Server(("127.0.0.1", 0), _Call) as _server:
        print(_server.server_address[1], flush=True)  # noqa: T201  # read by the tests
        _server.serve_forever()
