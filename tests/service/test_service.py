"""`crier install`, `uninstall`, `restart` with stand-ins for launchd and systemd."""

import json
import os
import plistlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import CommandError, UsageError
from bot.service import launchd, systemd
from bot.service import manage as service
from tests.support.service_home import SLEEPS, TOKEN, Home, alive, make_home
from tests.support.terminal import CTRL_C, CTRL_D


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Return a home folder with launchd's stand-in."""
    home = make_home("darwin", tmp_path, monkeypatch)
    yield home
    home.close()


@pytest.fixture
def penguin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Return a home folder with systemd's stand-in."""
    home = make_home("linux", tmp_path, monkeypatch)
    yield home
    home.close()


@pytest.fixture(params=["darwin", "linux"])
def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """Return a home folder with either stand-in."""
    home = make_home(request.param, tmp_path, monkeypatch)
    yield home
    home.close()


# ---- both systems ----


def test_install_starts_bot(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Install shows and writes the file, starts the bot, and names its process."""
    code = home.install()
    out = capsys.readouterr().out

    assert code == 0
    assert str(home.file) in out
    assert home.file.read_text().splitlines()[5].strip() in out
    assert f"process {home.pid}" in out
    assert (home.folder / "data").is_dir() or home.platform == "linux"


def test_service_restarts_after_kill(home: Home) -> None:
    """After a kill -9 a new process is started."""
    home.install()
    old = home.pid
    os.kill(old, signal.SIGKILL)

    assert home.wait_for(lambda job: job.pid not in {None, old}).starts == 2


def test_service_does_not_restart_after_exit_with_0(home: Home) -> None:
    """After exit code 0 no new process is started."""
    end = home.folder / "end"
    os.mkfifo(end)
    home.program(f"read _ < '{end}'")
    home.install()
    end.write_text("\n")

    assert home.wait_for(lambda job: job.last_exit == 0).starts == 1


def test_install_twice_runs_current_program(home: Home) -> None:
    """A second install stops the old process and starts one new one."""
    home.install()
    old = home.pid
    home.program("exec sleep 601")
    code = home.install()

    assert code == 0
    assert home.pid != old
    assert not alive(old)


def test_uninstall_stops_bot(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The process is stopped and the file removed; a second time there is nothing to do."""
    home.install()
    old = home.pid
    codes = home.uninstall(), home.uninstall()

    assert codes == (0, 0)
    assert "It is not installed." in capsys.readouterr().out
    assert not home.file.exists()
    assert home.job is None
    assert not alive(old)


def test_install_works_right_after_uninstall(home: Home) -> None:
    """The system may still be removing the old job; the new one runs all the same."""
    home.install()
    home.uninstall()
    code = home.install()

    assert code == 0
    assert alive(home.pid)


def test_restart_starts_new_process(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The old process is stopped and a new one runs."""
    home.install()
    old = home.pid
    code = home.restart()

    assert code == 0
    assert home.pid != old
    assert f"process {home.pid}" in capsys.readouterr().out


def test_restart_fails_if_not_installed(home: Home) -> None:
    """Restart fails and says what to do."""
    with pytest.raises(CommandError, match=r"not installed\. `crier install`") as caught:
        home.restart()

    assert caught.value.exit_code == 1


@contextmanager
def never_stable() -> Iterator[None]:
    """Raise the time after which a program counts as running: a busy machine ends it late."""
    with pytest.MonkeyPatch.context() as patch:
        for system in (launchd, systemd):
            patch.setattr(system, "_STABLE_S", 10.0)
            patch.setattr(system, "_START_S", 3.0)
        yield


def test_install_fails_if_bot_exits(home: Home) -> None:
    """A program that exits at once is an error, which names the log."""
    home.program("exit 3")

    with never_stable(), pytest.raises(CommandError, match=r"exits again.*crier logs"):
        home.install()
    home.wait_for(lambda job: job.starts > 1)  # it is restarted all the same


def test_install_again_repairs_failed_service(home: Home) -> None:
    """Once the cause is gone, another install is enough."""
    home.program("exit 3")
    with never_stable(), pytest.raises(CommandError):
        home.install()
    home.program(SLEEPS)

    assert home.install() == 0
    assert alive(home.pid)


def test_install_writes_no_secret(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is neither in the file nor in the job's environment, wherever it is set."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    home.install()
    job = home.wait_for(lambda job: job.pid is not None)

    assert TOKEN.partition(":")[2] not in home.file.read_text()
    assert TOKEN not in json.dumps(job.environment)


def test_install_warns_about_settings(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing token, a wrong value, a variable of this shell: each is named, none is shown."""
    (home.checkout / ".env").write_text(f"DATA_DIR={home.folder / 'data'}\n")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    home.install()
    first = capsys.readouterr().out
    (home.checkout / ".env").write_text(f"DATA_DIR={home.folder / 'data'}\nKOKORO_SPEED=9\n")
    home.install()
    second = capsys.readouterr().out

    assert "TELEGRAM_BOT_TOKEN is set in this shell, where the service does not see it" in first
    assert "There is no TELEGRAM_BOT_TOKEN yet" in first
    assert "KOKORO_SPEED: Input should be less than or equal to 2" in second
    assert TOKEN not in first + second


def test_install_without_terminal_needs_yes_option(home: Home) -> None:
    """If nobody can answer, install without --yes is refused, and nothing is changed."""
    with pytest.raises(UsageError, match="--yes"):
        service.install_service(ask=True, platform=home.platform, checkout=home.checkout)

    assert not home.file.exists()
    assert home.job is None


@pytest.mark.parametrize("wrong", ["", "2"])
@pytest.mark.parametrize("key", ["n\r", CTRL_C, CTRL_D])
async def test_install_changes_nothing_without_a_yes(home: Home, wrong: str, key: str) -> None:
    """No, Ctrl-C and Ctrl-D change nothing; an answer that is neither yes nor no is asked again."""
    async with home.install_in_terminal() as screen:
        if wrong:
            await screen.answer(r"Go on\? \[Y/n\]", wrong)
            await screen.see("Please answer y or n")
        await screen.see(r"Go on\? \[Y/n\]")

        assert await screen.leave(key) == 1
        await screen.see("Nothing was changed")
    assert not home.file.exists()


def test_install_needs_make_setup(home: Home) -> None:
    """Without an environment the error names `make setup`."""
    shutil.rmtree(home.checkout / ".venv")

    with pytest.raises(UsageError, match="make setup"):
        home.install()


# ---- macOS ----


def test_install_writes_this_agent(mac: Home) -> None:
    """The agent, key by key."""
    mac.install()
    checkout, log = str(mac.checkout), str(mac.folder / "data" / "launchd.log")

    assert plistlib.loads(mac.file.read_bytes()) == {
        "Label": "org.crier.bot",
        "ProgramArguments": [f"{checkout}/.venv/bin/crier", "run", "--service"],
        "WorkingDirectory": checkout,
        "ProcessType": "Interactive",
        "Nice": -10,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": 20,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }


@pytest.mark.skipif(not shutil.which("plutil"), reason="only macOS has plutil")
def test_agent_passes_plutil(mac: Home) -> None:
    """Apple's own parser accepts the agent."""
    mac.install()

    subprocess.run(["plutil", "-lint", mac.file], check=True)


def test_install_with_changed_agent_replaces_running_job(
    mac: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Install with another process type stops the old job and runs the new one."""
    mac.install()
    old = mac.pid
    code = mac.install("adaptive")

    assert code == 0
    assert plistlib.loads(mac.file.read_bytes())["ProcessType"] == "Adaptive"
    assert "spawn type = adaptive" in launchctl(mac, "print", "gui/501/org.crier.bot")
    assert mac.pid != old
    assert not alive(old)
    assert "speech may stutter" in capsys.readouterr().out


def test_install_with_unchanged_agent_only_restarts(mac: Home) -> None:
    """The same agent needs no bootout."""
    mac.install()
    mac.install()

    assert [call.split()[0] for call in mac.calls()] == ["bootstrap", "kickstart"]


@pytest.mark.parametrize("moment", ["write", "bootout", "replace", "bootstrap"])
def test_install_can_be_repeated_after_interruption(
    mac: Home, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was interrupted, a second install leaves the wanted agent running."""
    mac.install()
    agent = launchd.Launchd
    names = {"write": "_write_beside", "bootout": "_bootout", "bootstrap": "_bootstrap"}
    with monkeypatch.context() as patch:
        if moment == "replace":
            patch.setattr(Path, "replace", interrupt)
        else:
            step = getattr(agent, names[moment])
            patch.setattr(agent, names[moment], lambda self, *a: interrupt(step(self, *a)))
        with pytest.raises(KeyboardInterrupt):
            mac.install("standard")
    code = mac.install("standard")

    assert code == 0
    assert plistlib.loads(mac.file.read_bytes())["ProcessType"] == "Standard"
    assert "spawn type = daemon" in launchctl(mac, "print", "gui/501/org.crier.bot")


def test_install_kickstarts_idle_job_once(mac: Home) -> None:
    """A job that a race leaves idle is started by one kickstart."""
    (mac.state / "idle").touch()
    code = mac.install()

    assert code == 0
    assert [call.split()[0] for call in mac.calls()] == ["bootstrap", "kickstart"]


def test_install_enables_disabled_agent(mac: Home) -> None:
    """An agent that was switched off before runs after install."""
    (mac.state / "disabled").touch()

    assert mac.install() == 0


def test_install_without_session_waits_for_login(
    mac: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over SSH, with nobody at the screen, the file is written and nothing fails."""
    (mac.state / "no-session").touch()
    code = mac.install()
    out = capsys.readouterr().out

    assert code == 0
    assert "Nobody is logged in at this Mac's screen" in out
    assert "It starts when you log in" in out
    assert mac.file.exists()
    with pytest.raises(CommandError, match="launchd does not know it"):
        mac.restart()


def test_restart_after_bootout_names_install(mac: Home) -> None:
    """A kickstart would fail with 113; the error names the command that helps."""
    mac.install()
    launchctl(mac, "bootout", "gui/501/org.crier.bot")

    with pytest.raises(CommandError, match="crier install"):
        mac.restart()
    assert mac.install() == 0


def test_install_reports_job_that_is_not_unloaded(
    mac: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file stays while the old job is loaded."""
    monkeypatch.setattr(launchd, "_BOOTOUT_S", 1.0)
    (mac.state / "stuck").touch()
    mac.install()
    before = mac.file.read_bytes()

    with pytest.raises(CommandError, match="has not stopped the running Crier"):
        mac.install("standard")
    assert mac.file.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [
        "Desktop",
        "Documents",
        "Downloads",
        "Library/Mobile Documents/com~apple~CloudDocs",
        "Library/CloudStorage/Dropbox",
    ],
)
def test_install_refuses_checkout_in_guarded_folder(mac: Home, name: str) -> None:
    """An agent may not read these: the error says why and what to do, also through a link."""
    (mac.folder / name).mkdir(parents=True)
    checkout = mac.checkout.rename(mac.folder / name / "crier")
    link = mac.folder / "crier"
    link.symlink_to(checkout)
    for path in (checkout, link):
        with pytest.raises(UsageError, match=r"macOS guards.*Move the checkout"):
            service.install_service(ask=False, platform="darwin", checkout=path)

    assert not mac.file.exists()


def test_install_refuses_data_folder_on_other_disk(mac: Home) -> None:
    """A disk may be missing at login, and is guarded, too."""
    (mac.checkout / ".env").write_text("DATA_DIR=/volumes/Stick/crier\n")

    with pytest.raises(UsageError, match=r"/volumes/Stick/crier is in.*Set DATA_DIR"):
        mac.install()


def test_is_guarded_allows_home_on_other_disk(mac: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose home is on another disk has no other place; it is there at login."""
    assert launchd.is_guarded(Path("/Volumes/Big/anna/crier"))
    monkeypatch.setenv("HOME", "/Volumes/Big/anna")

    assert not launchd.is_guarded(Path("/Volumes/Big/anna/crier"))
    assert launchd.is_guarded(Path("/Volumes/Big/anna/Documents/crier"))
    assert not launchd.is_guarded(mac.checkout)


def test_install_warns_about_models_in_guarded_folder(
    mac: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """The agent would wait for model files that it may not read."""
    models = mac.folder / "Documents" / "models"
    with (mac.checkout / ".env").open("a") as file:
        file.write(f"MODEL_DIR={models}\n")
    mac.install()

    assert f"MODEL_DIR: {models} is in a folder that macOS guards" in capsys.readouterr().out


def test_install_names_login_items_if_launchd_keeps_refusing(
    mac: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error 5 that does not go away has a cause in System Settings; the error says where."""
    monkeypatch.setattr(launchd, "_BOOTSTRAP_S", 0.1)
    (mac.state / "org.crier.bot.gone").touch()
    (mac.state / "scale").write_text("100")

    with pytest.raises(CommandError, match=r"Login Items.*launchctl print-disabled"):
        mac.install()


@pytest.mark.parametrize("answer", ["y", ""])
async def test_install_asks_if_notification_was_seen(mac: Home, answer: str) -> None:
    """Notifications may be off without an error; then install says how to allow them."""
    shown = mac.folder / "shown"
    for name in ("notify-send", "osascript"):
        mac.tool(name, f"for last; do :; done; echo \"$last\" >> '{shown}'")
    async with mac.install_in_terminal() as screen:
        await screen.answer(r"Go on\? \[Y/n\]", "y")
        await screen.answer(r"Did you see it\?", answer)
        await screen.see("crier logs -f")

    assert "pairing code" in shown.read_text()
    assert ("Script Editor" in screen.text) == (answer == "")


def test_run_once_returns_what_an_agent_prints(mac: Home) -> None:
    """A command runs as an agent of its own, beside the bot, and nothing of it stays."""
    mac.install()
    pid = mac.pid
    printed = launchd.run_once(mac.checkout, ["/bin/sh", "-c", "echo hello; exit 3"])

    assert printed == "hello\n"
    deadline_s = time.monotonic() + 20
    while launchctl(mac, "print", "gui/501/org.crier.doctor"):  # launchd takes its time to forget
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert mac.pid == pid


def test_install_refuses_root(mac: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With sudo the agent would belong to root, who is not at the screen."""
    monkeypatch.setattr("os.getuid", lambda: 0)

    with pytest.raises(UsageError, match="without sudo"):
        mac.install()


# ---- Linux ----


def test_install_writes_this_unit(penguin: Home) -> None:
    """The unit, with a path that needs quoting."""
    penguin.install()
    checkout = str(penguin.checkout)
    escaped = checkout.replace("%", "%%")
    lines = penguin.file.read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == [
        "[Unit]",
        "Description=Crier says your messages aloud",
        "After=pipewire.service pipewire-pulse.service pulseaudio.service",
        "StartLimitIntervalSec=0",
        "[Service]",
        "Type=exec",
        f'ExecStart="{escaped}/.venv/bin/crier" run --service',
        f"WorkingDirectory={escaped}",
        "Restart=on-failure",
        "RestartSec=5",
        "KillSignal=SIGTERM",
        "TimeoutStopSec=20",
        "[Install]",
        "WantedBy=default.target",
    ]
    job = penguin.wait_for(lambda job: job.pid is not None)
    assert job.command == [f"{checkout}/.venv/bin/crier", "run", "--service"]
    assert job.folder == checkout


def test_install_refuses_path_that_systemd_refuses(penguin: Home) -> None:
    """An apostrophe in the path of a program can't be quoted; the error says what to do."""
    checkout = penguin.checkout.rename(penguin.folder / "Anna's")

    with pytest.raises(CommandError, match="Move the checkout"):
        service.install_service(ask=False, platform="linux", checkout=checkout)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_unit_passes_systemd_analyze(penguin: Home) -> None:
    """The check of systemd itself finds nothing wrong with the unit."""
    penguin.install()
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(penguin.file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(penguin.folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "crier.service" not in done.stderr


def test_install_enables_and_uninstall_disables(penguin: Home) -> None:
    """The link that starts the unit at login is created and removed."""
    wants = penguin.file.parent / "default.target.wants" / "crier.service"
    penguin.install()
    assert wants.is_symlink()

    penguin.uninstall()
    assert not wants.is_symlink()


def test_install_without_bus_names_command_to_start(penguin: Home) -> None:
    """In a container, or after su, nothing is written and the error names the command to type."""
    (penguin.state / "no-bus").touch()

    with pytest.raises(CommandError, match="No medium found") as caught:
        penguin.install()
    assert f"{penguin.checkout}/.venv/bin/crier run --service" in str(caught.value)
    assert not penguin.file.exists()


def test_install_refuses_process_type_on_linux(penguin: Home) -> None:
    """The option is refused instead of ignored."""
    with pytest.raises(UsageError, match="--process-type is for macOS"):
        penguin.install("adaptive")


def interrupt(*_: object) -> None:
    """Stop the command as a crash or Ctrl-C would."""
    raise KeyboardInterrupt


def launchctl(mac: Home, *arguments: str) -> str:
    """Run the stand-in and return its output."""
    done = subprocess.run(
        [mac.folder / "bin" / "launchctl", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout
