"""`crier run --service`: errors are notified once, and the service waits."""

import asyncio
import logging
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from bot.chat.sandbox import Fault, Sandbox
from bot.core import pairing_file
from bot.paths import CHECKOUT
from bot.service import notify
from bot.service.notify import Notices
from bot.service.supervise import ServiceRunner
from tests.conftest import ALICE, MODEL, TOKEN, reaction_to, reply_with
from tests.support.commandline import WITH_TONES, crier, run


class Desk:
    """The computer that the service runs on: its settings and its notifications."""

    def __init__(self, folder: Path, model_dir: Path) -> None:
        """Put a `notify-send` and an `osascript` on the PATH that write into *folder*."""
        self.data_dir = folder / "data"
        self.data_dir.mkdir()
        self._shown = folder / "shown"
        self._tools = tools = folder / "tools"
        tools.mkdir()
        for name in ("notify-send", "osascript"):
            self.tool(name, f"for last; do :; done\necho \"$last\" >> '{self._shown}'")
        self.tool("say", "exit 0")  # a Mac has a real one
        self.path = f"{tools}:{os.environ['PATH']}"
        self.environment = {
            "PATH": self.path,
            "HOME": str(folder),
            "PYTHONPATH": str(CHECKOUT),
            "MODEL_DIR": str(model_dir),
            "KOKORO_MODEL": MODEL,
            "DATA_DIR": str(self.data_dir),
        }

    def tool(self, name: str, script: str) -> None:
        """Put a shell script on the PATH."""
        tool = self._tools / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def set(self, **settings: str) -> None:
        """Replace the data folder's .env, as an editor does."""
        new = self.data_dir / "new"
        new.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        new.replace(self.data_dir / ".env")

    def shown(self) -> str:
        """Return everything that was notified."""
        return self._shown.read_text() if self._shown.exists() else ""

    def log(self) -> str:
        """Return the log."""
        path = self.data_dir / "crier.log"
        return path.read_text() if path.exists() else ""

    @asynccontextmanager
    async def service(self, module: str = WITH_TONES) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the bot as a service; `WITH_TONES` looks for no model."""
        async with crier(
            "run", "--service", environment=self.environment, module=module
        ) as process:
            yield process


@pytest.fixture
def desk(tmp_path: Path, model_dir: Path) -> Desk:
    """Return a computer without settings."""
    return Desk(tmp_path, model_dir)


@pytest.fixture
def good(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """Return correct settings."""
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": str(ALICE.id),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
        "API_PORT": "0",
    }


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until another process has made *condition* true."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"TELEGRAM_BOT_TOKEN": ""}, "TELEGRAM_BOT_TOKEN is not set"),
        ({"KOKORO_SPEED": "9"}, "KOKORO_SPEED: Input should be less than or equal to 2"),
        ({"TELEGRAM_BOT_TOKEN": TOKEN[:-1] + "x"}, "Telegram does not know this token"),
    ],
)
async def test_service_waits_until_setting_is_fixed(
    desk: Desk, good: dict[str, str], sandbox: Sandbox, wrong: dict[str, str], says: str
) -> None:
    """A wrong setting is logged and notified once; after .env is fixed, the same process speaks."""
    desk.set(**{**good, **wrong})
    async with desk.service() as process:
        await until(lambda: "Trying again when" in desk.log())
        assert desk.shown().count(says) == 1
        assert process.returncode is None
        desk.set(**good)
        message = sandbox.send(ALICE, "Now it is right.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        assert process.returncode is None

    assert desk.log().count(says) == 1
    assert TOKEN.partition(":")[2] not in desk.log() + desk.shown()


async def test_service_waits_until_port_is_free(
    desk: Desk, good: dict[str, str], sandbox: Sandbox
) -> None:
    """A port that another program uses is named; with another one in .env the bot speaks."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        desk.set(**{**good, "API_PORT": str(other.getsockname()[1])})
        async with desk.service() as process:
            await until(lambda: "another program uses it" in desk.shown())
            assert process.returncode is None
            desk.set(**good)
            message = sandbox.send(ALICE, "Now there is room.")
            await sandbox.wait_for(reaction_to(message, "👍"))


async def test_service_waits_after_token_is_revoked(
    desk: Desk, good: dict[str, str], sandbox: Sandbox
) -> None:
    """A running service whose token is revoked notifies once, and does not exit."""
    desk.set(**good)
    async with desk.service() as process:
        await sandbox.wait_for_call("getupdates")
        sandbox.faults["getupdates"] = Fault(status=401, description="Unauthorized")
        sandbox.end_poll()
        await until(lambda: "Telegram does not know this token" in desk.shown())
        del sandbox.faults["getupdates"]
        desk.set(**good, KOKORO_SPEED="1.1")
        message = sandbox.send(ALICE, "There is a new one.")
        await sandbox.wait_for(reaction_to(message, "👍"))

        assert process.returncode is None


