"""The two worlds: who may import what."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# file: what it may import besides the standard library. A folder stands for its files without a
# line of their own.
MAY_IMPORT = {
    "audio": {"audio", "numpy"},
    "audio/text.py": {"audio.types", "sentencex"},
    "audio/reading.py": {"audio.english"},
    "audio/english.py": {"audio.lexicon"},
    "audio/lexicon.py": set(),
    "audio/scripts.py": {"audio.phonemes"},
    "audio/pace.py": set(),
    "audio/planner.py": {"audio.pace", "audio.text", "audio.types"},
    "audio/voices.py": {"audio.types"},
    "audio/words.py": {"audio.types", "numpy"},
    "audio/coreaudio.py": set(),
    "audio/audibility.py": {"audio.coreaudio"},
    "audio/models.py": {"audio.types", "httpx"},
    "audio/graph.py": set(),
    "audio/phonemes.py": {"cn2an", "jieba", "misaki"},
    "audio/voice.py": {
        "audio.graph",
        "audio.models",
        "audio.phonemes",
        "audio.types",
        "audio.voices",
        "audio.words",
        "numpy",
        "kokoro_onnx",
        "onnxruntime",
    },
    "audio/speaker.py": {  # and sounddevice, by name
        "audio.audibility",
        "audio.coreaudio",
        "audio.types",
        "numpy",
    },
    "audio/recording.py": {"audio.types", "numpy"},
    "audio/clock.py": {"audio.types"},
    "audio/playback.py": {
        "audio.clock",
        "audio.planner",
        "audio.recording",
        "audio.types",
        "numpy",
    },
    "audio/orders.py": {"audio.planner", "audio.playback", "audio.recording", "audio.types"},
    "audio/rendering.py": {
        "audio.orders",
        "audio.pace",
        "audio.types",
        "numpy",
    },
    "audio/synthesis.py": {
        "audio.orders",
        "audio.pace",
        "audio.planner",
        "audio.playback",
        "audio.recording",
        "audio.rendering",
        "audio.types",
        "numpy",
    },
    "audio/pipeline.py": {
        "audio.orders",
        "audio.pace",
        "audio.playback",
        "audio.recording",
        "audio.rendering",
        "audio.sleep",
        "audio.synthesis",
        "audio.types",
    },
    "audio/sleep.py": set(),
    "bot": {"bot", "audio.types", "audio.pipeline", "telegram"},
    "bot/settings.py": {
        "bot.cli",
        "bot.setup.keychain",
        "audio.types",
        "audio.voices",
        "dotenv",
        "platformdirs",
        "pydantic",
        "pydantic_settings",
    },
    "bot/clean.py": set(),
    "bot/private.py": set(),
    "bot/logs.py": {"bot.clean"},
    "bot/terminal/progress.py": {"bot.clean", "rich"},
    "bot/inbox.py": {"aiosqlite", "bot.upgrade"},
    "bot/chat/updates.py": {"bot", "telegram"},
    "bot/polling.py": {"bot.receipts", "httpx", "telegram"},
    "bot/core/attempts.py": set(),
    "bot/upgrade.py": {"aiosqlite"},
    "bot/quiet.py": set(),
    "bot/preferences.py": {"audio.types", "audio.voices", "bot", "py3langid"},
    "bot/attachments.py": {"audio", "bot", "telegram"},
    "bot/downloads.py": {"bot", "httpx", "telegram"},
    "bot/extraction.py": {"audio.types", "bot.files", "psutil"},
    "bot/files.py": {"av", "pypdf"},  # which reads in a process of its own: a small one
    "bot/intake.py": {
        "audio.pace",
        "audio.reading",
        "audio.scripts",
        "audio.text",
        "bot",
        "telegram",
    },
    "bot/controls.py": {"audio", "bot", "telegram"},
    "bot/notes.py": {"audio", "bot", "numpy", "soundfile", "telegram"},
    "bot/voices.py": {"audio.phonemes", "audio.types", "audio.voices", "bot", "telegram"},
    "bot/watch.py": {"audio.pipeline", "audio.sleep", "bot", "psutil", "telegram"},
    "bot/compose.py": {
        "audio.reading",
        "audio.scripts",
        "audio.text",
        "audio.voices",
        "bot.chat",
        "emoji",
        "telegram",
    },
    "bot/composing.py": set(),
    "bot/chat/marked_text.py": {"telegram"},
    "bot/chat/rich_message.py": {"bot.chat.marked_text", "telegram"},
    "bot/chat/kinds.py": {"bot.chat", "telegram"},
    "bot/delivery.py": {
        "audio.pace",
        "audio.pipeline",
        "audio.types",
        "audio.voices",
        "bot",
        "telegram",
    },
    "bot/http/manual.py": set(),
    "bot/http/answers.py": {"audio.types", "bot", "fastapi", "starlette"},
    "bot/events.py": {"audio.types", "bot.inbox"},
    "bot/http/speech.py": {"audio.pipeline", "audio.types", "av", "bot", "numpy", "pydantic"},
    "bot/http/metrics.py": {"audio.pipeline", "bot", "prometheus_client"},
    "bot/http/door.py": {"bot.settings", "starlette", "uvicorn"},
    "bot/http/server.py": {"bot.http.door", "bot.settings", "starlette", "uvicorn"},
    "bot/http/wire.py": {"audio.types", "audio.voices", "bot.preferences", "pydantic"},
    "bot/http/api.py": {
        "audio.pipeline",
        "audio.types",
        "audio.voices",
        "bot",
        "fastapi",
        "starlette",
    },
    "bot/access.py": {"bot.inbox", "bot.service.pairing"},
    "bot/handlers.py": {"audio", "bot", "telegram"},
    "bot/sandbox.py": {"starlette", "telegram.constants", "uvicorn"},
    "bot/terminal/demo.py": {"audio.types", "audio.wavfile", "bot", "prompt_toolkit", "pydantic"},
    "bot/app.py": {"audio", "bot", "telegram"},
    "bot/cli.py": set(),  # so that a thin command starts at once
    "bot/version.py": {"audio.models", "bot.__version__", "bot.settings"},
    "bot/setup/keychain.py": set(),
    "bot/setup/envfile.py": {"dotenv"},
    "bot/setup/audition.py": {"audio", "bot.app", "bot.settings"},
    "bot/setup/greeting.py": {"bot", "telegram"},
    "bot/setup/questions.py": {"prompt_toolkit"},
    "bot/setup/wizard.py": {
        "audio.types",
        "audio.voices",
        "audio.wavfile",
        "bot",
        "prompt_toolkit",
        "pydantic",
        "telegram",
    },
    # The doctor says what is missing, so it needs nothing itself until it looks.
    "bot/doctor/examination.py": {"bot.settings"},
    "bot/doctor/checks.py": {"bot", "packaging"},
    "bot/doctor/sound_checks.py": {"audio", "bot", "numpy"},
    "bot/doctor/outside_checks.py": {"bot", "httpx"},
    "bot/doctor/mac_checks.py": {"audio", "bot", "numpy"},
    "bot/doctor/command.py": {"bot", "rich"},
    "bot/terminal/client.py": {"bot.cli", "dotenv", "platformdirs"},  # likewise
    "bot/terminal/say.py": {
        "bot.clean",
        "bot.cli",
        "bot.terminal.client",
        "bot.terminal.standalone",
    },  # likewise
    "bot/terminal/thin.py": {
        "audio.types",
        "audio.voices",
        "bot.clean",
        "bot.cli",
        "bot.terminal.client",
        "bot.terminal.say",
        "bot.start",
        "prompt_toolkit",
        "shtab",
    },
    "bot/terminal/standalone.py": {"audio.types", "audio.voices", "bot"},
    "bot/terminal/agents.py": {
        "bot.__version__",
        "bot.cli",
        "bot.terminal.client",
        "mcp",
        "mcp_types",
        "pydantic",
    },
    "bot/service/tools.py": {"bot.cli"},
    "bot/service/notify.py": {"bot.clean"},
    "bot/service/launchd.py": {"bot.cli", "bot.service.tools"},
    "bot/service/systemd.py": {"bot.cli", "bot.service.tools"},
    "bot/service/command.py": {
        "bot.cli",
        "bot.service.launchd",
        "bot.settings",
        "bot.service.systemd",
    },
    "bot/service/unattended.py": {
        "bot.cli",
        "bot.logs",
        "bot.private",
        "bot.service.notify",
        "bot.settings",
    },
    "bot/service/pairing.py": {"bot.cli", "bot.settings", "segno"},
    "bot/service/tail.py": {"bot.cli", "bot.settings"},
    "bot/start.py": {"audio.models", "audio.types", "audio.voices", "bot"},
}

# These start threads, and these make sound or belong to the event loop; each in its own files.
ONLY_IN = {
    "asyncio": {"bot"},
    "sounddevice": {"audio/speaker.py"},
    "threading": {
        "bot/core/attempts.py",
        "audio/pipeline.py",
        "bot/app.py",
        "bot/terminal/demo.py",
        "bot/doctor/command.py",
        "bot/doctor/mac_checks.py",
    },
    "queue": {"audio/pipeline.py", "bot/doctor/sound_checks.py", "bot/doctor/mac_checks.py"},
    "concurrent": {
        "audio/orders.py",
        "audio/pipeline.py",
        "audio/synthesis.py",
        "bot/app.py",
        "bot/composing.py",
    },
}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = {name for name in names if (ROOT / (name.replace(".", "/") + ".py")).exists()}
            package = (ROOT / node.module.replace(".", "/")).is_dir()
            found |= inside or (names if package else {node.module})
    return found


def modules() -> list[str]:
    """Return every file of the two worlds, relative to the checkout."""
    folders = ("audio", "bot")
    return [
        str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*.py")
    ]


def within(module: str, allowed: set[str]) -> bool:
    """Say whether *module* is one of *allowed* or inside one."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def test_each_file_imports_only_what_the_table_says() -> None:
    """The table above is the whole truth about who knows whom."""
    for file in modules():
        allowed = MAY_IMPORT.get(file, MAY_IMPORT[file.split("/", maxsplit=1)[0]])
        foreign = {
            m for m in imports(ROOT / file) if m.split(".")[0] not in sys.stdlib_module_names
        }

        assert {m for m in foreign if not within(m, allowed)} == set(), file


def test_threads_and_sound_stay_in_their_files() -> None:
    """Threads are started in few files, PortAudio is touched in one, asyncio only in bot/."""
    for module, files in ONLY_IN.items():
        users = {f for f in modules() if within_any(module, ROOT / f)}

        assert {f for f in users if not within_files(f, files)} == set(), module


def within_any(module: str, path: Path) -> bool:
    """Say whether a file imports *module* or something inside it."""
    return any(within(name, {module}) for name in imports(path))


def within_files(file: str, files: set[str]) -> bool:
    """Say whether *file* is one of *files* or in one of these folders."""
    return file in files or file.split("/", maxsplit=1)[0] in files


def test_the_table_names_no_file_that_is_gone() -> None:
    """A line about a file that is not there would rot."""
    assert [file for file in MAY_IMPORT if not (ROOT / file).exists()] == []
