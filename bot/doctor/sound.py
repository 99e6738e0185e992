"""Checks of the voice and the loudspeaker."""

import contextlib
import json
import queue
import tempfile
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.doctor.check import CheckSkipped, Context, Finding, fail, ok, skip, warn
from bot.doctor.local import lock_holder
from bot.doctor.running_bot import client_of

if TYPE_CHECKING:
    from audio.ports import Voice
    from audio.types import Ended, Fact

SENTENCE = "This is Crier. If you can hear this, everything works."
_SLOW_RTF = 0.8
"""Seconds of synthesis for a second of speech; above it, speech may pause between sentences."""
_WORTHWHILE_SPEEDUP = 1.25
"""How much faster another model has to be before it is recommended."""
_TONE_HZ, _TONE_S = 440.0, 0.5
_SPEAKING_TIMEOUT_S = 30.0
_NO_PORTAUDIO = "`make setup`; on Debian or Ubuntu also `sudo apt-get install libportaudio2`"


class DeviceUnavailableError(Exception):
    """The output device can't be used; the message says why."""


def wanted_device(context: Context) -> str:
    """Return the device chosen in the chat, or else in the settings."""
    setting = context.settings.audio_device
    with contextlib.suppress(CheckSkipped):  # the database check reports it
        sql = "SELECT value FROM choice WHERE name = 'device' AND setting = ?"
        for (device,) in context.query(sql, setting):
            return str(device)
    return setting


def portaudio(context: Context) -> Finding:
    """Check that PortAudio starts, and report its version."""
    from audio.output.portaudio import PortAudioSpeaker  # noqa: PLC0415  # needs numpy
    from audio.types import AudioError  # noqa: PLC0415

    speaker = PortAudioSpeaker()
    try:
        speaker.devices()
        version, path = speaker.library
    except AudioError as exc:
        return fail(str(exc), _NO_PORTAUDIO)
    finally:
        speaker.shutdown()
    found = f"{version.partition(',')[0]} ({path})"
    if context.platform == "darwin" and "_sounddevice_data" not in path:
        return warn(
            f"{found}: not the tested one, which comes with sounddevice.",
            "`brew unlink portaudio`, if nothing else needs it.",
        )
    return ok(found)


def devices(context: Context) -> Finding:
    """Check that the wanted output device is present."""
    from audio.types import AudioError  # noqa: PLC0415
    from bot.start.phases import make_speaker  # noqa: PLC0415  # slow to import

    wanted = wanted_device(context)
    speaker = make_speaker(context.settings, wanted)
    try:
        found = speaker.devices()
        if wanted.startswith("file:"):
            speaker.open()
    except AudioError as exc:
        return fail(str(exc), "Fix portaudio first, or set AUDIO_DEVICE=file:DIR.")
    finally:
        speaker.shutdown()
    if not found.outputs:
        return fail(
            "There is no output device, so everything is held.",
            "Connect a loudspeaker or headphones"
            + (
                "."
                if context.platform == "darwin"
                else "; see that the sound server runs: `pactl info`. "
                "AUDIO_DEVICE=file:DIR writes WAV files instead."
            ),
        )
    names = [f"{output.name}{' (default)' * output.is_default}" for output in found.outputs]
    if found.warning:
        return warn(
            f"{found.warning} There are: {', '.join(names)}.",
            "/devices in the chat chooses one; or set AUDIO_DEVICE in .env.",
        )
    return ok((f"Wanted: {wanted}; there " if wanted else "There ") + f"are {', '.join(names)}")


