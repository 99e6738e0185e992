"""Virtual loudspeakers (PulseAudio null sinks), and a recorder for each of them."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
QUIET = 0.00316
"""-50 dBFS: anything louder counts as sound."""

_LATE_S = 0.5  # how late a recorded block may arrive
_RECORDING_DELAY_S = 0.3  # from the loudspeaker to the recording
NAMES = ("speaker_a", "speaker_b")


class Daemon:
    """A PulseAudio daemon with null sinks; it can be killed, frozen and restarted."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        """Start it, with its socket and settings in *folder*."""
        folder.mkdir(exist_ok=True)
        self._socket_path = folder / "native"
        self.socket = f"unix:{self._socket_path}"
        self.env = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        self._names = names
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        self._socket_path.unlink(missing_ok=True)
        command += ["-L", f"module-native-protocol-unix socket={self._socket_path}"]
        # As it is recorded, so that nothing is converted twice. Without norewinds a reopened stream
        # accepts nothing for up to 2 s.
        sink = f"rate={RATE_HZ} channels=1 channel_map=mono format=float32le norewinds=1"
        for name in self._names:
            command += ["-L", f"module-null-sink sink_name={name} {sink}"]
        self._process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + 10
        while self.ask("info"):
            if time.monotonic() > deadline_s:
                raise TimeoutError("PulseAudio did not start")
            time.sleep(0.05)

    def ask(self, *words: str) -> int:
        """Run a pactl command on it; return the exit code."""
        command = ["pactl", "-s", self.socket, *words]
        return subprocess.run(command, env=self.env, capture_output=True, check=False).returncode

    def signal(self, number: int) -> None:
        """Send it a signal: SIGKILL, SIGSTOP, SIGCONT."""
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait(10)

    def close(self) -> None:
        """Stop it, even if it is frozen."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)


class Loudspeakers:
    """Null sinks that ALSA, and therefore PortAudio, lists; the first is the default."""

    def __init__(
        self, folder: Path, *, separate: bool = False, names: tuple[str, ...] = NAMES
    ) -> None:
        """Start them in *folder*.

        Args:
            folder: for sockets and settings; a short path, since a socket's is limited to 107
                bytes.
            separate: one daemon for each, so that one can fail without the other; the default
                is then the second.
            names: what they are called.
        """
        groups = [(name,) for name in names] if separate else [names]
        self.daemons = {}
        for number, group in enumerate(groups):
            daemon = Daemon(folder / f"pulse{number}", group)
            self.daemons.update(dict.fromkeys(group, daemon))
        self.alsa_config = folder / "alsa.conf"
        # Without the system's own configuration, whose dozens of devices are tried at every scan.
        lines = []
        default = names[1] if separate else names[0]
        for entry, name in [*zip(names, names, strict=True), ("!default", default)]:
            hint = f'hint {{ show on description "{name}" }}'
            socket = self.daemons[name].socket
            lines.append(f'pcm.{entry} {{ type pulse server "{socket}" device {name} {hint} }}')
        self.alsa_config.write_text("\n".join(lines) + "\n")

    @staticmethod
    def available() -> bool:
        """Whether this machine has PulseAudio."""
        return shutil.which("pulseaudio") is not None

    def close(self) -> None:
        """Stop them."""
        for daemon in set(self.daemons.values()):
            daemon.close()

    def listen(self, name: str, latency_ms: int = 5) -> "Ear":
        """Return a recorder of loudspeaker *name*, whose times are late by up to *latency_ms*."""
        return Ear(self.daemons[name].socket, name, self.daemons[name].env, latency_ms)


