"""A tour as a new user of Linux: from a clone to a service that outlives a kill.

In a copy of the checkout, in a home folder of its own. Its commands are the README's; the settings
are written by hand, as .env.example says.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import Sandbox
from bot.settings import CHECKOUT
from tests.conftest import ALICE, TOKEN, reaction_to, reply_with
from tests.loudspeaker import Ear, Loudspeakers
from tests.test_service import Home, alive, make_home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a tour of Linux")


@pytest.fixture
def clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loudspeakers: Loudspeakers
) -> Iterator[Home]:
    """Return a copy of the checkout that `make setup` has been run in, and its home folder."""
    home = make_home("linux", tmp_path, monkeypatch)
    for part in ("audio", "bot"):
        shutil.copytree(CHECKOUT / part, home.checkout / part)
    shutil.copy(CHECKOUT / ".env.example", home.checkout)
    # As scripts/setup.py writes it, with this environment's Python.
    home.program(f"PYTHONPATH='{home.checkout}' exec '{sys.executable}' -P -m bot \"$@\"")
    (home.state / "scale").write_text("1")
    # What a user's systemd knows of the loudspeakers.
    manager = {"ALSA_CONFIG_PATH": str(loudspeakers.alsa_config)}
    (home.state / "environment.json").write_text(json.dumps(manager))
    yield home
    home.close()


async def typed(clone: Home, command: str, stdin: str = "") -> str:
    """Run a command line in the checkout; return what it shows."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        cwd=clone.checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(clone.folder)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_from_a_clone_to_a_service_that_outlives_a_kill(
    clone: Home, sandbox: Sandbox, ear_a: Ear, model_dir: Path
) -> None:
    """Installed, paired, killed: the message that was sent meanwhile is heard."""
    await typed(clone, "cp .env.example .env")
    settings = (clone.checkout / ".env").read_text()
    for name, value in {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": "speaker_a",
        "MODEL_DIR": str(model_dir),
        "API_PORT": "0",  # others may test beside this
    }.items():
        lines = [
            f"{name}={value}" if line.startswith(f"{name}=") else line
            for line in settings.splitlines()
        ]
        settings = "\n".join(lines)
    (clone.checkout / ".env").write_text(settings)

    installed = await typed(clone, ".venv/bin/crier install --yes")
    assert "Crier runs" in installed
    await sandbox.wait_for_call("getupdates")
    shown = await typed(clone, ".venv/bin/crier pair")
    sandbox.send(ALICE, shown[shown.index("/pair") :].strip())
    await sandbox.wait_for(reply_with("Paired"))
    first = sandbox.send(ALICE, "The kettle is on.")
    await sandbox.wait_for(reaction_to(first, "👍"))

    killed = clone.pid
    os.kill(killed, signal.SIGKILL)
    clone.wait_for(lambda job: job.pid is None)
    killed_s = time.monotonic()
    meanwhile = sandbox.send(ALICE, "You were dead when I sent this.")
    await sandbox.wait_for(reaction_to(meanwhile, "👍"), timeout_s=60)
    assert [span for span in ear_a.spans() if span[0] > killed_s]
    assert clone.pid != killed

    log = await typed(clone, ".venv/bin/crier logs -n 100")
    assert "Message 2: heard" in log
    assert TOKEN not in log
    assert "Crier runs anew" in await typed(clone, ".venv/bin/crier restart")
    last = clone.pid
    assert "is removed" in await typed(clone, ".venv/bin/crier uninstall")
    assert clone.job is None
    assert not alive(last)
