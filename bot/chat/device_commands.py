"""Where sound goes: listed, and selected by a button. Runs on the event loop."""

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update

from audio.types import AudioError, Devices
from bot.chat.buttons import Press
from bot.chat.outbox import Outbox
from bot.core.output import SoundOutput
from bot.settings import Settings

log = logging.getLogger(__name__)

# How long the audio thread may take before the chat is told that it is busy.
_TIMEOUT_S = 0.8
_DEVICE = "device:"
_FOLLOW_SYSTEM = "device="
_FOLLOW_SETTING = "device-"


@dataclass(frozen=True, slots=True)
class DeviceCommands:
    """/devices and its buttons."""

    output: SoundOutput
    outbox: Outbox
    settings: Settings

    async def devices(self, update: Update, _: Any) -> None:
        """List where sound can go, with a button for each device."""
        text, keyboard = await self._list()
        self.outbox.respond(update, text, keyboard)

    async def press(self, press: Press) -> None:
        """Select the button's device, from the next sentence on."""
        answer = await self._select(press)
        self.outbox.answer(press.chat_id, press.query_id, answer)
        text, keyboard = await self._list()
        self.outbox.edit(press.chat_id, press.message_id, text, keyboard)

    async def _select(self, press: Press) -> str:
        """Select a device; return the answer."""
        wanted: str | None
        if press.data == _FOLLOW_SYSTEM:
            wanted, answer = "", "Following the system."
        elif press.data == _FOLLOW_SETTING:
            setting = self.settings.audio_device or "the system"
            wanted, answer = None, f"Following the setting: {setting}."
        else:
            devices = await self._ask()
            names = [d.name for d in devices.outputs] if isinstance(devices, Devices) else []
            name = next((n for n in names if _device_button(n) == press.data), None)
            if name is None:
                return "That device is not there any more."
            wanted, answer = name, f"Using {name}."
        try:
            await self.output.select_device(wanted)
        except Exception:  # the selection applies until the next start
            log.exception("The selection of a device can't be stored")
            self.outbox.reply(
                press.chat_id,
                "I could not store that; it holds until I am restarted.",
                thread_id=press.thread_id,
            )
        return answer

    async def _list(self) -> tuple[str, InlineKeyboardMarkup | None]:
        devices = await self._ask()
        if isinstance(devices, str):
            return devices, None
        if not devices.outputs:
            return "There is no output device. Connect one, then send /devices again.", None
        lines = []
        for device in devices.outputs:
            marks = [
                *(["the system's default"] if device.is_default else []),
                *(["in use"] if device.in_use else []),
            ]
            lines.append(f"• {device.name}" + (f" ({', '.join(marks)})" if marks else ""))
        wanted = devices.wanted
        lines.append("")
        lines.append(f"Chosen: {wanted}" if wanted else "Following the system.")
        if devices.warning:
            lines.append(f"Warning: {devices.warning}")
        if wanted.startswith("file:"):
            return "\n".join(lines), None
        rows = [
            [InlineKeyboardButton(device.name, callback_data=_device_button(device.name))]
            for device in devices.outputs
        ]
        rows.append([InlineKeyboardButton("Follow the system", callback_data=_FOLLOW_SYSTEM)])
        if self.settings.audio_device:
            label = f"Follow the setting ({self.settings.audio_device})"
            rows.append([InlineKeyboardButton(label, callback_data=_FOLLOW_SETTING)])
        return "\n".join(lines), InlineKeyboardMarkup(rows)

    async def _ask(self) -> Devices | str:
        """Return the devices, or why they can't be listed."""
        try:
            return await self.output.devices(_TIMEOUT_S)
        except AudioError as exc:
            return str(exc)
        except TimeoutError:
            return "The loudspeaker does not answer just now. Try again in a moment."


def _device_button(name: str) -> str:
    """Return a button's data for a device: Telegram accepts 64 bytes, and indices would shift."""
    return _DEVICE + hashlib.sha256(name.encode()).hexdigest()[:16]
