"""/devices: the list, its buttons, and the device in use."""

import asyncio
import time

from bot.chat.sandbox import Sandbox
from tests.chat.samples import TWELVE_SENTENCES
from tests.chat.steps import heard_codes
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


async def test_device_selected_by_button_is_used_and_survives_a_restart(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, ear_b: Ear
) -> None:
    """The next message sounds on the device whose button was pressed, also after a restart."""
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1 on the first.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(ALICE, "/devices")
        listing = await sandbox.wait_for(reply_with("speaker_b"))
        data = dict(listing.buttons)["speaker_b"]
        sandbox.press(ALICE, listing.message_id, data)
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Chosen: speaker_b" in e.text)
        chosen_s = time.monotonic()
        message = sandbox.send(ALICE, "Number 2 on the second.")
        await sandbox.wait_for(reaction_to(message, "👍"))
    async with start_toned():
        message = sandbox.send(ALICE, "Number 3 on the second.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert len(ear_a.spans()) == 1
    assert ear_a.spans(chosen_s) == []
    assert await asyncio.to_thread(heard_codes, ear_b) == [2, 3]


async def test_devices_marks_the_default_and_the_one_in_use(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, ear_b: Ear
) -> None:
    """While a message sounds, /devices names every device, the default and the one in use."""
    async with start_toned(audio_device="speaker_b"):
        sandbox.send(ALICE, TWELVE_SENTENCES)
        await asyncio.to_thread(ear_b.wait_for_sound, 0.0)
        sandbox.send(ALICE, "/devices")
        listing = await sandbox.wait_for(reply_with("Chosen: speaker_b"))

    assert "• default (the system's default" in listing.text
    assert "• speaker_b (in use)" in listing.text
    labels = [label for label, _ in listing.buttons]
    assert labels[-2:] == ["Follow the system", "Follow the setting (speaker_b)"]
    assert ear_a.spans() == []


async def test_device_button_of_a_missing_device_changes_nothing(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A button for a device that is gone is answered with that, and changes nothing."""
    async with start_toned():
        sandbox.send(ALICE, "/devices")
        listing = await sandbox.wait_for(reply_with("Chosen: speaker_a"))
        sandbox.press(ALICE, listing.message_id, "device:0123456789abcdef")
        await sandbox.wait_for(
            lambda e: e.kind == "answer" and e.text == "That device is not there any more."
        )