async def test_service_notifies_again_after_wrong_fix(desk: Desk) -> None:
    """After each change of .env, the remaining errors in it are notified."""
    desk.set(TELEGRAM_BOT_TOKEN=TOKEN, KOKORO_SPEED="9")
    async with desk.service():
        await until(lambda: "KOKORO_SPEED" in desk.shown())
        desk.set(TELEGRAM_BOT_TOKEN=TOKEN, KOKORO_SPEED="8")
        await until(lambda: "it is '8'" in desk.shown())
        desk.set(TELEGRAM_BOT_TOKEN=TOKEN, KOKORO_SPEED="9.0")
        await until(lambda: "it is '9.0'" in desk.shown())


async def test_service_exits_on_sigterm_while_waiting(desk: Desk) -> None:
    """SIGTERM stops a waiting service at once, with exit code 0."""
    async with desk.service() as process:
        await until(lambda: "Trying again when" in desk.log())
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 3)

    assert process.returncode == 0


async def test_service_notifies_about_missing_model_files(
    desk: Desk, good: dict[str, str], tmp_path: Path
) -> None:
    """Without a network the missing files are named on the screen."""
    desk.set(**good)
    nowhere = {"MODEL_DIR": str(tmp_path / "none"), "ALL_PROXY": "http://127.0.0.1:1"}
    desk.environment |= {**nowhere, "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    async with desk.service("bot") as process:
        await until(lambda: "kokoro-v1.0" in desk.shown(), 90)

        await until(lambda: "every 60 s" in desk.log(), 10)  # logged after the notification
        assert process.returncode is None


async def test_service_notifies_about_unwritable_data_folder(
    desk: Desk, good: dict[str, str]
) -> None:
    """If there can be no log, the error is still shown on the screen."""
    desk.environment |= {**good, "DATA_DIR": "/dev/null/x"}
    async with desk.service() as process:
        await until(lambda: "DATA_DIR: /dev/null/x can't be written to" in desk.shown())

        assert process.returncode is None


async def test_service_shows_pairing_code_to_owner(
    desk: Desk, good: dict[str, str], sandbox: Sandbox
) -> None:
    """The code is notified, and `crier pair` shows it until it is used; it is in no log."""
    good["TELEGRAM_ALLOWED_USERS"] = ""
    desk.set(**good)
    file = desk.data_dir / "pairing-code"
    async with desk.service():
        await until(lambda: file.exists() and "start=" in file.read_text())
        code, link = file.read_text().split()
        mode = stat.S_IMODE(file.stat().st_mode)
        shown = await run("pair", environment=desk.environment)
        sandbox.send(ALICE, f"/pair {code}")
        await sandbox.wait_for(reply_with("Paired"))
        afterwards = await run("pair", environment=desk.environment)

    assert mode == 0o600
    assert f"/pair {code}" in desk.shown()
    assert link == f"https://t.me/crier_bot?start={code}"
    assert shown == (0, f"Send this to your bot:  /pair {code}\nOr open {link}\n", "")
    assert not file.exists()
    assert afterwards[0] == 1
    assert "somebody may speak already" in afterwards[2]
    assert code not in desk.log()


def test_add_link_keeps_age_of_pairing_code(tmp_path: Path) -> None:
    """The link is added when Telegram has answered, which may be long after the code was made."""
    pairing_file.write(tmp_path, "ABCD2345")
    file = tmp_path / "pairing-code"
    half_an_hour_ago_s = time.time() - 1800
    os.utime(file, (half_an_hour_ago_s, half_an_hour_ago_s))
    pairing_file.add_link(tmp_path, "https://t.me/crier_bot?start=ABCD2345")

    assert file.stat().st_mtime == pytest.approx(half_an_hour_ago_s, abs=1)
    assert file.read_text().split() == ["ABCD2345", "https://t.me/crier_bot?start=ABCD2345"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_pair_refuses_expired_code(desk: Desk) -> None:
    """An expired code is not shown; the error says how to get a new one."""
    file = desk.data_dir / "pairing-code"
    file.write_text("ABCD2345\n")
    two_hours_ago_s = time.time() - 7200
    os.utime(file, (two_hours_ago_s, two_hours_ago_s))
    code, out, err = await run("pair", environment=desk.environment)

    assert (code, out) == (1, "")
    assert "too old" in err


@pytest.mark.usefixtures("plain_logging")
def test_service_notifies_about_critical_error_the_third_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that a restart fixes is not notified; one that recurs is, once."""
    monkeypatch.setenv("PATH", desk.path)
    monkeypatch.setattr("sys.platform", "linux")  # a Mac's window is shown a moment later
    for _ in range(5):  # processes, one after the other
        service = ServiceRunner(desk.data_dir, desk.data_dir)
        service.listen()
        logging.getLogger("bot.app").critical("The audio thread has been stuck for %d s.", 10)
        logging.getLogger().removeHandler(service)

    assert desk.shown() == "The audio thread has been stuck for 10 s.\n"


def test_notices_report_same_text_once_a_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text is notified once a day, also by another process."""
    monkeypatch.setenv("PATH", desk.path)
    file = desk.data_dir / "notices.json"
    reported = [
        Notices(file).report("Something is wrong."),
        Notices(file).report("Something is wrong."),
    ]
    tomorrow_s = time.time() + 90_000
    monkeypatch.setattr("time.time", lambda: tomorrow_s)
    reported.append(Notices(file).report("Something is wrong."))

    assert reported == [True, False, True]


def test_notify_on_mac_does_not_run_text_as_script(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes and AppleScript in a text are shown as they are."""
    monkeypatch.setenv("PATH", desk.path)
    monkeypatch.setattr(notify, "_LINUX", notify._MACOS)
    notify.notify('KOKORO_VOICE: "x" & (do shell script "true")')

    assert desk.shown() == 'KOKORO_VOICE: "x" & (do shell script "true")\n'


async def test_alert_on_mac_shows_window_without_waiting_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window waits for somebody; the service does not wait for the window."""
    monkeypatch.setenv("PATH", desk.path)
    monkeypatch.setattr("sys.platform", "darwin")
    folder = desk.data_dir
    desk.tool(
        "osascript",
        f"cd '{folder}'\nwhile [ ! -e seen ]; do sleep 0.05; done\necho \"$@\" > new\nmv new argv",
    )
    notify.alert('-e "quoted"')
    waits = not (folder / "argv").exists()
    (folder / "seen").touch()
    await until((folder / "argv").exists)
    argv = (folder / "argv").read_text()

    assert waits
    assert "display alert" in argv
    assert "giving up after" in argv
    assert argv.endswith('  -e "quoted"\n')


@pytest.mark.usefixtures("plain_logging")
@pytest.mark.parametrize("quiet", ["", "hours", "mute"])
def test_service_says_that_it_has_stopped_unless_it_has_to_be_quiet(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, quiet: str
) -> None:
    """What stops the service is shown and said, in the quiet hours and while muted only shown."""
    said: list[str] = []
    monkeypatch.setenv("PATH", desk.path)
    monkeypatch.setattr("sys.platform", "linux")  # a Mac's window is shown a moment later
    monkeypatch.setattr("bot.service.supervise.speak", said.append)
    if quiet == "hours":
        desk.set(QUIET_HOURS="00:00-23:59")
        monkeypatch.setattr("bot.core.quiet_hours.QuietHours.reason", lambda _: "Quiet hours.")
    elif quiet == "mute":
        with closing(sqlite3.connect(desk.data_dir / "crier.db")) as database, database:
            database.execute("CREATE TABLE choice (name, setting, value)")
            database.execute("INSERT INTO choice VALUES ('mute', '', 'inf')")
    service = ServiceRunner(desk.data_dir, desk.data_dir)
    service._report("There is no token.")
    service._report("There is no token.")

    assert "There is no token." in desk.shown()
    assert said == ([] if quiet else ["Crier has stopped. A window on this Mac says why."])


@pytest.mark.usefixtures("plain_logging")
def test_service_says_that_it_restarts_again_and_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What restarts Crier for the third time has not stopped it."""
    said: list[str] = []
    monkeypatch.setenv("PATH", desk.path)
    monkeypatch.setattr("sys.platform", "linux")  # a Mac's window is shown a moment later
    monkeypatch.setattr("bot.service.supervise.speak", said.append)
    service = ServiceRunner(desk.data_dir, desk.data_dir)
    for _ in range(3):
        service.emit(logging.LogRecord("bot", logging.CRITICAL, "", 0, "It hangs.", (), None))

    assert said == ["Crier has to restart again and again. A window on this Mac says why."]


@pytest.fixture
def plain_logging() -> Iterator[None]:
    """Restore pytest's own handlers afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
