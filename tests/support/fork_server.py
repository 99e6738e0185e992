"""Runs Python modules in processes that are forked from one that has imported Crier already.

A process of its own for each test, with its own arguments, environment, folder, signals and exit
code; only the imports, which take more time than most tests, are made once per worker. On a Mac,
where a fork after imports is not safe, each process starts from nothing.

``python -m tests.support.fork_server FD`` is the server; FD is its end of a socket pair.
"""

import asyncio
import atexit
import contextlib
import fcntl
import functools
import gc
import importlib.machinery
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import termios
from asyncio import base_subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from bot.core import preferences
from bot.paths import CHECKOUT

_IMPORTED = (
    "bot.app",
    "bot.cli.demo",
    "bot.cli.dry_run",
    "bot.cli.run",
    "bot.cli.say",
    "bot.cli.standalone",
    "bot.doctor.command",
    "bot.service.manage",
    "bot.setup.wizard",
    "tests.support.run_with_fake_voice",
    # What libraries import when they are used first; httpcore imports trio if that is installed.
    "anyio._backends._asyncio",
    "httpcore",
    "platformdirs",
    "pydantic.v1",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
)
"""Imported once; none of them starts a thread or reads a setting."""

_OWN = frozenset({"audio", "bot", "tests"})
_JOB_BYTES = 1 << 20
_LIMIT_BYTES = 1 << 16  # of a line, as in asyncio's own streams


@dataclass(frozen=True)
class _Job:
    """What a forked process runs."""

    module: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    terminal: bool
    """Whether standard input is a terminal that becomes the process's own."""


async def start(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    terminal: bool = False,
) -> asyncio.subprocess.Process:
    """Start ``python -P -m`` *module* in another process.

    Args:
        module: what to run.
        arguments: its command line.
        environment: all of its variables.
        folder: its working directory; by default this process's.
        stdin: as for `asyncio.create_subprocess_exec`.
        stdout: likewise.
        stderr: likewise.
        terminal: whether *stdin* is a terminal that becomes the process's own, so that Ctrl-C
            reaches it.
    """
    if sys.platform != "linux":
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, *arguments),
            env=environment,
            cwd=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=functools.partial(own_terminal, stdin) if terminal else None,
        )
    job = _Job(module, arguments, dict(environment), str(folder or Path.cwd()), terminal)
    loop = asyncio.get_running_loop()
    connected = loop.create_future()
    protocol = asyncio.subprocess.SubprocessStreamProtocol(_LIMIT_BYTES, loop)
    transport = _Transport(
        loop,
        protocol,
        cast(Any, job),
        shell=False,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        waiter=connected,
    )
    await connected
    return asyncio.subprocess.Process(transport, protocol, loop)


class _Transport(base_subprocess.BaseSubprocessTransport):
    """asyncio's transport, with a process that the server forks."""

    def _start(
        self,
        args: Any,
        shell: bool,  # noqa: ARG002  # part of the base class
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,  # noqa: ARG002
        **_: Any,
    ) -> None:
        process = _Forked(args, stdin, stdout, stderr)
        self._proc = cast(Any, process)
        loop = asyncio.get_running_loop()

        def exited() -> None:
            loop.remove_reader(process.status)
            self._process_exited(process.wait())

        loop.add_reader(process.status, exited)


class _Forked:
    """A forked process, as `subprocess.Popen` shows one to asyncio."""

    def __init__(self, job: _Job, *streams: int | None) -> None:
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        self.returncode: int | None = None
        self.status, status = os.pipe()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, status)
            ends = [self._end(number, stream, stack) for number, stream in enumerate(streams)]
            socket.send_fds(_server(), [json.dumps(asdict(job)).encode()], [*ends, status])
        self.pid = int.from_bytes(self._read(4), "little")

    def _end(self, number: int, stream: int | None, stack: contextlib.ExitStack) -> int:
        """Return the process's end of one of its standard streams, to be closed with *stack*."""
        if stream is None:
            return number
        if stream == subprocess.DEVNULL:
            end = os.open(os.devnull, os.O_RDWR)
        elif stream == subprocess.PIPE:
            read, write = os.pipe()
            end, own = (read, write) if number == 0 else (write, read)
            name, mode = (("stdin", "wb"), ("stdout", "rb"), ("stderr", "rb"))[number]
            setattr(self, name, os.fdopen(own, mode, 0))
        else:
            return stream
        stack.callback(os.close, end)
        return end

    def _read(self, length: int) -> bytes:
        answer = os.read(self.status, length)
        assert len(answer) == length, "the fork server has exited"
        return answer

    def wait(self) -> int:
        """Wait until it exits, and return its exit code; a signal is negative."""
        self.returncode = int.from_bytes(self._read(4), "little", signed=True)
        os.close(self.status)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code if it is known."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it has exited."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _server() -> socket.socket:
    """Start the server, and return the socket that takes jobs."""
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        own.setsockopt(socket.SOL_SOCKET, option, _JOB_BYTES)
    with other:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(other.fileno())],
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(CHECKOUT),
                "OPENBLAS_NUM_THREADS": "1",  # numpy would start a thread, which no fork has
            },
            stdin=subprocess.DEVNULL,
            pass_fds=[other.fileno()],
        )

    def close() -> None:
        own.close()  # which ends the server
        process.wait()

    atexit.register(close)
    return own


