"""`crier setup`: asks for the settings, tries them, and stores them. Runs on the event loop.

Nothing is stored before the last question about settings; Ctrl-C until then changes nothing. A
second run shows the current values, and Enter keeps them.
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
from bot.paths import CHECKOUT, data_dir
from bot.service.manage import install_service
from bot.service.process import quiet_stderr
from bot.settings import Settings, check_token, configured, read_env
from bot.setup.env_file import change
from bot.setup.phone import allowed_people, bot_name, pair_first_phone
from bot.setup.preview import Preview
from bot.setup.prompts import ask, confirm, numbered

_TOKEN, _VOICE, _DEVICE = "TELEGRAM_BOT_TOKEN", "KOKORO_VOICE", "AUDIO_DEVICE"

# The best voices of American and British English, by the grades of Kokoro-82M's VOICES.md.
_RECOMMENDED = ("af_heart", "af_bella", "am_michael", "am_fenrir", "bf_emma", "bm_george")


def setup(_: argparse.Namespace) -> int:
    """Ask for the settings, try them, and store them.

    Raises:
        CommandError: there is no terminal, a setting is wrong, or the model can't be fetched.
    """
    code, wizard = set_up()
    if code == OK:
        wizard.print_summary("`make run` starts it; then send your bot a message")
    return code


def set_up() -> "tuple[int, Wizard]":
    """Ask, try, store and install; return the exit code and the answers.

    Raises:
        CommandError: there is no terminal, a setting is wrong, or the model can't be fetched.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "`crier setup` asks questions, so it needs a terminal. Without one, write the settings "
            f"into {data_dir() / '.env'}; .env.example lists them."
        )
    settings = configured()
    fetch_models(settings)
    logging.getLogger().addHandler(logging.NullHandler())  # the wizard prints what matters
    wizard = Wizard(settings, CHECKOUT)
    try:
        with quiet_stderr():
            asyncio.run(wizard.run())
    except (KeyboardInterrupt, EOFError):
        print("\nThe rest is left as it is." if wizard.saved else "\nNothing was changed.")
        return FAILED, wizard
    except OSError as exc:
        print(f"{exc.filename} can't be written ({exc.strerror}). Make room and start again.")
        return FAILED, wizard
    if wizard.install:
        return install_service(ask=False, try_notification=True), wizard
    return OK, wizard


