"""Checks of `crier doctor --mac` of what surrounds the sound: processor, memory, launchd."""

import json

import numpy as np

from audio.kokoro.voice import KokoroVoice
from audio.types import SAMPLE_RATE_HZ, AudioError, CancelToken, Chunk, Sound, SynthesisError
from bot.doctor.check import CheckSkipped, Context, Finding, fail, ok, skip, warn
from bot.doctor.mac_equipment import Equipment
from bot.errors import CommandError
from bot.memory import resident_bytes, used_bytes

_SEND_BACK = "Send this table back."
_KLEIDIAI = "mlas.disable_kleidiai"
_SAME = 1e-3
"""The largest difference between two outputs that count as the same; full scale is 1."""
_GAIN = 1.1
"""How much faster KleidiAI has to be to be worth a risk."""


def notifications(equipment: Equipment, context: Context) -> Finding:
    """Check that notifications and windows of a script are seen."""
    equipment.notify("This is a notification of Crier.")
    seen = context.confirm("Did a notification appear at the top right?")
    equipment.alert("This is a window of Crier. Close it.")
    windows = context.confirm("Did a window appear?")
    found = f"Notification {'seen' if seen else 'not seen'}, window {'' if windows else 'not '}seen"
    if not windows:
        return fail(found, f"{_SEND_BACK} What stops the service would be in `crier logs` only.")
    if not seen:
        return warn(
            found,
            'Open Script Editor, run `display notification "Hello"` in it, and allow what macOS '
            "asks; or System Settings, Notifications, Script Editor.",
        )
    return ok(found)


def numbers(equipment: Equipment, context: Context) -> Finding:
    """Compare one chunk with and without KleidiAI, which had errors on M4 and M5."""
    sounds = {}
    for name, disabled in (("without", "1"), ("with", "0")):
        context.progress(f"{name} KleidiAI")
        try:
            sounds[name] = _synthesize(equipment, context, disabled)
        except AudioError as exc:
            return fail(f"{name} KleidiAI the voice fails: {exc}", _SEND_BACK)
    without, with_it = sounds["without"], sounds["with"]
    rtfs = {name: sound.took_s / _length_s(sound) for name, sound in sounds.items()}
    found = f"RTF without KleidiAI {rtfs['without']:.2f}, with it {rtfs['with']:.2f}"
    if not all(np.isfinite(sound.samples).all() for sound in sounds.values()):
        return fail(f"{found}. Some samples are no numbers.", _SEND_BACK)
    if len(without.samples) != len(with_it.samples):
        return warn(
            f"{found}. The outputs have {len(without.samples)} and {len(with_it.samples)} samples.",
            f"{_SEND_BACK} KleidiAI stays off.",
        )
    difference = float(np.abs(without.samples - with_it.samples).max(initial=0.0))
    found += f"; largest difference {difference:.2g}"
    if difference > _SAME:
        return warn(f"{found}: not the same sound.", f"{_SEND_BACK} KleidiAI stays off.")
    gain = rtfs["without"] / rtfs["with"]
    verdict = "it could be on" if gain > _GAIN else "it gains nothing here"
    return ok(f"{found}: the same sound; {verdict}")


def _synthesize(equipment: Equipment, context: Context, disabled: str) -> Sound:
    """Return a chunk by a voice with KleidiAI disabled (``1``) or not (``0``)."""
    settings = context.settings
    voice = equipment.make_voice_with({_KLEIDIAI: disabled})
    voice.load()
    chunk = Chunk.whole(voice.read(equipment.chunk, settings.lang))
    sound = voice.synthesize(chunk, settings.kokoro_voice, 1.0, CancelToken())
    if isinstance(voice, KokoroVoice) and voice.decoding != "window":
        raise SynthesisError("some samples are no numbers, or the prepared model can't be run")
    return sound


def _length_s(sound: Sound) -> float:
    return max(1, len(sound.samples)) / SAMPLE_RATE_HZ


def memory(equipment: Equipment, context: Context) -> Finding:
    """Measure resident size and footprint after some speech; the watchdog goes by the latter."""
    from bot.watchdog import MAX_MEMORY_BYTES  # noqa: PLC0415  # imports Telegram's library

    voice = equipment.make_voice()
    try:
        voice.load()
        for sentence in equipment.text.split(". "):
            chunk = Chunk.whole(voice.read(sentence, context.settings.lang))
            voice.synthesize(chunk, context.settings.kokoro_voice, 1.0, CancelToken())
    except AudioError as exc:
        return skip(f"The voice does not work: {exc}")
    footprint, resident = used_bytes(), resident_bytes()
    found = (
        f"Footprint {footprint >> 20} MB, resident {resident >> 20} MB; Crier is restarted above "
        f"{MAX_MEMORY_BYTES >> 20} MB of footprint"
    )
    return warn(found, _SEND_BACK) if footprint > MAX_MEMORY_BYTES else ok(found)


def graph(equipment: Equipment, _: Context) -> Finding:
    """Check which patch the model's graph accepts."""
    voice = equipment.make_voice()
    try:
        voice.load()
    except AudioError as exc:
        return fail(f"The voice does not load: {exc}", "`crier models`, then `make setup`")
    decoding = voice.decoding if isinstance(voice, KokoroVoice) else "window"
    if decoding != "window":
        return warn(f"No window is accepted ({decoding}): speech is made more slowly.", _SEND_BACK)
    return ok("The window is accepted")


def agent(equipment: Equipment, context: Context) -> Finding:
    """Check what a LaunchAgent may read here, and how much of the processor it gets."""
    try:
        printed = equipment.run_in_agent()
    except CommandError as exc:
        raise CheckSkipped(str(exc)) from exc
    try:
        facts = json.loads(printed.strip().splitlines()[-1])
        found = (
            f"Python {facts['python']} starts, priority {facts['priority']}, Keychain: "
            f"{facts['keychain']}"
        )
        throttled, refused = bool(facts["throttled"]), bool(facts["keychain_refused"])
    except (ValueError, LookupError, TypeError):
        lines = printed.strip().splitlines() or ["nothing was printed"]
        return fail(
            f"An agent can't run {context.checkout}: {lines[-1]}",
            "Move the checkout to your home folder, and run `make setup` there.",
        )
    if refused:
        return fail(found, "`crier setup` at this Mac's own screen stores the token again.")
    if throttled:
        return warn(f"{found}, in the background", _SEND_BACK)
    return ok(found)