def audible(context: Context) -> Finding:
    """Check that the device is neither muted nor at volume 0."""
    from audio.output import coreaudio  # noqa: PLC0415
    from audio.output.mute import control_mute_reason  # noqa: PLC0415

    wanted = wanted_device(context)
    if wanted.startswith("file:"):
        return skip("A folder has no volume")
    if context.platform == "darwin":
        name = wanted or _default_name(context)
        reason = coreaudio.mute_reason(name)
        if reason is None:
            return skip(f"{name or 'The device'} has no volume that macOS knows")
    else:
        sinks = _sinks(context)
        if not sinks:
            return skip("There is no PulseAudio or PipeWire to ask")
        default = context.output("pactl", "get-default-sink")
        by_name = {str(sink[key]): sink for sink in sinks for key in ("name", "description")}
        sink = by_name.get(wanted) or by_name.get(default) or sinks[0]
        name, reason = str(sink["description"]), control_mute_reason(sink)
    if reason:
        return warn(
            f"{name} is {reason}: it plays, and nobody hears it.",
            "Turn it up in the sound settings"
            + (
                "."
                if context.platform == "darwin"
                else ", or `pactl set-sink-mute @DEFAULT_SINK@ 0` and "
                "`pactl set-sink-volume @DEFAULT_SINK@ 70%`."
            ),
        )
    return ok(f"{name} is neither muted nor at volume 0")


def _default_name(context: Context) -> str:
    from bot.start.phases import list_devices  # noqa: PLC0415  # slow to import

    outputs = list_devices(context.settings).outputs
    return next((output.name for output in outputs if output.is_default), "")


def _sinks(context: Context) -> list[dict[str, object]]:
    try:
        sinks = json.loads(context.output("pactl", "-f", "json", "list", "sinks") or "[]")
    except ValueError:
        return []
    return sinks if isinstance(sinks, list) else []


# ---- the voice ----


def _kinds(context: Context) -> list[str]:
    """Return the models on the disk, the used one first."""
    from audio.kokoro.prepared import existing_kinds, resolve_kind  # noqa: PLC0415

    folder = context.settings.model_dir
    used = resolve_kind(context.settings.kokoro_model, folder)
    return sorted(existing_kinds(folder), key=lambda kind: kind != used)


def models(context: Context) -> Finding:
    """Check that the model files are present and intact."""
    from audio.kokoro.model_files import MODELS, VOICES_FILE, verify  # noqa: PLC0415
    from audio.kokoro.prepared import resolve_kind  # noqa: PLC0415
    from audio.types import ModelFileError  # noqa: PLC0415

    folder = context.settings.model_dir
    used = resolve_kind(context.settings.kokoro_model, context.settings.model_dir)
    files = [MODELS[used], VOICES_FILE]
    files += [MODELS[kind] for kind in _kinds(context) if kind != used]
    for file in files:
        context.progress(file.name)
        try:
            verify(folder / file.name, file)
        except ModelFileError as exc:
            if file in files[:2]:
                return fail(str(exc).partition(". `crier")[0] + ".", "`crier models`")
            return warn(
                f"{file.name} is damaged; it is not used now.", f"Remove {folder / file.name}."
            )
    names = ", ".join(file.name for file in files)
    return ok(f"{names}: intact, in {folder}")


def dictionary(context: Context) -> Finding:
    """Check that the English dictionary is present and intact."""
    from audio.kokoro.model_files import DICTIONARY_FILE, verify  # noqa: PLC0415
    from audio.types import ModelFileError  # noqa: PLC0415

    path = context.settings.model_dir / DICTIONARY_FILE.name
    try:
        verify(path, DICTIONARY_FILE)
    except ModelFileError as exc:
        reason = str(exc).partition(". `crier")[0]
        return warn(
            f"{reason}. Until then espeak-ng reads English, less well.",
            "`crier models`, then restart Crier.",
        )
    return ok(f"{path.name}: intact")


def espeak(context: Context) -> Finding:
    """Check that espeak-ng, which pronounces words, works, and the voice's reader with it."""
    from audio.kokoro.reader import reader_of  # noqa: PLC0415
    from audio.types import SynthesisError  # noqa: PLC0415

    lang = context.settings.lang
    try:
        phonemes = reader_of(context.settings.model_dir).pronounced("hello", lang)
        return ok(f"hello is {phonemes!r} in {lang}")
    except SynthesisError as exc:
        return fail(str(exc), "`make setup`; or unset PHONEMIZER_ESPEAK_LIBRARY, if it is set.")