@dataclass
class Wizard:
    """The questions, in order, and the answers."""

    settings: Settings
    checkout: Path
    answers: dict[str, str] = field(default_factory=dict)
    """By variable; an empty answer removes the variable."""
    saved: bool = False
    install: bool = False
    bot_is_running: bool = False
    """Whether a bot is running that has not read the answers yet."""

    async def run(self) -> None:
        """Ask, try and store.

        Raises:
            KeyboardInterrupt: Ctrl-C; if `saved` is false, nothing was stored.
            EOFError: Ctrl-D; likewise.
            OSError: the answers can't be stored.
        """
        print(
            "This sets Crier up. Enter keeps what is in [brackets]; Ctrl-C leaves everything as it "
            "was."
        )
        await self._ask_token()
        await self._ask_sound()
        self._save()
        await self._ask_phone()
        await self._ask_login()

    # ---- the token ----

    async def _ask_token(self) -> None:
        print("\n1 of 5: Telegram\n")
        stored = self.settings.telegram_bot_token
        if stored is None:
            print(
                "Crier needs a bot of its own. In Telegram, open @BotFather (https://t.me/BotFather"
                "),\nsend /newbot, answer its two questions, and paste the token that it gives you."
            )
        else:
            print(f"There is a token, of bot {stored.get_secret_value().partition(':')[0]}.")
        hint = "" if stored is None else " [keep it]"
        while True:
            typed = await ask(f"Token, not shown{hint}: ", secret=True)
            if not typed and stored is None:
                if await confirm("Continue without Telegram, with the demo only?", default=False):
                    return
                continue
            token = typed or (stored.get_secret_value() if stored else "")
            try:
                check_token(token)
            except ValueError as exc:
                print(f"This can't be a token: {exc}.")
                continue
            if await self._works(token, new=bool(typed)):
                if typed:
                    self.answers[_TOKEN] = token
                    self.settings = self.settings.replaced(telegram_bot_token=SecretStr(token))
                return

    async def _works(self, token: str, *, new: bool) -> bool:
        """Try a token at Telegram; return whether to use it."""
        try:
            name = await bot_name(self.settings.replaced(telegram_bot_token=SecretStr(token)))
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
        async with Preview(self.settings) as preview:
            await self._ask_voice(preview)
            await self._ask_device(preview)

    async def _ask_voice(self, preview: Preview) -> None:
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
                selected = numbered(typed, shown) or check_voice(typed)
            except UnknownVoiceError as exc:
                print(exc)
                continue
            await self._play(preview, selected)
            voice = selected
        if voice != self.settings.kokoro_voice:
            self.answers[_VOICE] = voice
            self.settings = self.settings.replaced(kokoro_voice=voice)

    def _show_voices(self, voices: Sequence[str]) -> None:
        rows = [(str(n), voice, describe(voice)) for n, voice in enumerate(voices, 1)]
        print_table(("", "voice", "speaks"), rows)

    async def _ask_device(self, preview: Preview) -> None:
        print("\n3 of 5: The loudspeaker\n")
        device = self.settings.audio_device
        if device.startswith(PREFIX):
            print(f"What Crier says is written to files in {device.removeprefix(PREFIX)}.")
            return
        try:
            outputs = (await preview.devices()).outputs
        except AudioError as exc:
            print(exc)
            return
        except TimeoutError:
            print("The list of devices could not be read.")
            return
        if not outputs:
            print("There is no output device now. Crier waits for one when it has to speak.")
            return
        names = [output.name for output in outputs]
        rows = [("0", "the system's default, whichever it is at the time", "")]
        for number, output in enumerate(outputs, 1):
            rows.append((str(number), output.name, "default" if output.is_default else ""))
        print_table(("", "device", ""), rows)
        while True:
            shown = clean_line(device) or "the default"
            typed = await ask(f"A number, to hear it; or Enter [{shown}]: ")
            if not typed:
                break
            selected = "" if typed == "0" else numbered(typed, names)
            if selected is None:
                print(f"There is no number {typed!r}. Choose 0 to {len(names)}.")
                continue
            preview.select_device(selected)
            await self._play(preview, self.settings.kokoro_voice)
            device = selected
        if device != self.settings.audio_device:
            self.answers[_DEVICE] = device
            self.settings = self.settings.replaced(audio_device=device)

    async def _play(self, preview: Preview, voice: str) -> None:
        print("Listen ...", flush=True)
        if problem := await preview.play(voice):
            print(f"It could not be heard: {problem}")

    # ---- storing ----

    def _save(self) -> None:
        """Store each answer in the .env file that it is read from."""
        values = dict(self.answers)
        if token := values.get(_TOKEN):
            values[_TOKEN] = self._store_token(token)
        # A value in the checkout's .env would override one in the data folder's.
        files: dict[Path, dict[str, str]] = {}
        overrides = read_env(self.checkout / ".env")
        for name, value in values.items():
            folder = self.checkout if name in overrides else self.settings.data_dir
            files.setdefault(folder / ".env", {})[name] = value
        for path, changes in files.items():
            change(path, changes)
            print(f"\nStored in {path}: {', '.join(changes)}.")
        for name in values:
            if os.environ.get(name):
                print(f"{name} is set in the environment too, which overrides it. Unset it there.")
        self.saved = True

    def _store_token(self, token: str) -> str:
        """Store the token in the Keychain if there is one; return the value for the file."""
        if sys.platform != "darwin":
            return token
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            keychain.store(str(self.settings.data_dir), token)
        except keychain.KeychainError as exc:
            print(f"\n{exc} So the token goes into a file that only you can read.")
            return token
        print("\nThe token is in your Keychain.")
        return keychain.IN_KEYCHAIN

    # ---- the phone ----

    async def _ask_phone(self) -> None:
        if self.settings.telegram_bot_token is None:
            return
        print("\n4 of 5: Your phone\n")
        try:
            people = await allowed_people(self.settings)
            if people:
                print(
                    f"These may speak: {', '.join(people)}. /invite in the chat lets one more in."
                )
                return
            if await confirm("Let your phone in now?", default=True):
                await self._pair()
        except InUseError:
            self.bot_is_running = True
            print(
                "Crier runs already. If nobody may speak yet, `crier pair` shows the code for your "
                "phone;\nafterwards /invite in the chat lets one more in."
            )
        except InboxError as exc:
            print(exc)
        except InvalidToken:
            print("Telegram does not know this token.")
        except sqlite3.Error as exc:
            print(f"That can't be stored ({exc}). Make room, and start Crier: it shows a code.")

    async def _pair(self) -> None:
        """Wait for the phone, or for Enter, which skips it."""

        def show_code(code: str) -> None:
            if code:
                print(f"Send this to your bot:  /pair {code}\n")

        def show_link(link: str) -> None:
            print(f"{invitation(link)}\n")

        shown: set[str] = set()

        def on_error(text: str) -> None:
            if text not in shown:
                print(clean(text))  # to prompt_toolkit, not to the cleaned stdout
            shown.add(text)

        async def enter() -> None:
            with contextlib.suppress(KeyboardInterrupt, EOFError):
                while await ask("Waiting for it; Enter continues without. "):
                    pass

        with patch_stdout():
            phone = asyncio.create_task(
                pair_first_phone(
                    self.settings, show_code=show_code, show_link=show_link, on_error=on_error
                )
            )
            skipped = asyncio.create_task(enter())
            try:
                await asyncio.wait({phone, skipped}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                skipped.cancel()
                await asyncio.wait({skipped})
        if phone.done():
            print(f"{phone.result()} may speak now.")
            return
        phone.cancel()
        await asyncio.wait({phone})
        print("When Crier starts it shows a code; send it from your phone then.")

    # ---- at login ----

    async def _ask_login(self) -> None:
        if self.settings.telegram_bot_token is None or self.bot_is_running:
            return
        print("\n5 of 5: At login\n")
        self.install = await confirm("Start Crier whenever you log in?", default=True)

    def print_summary(self, next_step: str) -> None:
        """Print the settings and the next step; *next_step* applies if no bot is running."""
        print(f"\nVoice:        {self.settings.kokoro_voice}")
        print(f"Loudspeaker:  {self.settings.audio_device or 'the default of the system'}")
        print(f"Messages, choices and the log are in {self.settings.data_dir}.")
        if self.settings.telegram_bot_token is None:
            next_step = "`crier demo` is a chat in this terminal; `crier setup` asks again"
        elif self.install:
            next_step = "send your bot a message"
        elif self.bot_is_running:
            next_step = (
                "`crier restart`, or stop it and start it again, so that it reads the settings"
            )
        print(f"\nNext: {next_step}.")
