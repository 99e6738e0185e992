"""`crier setup` in a real terminal."""

import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.chat.sandbox import Sandbox
from bot.core.inbox import Inbox
from bot.core.store import Store
from bot.paths import CHECKOUT
from tests.conftest import ALICE, MODEL, STRANGER, TOKEN, reaction_to, reply_with
from tests.support.commandline import WITH_TONES, run
from tests.support.loudspeaker import Ear, Loudspeakers
from tests.support.service_home import make_home
from tests.support.terminal import CTRL_C, CTRL_D, Terminal, terminal

Environment = dict[str, str]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of Crier without a .env."""
    root = tmp_path / "checkout"
    for folder in ("audio", "bot"):
        shutil.copytree(CHECKOUT / folder, root / folder)
    return root


@pytest.fixture
def environment(tmp_path: Path, checkout: Path, model_dir: Path, sandbox: Sandbox) -> Environment:
    """Return the environment of a shell in which sound goes to files."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # A locked Keychain, so that no test changes the real one of a Mac.
    locked = tmp_path / "packages" / "keyring" / "__main__.py"
    locked.parent.mkdir(parents=True)
    locked.write_text("raise SystemExit('locked')")
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(map(str, (tmp_path / "packages", checkout, CHECKOUT))),
        "MODEL_DIR": str(model_dir),
        "KOKORO_MODEL": MODEL,
        "DATA_DIR": str(tmp_path / "data"),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
        "API_PORT": "0",
    }


Setup = Callable[..., AbstractAsyncContextManager[Terminal]]


@pytest.fixture
def crier(environment: Environment, checkout: Path) -> Setup:
    """Return a function that runs a command in a terminal, with a fake voice."""

    def run(*arguments: str) -> AbstractAsyncContextManager[Terminal]:
        return terminal(
            *arguments,
            environment=environment,
            cwd=checkout,
            module=WITH_TONES,
        )

    return run


def stored(environment: Environment) -> Path:
    """Return the file that `crier setup` writes."""
    return Path(environment["DATA_DIR"]) / ".env"


