"""Files and recordings end to end: played or read, asked about, or refused with a reason."""

import asyncio
import io
import time

import numpy as np
import pytest
import soundfile

from bot.chat.attachments import ALL, NO, NOTE
from bot.chat.sandbox import Fault, Json, Sandbox
from bot.core.store import Store
from bot.settings import Settings
from tests.chat.samples import ENDLESS_PDF, LONG_FILE_TEXT, film_of, note_of, sweep
from tests.chat.steps import (
    QUESTION,
    ask_about_long_file,
    bot_process,
    likeness,
    reader_process,
    send_file,
    send_voice,
    wait_for_exit,
)
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.commandline import Environment
from tests.support.fake_voice import find_tones
from tests.support.loudspeaker import RATE_HZ, Ear


async def test_voice_note_sounds_as_recorded(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """It is played completely and unchanged, gets 👍, and leaves no file."""
    recorded = sweep(1.5)
    async with start_toned() as bot:
        message = send_voice(sandbox, note_of(recorded))
        await sandbox.wait_for(reaction_to(message, "👍"))
        assert list((bot.delivery._settings.data_dir / "sounds").glob("*")) == []

    assert likeness(ear_a, recorded) > 0.95


@pytest.mark.realtime
async def test_video_note_and_video_sound_as_recorded(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Their sound is played; a caption is reported as skipped; a silent one is refused."""
    recorded = sweep(1.5)
    content, silent = film_of(recorded), film_of(recorded[:0])
    about = {"file_unique_id": "n", "duration": 2}
    note = {**about, "length": 64}
    video = {**about, "width": 64, "height": 64}
    async with start_toned():
        fields: Json = {"video_note": {**note, "file_id": sandbox.add_file(content)}}
        first = sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reaction_to(first, "👍"))
        assert likeness(ear_a, recorded) > 0.95
        fields = {"video": {**video, "file_id": sandbox.add_file(content)}, "caption": "Look!"}
        second = sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reaction_to(second, "👍"))
        await sandbox.wait_for(reply_with("Skipped: 1 caption.", to=second))
        assert likeness(ear_a, recorded) > 0.95
        fields = {"video_note": {**note, "file_id": sandbox.add_file(silent)}}
        third = sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reply_with("no sound in it", to=third))
        await sandbox.wait_for(reaction_to(third, "💔"))


async def test_voice_note_is_fetched_after_a_restart(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A note that could not be fetched before a restart is played after it."""
    sandbox.faults["getfile"] = Fault(status=502, description="Bad Gateway")
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for_call("getfile")
    sandbox.faults.clear()
    async with start_toned():
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_attachments_say_how_much_of_a_long_file_is_left_out(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Of a text of more than an hour, the share that is not read is named with the receipt."""
    long_text = "This is number 21.\n\n" + "These are words of no number at all. " * 2000
    async with start_toned():
        sent = send_file(sandbox, "book.txt", long_text.encode())
        question = await sandbox.wait_for(reply_with("What shall I do?", to=sent))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["The first paragraph"])
        await sandbox.wait_for(reply_with("Skipped: the last 19 % of the file.", to=sent))


async def test_text_files_are_read_and_long_ones_asked_about(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A short file is read; a long one waits for a choice, which counts once."""
    long_text = "This is number 21.\n\n" + "These are words of no number at all. " * 60
    async with start_toned():
        short = send_file(sandbox, "note.md", b"# This is number 11\n")
        await sandbox.wait_for(reaction_to(short, "👍"))
        long_ = send_file(sandbox, "book.txt", long_text.encode())
        question = await sandbox.wait_for(reply_with("What shall I do?", to=long_))
        for _ in range(2):
            data = dict(question.buttons)["The first paragraph"]
            sandbox.press(ALICE, question.message_id, data)
        await sandbox.wait_for(reaction_to(long_, "👍"))
        await sandbox.wait_for(lambda e: e.kind == "answer" and "decided already" in e.text)
        second = send_file(sandbox, "book.txt", long_text.encode())
        question = await sandbox.wait_for(reply_with("What shall I do?", to=second))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        note = await sandbox.wait_for(lambda e: e.kind == "voice")
        samples, rate_hz = soundfile.read(io.BytesIO(note.content))

    ear_a.wait_for_silence()
    heard = [tone.code for tone in find_tones(ear_a.recording()[0], RATE_HZ) if tone.complete]
    assert heard == [11, 21]
    assert find_tones(samples.astype(np.float32), rate_hz)[0].code == 21


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("virus.exe", b"MZ", "I can read .txt"),
        ("noise.ogg", b"this is no sound", "It is no sound that I know"),
        ("list.mp3", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "It is no sound that I know"),
        ("list.wav", b"ffconcat version 1.0\nfile /etc/hostname\n", "It is no sound that I know"),
        ("broken.pdf", b"%PDF-1.4 broken", "PDF"),
        ("empty.txt", b"   \n", "There are no words in it"),
    ],
)
async def test_files_that_cannot_be_read_are_refused_with_a_reason(
    sandbox: Sandbox, start_toned: StartBot, name: str, content: bytes, reason: str
) -> None:
    """A file of another kind, or a damaged one, gets 💔 and the reason."""
    async with start_toned():
        message = send_file(sandbox, name, content)
        await sandbox.wait_for(reply_with(reason, to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))


async def test_files_over_a_limit_are_not_fetched(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A file over a limit is refused before it is fetched."""
    huge = {"file_id": "x", "file_unique_id": "x", "file_name": "a.pdf", "file_size": 30_000_000}
    endless = {"file_id": "x", "file_unique_id": "x", "duration": 3600}
    film = {**endless, "length": 240}
    async with start_toned():
        for fields, reason in (
            ({"document": huge}, "20 MB at most"),
            ({"voice": endless}, "longer than 10 minutes"),
            ({"video_note": film}, "longer than 10 minutes"),
        ):
            message = sandbox.send_fields(ALICE, fields)
            await sandbox.wait_for(reply_with(reason, to=message))

    assert "getfile" not in {method for _, method, _ in sandbox.calls}


@pytest.mark.parametrize(
    ("name", "content", "reply"),
    [
        ("holiday.mp4", film_of(sweep(0)), "Skipped: 1 file without sound."),
        ("noise.ogg", b"this is no sound", "Skipped: 1 file that I can't read."),
        ("program.exe", b"MZ", "Skipped: 1 file that I can't read."),
        ("picture.png", b"PNG", ""),
    ],
)
async def test_captions_are_spoken_if_the_file_cannot_be(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, name: str, content: bytes, reply: str
) -> None:
    """The caption of a silent video, a picture or an unreadable file is spoken."""
    document = {"file_id": sandbox.add_file(content), "file_unique_id": "d", "file_name": name}
    if name.endswith(".png"):
        document["mime_type"] = "image/png"
    async with start_toned():
        message = sandbox.send_fields(ALICE, {"document": document, "caption": "Number 9."})
        await sandbox.wait_for(reaction_to(message, "👍"))
        if reply:
            await sandbox.wait_for(reply_with(reply, to=message))
    ear_a.wait_for_silence()

    assert [tone.code for tone in find_tones(ear_a.recording()[0], RATE_HZ)] == [9]
    assert reply or not any(map(reply_with("", to=message), sandbox.events))


async def test_files_are_spoken_in_the_order_of_arrival(
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

    assert [tone.code for tone in find_tones(ear_a.recording()[0], RATE_HZ)] == [11, 12]


async def test_stop_cancels_a_file_that_is_being_read(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """/stop ends the process that reads the file and removes its files."""
    async with start_toned():
        message = send_file(sandbox, "endless.pdf", ENDLESS_PDF)
        reader = await reader_process()
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        await wait_for_exit(reader)
        later = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert list((settings.data_dir / "sounds").iterdir()) == []


async def test_files_that_crash_the_bot_twice_are_refused(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """A file that was being read when the bot died twice is reported, and not read again."""
    message = send_file(sandbox, "endless.pdf", ENDLESS_PDF)
    for _ in range(2):
        async with bot_process(bot_environment) as process:
            reader = await reader_process(process.pid)
            process.kill()
            await process.wait()
            await wait_for_exit(reader)  # it exits with the bot
    async with bot_process(bot_environment):
        await sandbox.wait_for(reply_with("ended twice while reading this file", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))


async def test_files_follow_language_and_pronunciations(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """The text of a file is spoken as a message with the same text would be."""
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
    assert [tone.code for tone in find_tones(ear_a.recording()[0], RATE_HZ)] == [17]


async def test_files_are_private(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """Recordings are readable only by their owner, even in a folder that was open before."""
    folder = settings.data_dir / "sounds"
    folder.mkdir(mode=0o755, parents=True)
    content = note_of(sweep(0.5))
    voice = {"file_id": sandbox.add_file(content), "file_unique_id": "v", "duration": 1}
    async with start_toned():
        sandbox.send_fields(ALICE, {"voice": voice, "date": int(time.time()) - 8 * 3600})
        await sandbox.wait_for(reply_with("1 message came while I was away"))
        modes = [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())]

    assert modes == [0o700, 0o600]


# ---- questions and late files ----


async def test_files_sent_hours_ago_are_asked_about(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A voice note is as late as its date, and is played only after a decision."""
    voice = {"file_id": sandbox.add_file(note_of(sweep(0.5))), "file_unique_id": "v", "duration": 1}
    date = int(time.time()) - 8 * 3600
    async with start_toned():
        message = sandbox.send_fields(ALICE, {"voice": voice, "date": date})
        question = await sandbox.wait_for(reply_with("1 message came while I was away"))
        assert ear_a.spans() == []
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["Say it"])
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_questions_about_files_are_owed_until_telegram_accepts_them(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A question not accepted before a restart is asked after it, and only once."""
    sandbox.faults["sendmessage"] = Fault(status=502, description="Bad Gateway")
    async with start_toned():
        message = send_file(sandbox, "book.txt", LONG_FILE_TEXT.encode())
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
    """A question that Telegram had not accepted is asked after kill -9."""
    sandbox.faults["sendmessage"] = Fault(status=502, description="Bad Gateway")
    async with bot_process(bot_environment) as process:
        message = send_file(sandbox, "book.txt", LONG_FILE_TEXT.encode())
        await sandbox.wait_for_call("sendmessage")
        process.kill()
        await process.wait()
    sandbox.faults.clear()
    async with bot_process(bot_environment):
        question = await sandbox.wait_for(reply_with(QUESTION, to=message))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["No"])
        await sandbox.wait_for(reaction_to(message, "🙊"))


async def test_decisions_about_files_are_never_late(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A file sent an hour ago is spoken once that is decided, without another question."""
    async with start_toned():
        message, question = await ask_about_long_file(sandbox, date=int(time.time()) - 3600)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["The first paragraph"])
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert not any(map(reply_with("while I was away"), sandbox.events))


async def test_decisions_about_files_are_made_once(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Of buttons pressed at the same time, the first counts."""
    async with start_toned() as bot:
        message, question = await ask_about_long_file(sandbox)
        id_ = dict(question.buttons)["No"].removeprefix(NO)
        attachments = bot.delivery.on_stop[-1].__self__  # type: ignore[attr-defined]
        answers = await asyncio.gather(
            *(attachments.decide(ALICE.id, f"{choice}{id_}") for choice in (NO, ALL, NOTE))
        )
        await sandbox.wait_for(reaction_to(message, "🙊"))

    assert answers == ["Left unsaid.", "That was decided already.", "That was decided already."]


async def test_questions_about_files_stay_open_after_a_stop(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """/stop silences; a question asked before it can still be answered."""
    async with start_toned():
        message, question = await ask_about_long_file(sandbox)
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent."))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["The first paragraph"])
        await sandbox.wait_for(reaction_to(message, "👍"))
