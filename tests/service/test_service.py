"""`crier install`, `uninstall`, `restart` on both systems, against stand-ins that run the job."""

import argparse
import json
import os
import plistlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.errors import CommandError, UsageError
from bot.service import launchd, systemd
from bot.service import manage as service
from bot.settings import CHECKOUT
from tests.support.supervisor import Job

TOKEN = "4217:canary-AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SLEEPS = "exec sleep 600"


@dataclass(frozen=True)
class Home:
    """A home folder with a checkout in it, and a stand-in for what starts programs there."""

    platform: str
    folder: Path
    checkout: Path
    state: Path

    def program(self, script: str) -> None:
        """Let `crier` be this."""
        launcher = self.checkout / ".venv" / "bin" / "crier"
        launcher.parent.mkdir(parents=True, exist_ok=True)
        new = launcher.with_name("new")
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        new.replace(launcher)

    def install(self, process_type: str | None = None) -> int:
        """Run `crier install --yes`."""
        options = argparse.Namespace(yes=True, process_type=process_type)
        return service.install(options, self.platform, self.checkout)

    def uninstall(self) -> int:
        """Run `crier uninstall`."""
        return service.uninstall(argparse.Namespace(), self.platform, self.checkout)

    def restart(self) -> int:
        """Run `crier restart`."""
        return service.restart(argparse.Namespace(), self.platform, self.checkout)

    @property
    def file(self) -> Path:
        """The file that has it started at login."""
        if self.platform == "darwin":
            return self.folder / "Library" / "LaunchAgents" / "org.crier.bot.plist"
        return self.folder / ".config" / "systemd" / "user" / "crier.service"

    @property
    def job(self) -> Job | None:
        """What runs, if anything does."""
        name = "org.crier.bot" if self.platform == "darwin" else "crier.service"
        return Job.read(self.state / f"{name}.json")

    def wait_for(self, matches: Callable[[Job], bool]) -> Job:
        """Return the job as soon as it matches."""
        deadline_s = time.monotonic() + 20
        while (job := self.job) is None or not matches(job):
            assert time.monotonic() < deadline_s, job
            time.sleep(0.02)
        return job

    @property
    def pid(self) -> int:
        """The process that runs."""
        return self.wait_for(lambda job: job.pid is not None).pid or 0

    def calls(self) -> list[str]:
        """Return what the stand-in was asked to do, questions left out."""
        lines = (self.state / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] not in {"print", "show", "enable"}]

    def close(self) -> None:
        """End what still runs."""
        for file in self.state.glob("*.json"):
            if file.name != "environment.json" and (job := Job.read(file)):
                os.kill(job.supervisor, signal.SIGKILL)
                if job.pid:
                    os.kill(job.pid, signal.SIGKILL)


