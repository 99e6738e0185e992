"""`crier setup`: asks for what Crier needs, tries it, and stores it. Runs on the event loop.

Nothing is stored before the last of the questions about settings; Ctrl-C until then leaves
everything as it was. A second run shows what is set, and Enter keeps it.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prompt_toolkit.patch_stdout import patch_stdout
from pydantic import SecretStr
from telegram.error import InvalidToken, TelegramError

from audio.output.wavfile import PREFIX
from audio.types import AudioError, UnknownVoiceError
from audio.voices import VOICES, check_voice, describe
from bot import keychain
from bot.clean import clean, clean_line
from bot.console import fetch_models, invitation, print_table
from bot.core.inbox import InboxError
from bot.core.lock import InUseError
from bot.errors import FAILED, OK, UsageError
from bot.service.manage import install
from bot.settings import CHECKOUT, Settings, check_token, configured, data_dir, read_env
from bot.setup.env_file import change
from bot.setup.phone import first_phone, who, who_may_speak
from bot.setup.preview import Audition
from bot.setup.prompts import ask, confirm, numbered, quiet_libraries

_TOKEN, _VOICE, _DEVICE = "TELEGRAM_BOT_TOKEN", "KOKORO_VOICE", "AUDIO_DEVICE"

# The best of each language that is spoken most here, by the grades of Kokoro-82M's VOICES.md.
_RECOMMENDED = ("af_heart", "af_bella", "am_michael", "am_fenrir", "bf_emma", "bm_george")


def setup(_: argparse.Namespace) -> int:
    """Ask for what Crier needs, try it, and store it.

    Raises:
        CommandError: there is nobody to ask, a setting is wrong, or there is no voice.
    """
    code, wizard = set_up()
    if code == OK:
        wizard.say_what_is_next("`make run` starts it; then send your bot a message")
    return code


def set_up() -> "tuple[int, Wizard]":
    """Ask, try, store and install; return the exit code and what was answered.

    Raises:
        CommandError: there is nobody to ask, a setting is wrong, or there is no voice.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "`crier setup` asks questions, so it needs a terminal. Without one, write the settings "
            f"into {data_dir() / '.env'}; .env.example lists them."
        )
    settings = configured()
    fetch_models(settings)
    logging.getLogger().addHandler(logging.NullHandler())  # what matters is printed here
    wizard = Wizard(settings, CHECKOUT)
    try:
        with quiet_libraries():
            asyncio.run(wizard.run())
    except (KeyboardInterrupt, EOFError):
        print("\nThe rest is left as it is." if wizard.saved else "\nNothing was changed.")
        return FAILED, wizard
    except OSError as exc:
        print(f"{exc.filename} can't be written ({exc.strerror}). Make room and start again.")
        return FAILED, wizard
    if wizard.install:
        return install(argparse.Namespace(yes=True, process_type=None)), wizard
    return OK, wizard


