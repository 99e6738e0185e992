"""`crier setup` in a real terminal: from nothing to a bot that speaks, and safely again."""

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
from bot.settings import CHECKOUT
from tests.conftest import ALICE, STRANGER, TOKEN, reaction_to, reply_with
from tests.service.test_service import make_home
from tests.support.commandline import run
from tests.support.loudspeaker import Ear, Loudspeakers
from tests.support.terminal import CTRL_C, Terminal, terminal

Environment = dict[str, str]

# `crier` with the voice that makes tones.
_TONED = (sys.executable, "-P", "-m", "tests.support.run_with_fake_voice")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of Crier, whose .env is nobody's."""
    root = tmp_path / "checkout"
    for folder in ("audio", "bot"):
        shutil.copytree(CHECKOUT / folder, root / folder)
    return root


@pytest.fixture
def environment(tmp_path: Path, checkout: Path, model_dir: Path, sandbox: Sandbox) -> Environment:
    """Return the variables of a shell in which what is said goes to files."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    # A Keychain that is locked, so that no test touches that of whoever runs it on a Mac.
    locked = tmp_path / "packages" / "keyring" / "__main__.py"
    locked.parent.mkdir(parents=True)
    locked.write_text("raise SystemExit('locked')")
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, (tmp_path / "packages", checkout, CHECKOUT))),
        "MODEL_DIR": str(model_dir),
        "DATA_DIR": str(tmp_path / "data"),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
        "API_PORT": "0",
    }


Setup = Callable[..., AbstractAsyncContextManager[Terminal]]


@pytest.fixture
def crier(environment: Environment, checkout: Path) -> Setup:
    """Return what runs a command in a terminal, with a voice of tones."""

    def run(*arguments: str) -> AbstractAsyncContextManager[Terminal]:
        return terminal(
            *arguments,
            environment=environment,
            cwd=checkout,
            program=_TONED,
        )

    return run


def stored(environment: Environment) -> Path:
    """Return the file that `crier setup` writes."""
    return Path(environment["DATA_DIR"]) / ".env"


async def test_a_new_user_is_led_to_a_bot_that_speaks(
    environment: Environment,
    checkout: Path,
    sandbox: Sandbox,
    loudspeakers: Loudspeakers,
    ear_b: Ear,
) -> None:
    """`make run` in a terminal asks; voice and device are heard, the phone is paired, it runs."""
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


async def test_a_second_run_keeps_what_is_set(
    crier: Setup, environment: Environment, sandbox: Sandbox
) -> None:
    """It shows what is set, and Enter all the way through changes no byte."""
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


async def test_ctrl_c_leaves_everything_as_it_was(
    crier: Setup, environment: Environment, checkout: Path
) -> None:
    """Given up after the token, nothing is stored anywhere."""
    async with crier("setup") as screen:
        await screen.answer("Token, not shown", TOKEN)
        await screen.see("A number or a name")
        screen.type(CTRL_C)
        await screen.see("Nothing was changed")
        code = await screen.ended()

    assert code == 1
    assert not Path(environment["DATA_DIR"]).exists()
    assert not (checkout / ".env").exists()


async def test_without_a_network_a_token_may_be_kept(
    crier: Setup, environment: Environment
) -> None:
    """The token can't be tried then; it is kept if that is wished, and the phone may come later."""
    environment["TELEGRAM_API_URL"] = "http://127.0.0.1:1"
    async with crier("setup") as screen:
        await screen.answer("Token, not shown", TOKEN)
        await screen.see("can't be reached now")
        await screen.answer("Keep the token", "y")
        await screen.answer("A number or a name", "")
        await screen.answer("Let your phone in now", "y")
        await screen.see("can't be reached, trying on")
        await screen.answer("Enter goes on without", "")
        await screen.answer("whenever you log in", "n")
        await screen.see("make run")
        code = await screen.ended()

    assert code == 0
    assert TOKEN in stored(environment).read_text()


async def test_what_the_checkout_sets_is_changed_there(
    crier: Setup, environment: Environment, checkout: Path
) -> None:
    """A value in the checkout's .env would win, so that is where the new one goes."""
    near = checkout / ".env"
    near.write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\nKOKORO_VOICE=am_michael # mine\n")
    async with crier("setup") as screen:
        await screen.answer("keep it", "")
        await screen.answer("A number or a name", "af_bella")
        await screen.answer(r"\[af_bella\]", "")
        await screen.see(f"Stored in {near}: KOKORO_VOICE")
        await screen.answer("Let your phone in now", "n")
        await screen.answer("whenever you log in", "n")
        code = await screen.ended()

    assert code == 0
    assert near.read_text() == f"TELEGRAM_BOT_TOKEN={TOKEN}\nKOKORO_VOICE='af_bella'\n"
    assert not stored(environment).exists()


async def test_a_bot_that_runs_is_left_alone(
    crier: Setup, environment: Environment, sandbox: Sandbox
) -> None:
    """Where a Crier runs already, set-up takes no messages away from it."""
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


async def test_the_demo_is_one_letter_away(crier: Setup) -> None:
    """`make run` in a terminal without a token: n is the chat, as it is for a pipe unasked."""
    async with crier() as screen:
        await screen.answer(r"Set up Telegram now\?", "n")
        await screen.see("This is the demo")


async def test_without_a_terminal_it_says_where_to_write(environment: Environment) -> None:
    """A pipe can't be asked; the message names the file that a person may write."""
    code, _, err = await run("setup", environment=environment)

    assert code == 2
    assert "needs a terminal" in err
    assert str(stored(environment)) in err


async def test_ctrl_c_after_storing_keeps_what_was_stored(
    crier: Setup, environment: Environment
) -> None:
    """While it waits for the phone, Ctrl-C ends the waiting, and the settings are there."""
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
async def test_it_starts_at_login_where_that_is_wished(
    tmp_path: Path,
    environment: Environment,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last question installs Crier, shows what that writes, and needs no second yes."""
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
            program=_TONED,
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
