"""Shared fixtures: the loudspeakers, the model, and a bot in the sandbox."""

import functools
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import hypothesis
import pytest
from pydantic import SecretStr

from audio.kokoro.voice import KokoroVoice
from audio.ports import Voice
from bot.app import running
from bot.chat.sandbox import Event, Person, Sandbox
from bot.paths import CHECKOUT
from bot.settings import Settings, load
from bot.start.phases import Running
from tests.support.commandline import Environment
from tests.support.fake_voice import ToneVoice
from tests.support.loudspeaker import Ear, Loudspeakers

pytest_plugins = ["tests.support.bot_logs", "tests.support.parallel"]

TOKEN = "4217:canary-AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
MODEL: Literal["int8"] = "int8"
"""The model of all tests, also on a Mac, whose default is another: set-up fetches it for them."""
ALICE = Person(7, "Alice")
STRANGER = Person(666, "Mallory")

# Speed is measured in bench/, not here.
hypothesis.settings.register_profile("crier", deadline=None)
hypothesis.settings.load_profile("crier")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore it, and so would every process that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The user may have configured a real bot; none of its settings apply here.
_USER_SETTINGS = load()[0]
for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)


@pytest.fixture(scope="session", autouse=True)
def home_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a home folder for processes, and keep PulseAudio's clients out of the user's."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setenv("PULSE_COOKIE", str(folder / "pulse-cookie"))
        patch.delenv("PULSE_SERVER", raising=False)
        yield folder


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """Return the folder of the real model's files, which set-up fetched."""
    return _USER_SETTINGS.model_dir


@pytest.fixture(scope="session")
def load_voice(model_dir: Path) -> Callable[[int], KokoroVoice]:
    """Return a function that loads the real voice, once per worker and number of threads."""

    @functools.cache
    def load(threads: int) -> KokoroVoice:
        voice = KokoroVoice(model_dir, MODEL, threads=threads)
        voice.load()
        return voice

    return load


@pytest.fixture
def voice(load_voice: Callable[[int], KokoroVoice], request: pytest.FixtureRequest) -> KokoroVoice:
    """Return the real voice, with as many threads as are fastest if time is measured.

    One thread takes an eighth less of the processor, which other workers use.
    """
    return load_voice(0 if request.node.get_closest_marker("realtime") else 1)


@pytest.fixture(scope="session")
def loudspeakers() -> Iterator[Loudspeakers]:
    """Start the virtual loudspeakers and point ALSA at them."""
    if sys.platform != "linux":
        pytest.skip("virtual loudspeakers need PulseAudio, which macOS does not have")
    # A short path: that of a Unix socket is limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="crier") as folder:
        speakers = Loudspeakers(Path(folder))
        os.environ["ALSA_CONFIG_PATH"] = str(speakers.alsa_config)
        yield speakers
        speakers.close()


@pytest.fixture
def ear_latency_ms(request: pytest.FixtureRequest) -> int:
    """Return how late recordings may be: a short latency costs processor time."""
    return 5 if request.node.get_closest_marker("realtime") else 20


@pytest.fixture
def ear_a(loudspeakers: Loudspeakers, ear_latency_ms: int) -> Iterator[Ear]:
    """Record the first loudspeaker, which is the system's default."""
    with loudspeakers.listen("speaker_a", ear_latency_ms) as ear:
        yield ear


@pytest.fixture
def ear_b(loudspeakers: Loudspeakers, ear_latency_ms: int) -> Iterator[Ear]:
    """Record the second loudspeaker."""
    with loudspeakers.listen("speaker_b", ear_latency_ms) as ear:
        yield ear


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Serve the sandbox Bot API."""
    sandbox = Sandbox(TOKEN)
    async with sandbox.serve():
        yield sandbox


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path, model_dir: Path) -> Settings:
    """Return settings of a bot in the sandbox that Alice may use."""
    return Settings(
        telegram_bot_token=SecretStr(TOKEN),
        telegram_allowed_users=frozenset({ALICE.id}),
        telegram_api_url=sandbox.url,
        audio_device="speaker_a",
        data_dir=tmp_path / "data",
        model_dir=model_dir,
        kokoro_model=MODEL,
    )


@pytest.fixture
def environment(tmp_path: Path, home_dir: Path, model_dir: Path) -> Environment:
    """Return the environment variables of a process that writes only to temporary folders."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home_dir),
        "PYTHONPATH": str(CHECKOUT),
        "MODEL_DIR": str(model_dir),
        "KOKORO_MODEL": MODEL,
        "DATA_DIR": str(tmp_path / "data"),
        "API_PORT": "0",
    }


@pytest.fixture
def bot_environment(
    environment: Environment, sandbox: Sandbox, loudspeakers: Loudspeakers
) -> Environment:
    """Return the environment variables of a bot in the sandbox, on the first loudspeaker."""
    return {
        **environment,
        "ALSA_CONFIG_PATH": str(loudspeakers.alsa_config),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": str(ALICE.id),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": "speaker_a",
        "LOG_LEVEL": "DEBUG",
    }


StartBot = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start_bot(settings: Settings, voice: KokoroVoice, loudspeakers: Loudspeakers) -> StartBot:
    """Return a context manager that runs a bot with the real voice, and changed settings if any."""
    assert os.environ["ALSA_CONFIG_PATH"] == str(loudspeakers.alsa_config)
    return _starter(settings, lambda: voice)


@pytest.fixture
def start_toned(settings: Settings, loudspeakers: Loudspeakers) -> StartBot:
    """Return the same with the tone voice, for tests that don't depend on how the voice sounds."""
    assert os.environ["ALSA_CONFIG_PATH"] == str(loudspeakers.alsa_config)
    return _starter(settings, ToneVoice)


def _starter(settings: Settings, make_voice: Callable[[], Voice]) -> StartBot:
    @asynccontextmanager
    async def start(
        show_code: Callable[[str], None] = lambda _: None,
        show_link: Callable[[str], None] = lambda _: None,
        **changes: Any,
    ) -> AsyncIterator[Running]:
        changed = settings.replaced(**changes)
        async with running(
            changed, show_code=show_code, show_link=show_link, voice=make_voice()
        ) as bot:
            yield bot

    return start


def reaction_to(message_id: int, emoji: str = "") -> Callable[[Event], bool]:
    """Return a matcher of reactions to a message: of *emoji*, or of any."""

    def matches(event: Event) -> bool:
        if event.kind != "reaction" or event.message_id != message_id:
            return False
        return not emoji or event.text == emoji

    return matches


def reply_with(part: str, to: int = 0) -> Callable[[Event], bool]:
    """Return a matcher of the bot's messages that contain *part* and, if given, reply to *to*."""

    def matches(event: Event) -> bool:
        return event.kind == "message" and part in event.text and to in (0, event.reply_to)

    return matches
