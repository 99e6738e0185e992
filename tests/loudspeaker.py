"""Virtual loudspeakers (PulseAudio null sinks), and an ear at each of them."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
QUIET = 0.00316
"""-50 dBFS: what counts as sound must be louder."""

NAMES = ("speaker_a", "speaker_b")


class Loudspeakers:
    """A PulseAudio daemon of its own with two null sinks that ALSA, and so PortAudio, can see."""

    def __init__(self, folder: Path) -> None:
        """Start the daemon; its socket and settings live in *folder*."""
        self.socket = f"unix:{folder / 'native'}"
        self.alsa_config = folder / "alsa.conf"
        self._env = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        lines = ["</usr/share/alsa/alsa.conf>"]
        for entry, name in [*zip(NAMES, NAMES, strict=True), ("!default", NAMES[0])]:
            hint = f'hint {{ show on description "{name}" }}'
            lines.append(
                f'pcm.{entry} {{ type pulse server "{self.socket}" device {name} {hint} }}'
            )
        self.alsa_config.write_text("\n".join(lines) + "\n")
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["-L", f"module-native-protocol-unix socket={folder / 'native'}"]
        for name in NAMES:
            # Without norewinds a reopened stream takes nothing for up to 2 s.
            command += ["-L", f"module-null-sink sink_name={name} rate={RATE_HZ} norewinds=1"]
        self._daemon = subprocess.Popen(
            command, env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + 10
        while subprocess.run(
            ["pactl", "-s", self.socket, "info"], env=self._env, capture_output=True, check=False
        ).returncode:
            if time.monotonic() > deadline_s:
                raise TimeoutError("PulseAudio did not start")
            time.sleep(0.05)

    @staticmethod
    def available() -> bool:
        """Say whether this machine has PulseAudio."""
        return shutil.which("pulseaudio") is not None

    def close(self) -> None:
        """End the daemon."""
        self._daemon.terminate()
        self._daemon.wait(10)

    def listen(self, name: str) -> "Ear":
        """Return an ear at loudspeaker *name*."""
        return Ear(self.socket, name, self._env)


class Ear:
    """Records what a loudspeaker plays, with the time at which it did."""

    def __init__(self, socket: str, name: str, env: dict[str, str]) -> None:
        """Listen from now on."""
        command = ["parec", "-s", socket, "-d", f"{name}.monitor", f"--rate={RATE_HZ}"]
        command += ["--channels=1", "--format=float32le", "--latency-msec=5"]
        self._recorder = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._changed = threading.Condition()
        self._parts: list[tuple[float, NDArray[np.float32]]] = []
        self._thread = threading.Thread(target=self._read, name="ear", daemon=True)
        self._thread.start()
        with self._changed:  # the first samples, silent ones, show that it is there
            if not self._changed.wait_for(lambda: self._parts, 10):
                raise TimeoutError("parec recorded nothing")

    def _read(self) -> None:
        assert self._recorder.stdout is not None
        left = b""
        while block := os.read(self._recorder.stdout.fileno(), 4096):
            raw = left + block
            whole = len(raw) // 4 * 4
            left = raw[whole:]
            with self._changed:
                self._parts.append((time.monotonic(), np.frombuffer(raw[:whole], np.float32)))
                self._changed.notify_all()

    def close(self) -> None:
        """Stop listening."""
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
        found: list[tuple[float, float]] = []
        for end_s, samples in self._snapshot():
            loud = np.flatnonzero(np.abs(samples) > QUIET)
            if not len(loud) or end_s < since_s:
                continue
            first_s = end_s - (len(samples) - loud[0]) / RATE_HZ
            last_s = end_s - (len(samples) - loud[-1]) / RATE_HZ
            if last_s < since_s:
                continue
            if found and first_s - found[-1][1] <= gap_s:
                found[-1] = (found[-1][0], last_s)
            else:
                found.append((first_s, last_s))
        return found

    def samples(self) -> NDArray[np.float32]:
        """Return everything recorded, silence at both ends removed."""
        everything = np.concatenate([part for _, part in self._snapshot()])
        loud = np.flatnonzero(np.abs(everything) > QUIET)
        return everything[loud[0] : loud[-1] + 1] if len(loud) else everything[:0]

    def wait_for_sound(self, since_s: float, timeout_s: float = 20.0) -> float:
        """Return when the first sound after *since_s* was heard; waits for it. Blocks.

        Raises:
            TimeoutError: there was none.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._loud_since(since_s), timeout_s):
                raise TimeoutError("nothing was heard")
        return self.spans(since_s)[0][0]

    def wait_for_silence(self, quiet_s: float = 0.4, timeout_s: float = 20.0) -> None:
        """Return when nothing has been heard for *quiet_s*. Blocks.

        Raises:
            TimeoutError: it never fell silent.
        """
        began_s = time.monotonic()

        def silent() -> bool:
            now_s = self._parts[-1][0]
            return now_s - began_s > quiet_s and not self._loud_since(now_s - quiet_s)

        with self._changed:
            if not self._changed.wait_for(silent, timeout_s):
                raise TimeoutError("it did not fall silent")

    def _loud_since(self, since_s: float) -> bool:
        for end_s, samples in reversed(self._parts):
            if end_s < since_s:
                return False
            if len(samples) and np.abs(samples).max() > QUIET:
                return True
        return False

    def _snapshot(self) -> list[tuple[float, NDArray[np.float32]]]:
        with self._changed:
            return list(self._parts)
