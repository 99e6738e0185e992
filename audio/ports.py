"""The two interfaces of the audio package: the voice and the speaker.

`audio.kokoro.voice.KokoroVoice` implements `Voice`; `audio.output.portaudio.PortAudioSpeaker` and
`audio.output.wavfile.WavSpeaker` implement `Speaker`. Tests run the same contract against all of
them and their stand-ins (tests/audio/test_voice_contract.py, test_speaker_contract.py).
"""

from typing import Protocol

from audio.types import CancelToken, Chunk, Devices, Samples, Sound, SpokenWord


class Voice(Protocol):
    """Reads sentences, and turns chunks of them into sound.

    In the pipeline all methods run on the synthesis thread only, and block it; the audio thread
    does not wait for them.
    """

    def load(self) -> None:
        """Read the model, so that the first `synthesize` need not. Idempotent.

        Blocks for about a second with Kokoro.

        Raises:
            AudioError: the voice can't be loaded; the message is shown to senders.
        """
        ...

    def read(self, sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        """Return the words of a sentence, with how each is pronounced in it.

        Does not need `load`. Blocks for a millisecond or so.

        Args:
            sentence: a whole one, since the words around a word decide how it is pronounced.
            lang: espeak-ng's code of the language.

        Returns:
            The words in order; with a space after each that is not `SpokenWord.joined`, they are
            the sentence.

        Raises:
            AudioError: the sentence can't be read; the message is shown to the sender.
        """
        ...

    def is_stored(self, chunk: Chunk, voice: str, speed: float) -> bool:
        """Return whether the sound of a chunk is stored, so that `synthesize` returns it at once.

        Args:
            chunk: as for `synthesize`.
            voice: as for `synthesize`.
            speed: as for `synthesize`.
        """
        ...

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> Sound:
        """Return a chunk as sound: only `Chunk.words`, without the silence around them.

        Blocks for a fraction of the sound's duration.

        Args:
            chunk: words as `read` returned them, with their context.
            voice: a name of `audio.voices`, or a blend of several.
            speed: 0.5 to 2.0; 1 is normal.
            cancel_token: cancelling it, before or during the call, makes the call raise.

        Returns:
            Mono float32 samples at `SAMPLE_RATE_HZ`, none if nothing in it can be pronounced;
            the words with their times within the samples; and how long synthesis took.

        Raises:
            AudioError: the text can't be synthesized, or *cancel_token* was cancelled. The message
                is shown to the sender.
        """
        ...


class Speaker(Protocol):
    """Plays sound; the only owner of the output device.

    In the pipeline every member runs on the audio thread only, and none waits for playback:
    `write` accepts what there is room for and returns. Frames are counted from `open` on, silence
    included, at `SAMPLE_RATE_HZ`.
    """

    @property
    def poll_s(self) -> float:
        """How many seconds to wait before there is room for another `write`. Constant."""
        ...

    @property
    def device(self) -> str:
        """The name of the device in use; empty while the speaker is closed. Never raises."""
        ...

    @property
    def warning(self) -> str:
        """What is wrong with the selected device, as a sentence; empty if nothing is.

        As of the last `open`. Never raises.
        """
        ...

    @property
    def is_open(self) -> bool:
        """Whether `write` may be called. Never raises."""
        ...

    @property
    def written_frames(self) -> int:
        """Frames accepted since `open`, padding included. Never raises."""
        ...

    @property
    def played_frames(self) -> int:
        """Frames that have been heard since `open`, according to the device.

        The report may be some milliseconds early; `audio.playback` allows for that.

        Raises:
            SpeakerError: the device failed.
        """
        ...

    @property
    def underruns(self) -> int:
        """How often the device ran dry inside an utterance, since the start. Never raises."""
        ...

    def open(self) -> None:
        """Open the selected device, or the default; the counts start at 0.

        Blocks for some tens of milliseconds, longer for a Bluetooth device that sleeps.

        Raises:
            SpeakerError: no device opens; `NoOutputDeviceError` if there is none at all,
                `HeadphonesLostError`, once, if the rest would be heard aloud.
            AudioLibraryError: the audio library is missing or will not start.
        """
        ...

    def write(self, samples: Samples) -> int:
        """Accept as many of *samples* as there is room for. Does not block.

        Args:
            samples: float32 of shape ``(frames,)``. The array must not be changed afterwards,
                since the speaker may keep a view of it.

        Returns:
            How many frames were accepted, from the first on; 0 if there is no room.

        Raises:
            DeviceLostError: the device failed.
        """
        ...

    def pad(self) -> None:
        """Write silence if the device needs it to play the last frames. Does not block.

        Call it whenever there is nothing to write after the end of an utterance; inside one it
        would delay what follows.

        Raises:
            DeviceLostError: the device failed.
        """
        ...

    def abort(self) -> None:
        """Stop playback now, drop what was not played, and close.

        Idempotent; never raises. Takes 100 ms or more on a Mac.
        """
        ...

    def close(self) -> None:
        """Release the device; what was not played is lost. Idempotent; never raises."""
        ...

    def shutdown(self) -> None:
        """Abort, and release the audio library, before the process exits. Never raises."""
        ...

    def devices(self) -> Devices:
        """Return the output devices, searched for again unless the speaker is open.

        Blocks for some tens of milliseconds.

        Raises:
            AudioLibraryError: the audio library is missing or will not start.
        """
        ...

    def select_device(self, wanted: str) -> None:
        """Set the device that the next `open` opens. Never raises.

        Args:
            wanted: its name or a part of it, in any case; empty follows the system's default.
        """
        ...

    def target_changed(self) -> bool:
        """Return whether `open` would now open another device, or the open one at another rate.

        Also True now and then while another device replaces the selected one, which may be back.
        False while the speaker is closed. Never raises.
        """
        ...

    def mute_reason(self) -> str:
        """Return why the current or last utterance can't be heard; usually empty.

        ``muted`` or ``at volume 0``, as of the start or the end of the utterance. Never raises.
        """
        ...

    def is_bluetooth(self) -> bool:
        """Return whether the device in use, or used last, is connected by Bluetooth.

        False if that is unknown. Never raises.
        """
        ...

    def start_utterance(self) -> None:
        """Prepare for the first frame of an utterance; the speaker is open. Never raises."""
        ...

    def finish_utterance(self) -> None:
        """Record that the last frame of an utterance was written. Never raises."""
        ...

    def pop_files(self) -> tuple[str, ...]:
        """Return the files completed since the last call; empty for a device. Never raises."""
        ...
