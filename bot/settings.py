"""Every environment variable: type, unit, default, one-line description.

The environment wins over the ``.env`` of the checkout, which wins over the ``.env`` of the data
folder, which `crier setup` writes. An empty value means unset.
"""

import base64
import ipaddress
import os
import re
import shlex
import socket
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from audio.types import UnknownLanguageError, UnknownVoiceError
from audio.voices import check_language, check_voice, language_of
from bot import keychain
from bot.errors import UsageError
from bot.paths import CHECKOUT, default_data_dir, default_model_dir, parse_env
from bot.room_names import EVERYWHERE, HERE, MAX_NAME_CHARS, slug_of

_TOKEN = "TELEGRAM_BOT_TOKEN"  # noqa: S105  # its name
_SECRETS = frozenset(
    {"telegram_bot_token", "api_token", "mqtt_password", "mqtt_url", "heard_secret", "heard_url"}
)
"""No error quotes these."""

_HOURS = r"([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d"
_LOUDEST_PERCENT = 150
_MIN_TOKEN_CHARS, _MIN_TOKEN_DISTINCT = 16, 6
"""Minimum length of an API_TOKEN, and minimum number of different characters."""
_MIN_KEY_BYTES, _MAX_KEY_BYTES = 24, 64  # Source: "Signature scheme" of Standard Webhooks
_HOW_TO_MAKE_ONE = "`openssl rand -hex 32` makes a good one"
# Examples and placeholders.
_PLACEHOLDER = re.compile(
    r"token|secret|passw|example|placeholder|openssl|change[-_ ]?me|replace|make[-_ ]?one|your[-_ ]"
    r"|0123456|abcdef|qwerty",
    re.IGNORECASE,
)


NOT_PEOPLE = {
    1087968824: "what Telegram shows for an anonymous admin",
    136817688: "what Telegram shows for a channel",
    777000: "Telegram itself",
}
"""User ids shared by many senders. Source: telegram.constants.ChatID."""


_NO_BROKER = (
    "MQTT_URL is not set. ROOM without TELEGRAM_BOT_TOKEN makes this computer a room, which needs "
    "the bot's broker (docs/rooms.md)."
)
_NOT_SET_UP = (
    "TELEGRAM_BOT_TOKEN is not set. `crier setup` asks for it and says where it comes from "
    "(@BotFather); `crier demo` needs none."
)


