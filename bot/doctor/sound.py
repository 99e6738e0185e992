"""The doctor's checks of the voice and the loudspeaker."""

import contextlib
import json
import queue
import tempfile
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.doctor.check import CannotLookError, Context, Finding, fail, skip, warn, well
from bot.doctor.local import lock_holder
from bot.doctor.system import client_of

if TYPE_CHECKING:
    from audio.types import Ended

SENTENCE = "This is Crier. If you can hear this, everything works."
_SAMPLE = "Your parcel has come, and somebody has to sign for it."
_SLOW = 0.8
"""Seconds of work for a second of speech from which on it may have to wait between sentences."""
_FASTER = 1.25
"""How much faster another model has to be to be worth a word."""
_TONE_HZ, _TONE_S = 440.0, 0.5
_HEARD_TIMEOUT_S = 30.0
_NO_PORTAUDIO = "`make setup`; on Debian or Ubuntu also `sudo apt-get install libportaudio2`"


class CannotSoundError(Exception):
    """The loudspeaker can't be had."""


def wanted_device(context: Context) -> str:
    """Return the device that was chosen in the chat, or else in the settings."""
    setting = context.settings.audio_device
    with contextlib.suppress(CannotLookError):  # the check of the database says so
        chosen = "SELECT value FROM choice WHERE name = 'device' AND setting = ?"
        for (device,) in context.query(chosen, setting):
            return str(device)
    return setting


def portaudio(context: Context) -> Finding:
    """Which PortAudio is loaded, and whether it starts."""
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
            f"{found}: not the one that comes with sounddevice, which is the one that is tested.",
            "`brew unlink portaudio`, if nothing else needs it.",
        )
    return well(found)


def devices(context: Context) -> Finding:
    """Where sound can go, and whether the wanted device is there."""
    from audio.types import AudioError  # noqa: PLC0415
    from bot.app import make_speaker  # noqa: PLC0415  # slow to import

    wanted = wanted_device(context)
    speaker = make_speaker(context.settings, wanted)
    try:
        found = speaker.devices()
        if wanted.startswith("file:"):
            speaker.open()
    except AudioError as exc:
        return fail(str(exc), "Mend portaudio first, or set AUDIO_DEVICE=file:DIR.")
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
    names = [f"{one.name} (default)" if one.is_default else one.name for one in found.outputs]
    if found.warning:
        return warn(
            f"{found.warning} There are: {', '.join(names)}.",
            "/devices in the chat chooses one; or set AUDIO_DEVICE in .env.",
        )
    return well((f"Wanted: {wanted}; there " if wanted else "There ") + f"are {', '.join(names)}")


def audible(context: Context) -> Finding:
    """Whether the device is muted or at volume 0."""
    from audio.output import coreaudio  # noqa: PLC0415
    from audio.output.mute import control_mute_reason  # noqa: PLC0415

    wanted = wanted_device(context)
    if wanted.startswith("file:"):
        return skip("A folder is as loud as it is")
    if context.platform == "darwin":
        name = wanted or _default_name(context)
        why = coreaudio.mute_reason(name)
        if why is None:
            return skip(f"{name or 'The device'} has no volume that macOS knows")
    else:
        sinks = _sinks(context)
        if not sinks:
            return skip("There is no PulseAudio or PipeWire to ask")
        default = context.output("pactl", "get-default-sink")
        named = {str(sink[key]): sink for sink in sinks for key in ("name", "description")}
        sink = named.get(wanted) or named.get(default) or sinks[0]
        name, why = str(sink["description"]), control_mute_reason(sink)
    if why:
        return warn(
            f"{name} is {why}: it plays, and nobody hears it.",
            "Turn it up in the sound settings"
            + (
                "."
                if context.platform == "darwin"
                else ", or `pactl set-sink-mute @DEFAULT_SINK@ 0` and "
                "`pactl set-sink-volume @DEFAULT_SINK@ 70%`."
            ),
        )
    return well(f"{name} is neither muted nor at volume 0")


def _default_name(context: Context) -> str:
    from bot.app import list_devices  # noqa: PLC0415  # slow to import

    outputs = list_devices(context.settings).outputs
    return next((one.name for one in outputs if one.is_default), "")


def _sinks(context: Context) -> list[dict[str, object]]:
    try:
        sinks = json.loads(context.output("pactl", "-f", "json", "list", "sinks") or "[]")
    except ValueError:
        return []
    return sinks if isinstance(sinks, list) else []