async def test_setup_leads_new_user_to_speaking_bot(
    environment: Environment,
    checkout: Path,
    sandbox: Sandbox,
    loudspeakers: Loudspeakers,
    ear_b: Ear,
) -> None:
    """`make run` in a terminal asks, plays voice and device, pairs the phone and starts the bot."""
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    del environment["AUDIO_DEVICE"]
    async with terminal(environment=environment, cwd=checkout) as screen:
        await screen.answer(r"Set up Telegram now\?", "")
        await screen.see("@BotFather")
        await screen.answer("Token, not shown", "hello")
        await screen.see("can't be a token")
        await screen.answer("Token, not shown", TOKEN[:-1] + "x")
        await screen.see("does not know this token")
        await screen.answer("Token, not shown", TOKEN)
        await screen.see("this is @")
        number = (await screen.see(r"(\d+) +bf_emma")).group(1)
        await screen.answer("A number or a name", "bf_ema")
        await screen.see("Did you mean bf_emma")
        await screen.answer("A number or a name", number)
        await screen.answer(r"\[bf_emma\]", "")
        number = (await screen.see(r"(\d+) +speaker_b")).group(1)
        await screen.answer("A number, to hear it", number)
        heard_s = ear_b.wait_for_sound(0.0)
        await screen.answer(r"\[speaker_b\]", "")
        await screen.see(r"Stored in .*\.env: TELEGRAM_BOT_TOKEN, KOKORO_VOICE, AUDIO_DEVICE")
        await screen.answer("Let your phone in now", "y")
        code = (await screen.see(r"/pair (\w+)")).group(1)
        sandbox.send(STRANGER, "/pair AAAAAAAA")
        await sandbox.wait_for(reply_with("not the code"))
        await screen.see(rf"t\.me/crier_bot\?start={code}")
        assert "▄▄▄▄▄" in screen.text  # the corner of a QR code
        sandbox.send(ALICE, f"/start {code}")
        await sandbox.wait_for(reply_with("Paired"))
        await screen.see("Alice may speak now")
        await screen.answer("whenever you log in", "n")
        await screen.see("Connected to Telegram")
        message = sandbox.send(ALICE, "Dinner is ready.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert heard_s > 0
    assert TOKEN not in screen.text
    assert TOKEN.partition(":")[2] not in screen.text
    assert stat.S_IMODE(stored(environment).stat().st_mode) == 0o600


async def test_setup_twice_keeps_settings(
    crier: Setup, environment: Environment, sandbox: Sandbox
) -> None:
    """A second run shows what is set, and Enter at each question changes nothing."""
    file = stored(environment)
    file.parent.mkdir()
    file.write_text(f"# mine\nTELEGRAM_BOT_TOKEN={TOKEN}\nKOKORO_VOICE=am_michael\nCHIME=true\n")
    inbox = await Inbox.open(file.parent / "crier.db")
    await Store(inbox.database).add_person(ALICE.id, "Alice")
    await inbox.close()
    before = file.read_bytes()
    async with crier("setup") as screen:
        await screen.see("of bot 4217")
        await screen.answer("keep it", "")
        await screen.answer(r"\[am_michael\]", "")
        await screen.see("These may speak: Alice")
        await screen.answer("whenever you log in", "n")
        code = await screen.ended()

    assert code == 0
    assert file.read_bytes() == before
    assert not any(method == "getupdates" for _, method, _ in sandbox.calls)


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
async def test_setup_stores_nothing_after_ctrl_c_or_ctrl_d(
    crier: Setup, environment: Environment, checkout: Path, key: str
) -> None:
    """If setup is left after the token, nothing is stored anywhere."""
    async with crier("setup") as screen:
        await screen.answer("Token, not shown", TOKEN)
        await screen.see("A number or a name")
        screen.type(key)
        await screen.see("Nothing was changed")
        code = await screen.ended()

    assert code == 1
    assert not Path(environment["DATA_DIR"]).exists()
    assert not (checkout / ".env").exists()


async def test_setup_can_store_token_without_network(
    crier: Setup, environment: Environment
) -> None:
    """Without a network the token can be stored unchecked, and the phone paired later."""
    environment["TELEGRAM_API_URL"] = "http://127.0.0.1:1"
    async with crier("setup") as screen:
        await screen.answer("Token, not shown", TOKEN)
        await screen.see("can't be reached now")
        await screen.answer("Keep the token", "y")
        await screen.answer("A number or a name", "")
        await screen.answer("Let your phone in now", "y")
        await screen.see("is unreachable; retrying")
        await screen.answer("Enter continues without", "what?")
        await screen.answer("Enter continues without", "")
        await screen.answer("whenever you log in", "n")
        await screen.see("make run")
        code = await screen.ended()

    assert code == 0
    assert TOKEN in stored(environment).read_text()


async def test_setup_changes_value_in_checkout_env(
    crier: Setup, environment: Environment, checkout: Path
) -> None:
    """A value in the checkout's .env overrides others, so it is replaced there."""
    checkout_env = checkout / ".env"
    checkout_env.write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\nKOKORO_VOICE=am_michael # mine\n")
    async with crier("setup") as screen:
        await screen.answer("keep it", "")
        await screen.answer("A number or a name", "af_bella")
        await screen.answer(r"\[af_bella\]", "")
        await screen.see(f"Stored in {checkout_env}: KOKORO_VOICE")
        await screen.answer("Let your phone in now", "n")
        await screen.answer("whenever you log in", "n")
        code = await screen.ended()

    assert code == 0
    assert checkout_env.read_text() == f"TELEGRAM_BOT_TOKEN={TOKEN}\nKOKORO_VOICE='af_bella'\n"
    assert not stored(environment).exists()


async def test_setup_takes_no_messages_from_running_bot(
    crier: Setup, environment: Environment, sandbox: Sandbox
) -> None:
    """If Crier is running, setup does not fetch its messages."""
    file = stored(environment)
    file.parent.mkdir()
    file.write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\n")
    async with (
        crier("run") as bot,
        crier("setup") as screen,
    ):
        await bot.see("/pair ")
        await sandbox.wait_for_call("getupdates")
        await screen.answer("keep it", "")
        await screen.answer("A number or a name", "")
        await screen.see("Crier runs already")
        await screen.see("crier restart")
        code = await screen.ended()

    assert code == 0
    assert "Another program uses" not in bot.text


async def test_crier_without_token_starts_demo_after_no(crier: Setup) -> None:
    """`make run` in a terminal without a token: n starts the demo, as a pipe does unasked."""
    async with crier() as screen:
        await screen.answer(r"Set up Telegram now\?", "n")
        await screen.see("This is the demo")


@pytest.mark.parametrize("wrong", ["2", "maybe", "-"])
async def test_crier_without_token_asks_again_after_other_answer(crier: Setup, wrong: str) -> None:
    """An answer that is neither yes nor no is asked again; then Enter is yes."""
    async with crier() as screen:
        await screen.answer(r"Set up Telegram now\?", wrong)
        await screen.see("Please answer y or n")
        await screen.answer(r"Set up Telegram now\?", "")
        await screen.see("1 of 5: Telegram")


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
async def test_crier_without_token_exits_after_ctrl_c_or_ctrl_d(
    crier: Setup, environment: Environment, key: str
) -> None:
    """Neither set-up nor the demo is started."""
    async with crier() as screen:
        await screen.see(r"Set up Telegram now\?")

        assert await screen.leave(key) == 1
    assert "demo:" not in screen.text
    assert not Path(environment["DATA_DIR"]).exists()


async def test_setup_asks_again_after_wrong_number_or_answer(
    crier: Setup, environment: Environment, loudspeakers: Loudspeakers
) -> None:
    """Each question is repeated until the answer fits; an empty line is the default."""
    environment["ALSA_CONFIG_PATH"] = str(loudspeakers.alsa_config)
    del environment["AUDIO_DEVICE"]
    async with crier("setup") as screen:
        await screen.answer("Token, not shown", "")
        await screen.answer("Continue without Telegram", "2")
        await screen.see("Please answer y or n")
        await screen.answer("Continue without Telegram", "")  # no
        await screen.answer("Token, not shown", "")
        await screen.answer("Continue without Telegram", "y")
        await screen.answer("A number or a name", "99")
        await screen.see("There is no voice '99'")
        await screen.answer("A number or a name", "")
        await screen.answer("A number, to hear it", "99")
        await screen.see("There is no number '99'")
        await screen.answer("A number, to hear it", "")
        await screen.see("`crier demo` is a chat in this terminal")

        assert await screen.ended() == 0
    assert not stored(environment).exists()


async def test_setup_without_terminal_names_env_file(environment: Environment) -> None:
    """Without a terminal the error names the file to write."""
    code, _, err = await run("setup", environment=environment)

    assert code == 2
    assert "needs a terminal" in err
    assert str(stored(environment)) in err


async def test_setup_keeps_settings_after_later_ctrl_c(
    crier: Setup, environment: Environment
) -> None:
    """Ctrl-C while it waits for the phone stops the waiting; the settings are stored."""
    async with crier("setup") as screen:
        await screen.answer("Token, not shown", TOKEN)
        await screen.answer("A number or a name", "")
        await screen.answer("Let your phone in now", "y")
        await screen.see("/pair ")
        screen.type(CTRL_C)
        await screen.see("When Crier starts it shows a code")
        screen.type(CTRL_C)
        await screen.see("The rest is left as it is")
        await screen.ended()

    assert TOKEN in stored(environment).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="on systemd's stand-in")
async def test_setup_installs_service(
    tmp_path: Path,
    environment: Environment,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last question installs the service, and needs no second yes."""
    folder = tmp_path / "home"
    folder.mkdir()
    home = make_home("linux", folder, monkeypatch)
    for package in ("audio", "bot"):
        shutil.copytree(CHECKOUT / package, home.checkout / package)
    environment.update(
        PATH=os.environ["PATH"],
        HOME=str(home.folder),
        PYTHONPATH=environment["PYTHONPATH"].replace(str(checkout), str(home.checkout)),
    )
    try:
        async with terminal(
            "setup",
            environment=environment,
            cwd=home.checkout,
            module=WITH_TONES,
        ) as screen:
            await screen.answer("keep it", "")
            await screen.answer("A number or a name", "")
            await screen.answer("Let your phone in now", "n")
            await screen.answer("whenever you log in", "")
            await screen.see(r"It writes .*crier\.service")
            await screen.see("Next: send your bot a message")
            code = await screen.ended()
        runs = home.job is not None and home.job.pid is not None
    finally:
        home.close()

    assert code == 0
    assert runs