class SettingsError(UsageError):
    """A setting is wrong; the message names its variable and what to do."""


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    telegram_bot_token: SecretStr | None = Field(
        default=None,
        description="From @BotFather. Secret. `keychain`: it is in the Keychain of this Mac.",
    )
    telegram_allowed_users: Annotated[frozenset[int], NoDecode] = Field(
        default=frozenset(),
        description="Numeric user ids, comma-separated. Empty: a pairing code is shown at start.",
    )
    telegram_api_url: str = Field(
        default="https://api.telegram.org", description="Another Bot API server, if you run one."
    )
    audio_device: str = Field(
        default="",
        description="An output device's name or part of it; file:DIR writes WAV files. "
        "Empty: the system's default.",
    )
    audio_latency: Literal["high", "low"] | Annotated[float, Field(gt=0, le=5)] = Field(
        default="high", description="PortAudio's suggested latency: high, low or seconds."
    )
    on_headphones_lost: Literal["auto", "pause", "continue"] = Field(
        default="auto",
        description="When headphones go away during a message: pause, or continue on the "
        "loudspeaker. auto: pause if that is the Mac's own. macOS only.",
    )
    stream_idle_s: float = Field(
        default=3.0, ge=0, le=3600, description="How long an idle stream stays open, in seconds."
    )
    stream_idle_bluetooth_s: float = Field(
        default=20.0,
        ge=0,
        le=86_400,
        description="The same for Bluetooth, which takes a while to wake up, if it is longer.",
    )
    volume_at_night: str = Field(
        default="",
        description="A volume in percent and when it applies, such as 30@22:00-07:00. Empty: the "
        "same volume at any time.",
    )
    duck: Literal["off", "pause"] | Annotated[float, Field(gt=0, le=60)] = Field(
        default="off",
        description="What music does while Crier speaks: pause, or get quieter by so many dB, "
        "such as 15.",
    )
    kokoro_voice: str = Field(default="af_heart", description="One of `crier voices`.")
    kokoro_speed: float = Field(default=1.0, ge=0.5, le=2.0, description="0.5 to 2.0.")
    kokoro_lang: str = Field(
        default="", description="A language code such as en-gb. Empty: the voice's own."
    )
    kokoro_model: Literal["auto", "fp32", "int8"] = Field(
        default="auto",
        description="auto: the one that was fastest here when `crier models` measured.",
    )
    model_dir: Path = Field(
        default_factory=default_model_dir,
        description="Where the model files are.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Where messages, choices and the log are stored.",
    )
    speak_emoji: bool = Field(
        default=False, description="Say the names of emoji where a message has nothing else."
    )
    chime: bool = Field(
        default=False,
        description="Play a chime before a message that arrives while nothing is playing.",
    )
    late_after_s: float = Field(
        default=600.0,
        ge=0,
        description="Messages older than this are not spoken unasked, in seconds; 0: all are.",
    )
    quiet_hours: str = Field(
        default="",
        description="When only urgent messages are spoken, such as 22:00-07:00; others are held, "
        "not lost. Empty: never.",
    )
    hold_in_calls: bool = Field(
        default=True,
        description="Hold what is not urgent while another program uses a microphone, or somebody "
        "else the Mac.",
    )
    not_calls: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Programs whose use of a microphone is no call, such as OBS; parts of their "
        "names, comma-separated.",
    )
    limit_per_minute: int = Field(
        default=120, ge=0, description="Messages that one person may send in a minute; 0: no limit."
    )
    limit_waiting: int = Field(
        default=200, ge=0, description="Messages of one person that may wait; 0: no limit."
    )
    api_host: str = Field(
        default="127.0.0.1",
        description="Where the HTTP API listens. Other addresses need API_TOKEN.",
    )
    api_port: int = Field(
        default=8779, ge=0, le=65535, description="Its port; 0: any that is free."
    )
    api_token: SecretStr | None = Field(
        default=None,
        validate_default=True,
        description="The token that clients have to send. Secret. Empty: created on first start, "
        "in DATA_DIR/api-token.",
    )
    wyoming_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Where Home Assistant gets this voice (Wyoming), such as 10200; 0: nowhere.",
    )
    wyoming_host: str = Field(
        default="0.0.0.0",  # noqa: S104  # Home Assistant is on another computer; off by default
        description="The address that it listens on. Wyoming has no password: whoever reaches it "
        "can have texts made into sound, and nothing else.",
    )
    mqtt_anonymous: bool = Field(
        default=False,
        description="Whether a broker on another computer may let in everybody, who may then speak",
    )
    mqtt_username: str = Field(default="", description="If it is not in MQTT_URL.")
    mqtt_password: SecretStr | None = Field(
        default=None, description="If it is not in MQTT_URL. Secret."
    )
    mqtt_ca_file: Path | None = Field(
        default=None,
        description="The certificate of the authority that signed the broker's, if it is your own.",
    )
    mqtt_show_text: bool = Field(
        default=False, description="Whether the broker gets the text that is being said."
    )
    mqtt_url: SecretStr | None = Field(
        default=None,
        description="The broker of Home Assistant: mqtt://user:password@host, or mqtts:// for "
        "TLS. Secret. Empty: none.",
    )
    heard_url: SecretStr | None = Field(
        default=None,
        description="Gets a POST with JSON about each message that was heard, cut or held. Secret.",
    )
    heard_secret: SecretStr | None = Field(
        default=None,
        description="Signs these as Standard Webhooks specifies: whsec_ and base64. Secret. "
        "Empty: unsigned.",
    )
    heard_command: str = Field(
        default="", description="A program that gets the same JSON on stdin; no shell runs it."
    )
    heard_text: bool = Field(default=False, description="Whether these have the message's text.")
    room: str = Field(
        default_factory=lambda: socket.gethostname().partition(".")[0][:MAX_NAME_CHARS],
        description="What this computer is called among the rooms of MQTT_URL. Without a bot's "
        "token, it is a room of other computers' bots.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Texts of messages are logged at DEBUG only."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="text for people, json for programs: an object a line."
    )

    @field_validator("telegram_allowed_users", mode="before")
    @classmethod
    def _split_users(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ids = [part.strip() for part in value.split(",") if part.strip()]
        wrong = [part for part in ids if not (part.isascii() and part.isdigit() and int(part) > 0)]
        if wrong:
            raise ValueError(
                f"{wrong[0]!r} is not a numeric user id. @userinfobot tells you yours; "
                "separate several by commas"
            )
        users = frozenset(int(part) for part in ids)
        if shared := sorted(users & NOT_PEOPLE.keys()):
            raise ValueError(
                f"{shared[0]} is {NOT_PEOPLE[shared[0]]} and no person, so it can't be allowed. "
                "Let people write as themselves, and take their own numbers"
            )
        return users

    @field_validator("telegram_bot_token")
    @classmethod
    def _check_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_token(value.get_secret_value())
        return value

    @field_validator("api_token")
    @classmethod
    def _check_api_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        token = value.get_secret_value() if value is not None else ""
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("it may hold ASCII letters, digits and marks, no spaces")
        host = info.data.get("api_host", "")
        if value is None and not is_loopback(host):
            raise ValueError(
                f"API_HOST={host} can be reached from other computers, so it needs a token of your "
                f"own. {_HOW_TO_MAKE_ONE}"
            )
        if token and len(token) < _MIN_TOKEN_CHARS:
            raise ValueError(
                f"it is too short: others could guess it; it needs {_MIN_TOKEN_CHARS} characters. "
                f"{_HOW_TO_MAKE_ONE}"
            )
        if token and (_PLACEHOLDER.search(token) or len(set(token)) < _MIN_TOKEN_DISTINCT):
            raise ValueError(
                f"it looks like an example, which others could guess. {_HOW_TO_MAKE_ONE}"
            )
        return value

    @field_validator("mqtt_ca_file")
    @classmethod
    def _check_certificate(cls, value: Path | None) -> Path | None:
        path = value and value.expanduser().absolute()
        if path and not path.is_file():
            raise ValueError("there is no such file")
        return path

    @field_validator("mqtt_url")
    @classmethod
    def _check_broker(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        try:
            url = urlsplit(value.get_secret_value())
            is_broker = url.scheme in ("mqtt", "mqtts") and url.hostname and url.port != 0
        except ValueError:
            is_broker = False
        if not is_broker:
            raise ValueError("it must look like mqtt://user:password@192.168.1.5; with TLS, mqtts")
        has_password = url.password or info.data.get("mqtt_password")
        open_to_all = info.data.get("mqtt_anonymous") or is_loopback(url.hostname or "")
        if not has_password and not open_to_all:
            raise ValueError(
                f"{url.hostname} is another computer and there is no password, so everybody in its "
                "network could speak. Give the broker one and set it here or as MQTT_PASSWORD, or "
                "set MQTT_ANONYMOUS=true if you want that"
            )
        return value

    @field_validator("heard_url")
    @classmethod
    def _check_heard_url(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            url = urlsplit(value.get_secret_value() if value else "http://unset")
            is_web = url.scheme in ("http", "https") and url.hostname and url.port != 0
        except ValueError:
            is_web = False
        if not is_web:
            raise ValueError("it must look like https://example.org/heard")
        return value

    @field_validator("heard_secret")
    @classmethod
    def _check_heard_secret(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            key = value and base64.b64decode(
                value.get_secret_value().removeprefix("whsec_"), validate=True
            )
        except ValueError:
            key = b""
        if key is not None and not _MIN_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES:
            raise ValueError(
                'it must be base64 of 24 to 64 bytes; `echo "whsec_$(openssl rand -base64 32)"` '
                "makes a good one"
            )
        return value

    @field_validator("heard_command")
    @classmethod
    def _check_heard_command(cls, value: str) -> str:
        try:
            shlex.split(value)
        except ValueError as exc:
            raise ValueError(f"a quote is open ({exc})") from exc
        return value

    @field_validator("room")
    @classmethod
    def _check_room(cls, value: str) -> str:
        name = " ".join(value.split())
        if not name.isprintable() or len(name) > MAX_NAME_CHARS:
            raise ValueError(f"a room's name has at most {MAX_NAME_CHARS} letters and digits")
        if slug_of(name) in ("", EVERYWHERE, HERE):
            raise ValueError("a room is called neither that nor by marks alone; try Study")
        return name

    @field_validator("telegram_api_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("it must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("kokoro_voice")
    @classmethod
    def _check_voice(cls, value: str) -> str:
        try:
            return check_voice(value)
        except UnknownVoiceError as exc:
            raise ValueError(str(exc)) from exc

    @field_validator("kokoro_lang")
    @classmethod
    def _check_lang(cls, value: str) -> str:
        try:
            return value and check_language(value)
        except UnknownLanguageError as exc:
            raise ValueError(str(exc)) from exc

    @field_validator("quiet_hours")
    @classmethod
    def _check_hours(cls, value: str) -> str:
        if value and not re.fullmatch(_HOURS, value):
            raise ValueError("it must look like 22:00-07:00")
        return value

    @field_validator("volume_at_night")
    @classmethod
    def _check_night(cls, value: str) -> str:
        percent, _, hours = value.partition("@")
        is_volume = percent.isdecimal() and int(percent) <= _LOUDEST_PERCENT
        if value and not (is_volume and re.fullmatch(_HOURS, hours)):
            raise ValueError(
                f"it must look like 30@22:00-07:00, with 0 to {_LOUDEST_PERCENT} percent"
            )
        return value

    @field_validator("not_calls", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return frozenset(part.strip().casefold() for part in value.split(",") if part.strip())

    @field_validator(
        "duck", "on_headphones_lost", "kokoro_model", "log_level", "log_format", mode="before"
    )
    @classmethod
    def _any_case(cls, value: object, info: Any) -> object:
        if not isinstance(value, str):
            return value
        return value.upper() if info.field_name == "log_level" else value.lower()

    @field_validator("model_dir", "data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def is_room(self) -> bool:
        """Whether this is a room of other computers' bots, and no bot itself."""
        is_named = "room" in self.model_fields_set
        return is_named and self.telegram_bot_token is None and self.mqtt_url is not None

    @property
    def lang(self) -> str:
        """The language to speak, espeak-ng's code."""
        return self.kokoro_lang or language_of(self.kokoro_voice)

    def replaced(self, **values: Any) -> Self:
        """Return a copy with other values, unchecked."""
        return self.model_copy(update=values)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings names them
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Prefer the environment to values from files, which `load` passes in."""
        return (env_settings, init_settings)


def is_loopback(host: str) -> bool:
    """Return whether *host*, a name or an address, is reachable from this computer only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_token(value: str) -> None:
    """Raise ValueError if *value* does not have the form of a bot's token.

    Raises:
        ValueError: its message does not quote the value.
    """
    bot_id, colon, secret = value.partition(":")
    if not (colon and bot_id.isdigit() and secret and secret.isascii()):
        raise ValueError("it does not look like 123456789:AbC...; copy it from @BotFather")


def load(checkout: Path = CHECKOUT, *, ask_keychain: bool = True) -> tuple[Settings, list[str]]:
    """Read the settings.

    Args:
        checkout: the folder of Crier's code.
        ask_keychain: False skips the Keychain (no token needed).

    Returns:
        The settings, and warnings about unknown keys in a .env file and about a token that should
        be in the Keychain but is not.

    Raises:
        SettingsError: a value is invalid or a file can't be read; names the variable or the file.
    """
    checkout_env = checkout / ".env"
    checkout_values = read_env(checkout_env)
    data_env = _build(checkout_values).data_dir / ".env"
    data_values = read_env(data_env)
    values_from_files = {**data_values, **checkout_values}
    warnings = [
        f"{path}: {key} is not a setting of Crier and has no effect."
        for path, values in ((checkout_env, checkout_values), (data_env, data_values))
        for key in values
        if key.lower() not in Settings.model_fields
    ]
    settings = _build(values_from_files)
    if ask_keychain and settings.telegram_bot_token is None and _in_keychain(values_from_files):
        try:
            token = keychain.read(str(settings.data_dir))
        except keychain.KeychainError as exc:
            warnings.append(str(exc))
            # Without its token for a while, a bot must not become a room.
            settings = settings.replaced(mqtt_url=None)
        else:
            settings = _build({**values_from_files, _TOKEN: token})
    return settings, warnings


def configured(*, with_token: bool = False) -> Settings:
    """Read the settings; print warnings about them to stderr.

    Raises:
        SettingsError: a value is invalid, or the token is missing, which only a room does without,
            and *with_token* is set.
    """
    settings, warnings = load()
    if with_token and settings.telegram_bot_token is None and not settings.is_room:
        # If it should be in the Keychain, a warning says why it is not available.
        is_named = "room" in settings.model_fields_set and not warnings
        raise SettingsError("\n".join([*warnings, _NO_BROKER if is_named else _NOT_SET_UP]))
    for warning in warnings:
        sys.stderr.write(f"Warning: {warning}\n")
    return settings


def read_env(path: Path) -> dict[str, str]:
    """Return the variables that a .env file sets; none if there is no such file.

    Raises:
        SettingsError: it can't be read; names the file.
    """
    if not path.exists():
        return {}
    try:
        # Not read by python-dotenv, which treats a folder of that name as an empty file.
        return parse_env(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(
            f"{path} can't be read ({exc}). It must be a text file of NAME=value lines."
        ) from exc


def _in_keychain(values: dict[str, str]) -> bool:
    return values.get(_TOKEN) == keychain.IN_KEYCHAIN


def _build(values: dict[str, str]) -> Settings:
    try:
        fields: dict[str, Any] = {key.lower(): value for key, value in values.items()}
        if _in_keychain(values):
            del fields[_TOKEN.lower()]
        return Settings(**fields)
    except ValidationError as exc:
        reasons: dict[str, list[str]] = {}  # several if a value may be of several types
        given: dict[str, str] = {}
        for error in exc.errors():
            field = str(error["loc"][0])
            reason = error["msg"].removeprefix("Value error, ").removesuffix(".")
            reason = reason.partition(", unable to ")[0]  # as in: to parse string as a number
            if field in reasons:
                reason = reason.removeprefix("Input should be ")
            reasons.setdefault(field, []).append(reason)
            if field not in _SECRETS:
                given[field] = f" (it is {os.fsdecode(str(error['input']))!r})"
        raise SettingsError(
            "\n".join(
                f"{field.upper()}: {', or '.join(dict.fromkeys(found))}{given.get(field, '')}."
                for field, found in reasons.items()
            )
        ) from None