class Ear:
    """Records what a loudspeaker plays, and when."""

    def __init__(self, socket: str, name: str, env: dict[str, str], latency_ms: int) -> None:
        """Start recording; returns when the first samples have arrived."""
        command = ["parec", "-s", socket, "-d", f"{name}.monitor", f"--rate={RATE_HZ}"]
        command += ["--channels=1", "--format=float32le", f"--latency-msec={latency_ms}"]
        self._recorder = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._changed = threading.Condition()
        self._parts: list[tuple[float, NDArray[np.float32]]] = []
        self._peaks: list[float] = []  # of each part, so that waiting costs little
        self._thread = threading.Thread(target=self._read, name="ear", daemon=True)
        self._thread.start()
        with self._changed:  # the first samples, which are silent
            if not self._changed.wait_for(lambda: self._parts, 10):
                raise TimeoutError("parec recorded nothing")

    def _read(self) -> None:
        assert self._recorder.stdout is not None
        left = b""
        while block := os.read(self._recorder.stdout.fileno(), 4096):
            raw = left + block
            end = len(raw) // 4 * 4  # of the last complete sample
            left = raw[end:]
            samples = np.frombuffer(raw[:end], np.float32)
            with self._changed:
                self._parts.append((time.monotonic(), samples))
                self._peaks.append(float(np.abs(samples).max(initial=0.0)))
                self._changed.notify_all()

    def close(self) -> None:
        """Stop recording."""
        self._recorder.terminate()
        self._recorder.wait(10)
        self._thread.join(10)
        if self._recorder.stdout:
            self._recorder.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def spans(self, since_s: float = 0.0, gap_s: float = 0.25) -> list[tuple[float, float]]:
        """Return (first, last) `time.monotonic` of each stretch of sound, joined over *gap_s*."""
        spans: list[tuple[float, float]] = []
        frames = last_frame = 0
        for end_s, samples in self._snapshot():
            begin_frame, frames = frames, frames + len(samples)
            loud = np.flatnonzero(np.abs(samples) > QUIET)
            if not len(loud) or end_s < since_s:
                continue
            first, last = int(loud[0]), int(loud[-1])
            first_s = end_s - (len(samples) - first) / RATE_HZ
            last_s = end_s - (len(samples) - last) / RATE_HZ
            if last_s < since_s:
                continue
            # Measured in frames, since a busy machine delivers them late; by the clock if a
            # suspended loudspeaker delivered none.
            silent_s = (begin_frame + first - last_frame) / RATE_HZ
            joins = spans and silent_s <= gap_s and first_s - spans[-1][1] <= gap_s + _LATE_S
            if joins:
                spans[-1] = (spans[-1][0], last_s)
            else:
                spans.append((first_s, last_s))
            last_frame = begin_frame + last
        return spans

    def recording(self) -> tuple[NDArray[np.float32], Callable[[int], float]]:
        """Return everything recorded, and a function from a frame to when it was heard. Blocks."""
        self._catch_up()
        parts = self._snapshot()
        ends = np.cumsum([len(part) for _, part in parts])

        def heard_s(frame: int) -> float:
            part = min(int(np.searchsorted(ends, frame, side="right")), len(parts) - 1)
            return parts[part][0] - float(ends[part] - frame) / RATE_HZ

        return np.concatenate([part for _, part in parts]), heard_s

    def samples(self) -> NDArray[np.float32]:
        """Return everything recorded, without the silence at both ends. Blocks."""
        self._catch_up()
        recorded = np.concatenate([part for _, part in self._snapshot()])
        loud = np.flatnonzero(np.abs(recorded) > QUIET)
        return recorded[loud[0] : loud[-1] + 1] if len(loud) else recorded[:0]

    def wait_for_sound(self, since_s: float, timeout_s: float = 150.0) -> float:
        """Wait for the first sound after *since_s*, and return when it was heard. Blocks.

        Raises:
            TimeoutError: nothing was heard.
        """
        with self._changed:
            # The first is cheap, but also counts a block whose sound ended before.
            heard = self._changed.wait_for(
                lambda: self._loud_since(since_s) and self.spans(since_s), timeout_s
            )
        if not heard:
            raise TimeoutError("nothing was heard")
        return heard[0][0]

    def wait_for_silence(self, quiet_s: float = 0.4, timeout_s: float = 150.0) -> None:
        """Wait until nothing has been heard for *quiet_s*. Blocks.

        Raises:
            TimeoutError: the sound did not stop.
        """
        started_s = time.monotonic()

        def silent() -> bool:
            now_s = self._parts[-1][0]
            return now_s - started_s > quiet_s and not self._loud_since(now_s - quiet_s)

        with self._changed:
            if not self._changed.wait_for(silent, timeout_s):
                raise TimeoutError("it did not fall silent")

    def _catch_up(self) -> None:
        """Wait for sound that is not recorded yet; briefly, since a dead loudspeaker sends none."""
        until_s = time.monotonic() + _RECORDING_DELAY_S
        with self._changed:
            self._changed.wait_for(lambda: self._parts[-1][0] > until_s, 2 * _RECORDING_DELAY_S)

    def _loud_since(self, since_s: float) -> bool:
        for (end_s, _), peak in zip(reversed(self._parts), reversed(self._peaks), strict=True):
            if end_s < since_s:
                return False
            if peak > QUIET:
                return True
        return False

    def _snapshot(self) -> list[tuple[float, NDArray[np.float32]]]:
        with self._changed:
            return list(self._parts)
