"""Files are fetched from Telegram: refusals, retries and limits."""

from pathlib import Path

import httpx
import pytest
from telegram import Bot

from bot.chat import downloads
from bot.chat.downloads import Downloads, _TemporaryError
from bot.chat.sandbox import Fault, Sandbox
from tests.chat.samples import note_of, sweep
from tests.chat.steps import send_voice
from tests.conftest import TOKEN, StartBot, reaction_to, reply_with


@pytest.mark.parametrize(
    ("method", "status"),
    [("getfile", 400), ("getfile", 403), ("getfile", 404), ("download", 404), ("download", 410)],
)
async def test_downloads_fail_at_once_if_telegram_refuses(
    sandbox: Sandbox, start_toned: StartBot, method: str, status: int
) -> None:
    """A permanent refusal is reported after one try."""
    sandbox.faults[method] = Fault(status=status, description="Refused")
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reply_with("Telegram does not give me the file", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))

    assert [called for _, called, _ in sandbox.calls].count(method) == 1


async def test_downloads_refuse_a_file_over_the_limit(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A file whose size is known only when it is fetched is refused with the limit."""
    sandbox.faults["getfile"] = Fault(
        raw=b'{"ok": true, "result": {"file_id": "x", "file_unique_id": "x",'
        b' "file_size": 30000000, "file_path": "x"}}'
    )
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reply_with("20 MB at most", to=message))


async def test_downloads_that_fail_do_not_delay_other_files(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """While one file can't be fetched, later ones are."""
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


async def test_downloads_give_up_after_too_long(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing server is retried for a limited time, then its error is reported."""
    monkeypatch.setattr(downloads, "_GIVE_UP_S", 1.5)
    sandbox.faults["download"] = Fault(status=502)
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reply_with("Telegram did not give me the file", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))

    assert [called for _, called, _ in sandbox.calls].count("download") == 2


async def test_downloads_count_only_answers_as_failures(sandbox: Sandbox, tmp_path: Path) -> None:
    """Being offline is not the file's fault; a failing answer counts."""
    async with Bot(TOKEN, f"{sandbox.url}/bot", f"{sandbox.url}/file/bot") as bot:
        sandbox.faults["getfile"] = Fault(status=502, description="Bad Gateway")
        answered = await Downloads(bot)._try("x", tmp_path / "x")
        bot._base_url = f"http://127.0.0.1:1/bot{TOKEN}"
        offline = await Downloads(bot)._try("x", tmp_path / "x")

    assert answered == _TemporaryError("Bad Gateway")
    assert offline is not None
    assert not offline.counts
    assert issubclass(httpx.ConnectError, downloads._OFFLINE)


async def test_downloads_wait_for_retry_after(sandbox: Sandbox, start_toned: StartBot) -> None:
    """After a 429 the next try is not earlier than requested."""
    sandbox.faults["getfile"] = Fault(
        status=429, description="Too Many Requests: retry after 3", retry_after_s=3, times=1
    )
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for(reaction_to(message, "👍"))
    first_s, second_s = (at_s for at_s, called, _ in sandbox.calls if called == "getfile")

    assert second_s - first_s >= 3
