"""What PulseAudio, or PipeWire in its place, says about streams, read from `pactl -f json list`.

`pactl` and not libpulse, because an error there is an assertion that ends the whole process
(mhthies/pulsectl-asyncio#16); and it is used for `audio.output.mute` already. These functions parse
what it printed; who runs it, and when, is up to the caller. Pure, except for `has_server`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.output.microphone import MicrophoneUser

# Roles of streams that are no music. Source: freedesktop.org, PulseAudio, "Application properties".
_NO_MUSIC = frozenset({"phone", "a11y", "event"})


@dataclass(frozen=True, slots=True)
class PlayerStream:
    """The stream of another program that plays."""

    index: int
    program: str
    """By which the server remembers its volume for the program's next stream."""
    volumes: tuple[int, ...]
    """Of each channel."""


def has_server() -> bool:
    """Return whether a sound server runs; if none did, `pactl` would start one."""
    if "PULSE_SERVER" in os.environ:
        return True
    return Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"), "pulse", "native").exists()


def microphone_users(listing: Any, own_pid: int) -> tuple[MicrophoneUser, ...]:
    """Return the programs that are recording from something that is no loudspeaker's monitor.

    Not those that are paused or only show a level, and no part of the server, such as its echo
    cancellation, which records for others.

    Args:
        listing: the parsed output of ``pactl -f json list``.
        own_pid: the process that is left out.
    """
    microphones = {
        source["index"] for source in listing["sources"] if not source.get("monitor_source")
    }
    users = []
    for stream in listing["source_outputs"]:
        properties = stream["properties"]
        if (
            stream["source"] in microphones
            and not stream["corked"]
            and stream.get("resample_method") != "peaks"
            and str(stream["client"]).isdecimal()
            and properties.get("application.process.id") != str(own_pid)
        ):
            names = ("application.name", "application.process.binary")
            name = " ".join(str(properties[key]) for key in names if key in properties)
            users.append(MicrophoneUser(stream["index"], name))
    return tuple(users)


def players(sink_inputs: Any, own_pid: int, *, playing: bool = True) -> tuple[PlayerStream, ...]:
    """Return the streams of other programs.

    Args:
        sink_inputs: the parsed output of ``pactl -f json list sink-inputs``.
        own_pid: the process that is left out.
        playing: only those that can be heard now.
    """
    streams = []
    for stream in sink_inputs:
        properties = stream["properties"]
        volumes = tuple(
            int(stream["volume"][channel]["value"])
            for channel in stream["channel_map"].split(",")
            if channel in stream["volume"]
        )
        is_heard = any(volumes) and not (stream["corked"] or stream["mute"])
        if (
            (is_heard or not playing)
            and str(stream["client"]).isdecimal()
            and properties.get("media.role") not in _NO_MUSIC
            and properties.get("application.process.id") != str(own_pid)
        ):
            program = properties.get("module-stream-restore.id") or properties.get(
                "application.name", ""
            )
            streams.append(PlayerStream(stream["index"], program, volumes))
    return tuple(streams)


def is_bluetooth_output(listing: Any, pid: int) -> bool:
    """Return whether a process plays on a device that is connected by Bluetooth."""
    sinks = {sink["index"]: sink["properties"] for sink in listing["sinks"]}
    used = [
        sinks.get(stream["sink"], {})
        for stream in listing["sink_inputs"]
        if stream["properties"].get("application.process.id") == str(pid)
    ]
    return any(
        sink.get("device.bus") == "bluetooth" or sink.get("device.api") == "bluez5" for sink in used
    )
