"""A tour as a new user of Linux: from `git clone` to a service that is restarted after a kill.

In a home folder of its own, with its own environment, and with this user's caches, so that nothing
is downloaded twice. A test checks that the commands are those of the README.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest

from bot.chat.sandbox import Sandbox
from bot.paths import CHECKOUT
from tests.conftest import ALICE, TOKEN, reaction_to, reply_with
from tests.support.loudspeaker import Ear, Loudspeakers
from tests.support.service_home import Home, alive, make_home
from tests.support.terminal import CTRL_C, Terminal, terminal

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a tour of Linux"),
    pytest.mark.skipif(
        shutil.which("git") is None or not (CHECKOUT / ".git").exists(), reason="needs git"
    ),
]

_COMMANDS = (
    "cp .env.example .env",
    "make run",
    ".venv/bin/crier install",
    ".venv/bin/crier status",
    ".venv/bin/crier logs",
    ".venv/bin/crier restart",
    ".venv/bin/crier uninstall",
)


@pytest.fixture
def clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loudspeakers: Loudspeakers
) -> Iterator[Home]:
    """Return a clone and the home folder that it is in."""
    caches = platformdirs.user_cache_dir()
    home = replace(make_home("linux", tmp_path, monkeypatch), checkout=tmp_path / "crier")
    subprocess.run(["git", "clone", "--quiet", CHECKOUT, home.checkout], check=True)
    monkeypatch.setenv("XDG_CACHE_HOME", caches)
    (home.state / "scale").write_text("1")
    # The environment of the user's systemd, with the loudspeakers.
    manager = {"ALSA_CONFIG_PATH": str(loudspeakers.alsa_config), "XDG_CACHE_HOME": caches}
    (home.state / "environment.json").write_text(json.dumps(manager))
    yield home
    home.close()


@asynccontextmanager
async def started(clone: Home, command: str, **more: str) -> AsyncIterator[Terminal]:
    """Run a command line in a terminal, in the checkout."""
    environment = {**os.environ, **more}
    program = ("sh", "-c", command)
    async with terminal(environment=environment, cwd=clone.checkout, program=program) as screen:
        yield screen


async def output_of(clone: Home, command: str) -> str:
    """Run a command line in a terminal, and return its output."""
    async with started(clone, command) as screen:
        code = await screen.ended()
    assert code == 0, screen.text
    return screen.text


def write_settings(clone: Home, **values: str) -> None:
    """Change values in .env, as with an editor."""
    env = clone.checkout / ".env"
    text = env.read_text()
    for name, value in values.items():
        text, replaced = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert replaced == 1, name
    env.write_text(text)


def test_readme_has_commands_of_tour() -> None:
    """The README has every command of this tour."""
    readme = (CHECKOUT / "README.md").read_text()
    table = readme[readme.index("| on the Mac") :].partition("\n\n")[0]
    named = {command.split()[0] for command in re.findall(r"`(.*?)`", table)}
    for command in _COMMANDS:
        name = command.removeprefix(".venv/bin/crier ")
        assert command in readme or name in named, command


async def test_tour_from_clone_to_restarted_service(
    clone: Home, sandbox: Sandbox, ear_a: Ear, loudspeakers: Loudspeakers
) -> None:
    """Set up, paired, installed, killed: a message sent meanwhile is heard."""
    await output_of(clone, "cp .env.example .env")
    write_settings(
        clone,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=sandbox.url,
        AUDIO_DEVICE="speaker_a",
        API_PORT="0",  # other tests may run at the same time
    )
    alsa = str(loudspeakers.alsa_config)
    async with started(clone, "make run", ALSA_CONFIG_PATH=alsa) as screen:
        code = await screen.see(r"(/pair [0-9A-Za-z-]+)\s", timeout_s=240)
        sandbox.send(ALICE, code[1])
        await sandbox.wait_for(reply_with("Paired"))
        first = sandbox.send(ALICE, "The kettle is on.")
        await sandbox.wait_for(reaction_to(first, "👍"))
        screen.type(CTRL_C)
        await screen.ended()

    async with started(clone, ".venv/bin/crier install") as screen:
        await screen.answer(r"Go on\? \[Y/n\]", "")
        assert await screen.ended() == 0, screen.text
        assert "Crier runs" in screen.text
    second = sandbox.send(ALICE, "Now I start at login.")
    await sandbox.wait_for(reaction_to(second, "👍"))

    killed = clone.pid
    os.kill(killed, signal.SIGKILL)
    clone.wait_for(lambda job: job.pid is None)
    killed_s = time.monotonic()
    meanwhile = sandbox.send(ALICE, "You were dead when I sent this.")
    await sandbox.wait_for(reaction_to(meanwhile, "👍"), timeout_s=60)
    assert [span for span in ear_a.spans() if span[0] > killed_s]
    assert clone.pid != killed

    assert "nothing" in await output_of(clone, ".venv/bin/crier status")
    log = await output_of(clone, ".venv/bin/crier logs")
    assert "Message 3: heard" in log
    assert TOKEN not in log
    assert "Crier was restarted" in await output_of(clone, ".venv/bin/crier restart")
    last = clone.pid
    assert "is removed" in await output_of(clone, ".venv/bin/crier uninstall")
    assert clone.job is None
    assert not alive(last)
