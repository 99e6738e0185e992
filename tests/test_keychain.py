"""The token in the Keychain, with a fake of keyring's command line."""

import platform
import stat
import sys
import textwrap
from pathlib import Path

import pytest

from bot import keychain
from bot.keychain import KeychainError
from bot.settings import load
from bot.setup import env_file
from bot.setup.wizard import Wizard
from tests.conftest import TOKEN

# Behaves as keyring/cli.py: `get` prints, or silently exits with 1 if there is none; `set` reads
# stdin; errors of a backend are tracebacks.
KEYRING = """
    import pathlib, sys, time
    verb, service, account = sys.argv[1:]
    store = pathlib.Path(__file__).parent
    if (store / "error").exists():
        sys.exit((store / "error").read_text())
    if (store / "locked").exists():
        raise RuntimeError("Can't fetch password from system")
    if (store / "window").exists():
        time.sleep(60)
    entry = store / (service + account.replace("/", "_"))
    if verb == "set":
        entry.write_text(sys.stdin.read().removesuffix("\\n"))
    elif entry.exists():
        print(entry.read_text())
    else:
        sys.exit(1)
"""


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the fake; files in it change its behaviour."""
    folder = tmp_path / "packages" / "keyring"
    folder.mkdir(parents=True)
    (folder / "__main__.py").write_text(textwrap.dedent(KEYRING))
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    monkeypatch.setattr(sys, "platform", "darwin")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty checkout whose data folder is inside it."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_keychain_returns_the_stored_token(keyring: Path, checkout: Path) -> None:
    """The token is in the Keychain, .env says so, and the settings have the token."""
    assert keyring.exists()
    settings, _ = load(checkout)
    wizard = Wizard(settings, checkout, {"TELEGRAM_BOT_TOKEN": TOKEN})
    wizard._save()
    settings, warnings = load(checkout)

    assert settings.telegram_bot_token is not None
    assert settings.telegram_bot_token.get_secret_value() == TOKEN
    assert (checkout / "data" / ".env").read_text() == "TELEGRAM_BOT_TOKEN=keychain\n"
    assert warnings == []


def test_setup_stores_the_token_in_a_file_if_the_keychain_is_locked(
    keyring: Path, checkout: Path
) -> None:
    """If the Keychain refuses it, the token is in a file that only its owner can read."""
    (keyring / "locked").touch()
    wizard = Wizard(load(checkout)[0], checkout, {"TELEGRAM_BOT_TOKEN": TOKEN})
    wizard._save()
    file = checkout / "data" / ".env"

    assert TOKEN in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("state", ["locked", "window", "empty"])
def test_settings_warn_about_a_keychain_that_does_not_answer(
    keyring: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Locked, waiting for a password, or empty: there is no token, and a warning."""
    (keyring / state).touch()
    monkeypatch.setattr(keychain, "_TIMEOUT_S", 1.0)
    env_file.change(checkout / ".env", {"TELEGRAM_BOT_TOKEN": "keychain"})
    settings, warnings = load(checkout)

    assert settings.telegram_bot_token is None
    assert len(warnings) == 1
    assert "Keychain" in warnings[0]


def test_settings_prefer_a_token_in_the_environment(
    keyring: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in the environment wins, and the Keychain is not used."""
    (keyring / "locked").touch()
    env_file.change(checkout / ".env", {"TELEGRAM_BOT_TOKEN": "keychain"})
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    settings, warnings = load(checkout)

    assert settings.telegram_bot_token is not None
    assert warnings == []


def test_settings_warn_if_there_is_no_keychain(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .env of a Mac causes no traceback on Linux."""
    monkeypatch.setattr(sys, "platform", "linux")
    env_file.change(checkout / ".env", {"TELEGRAM_BOT_TOKEN": "keychain"})
    settings, warnings = load(checkout)

    assert settings.telegram_bot_token is None
    assert "no Keychain on this computer" in warnings[0]


@pytest.mark.parametrize(
    ("number", "says"),
    [("-25308", "nobody is logged in"), ("-25293", "refuses it to this Python"), ("-1", "(-1,")],
)
def test_keychain_says_why_it_can_not_be_read(
    keyring: Path, tmp_path: Path, number: str, says: str
) -> None:
    """The numbers of macOS are translated; an unknown one is quoted."""
    (keyring / "error").write_text(
        f"keyring.errors.KeyringError: Can't get password from keychain: ({number}, 'Unknown')"
    )
    with pytest.raises(KeychainError, match="crier setup") as caught:
        keychain.read(str(tmp_path))

    assert says in str(caught.value)


@pytest.mark.usefixtures("keyring")
def test_keychain_notices_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python that stored the token is recorded: macOS binds the entry to it."""
    before = keychain.is_changed(str(tmp_path))
    keychain.store(str(tmp_path), TOKEN)
    same = keychain.is_changed(str(tmp_path))
    other = tmp_path / "python"
    other.write_text("another program")
    monkeypatch.setattr(sys, "executable", str(other))

    assert (before, same, keychain.is_changed(str(tmp_path))) == (False, False, True)
    assert keychain.stored_by(str(tmp_path)) == platform.python_version()


def test_keychain_stores_one_token_per_data_folder(keyring: Path) -> None:
    """Two Criers on one Mac do not get each other's token."""
    assert keyring.exists()
    keychain.store("/data/a", TOKEN)
    with pytest.raises(KeychainError, match="not there"):
        keychain.read("/data/b")

    assert keychain.read("/data/a") == TOKEN
