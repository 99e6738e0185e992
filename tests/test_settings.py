"""Settings: where they come from, and the errors about wrong ones."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.paths import CHECKOUT
from bot.settings import Settings, SettingsError, load


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty checkout whose data folder is inside it."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_env_example_lists_exactly_the_settings() -> None:
    """.env.example shows each setting once, and nothing else."""
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    names = [line.split("=")[0].lower() for line in lines if line and not line.startswith("#")]

    assert list(Settings.model_fields) == names


def test_env_example_shows_the_defaults(checkout: Path) -> None:
    """A copied .env.example changes nothing."""
    plain = load(checkout)[0]
    (checkout / ".env").write_text((CHECKOUT / ".env.example").read_text())

    assert load(checkout) == (plain, [])


def test_settings_prefer_the_environment_to_both_files(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is: environment, .env of the checkout, .env of the data folder."""
    (checkout / "data").mkdir()
    (checkout / "data" / ".env").write_text(
        "KOKORO_VOICE=am_adam\nKOKORO_SPEED=1.5\nAUDIO_DEVICE=far\n"
    )
    (checkout / ".env").write_text("KOKORO_VOICE=bf_emma\nKOKORO_SPEED=0.8\n")
    monkeypatch.setenv("KOKORO_VOICE", "ff_siwis")
    settings, _ = load(checkout)

    assert settings.kokoro_voice == "ff_siwis"
    assert settings.kokoro_speed == 0.8
    assert settings.audio_device == "far"


def test_settings_treat_an_empty_value_as_unset(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable or line is like none."""
    monkeypatch.setenv("KOKORO_VOICE", "")
    (checkout / ".env").write_text("KOKORO_SPEED=\nTELEGRAM_BOT_TOKEN=\n")
    settings, _ = load(checkout)

    assert settings.kokoro_voice == "af_heart"
    assert settings.kokoro_speed == 1.0
    assert settings.telegram_bot_token is None


def test_settings_warn_about_an_unknown_key(checkout: Path) -> None:
    """A misspelt key in .env causes a warning, since it has no effect."""
    (checkout / ".env").write_text("KOKORO_VOCIE=am_adam\n")
    _, warnings = load(checkout)

    assert len(warnings) == 1
    assert "KOKORO_VOCIE" in warnings[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "KOKORO_VOICE=af_hart",
            "KOKORO_VOICE: There is no voice 'af_hart'. Did you mean af_heart",
        ),
        ("KOKORO_SPEED=3", "KOKORO_SPEED: Input should be less than or equal to 2 (it is '3')"),
        ("KOKORO_SPEED=fast", "KOKORO_SPEED: Input should be a valid number"),
        ("KOKORO_LANG=xx", "KOKORO_LANG: there is no language 'xx'"),
        ("KOKORO_MODEL=fp16", "KOKORO_MODEL: Input should be 'auto', 'fp32' or 'int8'"),
        ("TELEGRAM_ALLOWED_USERS=12,@bob", "TELEGRAM_ALLOWED_USERS: '@bob' is not a numeric"),
        ("TELEGRAM_ALLOWED_USERS=-4", "TELEGRAM_ALLOWED_USERS: '-4' is not a numeric"),
        ("TELEGRAM_BOT_TOKEN=hello", "TELEGRAM_BOT_TOKEN: it does not look like"),
        ("TELEGRAM_API_URL=ftp://x", "TELEGRAM_API_URL: it must begin with"),
        ("STREAM_IDLE_S=-1", "STREAM_IDLE_S: Input should be greater than or equal to 0"),
        ("VOLUME_AT_NIGHT=22:00-07:00", "VOLUME_AT_NIGHT: it must look like 30@22:00-07:00"),
        ("VOLUME_AT_NIGHT=200@22:00-07:00", "VOLUME_AT_NIGHT: it must look like 30@22:00-07:00"),
        ("DUCK=mute", "DUCK: Input should be 'off' or 'pause', or a valid number (it is 'mute')."),
        ("DUCK=-15", "DUCK: Input should be 'off' or 'pause', or greater than 0"),
        ("AUDIO_LATENCY=medium", "AUDIO_LATENCY: Input should be 'high' or 'low', or a valid num"),
        ("MQTT_URL=http://x", "MQTT_URL: it must look like mqtt://user:password@192.168.1.5; with"),
        ("LOG_LEVEL=LOUD", "LOG_LEVEL:"),
    ],
)
def test_settings_name_the_variable_of_a_wrong_value(
    checkout: Path, line: str, message: str
) -> None:
    """The error names the variable and what would be right."""
    (checkout / ".env").write_text(f"{line}\n")
    with pytest.raises(SettingsError) as error:
        load(checkout)

    assert message in str(error.value)


def test_settings_do_not_quote_a_wrong_token(checkout: Path) -> None:
    """The error about a token does not repeat it."""
    (checkout / ".env").write_text("TELEGRAM_BOT_TOKEN=almost-a-secret\n")
    with pytest.raises(SettingsError) as error:
        load(checkout)

    assert "almost" not in str(error.value)


def test_settings_name_all_wrong_values(checkout: Path) -> None:
    """One start reports every error."""
    (checkout / ".env").write_text("KOKORO_SPEED=9\nKOKORO_VOICE=nobody\n")
    with pytest.raises(SettingsError) as error:
        load(checkout)

    assert "KOKORO_SPEED" in str(error.value)
    assert "KOKORO_VOICE" in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00K", None])
def test_settings_name_an_unreadable_file(checkout: Path, content: bytes | None) -> None:
    """A .env that is not text, or is a folder, is named."""
    path = checkout / ".env"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"\.env can't be read"):
        load(checkout)


def test_settings_parse_lists_and_latencies(checkout: Path) -> None:
    """User ids and names may have spaces between them; a latency may be a number."""
    (checkout / ".env").write_text(
        "TELEGRAM_ALLOWED_USERS= 1, 22 ,\nAUDIO_LATENCY=0.2\nDUCK=15\nNOT_CALLS=OBS , Audio Hijack"
    )
    settings, _ = load(checkout)

    assert settings.telegram_allowed_users == {1, 22}
    assert settings.audio_latency == 0.2
    assert settings.duck == 15.0
    assert settings.not_calls == {"obs", "audio hijack"}


def test_settings_take_the_language_of_the_voice(checkout: Path) -> None:
    """A British voice speaks British English unless KOKORO_LANG is set."""
    (checkout / ".env").write_text("KOKORO_VOICE=bf_emma\n")
    british = load(checkout)[0]
    (checkout / ".env").write_text("KOKORO_VOICE=bf_emma\nKOKORO_LANG=en-us\n")
    explicit = load(checkout)[0]

    assert british.lang == "en-gb"
    assert explicit.lang == "en-us"


def test_settings_refuse_user_ids_of_no_person(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of anonymous admins or of channels is shared; the message says what to do."""
    monkeypatch.setenv("TELEGRAM_ALLOWED_USERS", "7,1087968824")

    with pytest.raises(SettingsError, match=r"1087968824 is what .* anonymous admin .* themselves"):
        load(checkout)


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_load_reads_or_refuses_any_env_file(content: str | bytes) -> None:
    """Whatever .env contains, the result is settings or a SettingsError."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
        (Path(folder) / ".env").write_bytes(raw)
        with contextlib.suppress(SettingsError):
            load(Path(folder))