@dataclass
class Wizard:
    """The questions, in their order, and what was answered."""

    settings: Settings
    checkout: Path
    answers: dict[str, str] = field(default_factory=dict)
    """By variable; an empty one takes the variable away."""
    saved: bool = False
    install: bool = False
    runs: bool = False
    """Whether a Crier runs that does not know the answers yet."""

    async def run(self) -> None:
        """Ask, try and store.

        Raises:
            KeyboardInterrupt: given up; where `saved` is false, before anything was stored.
            EOFError: likewise.
            OSError: the answers can't be stored.
        """
        print(
            "This sets Crier up. Enter keeps what stands in [brackets]; Ctrl-C leaves everything "
            "as it was."
        )
        await self._ask_token()
        await self._ask_sound()
        self._save()
        await self._ask_phone()
        await self._ask_login()

    # ---- the token ----

    async def _ask_token(self) -> None:
        print("\n1 of 5: Telegram\n")
        present = self.settings.telegram_bot_token
        if present is None:
            print(
                "Crier needs a bot of its own. In Telegram, open @BotFather (https://t.me/BotFather"
                "),\nsend /newbot, answer its two questions, and paste the token that it gives you."
            )
        else:
            print(f"There is a token, of bot {present.get_secret_value().partition(':')[0]}.")
        kept = "" if present is None else " [keep it]"
        while True:
            typed = await ask(f"Token, not shown{kept}: ", secret=True)
            if not typed and present is None:
                if await confirm("Go on without Telegram, with the demo only?", default=False):
                    return
                continue
            token = typed or (present.get_secret_value() if present else "")
            try:
                check_token(token)
            except ValueError as exc:
                print(f"This can't be a token: {exc}.")
                continue
            if await self._accepted(token, new=bool(typed)):
                if typed:
                    self.answers[_TOKEN] = token
                    self.settings = self.settings.replaced(telegram_bot_token=SecretStr(token))
                return

    async def _accepted(self, token: str, *, new: bool) -> bool:
        """Show a token to Telegram; say what it answers."""
        try:
            name = await who(self.settings.replaced(telegram_bot_token=SecretStr(token)))
        except InvalidToken:
            print("Telegram does not know this token. Copy it from @BotFather once more.")
            return False
        except TelegramError as exc:
            print(f"Telegram can't be reached now ({exc}).")
            return await confirm("Keep the token without having tried it?", default=not new)
        print(f"Telegram knows it: this is @{name}.")
        return True

    # ---- voice and loudspeaker ----

    async def _ask_sound(self) -> None:
        async with Audition(self.settings) as audition:
            await self._ask_voice(audition)
            await self._ask_device(audition)

    async def _ask_voice(self, audition: Audition) -> None:
        print("\n2 of 5: The voice\n")
        shown: Sequence[str] = _RECOMMENDED
        voice = self.settings.kokoro_voice
        self._show_voices(shown)
        while True:
            typed = await ask(f"A number or a name, to hear it; all; or Enter [{voice}]: ")
            if not typed:
                break
            if typed.lower() == "all":
                shown = VOICES
                self._show_voices(shown)
                continue
            try:
                wanted = numbered(typed, shown) or check_voice(typed)
            except UnknownVoiceError as exc:
                print(exc)
                continue
            await self._hear(audition, wanted)
            voice = wanted
        if voice != self.settings.kokoro_voice:
            self.answers[_VOICE] = voice
            self.settings = self.settings.replaced(kokoro_voice=voice)

    def _show_voices(self, voices: Sequence[str]) -> None:
        rows = [(str(n), voice, describe(voice)) for n, voice in enumerate(voices, 1)]
        print_table(("", "voice", "speaks"), rows)

    async def _ask_device(self, audition: Audition) -> None:
        print("\n3 of 5: The loudspeaker\n")
        device = self.settings.audio_device
        if device.startswith(PREFIX):
            print(f"What Crier says is written to files in {device.removeprefix(PREFIX)}.")
            return
        try:
            outputs = (await audition.devices()).outputs
        except AudioError as exc:
            print(exc)
            return
        except TimeoutError:
            print("The system does not say where sound can go.")
            return
        if not outputs:
            print("There is no output device now. Crier waits for one when it has to speak.")
            return
        names = [output.name for output in outputs]
        rows = [("0", "the system's default, whichever it is at the time", "")]
        rows += [(str(n), o.name, "default" * o.is_default) for n, o in enumerate(outputs, 1)]
        print_table(("", "device", ""), rows)
        while True:
            shown = clean_line(device) or "the default"
            typed = await ask(f"A number, to hear it; or Enter [{shown}]: ")
            if not typed:
                break
            wanted = "" if typed == "0" else numbered(typed, names)
            if wanted is None:
                print(f"There is no number {typed!r}. Choose 0 to {len(names)}.")
                continue
            audition.choose(wanted)
            await self._hear(audition, self.settings.kokoro_voice)
            device = wanted
        if device != self.settings.audio_device:
            self.answers[_DEVICE] = device
            self.settings = self.settings.replaced(audio_device=device)

    async def _hear(self, audition: Audition, voice: str) -> None:
        print("Listen ...", flush=True)
        if why := await audition.hear(voice):
            print(f"It could not be heard: {why}")

    # ---- storing ----

    def _save(self) -> None:
        """Store the answers, each where it will be read from."""
        values = dict(self.answers)
        if token := values.get(_TOKEN):
            values[_TOKEN] = self._hidden(token)
        near, far = self.checkout / ".env", self.settings.data_dir / ".env"
        in_near = read_env(near)
        here = {name: value for name, value in values.items() if name in in_near}
        there = {name: value for name, value in values.items() if name not in in_near}
        for path, some in ((near, here), (far, there)):
            if some:
                change(path, some)
                print(f"\nStored in {path}: {', '.join(some)}.")
        for name in values:
            if os.environ.get(name):
                print(f"{name} is set in the environment too, which wins. Unset it there.")
        self.saved = True

    def _hidden(self, token: str) -> str:
        """Store the token in the Keychain where there is one; return what goes into the file."""
        if sys.platform != "darwin":
            return token
        try:
            keychain.store(str(self.settings.data_dir), token)
        except keychain.KeychainError as exc:
            print(f"\n{exc} So the token goes into a file that only you may read.")
            return token
        print("\nThe token is in your Keychain.")
        return keychain.IN_KEYCHAIN

    # ---- the phone ----

    async def _ask_phone(self) -> None:
        if self.settings.telegram_bot_token is None:
            return
        print("\n4 of 5: Your phone\n")
        try:
            people = await who_may_speak(self.settings)
            if people:
                print(
                    f"These may speak: {', '.join(people)}. /invite in the chat lets one more in."
                )
                return
            if await confirm("Let your phone in now?", default=True):
                await self._pair()
        except InUseError:
            self.runs = True
            print(
                "Crier runs already. Where nobody may speak yet, `crier pair` shows the code for "
                "your phone;\nafterwards /invite in the chat lets one more in."
            )
        except InboxError as exc:
            print(exc)
        except InvalidToken:
            print("Telegram does not know this token.")
        except sqlite3.Error as exc:
            print(f"That can't be stored ({exc}). Make room, and start Crier: it shows a code.")

    async def _pair(self) -> None:
        """Wait for the phone, or for Enter."""

        def show_code(code: str) -> None:
            if code:
                print(f"Send this to your bot:  /pair {code}\n")

        def show_link(link: str) -> None:
            print(f"{invitation(link)}\n")

        noted: set[str] = set()

        def note(text: str) -> None:
            if text not in noted:
                print(clean(text))  # to prompt_toolkit, not to the cleaned stdout
            noted.add(text)

        async def enter() -> None:
            with contextlib.suppress(KeyboardInterrupt, EOFError):
                await ask("Waiting for it; Enter goes on without. ")

        with patch_stdout():
            phone = asyncio.create_task(first_phone(self.settings, show_code, show_link, note))
            without = asyncio.create_task(enter())
            try:
                await asyncio.wait({phone, without}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                without.cancel()
                await asyncio.wait({without})
        if phone.done():
            print(f"{phone.result()} may speak now.")
            return
        phone.cancel()
        await asyncio.wait({phone})
        print("When Crier starts it shows a code; send it from your phone then.")

    # ---- at login ----

    async def _ask_login(self) -> None:
        if self.settings.telegram_bot_token is None or self.runs:
            return
        print("\n5 of 5: At login\n")
        self.install = await confirm("Start Crier whenever you log in?", default=True)

    def say_what_is_next(self, start: str) -> None:
        """Say what is set, and what comes next; *start* says it for a bot that does not run."""
        print(f"\nVoice:        {self.settings.kokoro_voice}")
        print(f"Loudspeaker:  {self.settings.audio_device or 'the default of the system'}")
        print(f"Messages, choices and the log are in {self.settings.data_dir}.")
        if self.settings.telegram_bot_token is None:
            start = "`crier demo` is a chat in this terminal; `crier setup` asks again"
        elif self.install:
            start = "send your bot a message"
        elif self.runs:
            start = (
                "`crier restart`, or stop it and start it again, so that it knows what is set now"
            )
        print(f"\nNext: {start}.")