def make_home(platform: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Make a home folder and point this process at it."""
    checkout = folder / "a %checkout & <its> $name"
    home = Home(platform, folder, checkout, folder / "state")
    shutil.copytree(CHECKOUT / "launchd", checkout / "launchd")
    (checkout / ".env").write_text(f"DATA_DIR={folder / 'data'}\nTELEGRAM_BOT_TOKEN={TOKEN}\n")
    home.program(SLEEPS)
    home.state.mkdir()
    (home.state / "scale").write_text("0.1")
    tool = "launchctl" if platform == "darwin" else "systemctl"
    (folder / "bin").mkdir()
    stand_in = folder / "bin" / tool
    stand_in.write_text(
        f"#!/bin/sh\nPYTHONPATH='{CHECKOUT}' exec '{sys.executable}' -P -m "
        f"tests.support.fake_{tool} "
        f"'{home.state}' \"$@\"\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 501)
    for system in (launchd, systemd):  # these programs begin and end more quickly than a bot
        monkeypatch.setattr(system, "_LOOK_S", 0.1)
        monkeypatch.setattr(system, "_STAYS_S", 0.4)
        monkeypatch.setattr(system, "_RUN_S", 20.0)
    monkeypatch.setattr(launchd, "_KICK_AFTER_S", 1.0)
    return home


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


def test_it_runs_after_installing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Installing shows the file, writes it, starts the bot, and names its process."""
    code = home.install()
    out = capsys.readouterr().out

    assert code == 0
    assert str(home.file) in out
    assert home.file.read_text().splitlines()[5].strip() in out
    assert f"process {home.pid}" in out
    assert (home.folder / "data").is_dir() or home.platform == "linux"


def test_it_is_started_again_after_a_kill(home: Home) -> None:
    """A kill -9 brings a new process."""
    home.install()
    old = home.pid
    os.kill(old, signal.SIGKILL)

    assert home.wait_for(lambda job: job.pid not in {None, old}).starts == 2


def test_an_orderly_end_is_left_alone(home: Home) -> None:
    """Exit code 0 does not bring a new process."""
    home.program("sleep 2")
    home.install()

    assert home.wait_for(lambda job: job.last_exit == 0).starts == 1


def test_installing_twice_runs_the_present_program(home: Home) -> None:
    """A second install ends the old process and starts a new one, once."""
    home.install()
    old = home.pid
    home.program("exec sleep 601")
    code = home.install()

    assert code == 0
    assert home.pid != old
    assert not alive(old)


def test_uninstalling_ends_it(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The process ends and the file goes; a second time there is nothing to do."""
    home.install()
    old = home.pid
    codes = home.uninstall(), home.uninstall()

    assert codes == (0, 0)
    assert "It is not installed." in capsys.readouterr().out
    assert not home.file.exists()
    assert home.job is None
    assert not alive(old)


def test_installing_right_after_uninstalling(home: Home) -> None:
    """The system may still be at the old one; the new one runs all the same."""
    home.install()
    home.uninstall()
    code = home.install()

    assert code == 0
    assert alive(home.pid)


def test_restarting(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """The old process ends and a new one runs."""
    home.install()
    old = home.pid
    code = home.restart()

    assert code == 0
    assert home.pid != old
    assert f"process {home.pid}" in capsys.readouterr().out


def test_restarting_what_is_not_installed(home: Home) -> None:
    """It says what to do, and fails."""
    with pytest.raises(CommandError, match=r"not installed\. `crier install`") as caught:
        home.restart()

    assert caught.value.exit_code == 1


@contextmanager
def nothing_stays() -> Iterator[None]:
    """Raise the bound after which a program counts as running: a busy machine ends it late."""
    with pytest.MonkeyPatch.context() as patch:
        for system in (launchd, systemd):
            patch.setattr(system, "_STAYS_S", 10.0)
            patch.setattr(system, "_RUN_S", 3.0)
        yield


def test_what_does_not_stay_is_no_success(home: Home) -> None:
    """A program that ends at once is reported, with where to look."""
    home.program("exit 3")

    with nothing_stays(), pytest.raises(CommandError, match=r"does not stay.*crier logs"):
        home.install()
    home.wait_for(lambda job: job.starts > 1)  # it is tried on


def test_a_failed_one_is_mended_by_installing_again(home: Home) -> None:
    """After the fault is gone, installing once more is all that is needed."""
    home.program("exit 3")
    with nothing_stays(), pytest.raises(CommandError):
        home.install()
    home.program(SLEEPS)

    assert home.install() == 0
    assert alive(home.pid)


def test_no_secret_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is neither in the file nor in the job's environment, wherever it is set."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    home.install()
    job = home.wait_for(lambda job: job.pid is not None)

    assert TOKEN.partition(":")[2] not in home.file.read_text()
    assert TOKEN not in json.dumps(job.environment)


def test_what_is_missing_is_said_before(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing token, a wrong value, a variable of this shell: each is named, none shown."""
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


def test_without_a_terminal_it_does_not_ask(home: Home) -> None:
    """Where nobody can answer, --yes has to be given, and nothing is done without."""
    options = argparse.Namespace(yes=False, process_type=None)
    with pytest.raises(UsageError, match="--yes"):
        service.install(options, home.platform, home.checkout)

    assert not home.file.exists()
    assert home.job is None


def test_no_is_no(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers no has nothing changed."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    options = argparse.Namespace(yes=False, process_type=None)

    assert service.install(options, home.platform, home.checkout) == 1
    assert not home.file.exists()


def test_before_set_up_there_is_nothing_to_install(home: Home) -> None:
    """Without an environment the command names `make setup`."""
    shutil.rmtree(home.checkout / ".venv")

    with pytest.raises(UsageError, match="make setup"):
        home.install()


# ---- macOS ----


def test_the_agent_is_exactly_this(mac: Home) -> None:
    """What launchd gets, key by key."""
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


@pytest.mark.skipif(not shutil.which("plutil"), reason="plutil is a Mac's")
def test_the_agent_passes_plutil(mac: Home) -> None:
    """Apple's own reader takes it."""
    mac.install()

    subprocess.run(["plutil", "-lint", mac.file], check=True)


def test_a_changed_agent_replaces_the_running_one(
    mac: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Installing with another process type ends the old job and runs the new one."""
    mac.install()
    old = mac.pid
    code = mac.install("adaptive")

    assert code == 0
    assert plistlib.loads(mac.file.read_bytes())["ProcessType"] == "Adaptive"
    assert "spawn type = adaptive" in launchctl(mac, "print", "gui/501/org.crier.bot")
    assert mac.pid != old
    assert not alive(old)
    assert "speech may stutter" in capsys.readouterr().out


def test_an_unchanged_agent_is_only_restarted(mac: Home) -> None:
    """The same file again needs no bootout."""
    mac.install()
    mac.install()

    assert [call.split()[0] for call in mac.calls()] == ["bootstrap", "kickstart"]


@pytest.mark.parametrize("moment", ["write", "bootout", "replace", "bootstrap"])
def test_an_install_that_was_cut_short_can_be_repeated(
    mac: Home, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it ended, a second one leaves the wanted agent running."""
    mac.install()
    agent = launchd.Launchd
    names = {"write": "_write_beside", "bootout": "_bootout", "bootstrap": "_bootstrap"}
    with monkeypatch.context() as patch:
        if moment == "replace":
            patch.setattr(Path, "replace", cut)
        else:
            done = getattr(agent, names[moment])
            patch.setattr(agent, names[moment], lambda self, *a: cut(done(self, *a)))
        with pytest.raises(KeyboardInterrupt):
            mac.install("standard")
    code = mac.install("standard")

    assert code == 0
    assert plistlib.loads(mac.file.read_bytes())["ProcessType"] == "Standard"
    assert "spawn type = daemon" in launchctl(mac, "print", "gui/501/org.crier.bot")


def test_what_is_registered_and_does_not_run_is_kicked_once(mac: Home) -> None:
    """After the race that leaves a job idle, one kickstart brings it up."""
    (mac.state / "idle").touch()
    code = mac.install()

    assert code == 0
    assert [call.split()[0] for call in mac.calls()] == ["bootstrap", "kickstart"]


def test_a_disabled_one_is_enabled(mac: Home) -> None:
    """Who installs it wants it to run, also where it was switched off before."""
    (mac.state / "disabled").touch()

    assert mac.install() == 0


def test_without_a_session_it_is_left_for_the_next_login(
    mac: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over SSH with nobody at the screen the file is written and nothing fails."""
    (mac.state / "no-session").touch()
    code = mac.install()
    out = capsys.readouterr().out

    assert code == 0
    assert "Nobody is logged in at this Mac's screen" in out
    assert "It starts when you log in" in out
    assert mac.file.exists()
    with pytest.raises(CommandError, match="launchd does not know it"):
        mac.restart()


def test_a_restart_after_a_bootout_by_hand_says_what_to_do(mac: Home) -> None:
    """A kickstart would fail with 113; the answer names the command that helps."""
    mac.install()
    launchctl(mac, "bootout", "gui/501/org.crier.bot")

    with pytest.raises(CommandError, match="crier install"):
        mac.restart()
    assert mac.install() == 0


def test_a_job_that_launchd_does_not_let_go_of_is_reported(
    mac: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file stays as long as the old job does."""
    monkeypatch.setattr(launchd, "_BOOTOUT_S", 1.0)
    (mac.state / "stuck").touch()
    mac.install()
    before = mac.file.read_bytes()

    with pytest.raises(CommandError, match="has not ended the running Crier"):
        mac.install("standard")
    assert mac.file.read_bytes() == before


@pytest.mark.parametrize("name", ["Desktop", "Documents", "Downloads"])
def test_a_guarded_folder_is_named(
    mac: Home, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An agent may not be allowed to read these; the warning says where to go."""
    (mac.folder / name).mkdir()
    checkout = mac.checkout.rename(mac.folder / name / "crier")
    options = argparse.Namespace(yes=True, process_type=None)
    service.install(options, "darwin", checkout)

    assert "is in a folder that macOS guards" in capsys.readouterr().out


def test_root_is_sent_away(mac: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With sudo it would be installed for nobody who hears anything."""
    monkeypatch.setattr("os.getuid", lambda: 0)

    with pytest.raises(UsageError, match="without sudo"):
        mac.install()


# ---- Linux ----


def test_the_unit_is_exactly_this(penguin: Home) -> None:
    """What systemd gets, with a path that needs quoting."""
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


def test_a_path_that_systemd_refuses_is_refused(penguin: Home) -> None:
    """An apostrophe in the path of a program is beyond quoting; the answer says so."""
    checkout = penguin.checkout.rename(penguin.folder / "Anna's")
    options = argparse.Namespace(yes=True, process_type=None)

    with pytest.raises(CommandError, match="Move the checkout"):
        service.install(options, "linux", checkout)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's own reader")
def test_systemd_reads_the_unit_as_it_is_meant(penguin: Home) -> None:
    """The check of systemd itself finds nothing in the unit."""
    penguin.install()
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(penguin.file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(penguin.folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "crier.service" not in done.stderr


def test_it_is_enabled_and_disabled(penguin: Home) -> None:
    """The link that starts it at login comes and goes."""
    wants = penguin.file.parent / "default.target.wants" / "crier.service"
    penguin.install()
    assert wants.is_symlink()

    penguin.uninstall()
    assert not wants.is_symlink()


def test_without_a_bus_it_says_how_to_start_by_hand(penguin: Home) -> None:
    """In a container, or after su, nothing is written and the command to type is named."""
    (penguin.state / "no-bus").touch()

    with pytest.raises(CommandError, match="No medium found") as caught:
        penguin.install()
    assert f"{penguin.checkout}/.venv/bin/crier run --service" in str(caught.value)
    assert not penguin.file.exists()


def test_a_process_type_is_no_thing_of_systemds(penguin: Home) -> None:
    """The option is refused instead of ignored."""
    with pytest.raises(UsageError, match="--process-type is for macOS"):
        penguin.install("adaptive")


def alive(pid: int) -> bool:
    """Say whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def cut(*_: object) -> None:
    """End the command as a crash or Ctrl-C would."""
    raise KeyboardInterrupt


def launchctl(mac: Home, *arguments: str) -> str:
    """Ask the stand-in."""
    done = subprocess.run(
        [mac.folder / "bin" / "launchctl", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout
