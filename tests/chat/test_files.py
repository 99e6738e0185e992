"""Files are as durable as texts: fetched, read within limits, asked about, told truly."""

import asyncio
import contextlib
import io
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pypdf
import pytest
from telegram import Bot

from bot.chat import decode, downloads, extraction
from bot.chat.attachments import ALL, NO, NOTE
from bot.chat.decode import PDF, TEXT, AttachmentError, text_of
from bot.chat.downloads import Downloads, _Trouble
from bot.chat.extraction import extract
from bot.chat.sandbox import Event, Fault, Json, Sandbox
from bot.core.store import Store
from bot.settings import Settings
from tests.chat.test_attachments import film_of, note_of, send_file, send_voice, sweep
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to, reply_with
from tests.support.commandline import Environment
from tests.support.fake_voice import tell
from tests.support.loudspeaker import RATE_HZ, Ear

LONG = "This is number 21.\n\n" + "These are words of no number at all. " * 60
QUESTION = "What shall I do?"


def pdf_of(stream: bytes) -> bytes:
    """Return a PDF of one page that is drawn by *stream*, compressed."""
    packed = zlib.compress(stream, 9)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources 6 0 R/Contents 4 0 R>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Font<</F1 5 0 R>>>>",
    )
    content, places = b"%PDF-1.4\n", []
    for number, part in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(content)
    return content + b"xref\n0 7\n0000000000 65535 f \n" + table + end


def page_with(words: bytes) -> bytes:
    """Return a PDF that holds *words*."""
    return pdf_of(b"BT /F1 12 Tf 100 700 Td (%b) Tj ET" % words)


ENDLESS = pdf_of(b"BT /F1 12 Tf " + b"(a) Tj " * 2_000_000 + b"ET")
"""A PDF of 20 kB that takes minutes to read."""


def readers(parent: int | None = None) -> list[psutil.Process]:
    """Return the processes that read files for *parent*, or for this process."""
    return [
        child
        for child in psutil.Process(parent).children(recursive=True)
        if "bot.chat.decode" in child.cmdline()
    ]


async def reader_of(parent: int | None = None) -> psutil.Process:
    """Return the process that reads a file, as soon as there is one."""
    async with asyncio.timeout(60):
        while not (found := readers(parent)):  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.02)
        return found[0]


async def end_of(process: psutil.Process) -> None:
    """Wait until a process has ended, whether somebody has asked for its exit code or not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        async with asyncio.timeout(60):
            while process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.02)


@asynccontextmanager
async def process_of(environment: Environment) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a bot with a voice of tones in a process of its own; it is killed afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.fake_voice"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask_about_long_file(sandbox: Sandbox, **fields: object) -> tuple[int, Event]:
    """Send a long file, and return its message and the question about it."""
    document = {"file_id": sandbox.add_file(LONG.encode()), "file_unique_id": "d"}
    about: Json = {"document": {**document, "file_name": "book.txt"}, **fields}
    message = sandbox.send_fields(ALICE, about)
    return message, await sandbox.wait_for(reply_with(QUESTION, to=message))


# ---- fetching ----


@pytest.mark.parametrize(
    ("method", "status"),
    [("getfile", 400), ("getfile", 403), ("getfile", 404), ("download", 404), ("download", 410)],
)
async def test_downloads_that_are_refused_end_at_once(
    sandbox: Sandbox, start_toned: StartBot, method: str, status: int
) -> None:
    """What Telegram will never give is told after one try."""
    sandbox.faults[method] = Fault(status=status, description="Refused")
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reply_with("Telegram does not give me the file", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))

    assert [called for _, called, _ in sandbox.calls].count(method) == 1


async def test_downloads_larger_than_allowed_are_refused(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A file whose size is only known when it is fetched is refused with the limit."""
    sandbox.faults["getfile"] = Fault(
        raw=b'{"ok": true, "result": {"file_id": "x", "file_unique_id": "x",'
        b' "file_size": 30000000, "file_path": "x"}}'
    )
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reply_with("20 MB at most", to=message))


async def test_downloads_that_fail_hold_up_no_other_file(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """While one file can't be fetched, those sent after it are."""
    content = note_of(sweep(0.5))
    async with start_toned():
        stuck = send_voice(sandbox, content)
        file_id = next(iter(sandbox._files))
        sandbox.faults[f"download:{file_id}"] = Fault(status=502)
        others = [send_voice(sandbox, content) for _ in range(4)]
        for message in others:
            await sandbox.wait_for(reaction_to(message, "👍"))
        assert not any(map(reaction_to(stuck, "👍"), sandbox.events))
        sandbox.faults.clear()
        await sandbox.wait_for(reaction_to(stuck, "👍"))


async def test_downloads_end_when_answers_fail_for_too_long(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that fails is tried again for a bounded time, then its reason is told."""
    monkeypatch.setattr(downloads, "_GIVE_UP_S", 1.5)
    sandbox.faults["download"] = Fault(status=502)
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reply_with("Telegram did not give me the file", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))

    assert [called for _, called, _ in sandbox.calls].count("download") == 2


async def test_downloads_count_only_answers_as_failures(sandbox: Sandbox, tmp_path: Path) -> None:
    """Being offline is no fault of a file; an answer that fails counts."""
    async with Bot(TOKEN, f"{sandbox.url}/bot", f"{sandbox.url}/file/bot") as bot:
        sandbox.faults["getfile"] = Fault(status=502, description="Bad Gateway")
        answered = await Downloads(bot)._try("x", tmp_path / "x")
        bot._base_url = f"http://127.0.0.1:1/bot{TOKEN}"
        offline = await Downloads(bot)._try("x", tmp_path / "x")

    assert answered == _Trouble("Bad Gateway")
    assert offline is not None
    assert not offline.counts
    assert issubclass(httpx.ConnectError, downloads._OFFLINE)


async def test_downloads_wait_as_long_as_telegram_asks(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """After a 429 the next try comes no sooner than it says."""
    sandbox.faults["getfile"] = Fault(
        status=429, description="Too Many Requests: retry after 3", retry_after_s=3, times=1
    )
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reaction_to(message, "👍"))
    first_s, second_s = (at_s for at_s, called, _ in sandbox.calls if called == "getfile")

    assert second_s - first_s >= 3


async def test_files_are_said_in_the_order_in_which_they_came(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A quick download waits for a slower one before it."""
    async with start_toned():
        first = send_file(sandbox, "a.txt", b"Number 11.")
        sandbox.faults[f"download:{next(iter(sandbox._files))}"] = Fault(delay_s=1.5)
        second = send_file(sandbox, "b.txt", b"Number 12.")
        for message in (first, second):
            await sandbox.wait_for(reaction_to(message, "👍"))
    ear_a.wait_for_silence()

    assert [tone.code for tone in tell(ear_a.recording()[0], RATE_HZ)] == [11, 12]


async def test_files_are_given_up_by_a_stop(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """A /stop ends a file that is being read, and the process that reads it, and its traces."""
    async with start_toned():
        message = send_file(sandbox, "endless.pdf", ENDLESS)
        reader = await reader_of()
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        await end_of(reader)
        later = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert list((settings.data_dir / "sounds").iterdir()) == []


# ---- reading ----


async def test_extraction_ends_what_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small PDF that takes minutes is refused, and nothing is left of it."""
    monkeypatch.setattr(extraction, "MAX_READING_S", 1.0)
    source = tmp_path / "x"
    source.write_bytes(ENDLESS)
    with pytest.raises(AttachmentError, match="longer than a minute"):
        await extract(PDF, source, tmp_path / "x.wav")

    assert readers() == []
    assert list(tmp_path.iterdir()) == [source]


async def test_extraction_ends_what_takes_too_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of the process that reads is looked at, where the system does not limit it."""
    monkeypatch.setattr(extraction, "MAX_MEMORY_BYTES", 30_000_000)
    (tmp_path / "x").write_bytes(ENDLESS)
    with pytest.raises(AttachmentError, match="too much memory"):
        await extract(PDF, tmp_path / "x", tmp_path / "x.wav")

    assert readers() == []


@pytest.mark.skipif(sys.platform != "linux", reason="macOS keeps no limit of memory")
async def test_extraction_has_a_limit_of_memory_from_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs more than it may have is refused before it has it."""
    monkeypatch.setattr(extraction, "MAX_MEMORY_BYTES", sys.maxsize)
    with (tmp_path / "x").open("wb") as source:
        source.truncate(2 * decode.MAX_MEMORY_BYTES)
    with pytest.raises(AttachmentError, match="too much memory"):
        await extract(TEXT, tmp_path / "x", tmp_path / "x.wav")


async def test_extraction_survives_a_crash_of_what_reads(tmp_path: Path) -> None:
    """Where the process that reads is killed, the file is refused."""
    (tmp_path / "x").write_bytes(ENDLESS)
    work = asyncio.create_task(extract(PDF, tmp_path / "x", tmp_path / "x.wav"))
    (await reader_of()).kill()
    with pytest.raises(AttachmentError, match="crashed"):
        await work


async def test_extraction_gives_away_nothing_and_ends_with_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that reads does not get the environment, and is gone when it is not wanted."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    (tmp_path / "x").write_bytes(ENDLESS)
    work = asyncio.create_task(extract(PDF, tmp_path / "x", tmp_path / "x.wav"))
    environment = (await reader_of()).environ()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    assert "TELEGRAM_BOT_TOKEN" not in environment
    assert readers() == []


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_files_locked_only_by_an_owner_are_read(algorithm: str) -> None:
    """A PDF that anyone may open is read; one that needs a password is refused."""
    locked = []
    for password in ("", "secret"):
        writer = pypdf.PdfWriter(pypdf.PdfReader(io.BytesIO(page_with(b"Number 5."))))
        writer.encrypt(password, "owner", algorithm=algorithm)
        content = io.BytesIO()
        writer.write(content)
        locked.append(content.getvalue())

    assert text_of(locked[0], PDF) == "Number 5."
    with pytest.raises(AttachmentError, match="locked by a password"):
        text_of(locked[1], PDF)


def test_files_are_read_no_further_than_is_said() -> None:
    """Of a PDF with endless words, no more than MAX_TEXT_CHARS are returned."""
    words = b"(" + b"word " * 20_000 + b") Tj "

    assert len(text_of(pdf_of(b"BT /F1 12 Tf " + words + b"ET"), PDF)) == decode.MAX_TEXT_CHARS


async def test_files_that_end_the_bot_twice_are_left_out(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """A file that was being read in two lives that died is told, and not read again."""
    message = send_file(sandbox, "endless.pdf", ENDLESS)
    for _ in range(2):
        async with process_of(bot_environment) as process:
            reader = await reader_of(process.pid)
            process.kill()
            await process.wait()
            await end_of(reader)  # with the bot
    async with process_of(bot_environment):
        await sandbox.wait_for(reply_with("ended twice while reading this file", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))


async def test_files_follow_language_and_pronunciations(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """The text of a file is said as a message with it would be."""
    text = "Buenos días a todos, hoy vamos a hablar de Nguyen y de la música de nuestra ciudad."
    async with start_toned() as bot:
        inbox = bot.delivery._inbox
        store = Store(inbox.database)
        await store.prefer(ALICE.id, "follow", "1")
        await store.pronounce("Nguyen", "17")
        message = send_file(sandbox, "carta.txt", text.encode())
        await sandbox.wait_for(reaction_to(message, "👍"))
        rows = await inbox._database.execute_fetchall("SELECT lang, voice FROM message")
    ear_a.wait_for_silence()

    assert [(lang, voice[0]) for lang, voice in rows] == [("es", "e")]
    assert [tone.code for tone in tell(ear_a.recording()[0], RATE_HZ)] == [17]


async def test_files_are_private(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """Recordings can be read by their owner only, also in a folder that was open before."""
    folder = settings.data_dir / "sounds"
    folder.mkdir(mode=0o755, parents=True)
    content = note_of(sweep(0.5))
    voice = {"file_id": sandbox.add_file(content), "file_unique_id": "v", "duration": 1}
    async with start_toned():
        sandbox.send_fields(ALICE, {"voice": voice, "date": int(time.time()) - 8 * 3600})
        await sandbox.wait_for(reply_with("1 message came while I was away"))
        modes = [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())]

    assert modes == [0o700, 0o600]


# ---- words beside a file ----


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("holiday.mp4", film_of(sweep(0)), "Skipped: 1 file without sound."),
        ("noise.ogg", b"this is no sound", "Skipped: 1 file that I can't read."),
        ("program.exe", b"MZ", "Skipped: 1 file that I can't read."),
        ("picture.png", b"PNG", ""),
    ],
)
async def test_captions_are_said_where_the_file_cannot_be(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, name: str, content: bytes, told: str
) -> None:
    """The words beside a silent video, a picture or a file that can't be read are spoken."""
    document = {"file_id": sandbox.add_file(content), "file_unique_id": "d", "file_name": name}
    if name.endswith(".png"):
        document["mime_type"] = "image/png"
    async with start_toned():
        message = sandbox.send_fields(ALICE, {"document": document, "caption": "Number 9."})
        await sandbox.wait_for(reaction_to(message, "👍"))
        if told:
            await sandbox.wait_for(reply_with(told, to=message))
    ear_a.wait_for_silence()

    assert [tone.code for tone in tell(ear_a.recording()[0], RATE_HZ)] == [9]
    assert told or not any(map(reply_with("", to=message), sandbox.events))


# ---- late files and questions ----


async def test_files_of_hours_ago_are_asked_about(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A voice note is as late as its date says, and played only when that is decided."""
    voice = {"file_id": sandbox.add_file(note_of(sweep(0.5))), "file_unique_id": "v", "duration": 1}
    date = int(time.time()) - 8 * 3600
    async with start_toned():
        message = sandbox.send_fields(ALICE, {"voice": voice, "date": date})
        question = await sandbox.wait_for(reply_with("1 message came while I was away"))
        assert ear_a.spans() == []
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["Say it"])
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_questions_about_files_are_owed_until_telegram_takes_them(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A question that was not taken before a restart is asked after it; one that was, is not."""
    sandbox.faults["sendmessage"] = Fault(status=502, description="Bad Gateway")
    async with start_toned():
        message = send_file(sandbox, "book.txt", LONG.encode())
        await sandbox.wait_for_call("sendmessage")
    sandbox.faults.clear()
    async with start_toned():
        question = await sandbox.wait_for(reply_with(QUESTION, to=message))
    async with start_toned():
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["The first paragraph"])
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert len([e for e in sandbox.events if reply_with(QUESTION)(e)]) == 1


async def test_questions_about_files_survive_a_kill(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """After kill -9 the question that Telegram had not taken is asked."""
    sandbox.faults["sendmessage"] = Fault(status=502, description="Bad Gateway")
    async with process_of(bot_environment) as process:
        message = send_file(sandbox, "book.txt", LONG.encode())
        await sandbox.wait_for_call("sendmessage")
        process.kill()
        await process.wait()
    sandbox.faults.clear()
    async with process_of(bot_environment):
        question = await sandbox.wait_for(reply_with(QUESTION, to=message))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["No"])
        await sandbox.wait_for(reaction_to(message, "🙊"))


async def test_decisions_about_files_are_never_late(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A file of an hour ago is said when that is decided, without another question."""
    async with start_toned():
        message, question = await ask_about_long_file(sandbox, date=int(time.time()) - 3600)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["The first paragraph"])
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert not any(map(reply_with("while I was away"), sandbox.events))


async def test_decisions_about_files_are_made_once(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Of buttons that are pressed at the same time, the first one counts."""
    async with start_toned() as bot:
        message, question = await ask_about_long_file(sandbox)
        id_ = dict(question.buttons)["No"].removeprefix(NO)
        attachments = bot.delivery.on_stop[-1].__self__  # type: ignore[attr-defined]
        said = await asyncio.gather(
            *(attachments.decide(ALICE.id, f"{choice}{id_}") for choice in (NO, ALL, NOTE))
        )
        await sandbox.wait_for(reaction_to(message, "🙊"))

    assert said == ["Left unsaid.", "That was decided already.", "That was decided already."]


async def test_questions_about_files_stay_open_after_a_stop(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A /stop silences; what was asked before it can still be decided."""
    async with start_toned():
        message, question = await ask_about_long_file(sandbox)
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent."))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["The first paragraph"])
        await sandbox.wait_for(reaction_to(message, "👍"))


# ---- voice notes ----


async def test_notes_of_files_survive_a_kill(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """A voice note that was chosen, and not sent before a kill -9, is sent after it."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with process_of(bot_environment) as process:
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for_call("sendvoice")
        process.kill()
        await process.wait()
    sandbox.faults.clear()
    async with process_of(bot_environment):
        await sandbox.wait_for(lambda event: event.kind == "voice")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_notes_survive_a_kill(sandbox: Sandbox, bot_environment: Environment) -> None:
    """What /note asked for, and was not sent before a kill -9, is sent after it, once."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with process_of(bot_environment) as process:
        message = sandbox.send(ALICE, "/note Number 9.")
        await sandbox.wait_for_call("sendvoice")
        process.kill()
        await process.wait()
    sandbox.faults.clear()
    async with process_of(bot_environment):
        await sandbox.wait_for(lambda event: event.kind == "voice")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert len([event for event in sandbox.events if event.kind == "voice"]) == 1


async def test_notes_that_end_the_bot_twice_are_left_out(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """A note that was being made in two lives that died is told, and not made again."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with process_of(bot_environment) as process:
        message = sandbox.send(ALICE, "/note Number 9.")
        await sandbox.wait_for_call("sendvoice")
        process.kill()
        await process.wait()
    attempts = Path(bot_environment["DATA_DIR"]) / "attempts.json"
    attempts.write_text('{"deaths": {"note:1": 1}, "under_way": {"note:1": true}}')
    async with process_of(bot_environment):
        await sandbox.wait_for(reply_with("ended twice while making", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))


async def test_notes_are_not_said_by_replay(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """What only became a voice note did not sound, and /replay is for what did."""
    async with start_toned():
        note = sandbox.send(ALICE, "/note Number 9.")
        await sandbox.wait_for(reaction_to(note, "👍"))
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reply_with("to say again"))

    assert ear_a.spans() == []


async def test_notes_of_files_that_telegram_refuses_are_told(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Where a chat takes no voice notes, there is a broken heart and how to change that."""
    sandbox.faults["sendvoice"] = Fault(
        status=400, description="Bad Request: VOICE_MESSAGES_FORBIDDEN"
    )
    async with start_toned():
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("Privacy and Security", to=message))

    assert not any(map(reaction_to(message, "👍"), sandbox.events))


async def test_notes_that_telegram_refuses_are_told_to_who_asked(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Who sends /note in such a chat is told how to change it."""
    sandbox.faults["sendvoice"] = Fault(
        status=400, description="Bad Request: VOICE_MESSAGES_FORBIDDEN"
    )
    async with start_toned():
        sandbox.send(ALICE, "/note Good night.")
        await sandbox.wait_for(reply_with("Privacy and Security"))


async def test_notes_of_files_are_not_sent_after_a_stop(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A /stop ends a note that was not sent yet; what is answered behind it shows that."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with start_toned():
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for_call("sendvoice")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        sandbox.faults.clear()
        await sandbox.wait_for(reply_with("Silent."))  # in the lane of the note, behind it

    assert not any(event.kind == "voice" for event in sandbox.events)


async def test_notes_of_files_are_made_through_a_mute(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A mute silences the loudspeaker; a voice note under way is made all the same."""
    async with start_toned() as bot:
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for(lambda e: e.kind == "answer" and "voice note" in e.text)
        await bot.delivery.mute(time.time() + 3600)
        await sandbox.wait_for(lambda event: event.kind == "voice")
        await sandbox.wait_for(reaction_to(message, "👍"))
