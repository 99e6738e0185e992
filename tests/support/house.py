"""A house: a bot and other rooms at a broker, which write what they say to files."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from audio.types import SAMPLE_RATE_HZ
from bot.home.rooms import RoomDelivery
from bot.settings import Settings
from bot.start.phases import Running
from bot.start.room import running_room
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, serve

HERE, STUDY, ATTIC = "Kitchen", "Study", "Top attic"
"""The names of the bot's room and of the others."""


@dataclass(frozen=True)
class House:
    """The folders and settings of a bot and its rooms."""

    folder: Path
    settings: Settings
    """Of the bot."""

    def bot_settings(self, **changes: Any) -> Settings:
        """Return the settings of the bot."""
        return self._settings(HERE).replaced(**changes)

    def room_settings(self, name: str, **changes: Any) -> Settings:
        """Return the settings of a room."""
        return self._settings(name).replaced(telegram_bot_token=None, **changes)

    def _settings(self, name: str) -> Settings:
        return self.settings.replaced(
            room=name,
            api_port=0,
            data_dir=self.folder / name / "data",
            audio_device=f"file:{self._spoken(name)}",
        )

    def _spoken(self, name: str) -> Path:
        return self.folder / name / "spoken"

    @asynccontextmanager
    async def bot(self, *rooms: str, **changes: Any) -> AsyncIterator[Face]:
        """Run the bot while the context is open; wait until it sees *rooms*."""
        async with serve(self.bot_settings(**changes), ToneVoice()) as face:
            for name in rooms:
                await seen(face.bot, name)
            yield face

    @asynccontextmanager
    async def room(self, name: str, **changes: Any) -> AsyncIterator[Running]:
        """Run a room while the context is open."""
        settings = self.room_settings(name, **changes)
        async with running_room(settings, voice=ToneVoice()) as room:
            yield room

    def heard(self, name: str) -> list[int]:
        """Return the codes of the tones that were said in a room, in order."""
        codes = []
        for path in sorted(self._spoken(name).glob("*.wav")):
            with wave.open(str(path)) as file:
                frames = file.readframes(file.getnframes())
            samples = np.frombuffer(frames, np.int16).astype(np.float32) / np.float32(32768)
            codes += [tone.code for tone in find_tones(samples, SAMPLE_RATE_HZ) if tone.complete]
        return codes


def house(folder: Path, settings: Settings, broker_url: str) -> House:
    """Return a house at a broker."""
    return House(folder, settings.replaced(mqtt_url=SecretStr(broker_url)))


async def seen(bot: Running, name: str, *, present: bool = True, timeout_s: float = 30.0) -> None:
    """Wait until a bot sees that a room is there, or that it is away."""
    rooms = bot.delivery.rooms
    assert isinstance(rooms, RoomDelivery)
    await until(
        lambda: any(v.name == name and v.is_present == present for v in rooms.views()), timeout_s
    )


async def until(is_true: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until a condition is true that has no event."""
    async with asyncio.timeout(timeout_s):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