def synthesis(context: Context) -> Finding:
    """Measure the speed of synthesis with each model on the disk."""
    from audio.kokoro.prepared import resolve_kind  # noqa: PLC0415
    from audio.types import AudioError  # noqa: PLC0415

    kinds = _kinds(context)
    used = resolve_kind(context.settings.kokoro_model, context.settings.model_dir)
    if used not in kinds:
        raise CheckSkipped("The model is missing; see models")
    rtfs = {}
    try:
        for kind in kinds:
            context.progress(kind)
            rtfs[kind] = _measure_rtf(context, kind)
    except AudioError as exc:
        return fail(f"The voice does not work: {exc}", "`crier models`, then `make setup`")
    speeds = ", ".join(
        f"{kind} takes {rtf:.2f} s for a second of speech" for kind, rtf in rtfs.items()
    )
    best = min(rtfs, key=lambda kind: rtfs[kind])
    if rtfs[used] > _WORTHWHILE_SPEEDUP * rtfs[best]:
        return warn(
            f"{speeds}. {best} would be {rtfs[used] / rtfs[best]:.1f} times as fast.",
            f"Write KOKORO_MODEL={best} into .env and restart Crier.",
        )
    if rtfs[used] > _SLOW_RTF:
        return warn(
            f"{speeds}: too slow for speech without gaps, so it waits before it starts.",
            "See load and priority; a newer or less busy computer is faster.",
        )
    other = "" if len(kinds) > 1 else "; the other model is not here to compare"
    return ok(f"{speeds}{other}; {used} is right")


def _measure_rtf(context: Context, kind: str) -> float:
    """Return the real-time factor of a model."""
    from audio.kokoro.fastest import measure  # noqa: PLC0415
    from audio.kokoro.voice import KokoroVoice  # noqa: PLC0415

    return measure(KokoroVoice(context.settings.model_dir, kind))[1]


# ---- the loudspeaker ----


def speaking(context: Context) -> Finding:
    """Play a tone and a sentence, and measure how soon each is heard."""
    if not context.sound:
        return skip("Nothing was played", "`crier doctor --sound` plays a tone and a sentence.")
    if lock_holder(context) is not None:
        return _speak_through_bot(context)
    from audio.kokoro.prepared import resolve_kind  # noqa: PLC0415  # needs numpy
    from audio.kokoro.voice import KokoroVoice  # noqa: PLC0415  # likewise
    from audio.types import AudioError  # noqa: PLC0415  # likewise

    voice = KokoroVoice(
        context.settings.model_dir,
        resolve_kind(context.settings.kokoro_model, context.settings.model_dir),
    )
    try:
        voice.load()  # first, as in a running bot, so that the times are comparable
    except AudioError as exc:
        return skip(f"The voice does not work, so nothing was played: {exc}")
    try:
        return _rate_speaking(*_play_tone_and_sentence(context, voice))
    except (AudioError, DeviceUnavailableError) as exc:
        return fail(str(exc), "See devices, portaudio and models.")
    except queue.Empty:
        return fail(
            "The device accepts sound, but does not play it.",
            "Choose another one: `crier devices` lists them, AUDIO_DEVICE in .env sets one.",
        )