def _serve(jobs: socket.socket) -> None:
    """Fork a process for each job; return only in those."""
    selector = selectors.DefaultSelector()
    selector.register(jobs, selectors.EVENT_READ)
    running: dict[int, tuple[int, int]] = {}  # by its descriptor: a process, and its status pipe
    while True:
        for key, _ in selector.select():
            if key.fd in running:
                child, status = running.pop(key.fd)
                _write(status, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                selector.unregister(key.fd)
                for file in (key.fd, status):
                    os.close(file)
                continue
            message, files, *_ = socket.recv_fds(jobs, _JOB_BYTES, 4)
            if not message:
                os._exit(0)  # the tests have ended
            *streams, status = files
            child = os.fork()
            if not child:
                selector.close()
                jobs.close()
                for file in (status, *running, *(status for _, status in running.values())):
                    os.close(file)
                _become(_Job(**json.loads(message)), streams)
                return
            _write(status, child)
            for file in streams:
                os.close(file)
            exits = os.pidfd_open(child)
            running[exits] = child, status
            selector.register(exits, selectors.EVENT_READ)


def _write(status: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the test has ended
        os.write(status, number.to_bytes(4, "little", signed=True))


def _become(job: _Job, streams: list[int]) -> None:
    """Turn this process into the one that *job* asks for."""
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    if job.terminal:
        own_terminal(0)
    os.chdir(job.folder)
    os.environ.clear()
    os.environ.update(job.environment)
    sys.argv = [job.module, *job.arguments]
    sys.orig_argv = [sys.executable, "-P", "-m", *sys.argv]
    for stream in (sys.stdout, sys.stderr):
        cast(Any, stream).reconfigure(line_buffering=stream is sys.stderr or stream.isatty())
    folders = job.environment.get("PYTHONPATH", "").split(os.pathsep)
    _import_from([folder for folder in folders if folder])


def _import_from(folders: list[str]) -> None:
    """Import from *folders* first: another copy of Crier, or a stand-in for a package.

    A stand-in takes a new interpreter, since other packages have imported the real one.
    """
    imported = {name.partition(".")[0] for name in sys.modules} - _OWN
    if any(path.stem in imported for folder in folders for path in Path(folder).glob("*")):
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # no shell is needed
    sys.path[:0] = folders
    found = importlib.machinery.PathFinder.find_spec("bot", sys.path)
    assert found is not None
    if found.origin != str(CHECKOUT / "bot" / "__init__.py"):
        for name in list(sys.modules):
            if name.partition(".")[0] in _OWN:
                del sys.modules[name]


def own_terminal(terminal: int) -> None:
    """Make *terminal* this process's own, so that Ctrl-C reaches it."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


class _Exit:
    """Ends a forked process without the interpreter's clean-up, which takes longer than most."""

    def __init__(self) -> None:
        """Take effect after every other function that `atexit` calls."""
        self.code: int | None = None
        atexit.register(self._now)

    def run(self) -> None:
        """Run the module that `sys.argv` names."""
        try:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
            self.code = 0
        except SystemExit as exc:
            self.code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
            raise

    def _now(self) -> None:
        if self.code is not None:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


if __name__ == "__main__":
    _exit = _Exit()
    for _module in _IMPORTED:
        importlib.import_module(_module)
    preferences.detect("The language of a text is detected by a model, which takes time to read.")
    gc.collect()
    gc.freeze()  # so that the forked processes share its memory
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _exit.run()
