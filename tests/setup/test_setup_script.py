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


def run(checkout: Path, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run set-up with *path* as the whole PATH."""
    return subprocess.run(
        [sys.executable, "scripts/setup.py"],
        cwd=checkout,
        env={"PATH": str(path), "HOME": str(checkout), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def fake_uv(folder: Path, script: str) -> Path:
    """Put a uv that runs *script* into *folder*."""
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "uv 9.9.9" && exit 0\n{script}\n')
    uv.chmod(0o755)
    return folder


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
    done = run(checkout, fake_uv(tmp_path / "bin", "exit 2"))

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
    done = run(checkout, fake_uv(tmp_path / "bin", script))

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


def test_setup_keeps_added_language(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An added language is installed once, and again whenever the environment is recreated."""
    commands: list[str] = []

    def run(command: list[str]) -> int:
        commands.append(" ".join(command))
        return 0

    for name in ("check_platform", "check_space", "write_launcher", "make_environment"):
        monkeypatch.setattr(setup, name, lambda *_: None)
    monkeypatch.setattr(setup, "install_system_packages", lambda _: None)
    monkeypatch.setattr(setup, "find_uv", lambda: "uv")
    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(setup, "ADDED", tmp_path / "languages")

    def installed() -> list[str]:
        names = [Path(c).stem for c in commands if " pip " in c]
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