# ---- the voice ----


def _kinds(context: Context) -> list[str]:
    """Return the models that are there, the one that is used first."""
    from audio.kokoro.model_files import MODELS, resolve_kind  # noqa: PLC0415

    used = resolve_kind(context.settings.kokoro_model)
    there = [kind for kind in MODELS if (context.settings.model_dir / MODELS[kind].name).exists()]
    return sorted(there, key=lambda kind: kind != used)


def models(context: Context) -> Finding:
    """Whether the model files are there, to the byte."""
    from audio.kokoro.model_files import MODELS, VOICES_FILE, resolve_kind, verify  # noqa: PLC0415
    from audio.types import ModelFileError  # noqa: PLC0415

    folder = context.settings.model_dir
    used = resolve_kind(context.settings.kokoro_model)
    files = [MODELS[used], VOICES_FILE]
    files += [MODELS[kind] for kind in _kinds(context) if kind != used]
    for file in files:
        context.say(file.name)
        try:
            verify(folder / file.name, file)
        except ModelFileError as exc:
            if file in files[:2]:
                return fail(str(exc).partition(". `crier")[0] + ".", "`crier models`")
            return warn(
                f"{file.name} is damaged; it is not used now.", f"Remove {folder / file.name}."
            )
    names = ", ".join(file.name for file in files)
    return well(f"{names}: whole, in {folder}")


def espeak(context: Context) -> Finding:
    """Whether espeak-ng, which knows how words are pronounced, works."""
    from audio.kokoro.voice import pronounced  # noqa: PLC0415
    from audio.types import SynthesisError  # noqa: PLC0415

    lang = context.settings.lang
    try:
        return well(f"hello is {pronounced('hello', lang)!r} in {lang}")
    except SynthesisError as exc:
        return fail(str(exc), "`make setup`; or unset PHONEMIZER_ESPEAK_LIBRARY, if it is set.")


def synthesis(context: Context) -> Finding:
    """How fast the voice is here, with each model that is there."""
    from audio.kokoro.model_files import resolve_kind  # noqa: PLC0415
    from audio.types import AudioError  # noqa: PLC0415

    kinds = _kinds(context)
    used = resolve_kind(context.settings.kokoro_model)
    if used not in kinds:
        raise CannotLookError("The model is missing; see models")
    factors = {}
    try:
        for kind in kinds:
            context.say(kind)
            factors[kind] = _factor(context, kind)
    except AudioError as exc:
        return fail(f"The voice does not work: {exc}", "`crier models`, then `make setup`")
    speeds = ", ".join(
        f"{kind} takes {factor:.2f} s for a second of speech" for kind, factor in factors.items()
    )
    best = min(factors, key=lambda kind: factors[kind])
    if factors[used] > _FASTER * factors[best]:
        return warn(
            f"{speeds}. {best} would be {factors[used] / factors[best]:.1f} times as fast.",
            f"Write KOKORO_MODEL={best} into .env and start Crier anew.",
        )
    if factors[used] > _SLOW:
        return warn(
            f"{speeds}: too slow for speech without waits, so it waits before it begins.",
            "See load and priority; a newer or less busy computer is faster.",
        )
    other = "" if len(kinds) > 1 else "; the other model is not here to compare"
    return well(f"{speeds}{other}; {used} is right")


def _factor(context: Context, kind: str) -> float:
    """Return how long the voice takes for a second of speech; the better of two."""
    from audio.kokoro.voice import KokoroVoice  # noqa: PLC0415
    from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk  # noqa: PLC0415

    voice = KokoroVoice(context.settings.model_dir, kind)
    voice.load()
    chunk = Chunk(_SAMPLE, "", "", 0, ends_sentence=True, pause_s=0.0, speech_length=0.0)
    factors = []
    for _ in range(2):
        voice.clear_cache()
        sound = voice.synthesize(
            chunk, context.settings.kokoro_voice, 1.0, context.settings.lang, CancelToken()
        )
        factors.append(sound.took_s / (len(sound.samples) / SAMPLE_RATE_HZ))
    return min(factors)


# ---- the loudspeaker ----


