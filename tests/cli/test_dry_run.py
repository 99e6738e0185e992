"""`crier say --dry-run`, in a process of its own, without a bot."""

import json
import sqlite3
from pathlib import Path

import pytest

from bot.core.database import Database
from bot.core.store import Store
from bot.settings import Settings
from tests.support.commandline import Environment, run
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import serve

TEXT = "Ask [Nguyen](/wˈɪn/) [pause:1.5s] about the [docs](/docs/). It costs $5."


@pytest.fixture
def alone(environment: Environment, tmp_path: Path) -> Environment:
    """Return the environment of a computer without model, bot and sound."""
    (tmp_path / "no-models").mkdir()
    return {**environment, "MODEL_DIR": str(tmp_path / "no-models"), "AUDIO_DEVICE": "none at all"}


async def test_dry_run_shows_each_word(alone: Environment, tmp_path: Path) -> None:
    """A table of the words, their sounds and where these come from; it writes nothing."""
    code, out, err = await run("say", "--dry-run", f"{TEXT} Код", environment=alone)
    rows = [line.split() for line in out.splitlines()]

    assert code == 0
    assert err.startswith("espeak-ng reads English, less well: ")
    assert rows[0] == ["Voice", "af_heart,", "language", "en-us"]
    assert ["Nguyen", "wˈɪn", "sender", "pause", "1.5", "s"] in rows
    assert [row[1] for row in rows if row[0] in ("1", "2")] == ["Ask", "It"]
    assert {"docs.", "dollars."} <= {row[0] for row in rows}
    assert not (tmp_path / "data").exists()


async def test_dry_run_prints_what_the_api_answers(
    settings: Settings, environment: Environment, tmp_path: Path
) -> None:
    """With --json the shape is that of /v1/audio/phonemes, and the taught words are the bot's."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        await Store(face.bot.delivery._inbox.database).pronounce("docs", "/dˈɑks/")
        answer = await face.client.post("/v1/audio/phonemes", json={"input": TEXT})
        variables = {**environment, "DATA_DIR": str(quiet.data_dir)}
        running = await run("say", "--dry-run", "--json", TEXT, environment=variables)
    stopped = await run("say", "--dry-run", "--json", environment=variables, stdin=TEXT.encode())

    for code, out, err in (running, stopped):
        assert (code, err) == (0, "")
        assert json.loads(out) == answer.json()
    assert '"dˈɑks."' in stopped[1]


async def test_dry_run_follows_voice_and_language(alone: Environment) -> None:
    """--voice and --lang decide how a text is read."""
    code, out, _ = await run(
        "say", "--dry-run", "--json", "--voice", "ff_siwis", "Chat", environment=alone
    )
    british, american = [
        await run("say", "--dry-run", "--json", "--lang", lang, "Go", environment=alone)
        for lang in ("en-gb", "en-us")
    ]

    assert code == 0
    assert json.loads(out)["lang"] == "fr-fr"
    assert british[1].replace("en-gb", "en-us") != american[1]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--dry-run", "--voice", "nobody", "Hello"), 2, "--voice: There is no voice"),
        (("--dry-run", "--lang", "xx", "Hello"), 2, "--lang: choose"),
        (("--dry-run", "--wait", "Hello"), 2, "not allowed with"),
        (("--json", "Hello"), 2, "--json is for --dry-run."),
        (("--dry-run", "…"), 1, "There is no word or number in it"),
    ],
)
async def test_dry_run_names_what_is_wrong(
    alone: Environment, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    """Wrong options exit with 2, a text that can't be said with 1."""
    exit_code, out, err = await run("say", *arguments, environment=alone)

    assert (exit_code, out) == (code, "")
    assert reason in err


async def test_dry_run_leaves_out_a_part_without_words(alone: Environment, tmp_path: Path) -> None:
    """In a text of several parts, one without words does not refuse the others."""
    path = tmp_path / "long.txt"
    path.write_text("Hello.\n\n" + "…\n" * 70_000)

    code, out, err = await run("say", "--dry-run", "--file", str(path), environment=alone)

    assert code == 0, err
    assert "Hello." in out


async def test_dry_run_reads_without_the_database_of_another_version(
    alone: Environment, tmp_path: Path
) -> None:
    """A database that can't be read is left as it is, and a line says what is missing."""
    path = tmp_path / "data" / "crier.db"
    await (await Database.open(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    code, out, err = await run("say", "--dry-run", "Hello.", environment=alone)

    assert (code, path.read_bytes()) == (0, before)
    assert "Hello." in out
    assert err.startswith("Taught pronunciations are left out: ")
