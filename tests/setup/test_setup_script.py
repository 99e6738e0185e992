"""scripts/setup.py: the message of each error, and that a second run does nothing."""

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from bot.paths import CHECKOUT

SCRIPT = CHECKOUT / "scripts" / "setup.py"


@pytest.fixture
def setup() -> ModuleType:
    """Return the set-up script as a module."""
    spec = importlib.util.spec_from_file_location("setup_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the files that set-up reads, without an environment."""
    root = tmp_path / "check out"
    shutil.copytree(CHECKOUT / "scripts", root / "scripts")
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, root)
    (root / "audio" / "kokoro").mkdir(parents=True)
    shutil.copy(CHECKOUT / "audio/kokoro/model_files.py", root / "audio" / "kokoro")
    return root


def run(
    checkout: Path, path: Path, *, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run set-up with *path* as the whole PATH."""
    return subprocess.run(
        [python, "scripts/setup.py"],
        cwd=checkout,
        env={"PATH": str(path), "HOME": str(checkout), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def fake_uv(checkout: Path, script: str) -> None:
    """Install a private uv of the pinned version that runs *script*."""
    pinned = (checkout / "scripts" / "uv.txt").read_text().split()[0].removeprefix("uv==")
    uv = checkout / ".uv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    machine = "aarch64-apple-darwin" if sys.platform == "darwin" else "x86_64-unknown-linux-gnu"
    version = f'[ "$1" = --version ] && echo "uv {pinned} ({machine})" && exit 0'
    uv.write_text(f"#!/bin/sh\n{version}\n{script}\n")
    uv.chmod(0o755)


@pytest.fixture
def misleading(tmp_path: Path) -> Path:
    """Return a folder with a newer uv and with Pythons, all of which leave a trace and fail."""
    folder = tmp_path / "misleading"
    folder.mkdir()
    for name in ("uv", "python", "python3", "python3.11", "python3.12", "python3.13", "conda"):
        program = folder / name
        version = '[ "$1" = --version ] && echo "uv 99.9.9 (x86_64-apple-darwin)" && exit 0'
        trace = f"echo {name} >> '{folder}/used'; exit 3"
        program.write_text(f"#!/bin/sh\n{version if name == 'uv' else ''}\n{trace}\n")
        program.chmod(0o755)
    return folder


def old_pythons() -> list[str]:
    """Return Pythons of this computer with which a Mac or a Debian may start set-up."""
    names = ("/usr/bin/python3", "python3.8", "python3.9", "python3.10", "python3.13", "python3.14")
    found = [path for path in map(shutil.which, names) if path]
    return [path for path in found if _starts(path)]


def _starts(python: str) -> bool:  # a pyenv has names of Pythons that it does not have
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def test_setup_without_network_names_network(checkout: Path, tmp_path: Path) -> None:
    """If there is no uv and it can't be downloaded, one message says so."""
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run(checkout, empty, PIP_INDEX_URL="http://127.0.0.1:1", PIP_RETRIES="0")

    assert done.returncode == 1
    assert "uv could not be downloaded (see above). Check the network." in done.stderr
    assert "Traceback" not in done.stderr


def test_setup_without_python_names_versions(checkout: Path, tmp_path: Path) -> None:
    """If no Python fits and none can be downloaded, the supported versions are named."""
    fake_uv(checkout, "exit 2")
    done = run(checkout, tmp_path)

    assert done.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 here" in done.stderr
    assert "Traceback" not in done.stderr


def test_setup_reports_failed_installation(checkout: Path, tmp_path: Path) -> None:
    """If packages can't be installed, uv's error is followed by one message."""
    script = f"""
if [ "$1" = venv ]; then
    {shutil.which("mkdir")} -p .venv/bin
    {shutil.which("ln")} -sf {sys.executable} .venv/bin/python
    exit 0
fi
echo "error: hash mismatch" >&2
exit 1
"""
    fake_uv(checkout, script)
    done = run(checkout, tmp_path)

    assert done.returncode == 1
    assert "error: hash mismatch" in done.stderr
    assert "Python packages could not be installed" in done.stderr
    assert not (checkout / ".venv" / "crier-setup").exists()


def test_setup_reports_unwritable_folder(checkout: Path, tmp_path: Path) -> None:
    """An environment that can't be created is a message, not a traceback."""
    (checkout / ".uv").write_text("in the way")
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run(checkout, empty)

    assert done.returncode == 1
    assert "Set-up stopped" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("python", old_pythons())
def test_setup_starts_on_every_python(
    checkout: Path, tmp_path: Path, misleading: Path, python: str
) -> None:
    """On a Python of any supported age set-up runs until uv has no Python for it."""
    fake_uv(checkout, f"echo \"$@\" >> '{tmp_path}/calls'; exit 2")
    done = run(checkout, misleading, python=python)

    assert done.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 here" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "calls").read_text().startswith("venv ")
    assert not (misleading / "used").exists()


def test_environment_drops_what_leads_elsewhere(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables for other projects are dropped; those for mirrors and proxies are kept."""
    dropped = (
        "PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX PIP_TARGET UV_PYTHON UV_NO_MANAGED_PYTHON"
    )
    kept = "UV_PYTHON_INSTALL_MIRROR UV_DEFAULT_INDEX PIP_INDEX_URL HTTPS_PROXY SSL_CERT_FILE"
    for name in (dropped + " " + kept).split():
        monkeypatch.setenv(name, "x")
    env = setup.environment()

    assert not set(dropped.split()) & env.keys()
    assert set(kept.split()) <= env.keys()


def test_launcher_ignores_packages_of_other_pythons(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A PYTHONPATH of the shell does not reach Crier; its arguments do, and a plugin's name."""
    monkeypatch.setattr(setup, "VENV", tmp_path)
    monkeypatch.setattr(setup, "output", lambda _: str(tmp_path))
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\necho "[$PYTHONHOME$PYTHONPATH] $*"\n')
    python.chmod(0o755)
    setup.write_launcher("/usr/bin/uv")
    launcher, link = tmp_path / "bin" / "crier", tmp_path / "crier.5s.sh"
    link.symlink_to(launcher)
    printed = [
        subprocess.run(
            command,
            env={"PYTHONPATH": "/other", "PYTHONHOME": "/other"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in ([str(launcher), "say", "two words"], [str(link)])
    ]

    assert printed == ["[] -P -m bot say two words\n", "[] -P -m bot menubar\n"]


def test_setup_refuses_too_old_python(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that is too old to set anything up is named, with what to do."""
    monkeypatch.setattr(setup.sys, "version_info", (3, 7, 17))
    with pytest.raises(setup.SetupError, match=r"3\.8 or newer is needed.*PATH=/usr/bin"):
        setup.check_python()


def test_setup_makes_environment_among_wrong_programs(
    setup: ModuleType, misleading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a PATH and variables that point elsewhere, .venv has a Python that fits, or no other."""
    uv = Path(sys.executable).with_name("uv").resolve()
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setenv("PATH", f"{misleading}:{Path(sys.executable).parent}")
    monkeypatch.setenv("UV_PYTHON", "3.9")
    monkeypatch.setenv("VIRTUAL_ENV", str(misleading))
    monkeypatch.setenv("PYTHONHOME", str(misleading))
    monkeypatch.setenv("UV_OFFLINE", "1")
    try:
        setup.make_environment(str(uv))
    except setup.SetupError as exc:
        assert "no Python 3.11, 3.12 or 3.13 here" in str(exc)  # noqa: PT017  # either is right
    else:
        assert setup.python_fits()


class Recorder:
    """Stands in for `run`; every command succeeds."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: object) -> int:
        self.commands.append(command)
        return 0


@pytest.fixture
def mac(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Return the script on a Mac, in an empty checkout."""
    monkeypatch.setattr(setup.sys, "platform", "darwin")
    monkeypatch.setattr(setup.platform, "machine", lambda: "arm64")
    (tmp_path / "scripts").mkdir()
    shutil.copy(CHECKOUT / "scripts" / "uv.txt", tmp_path / "scripts")
    for name, path in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "PRIVATE_UV": tmp_path / ".uv",
        "PRIVATE_PYTHON": tmp_path / ".python",
    }.items():
        monkeypatch.setattr(setup, name, path)
    return setup


def test_setup_on_mac_makes_environment_from_python_of_its_own(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The only Python that uv may use is its own; it trusts what the Mac trusts."""
    run = Recorder()
    described = f"3.13.1 arm64 {tmp_path.resolve()}/.python/cpython-3.13"
    monkeypatch.setattr(mac, "output", lambda _: described)
    monkeypatch.setattr(mac, "run", run)
    mac.make_environment("uv")
    env = mac.environment()

    assert "--managed-python" in run.commands[0]
    assert env["UV_PYTHON_INSTALL_DIR"] == str(tmp_path / ".python")
    assert env["UV_SYSTEM_CERTS"] == "1"


@pytest.mark.parametrize(
    "described",
    [
        "3.12.1 x86_64 {}/.python/cpython-3.12",
        "3.12.1 arm64 /opt/homebrew/opt/python@3.12",
        "3.14.0 arm64 {}/.python/cpython-3.14",
        "",
    ],
)
def test_setup_on_mac_refuses_other_python(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, described: str
) -> None:
    """An Intel Python, Homebrew's, one of another version, one that does not start: replaced."""
    monkeypatch.setattr(mac, "output", lambda _: described.format(tmp_path.resolve()))
    run = Recorder()
    monkeypatch.setattr(mac, "run", run)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    with pytest.raises(mac.SetupError, match=r"does not fit .* Remove the folders"):
        mac.make_environment("uv")

    assert run.commands[0][1] == "venv"


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("uv {} (aarch64-apple-darwin)", True),
        ("uv {} (x86_64-apple-darwin)", False),
        ("uv 0.1.0 (aarch64-apple-darwin)", False),
        ("", False),
    ],
)
def test_setup_on_mac_replaces_uv_that_is_not_the_pinned_one(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    """An Intel uv, an older one and none at all are replaced."""
    pinned = (CHECKOUT / "scripts" / "uv.txt").read_text().split()[0].removeprefix("uv==")
    installed: list[bool] = []
    monkeypatch.setattr(mac, "output", lambda _: version.format(pinned))
    monkeypatch.setattr(mac, "install_uv", lambda: installed.append(True))
    mac.find_uv()

    assert bool(installed) != fits


def test_setup_on_mac_downloads_uv_with_certificates_of_the_mac(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Behind a company's proxy pip fails at first, and then knows the proxy's certificate."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> int:
        commands.append(command)
        (tmp_path / ".uv").mkdir(exist_ok=True)
        return int("pip" in command and "--cert" not in command)

    monkeypatch.setattr(mac, "run", run)
    monkeypatch.setattr(mac, "output", lambda command: "PEM" if command[0] == "security" else "")
    mac.install_uv()

    roots = tmp_path / ".uv" / "roots.pem"
    assert commands[-1][-2:] == ["--cert", str(roots)]
    assert roots.read_text() == "PEM\n"


def test_setup_starts_again_outside_of_rosetta(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under Rosetta set-up replaces itself by Apple's Python for arm64, once."""
    started: list[list[str]] = []
    monkeypatch.setattr(mac.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(mac, "output", lambda _: "1")
    monkeypatch.setattr(mac.os, "execv", lambda _, command: started.append(command))
    monkeypatch.setattr(mac.sys, "argv", ["scripts/setup.py", "--dev"])
    monkeypatch.setenv(mac.STARTED_NATIVELY, "")
    monkeypatch.delenv(mac.STARTED_NATIVELY)
    for _ in range(2):
        mac.start_natively()

    assert started == [["arch", "-arm64", "/usr/bin/python3", "scripts/setup.py", "--dev"]]


def test_setup_refuses_path_too_long_for_espeak(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """espeak-ng would end the process; the message says by how much the path is too long."""
    longest = mac.ESPEAK_PATH_BYTES - len(mac.ESPEAK_DATA) - 1
    monkeypatch.setattr(mac, "ROOT", Path("/" + "x" * (longest - 1)))
    mac.check_place()
    monkeypatch.setattr(mac, "ROOT", Path("/" + "x" * (longest - 2) + "é"))
    with pytest.raises(mac.SetupError, match="is 1 bytes too long for"):
        mac.check_place()


@pytest.mark.parametrize(
    ("system", "machine", "macos", "rosetta", "says"),
    [
        ("darwin", "x86_64", "14.5", "0", "needs a Mac with Apple silicon"),
        ("darwin", "x86_64", "14.5", "1", "runs under Rosetta"),
        ("darwin", "arm64", "13.6", "1", "macOS 14 or newer; this is macOS 13.6"),
        ("linux", "armv7l", "", "", "Linux on x86-64 and arm64"),
        ("win32", "AMD64", "", "", "Crier runs on Macs"),
    ],
)
def test_setup_refuses_other_platforms(
    setup: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    macos: str,
    rosetta: str,
    says: str,
) -> None:
    """An unsupported machine is refused before anything is downloaded."""
    monkeypatch.setattr(setup.sys, "platform", system)
    monkeypatch.setattr(setup.platform, "machine", lambda: machine)
    monkeypatch.setattr(setup.platform, "mac_ver", lambda: (macos, ("", "", ""), machine))
    monkeypatch.setattr(setup, "output", lambda _: rosetta)
    with pytest.raises(setup.SetupError, match=says):
        setup.check_platform()


@pytest.mark.skipif(sys.platform != "linux", reason="Debian's packages")
def test_setup_without_rights_prints_command(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If apt-get may not be run, the message contains the command to type."""
    monkeypatch.setattr(setup, "installed", lambda _: False)
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        setup.shutil, "which", lambda name: None if name == "sudo" else f"/usr/bin/{name}"
    )
    with pytest.raises(setup.SetupError) as error:
        setup.install_system_packages(setup.DEBIAN_RUN)

    command = "sudo apt-get install -y --no-install-recommends libportaudio2"
    assert command in str(error.value)


def test_setup_reports_lack_of_space(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how much space is needed and how much is free."""
    monkeypatch.setattr(setup, "STAMP", Path("/nonexistent"))
    usage = type("Usage", (), {"free": 100 << 20})()
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(setup.SetupError, match=r"1500 MB are needed .* and 100 MB are free"):
        setup.check_space()


def test_setup_twice_does_nothing(tmp_path: Path) -> None:
    """The second run needs no programs and no network, and exits at once, silently."""
    started_s = time.monotonic()
    done = run(CHECKOUT, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - started_s < 5


def test_lock_files_name_no_index() -> None:
    """The lock files contain versions and hashes, and no address."""
    locks = [*CHECKOUT.glob("requirements*.txt"), CHECKOUT / "scripts" / "uv.txt"]
    assert len(locks) == 5
    for name in locks:
        text = name.read_text()

        assert "://" not in text
        assert "--index" not in text
        assert "--hash=sha256:" in text


Commands = list[tuple[str, dict[str, str]]]


@pytest.fixture
def commands(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    """Return the commands that the script would have run, each with its environment."""
    started: Commands = []

    def run(command: list[str], env: dict[str, str] | None = None, **_: object) -> int:
        started.append((" ".join(command), env or {}))
        return 0

    for name in ("check_platform", "check_space", "write_launcher", "make_environment"):
        monkeypatch.setattr(setup, name, lambda *_: None)
    monkeypatch.setattr(setup, "install_system_packages", lambda _: None)
    monkeypatch.setattr(setup, "find_uv", lambda: "uv")
    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(setup, "ADDED", tmp_path / "languages")
    return started


@pytest.mark.parametrize(
    ("system", "dev", "kinds"),
    [
        ("darwin", True, ["auto", "int8"]),
        ("darwin", False, [None]),
        ("linux", True, [None]),
    ],
)
def test_setup_on_mac_fetches_the_model_of_the_tests(
    setup: ModuleType,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    dev: bool,
    kinds: list[str | None],
) -> None:
    """The tests name the small model, which a Mac may not choose for itself."""
    monkeypatch.delenv("KOKORO_MODEL", raising=False)
    monkeypatch.setattr(setup.sys, "platform", system)
    setup.set_up(dev=dev)

    fetched = [env.get("KOKORO_MODEL") for command, env in commands if command.endswith(" models")]
    assert fetched == kinds


def test_setup_keeps_added_language(setup: ModuleType, commands: Commands) -> None:
    """An added language is installed once, and again whenever the environment is recreated."""

    def installed() -> list[str]:
        names = [Path(c).stem for c, _ in commands if " pip " in c]
        commands.clear()
        return names

    setup.set_up(dev=True)
    assert installed() == ["requirements-dev"]
    for _ in range(2):
        setup.add_language("japanese")
    assert installed() == ["requirements-japanese"]
    stamped = setup.STAMP.read_text().split()
    assert stamped == [setup.fingerprint(dev=True), setup.fingerprint(dev=False)]
    setup.set_up(dev=False)
    assert installed() == ["requirements", "requirements-japanese"]