def speaking(context: Context) -> Finding:
    """Play a tone and say a sentence; measure how soon each is heard."""
    if not context.sound:
        return skip("Nothing was played", "`crier doctor --sound` plays a tone and a sentence.")
    if lock_holder(context) is not None:
        return _through_the_bot(context)
    from audio.kokoro.model_files import resolve_kind  # noqa: PLC0415
    from audio.kokoro.voice import KokoroVoice  # noqa: PLC0415
    from audio.pipeline import SpeechPipeline  # noqa: PLC0415
    from audio.types import AudioError, Ended, Fact, Held, Utterance  # noqa: PLC0415
    from bot.app import make_speaker  # noqa: PLC0415

    settings = context.settings
    voice = KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model))
    try:
        voice.load()  # so that what is measured is what a running bot takes
    except AudioError as exc:
        return skip(f"The voice does not work, so nothing was played: {exc}")
    facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
    speaker = make_speaker(settings, wanted_device(context))
    pipeline = SpeechPipeline(voice, speaker, facts.put)

    def heard(text: str, recording: str) -> Ended:
        """Let one thing sound, and return how that ended."""
        order = (settings.kokoro_voice, settings.kokoro_speed, settings.lang)
        pipeline.say(Utterance(0, text, *order, recording=recording))
        deadline_s = time.monotonic() + _HEARD_TIMEOUT_S
        while True:
            fact = facts.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(fact, Held):
                raise CannotSoundError(fact.reason)
            if isinstance(fact, Ended):
                return fact

    try:
        pipeline.start()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tone.wav"
            _write_tone(path)
            context.say("a tone")
            tone = heard("", str(path))
        context.say("a sentence")
        return _judged(tone, heard(SENTENCE, ""))
    except (AudioError, CannotSoundError) as exc:
        return fail(str(exc), "See devices, portaudio and models.")
    except queue.Empty:
        return fail(
            "The device takes sound, but does not play it.",
            "Choose another one: `crier devices` lists them, AUDIO_DEVICE in .env sets one.",
        )
    finally:
        pipeline.close().result(10)


def _through_the_bot(context: Context) -> Finding:
    """Have the running bot say the sentence: the loudspeaker is in its hands."""
    from bot.client import ClientError  # noqa: PLC0415

    client = client_of(context)
    if client is None:
        return skip("The running bot has the loudspeaker", "Send it a message to hear it.")
    context.say("a sentence, by the bot")
    order = {"input": SENTENCE, "wait": True, "priority": "urgent"}
    try:
        said = client.call("POST", "/v1/audio/speak", order, _HEARD_TIMEOUT_S)
        history = client.get("/v1/history").get("items", [])
    except ClientError as exc:
        return fail(f"The running bot does not speak: {exc}", "`crier restart`")
    row: dict[str, Any] = next((r for r in history if r.get("id") == said.get("id")), {})
    first = row.get("first_sound_ms")
    found = "The running bot: " + str(said.get("outcome"))
    if row.get("device"):
        found += f" on {row['device']}"
    if first is not None:
        found += f" after {first} ms"
    if reason := said.get("reason"):
        found += f"; {reason}"
    match said.get("outcome"):
        case "heard" if not said.get("reason"):
            return well(found)
        case "heard" | "held" | "stopped" | "skipped":
            return warn(found, "Do as it says, or turn it up; /status in the chat says more.")
    return fail(found, "`crier logs` says more.")


def _judged(tone: "Ended", sentence: "Ended") -> Finding:
    """Say what was measured, and whether it was good."""
    from audio.types import Outcome  # noqa: PLC0415

    for fact in (tone, sentence):
        if fact.outcome is not Outcome.HEARD:
            return fail(f"{fact.outcome}: {fact.reason}", "See the checks above.")
    found = (
        f"On {tone.device}: a tone after {tone.first_sound_ms} ms, a sentence after "
        f"{sentence.first_sound_ms} ms, {tone.audio_s + sentence.audio_s:.1f} s heard to the end"
    )
    if why := tone.warning or sentence.warning:
        return warn(f"{found}, but the output is {why}.", "Turn it up in the sound settings.")
    if underruns := tone.underruns + sentence.underruns:
        return warn(
            f"{found}; the device ran dry {underruns} times, which is heard as a crackle.",
            "Write AUDIO_LATENCY=0.3 into .env; see load and priority.",
        )
    return well(found)


def _write_tone(path: Path) -> None:
    import numpy as np  # noqa: PLC0415

    from audio.types import SAMPLE_RATE_HZ  # noqa: PLC0415

    times = np.arange(int(_TONE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    swell = np.sin(np.pi * times / _TONE_S)  # without a click at either end
    samples = 0.3 * swell * np.sin(2 * np.pi * _TONE_HZ * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