def _play_tone_and_sentence(context: Context, voice: "Voice") -> tuple["Ended", "Ended"]:
    """Play both, and return how each ended.

    Raises:
        AudioError: the voice or PortAudio fails.
        DeviceUnavailableError: the device can't be used.
        queue.Empty: one of them does not end.
    """
    from audio.pipeline import SpeechPipeline  # noqa: PLC0415  # needs numpy
    from audio.types import Fact, Utterance  # noqa: PLC0415  # likewise
    from bot.start.phases import make_speaker  # noqa: PLC0415  # slow to import

    settings = context.settings
    facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
    pipeline = SpeechPipeline(voice, make_speaker(settings, wanted_device(context)), facts.put)

    def play(text: str, recording: str) -> "Ended":
        pipeline.say(
            Utterance(
                id=0,
                text=text,
                voice=settings.kokoro_voice,
                speed=settings.kokoro_speed,
                lang=settings.lang,
                recording=recording,
            )
        )
        return _wait_until_ended(facts)

    try:
        pipeline.start()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tone.wav"
            _write_tone(path)
            context.progress("a tone")
            tone = play("", str(path))
        context.progress("a sentence")
        return tone, play(SENTENCE, "")
    finally:
        pipeline.close().result(10)


def _wait_until_ended(facts: "queue.SimpleQueue[Fact]") -> "Ended":
    from audio.types import Ended, Held  # noqa: PLC0415  # needs numpy

    deadline_s = time.monotonic() + _SPEAKING_TIMEOUT_S
    while True:
        fact = facts.get(timeout=max(0.01, deadline_s - time.monotonic()))
        if isinstance(fact, Held):
            raise DeviceUnavailableError(fact.reason)
        if isinstance(fact, Ended):
            return fact


def _speak_through_bot(context: Context) -> Finding:
    """Play the sentence through the running bot, which uses the loudspeaker."""
    from bot.client import ClientError  # noqa: PLC0415  # its packages may be missing

    client = client_of(context)
    if client is None:
        return skip("The running bot uses the loudspeaker", "Send it a message to hear it.")
    context.progress("a sentence, by the bot")
    request = {"input": SENTENCE, "wait": True, "priority": "urgent"}
    try:
        receipt = client.call("POST", "/v1/audio/speak", request, _SPEAKING_TIMEOUT_S)
        history = client.get("/v1/history").get("items", [])
    except ClientError as exc:
        return fail(f"The running bot does not speak: {exc}", "`crier restart`")
    record: dict[str, Any] = next((r for r in history if r.get("id") == receipt.get("id")), {})
    found = "The running bot: " + str(receipt.get("outcome"))
    if record.get("device"):
        found += f" on {record['device']}"
    if record.get("first_sound_ms") is not None:
        found += f" after {record['first_sound_ms']} ms"
    if reason := receipt.get("reason"):
        found += f"; {reason}"
    match receipt.get("outcome"):
        case "heard" if not reason:
            return ok(found)
        case "heard" | "held" | "stopped" | "skipped":
            return warn(found, "Do as it says, or turn it up; /status in the chat says more.")
    return fail(found, "`crier logs` says more.")


def _rate_speaking(tone: "Ended", sentence: "Ended") -> Finding:
    """Return the measurements, rated."""
    from audio.types import Outcome  # noqa: PLC0415  # needs numpy

    for fact in (tone, sentence):
        if fact.outcome is not Outcome.HEARD:
            return fail(f"{fact.outcome}: {fact.reason}", "See the checks above.")
    found = (
        f"On {tone.device}: a tone after {tone.first_sound_ms} ms, a sentence after "
        f"{sentence.first_sound_ms} ms, {tone.audio_s + sentence.audio_s:.1f} s heard to the end"
    )
    if warning := tone.warning or sentence.warning:
        return warn(f"{found}, but the output is {warning}.", "Turn it up in the sound settings.")
    if underruns := tone.underruns + sentence.underruns:
        return warn(
            f"{found}; the device ran out of sound {underruns} times, which is heard as a crackle.",
            "Write AUDIO_LATENCY=0.3 into .env; see load and priority.",
        )
    return ok(found)


def _write_tone(path: Path) -> None:
    import numpy as np  # noqa: PLC0415  # may be missing

    from audio.types import SAMPLE_RATE_HZ  # noqa: PLC0415  # needs numpy

    times = np.arange(int(_TONE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    envelope = np.sin(np.pi * times / _TONE_S)  # no click at either end
    samples = 0.3 * envelope * np.sin(2 * np.pi * _TONE_HZ * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
