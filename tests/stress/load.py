"""Many at once: ``python -m tests.stress.load --clients 8 --requests 300``.

Telegram, the command line and programs over HTTP have texts said at the same time. Each text is a
tone of its own; what was heard is told by the tones: nothing may be missing, nothing may overlap,
each one's order is kept, and what each was told is true.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from bot.chat.sandbox import Person, Sandbox
from bot.settings import CHECKOUT, Settings, load
from tests.support.fake_voice import CODES, ToneVoice, find_tones
from tests.support.http_face import Face, serve
from tests.support.loudspeaker import RATE_HZ, Loudspeakers

TOKEN = "4217:crowd-crowd-crowd-crowd-crowd"  # of the sandbox
YOU = Person(1)
_ENDED = "👍🙊💔"


async def crowd(
    face: Face, sandbox: Sandbox, person: Person, clients: int, requests: int
) -> dict[str, list[int]]:
    """Have texts said by Telegram, the command line and programs; return what each one sent.

    Raises:
        AssertionError: somebody was told something else than that it was heard.
    """
    each = [list(range(start, requests, clients)) for start in range(clients)]

    async def telegram(codes: list[int]) -> None:
        texts = [sandbox.send(person, _text(code)) for code in codes]
        for text in texts:
            receipt = await sandbox.wait_for(
                lambda e, text=text: e.message_id == text and e.text in _ENDED,  # type: ignore[misc]
                600,
            )
            assert receipt.text == "👍"

    async def command_line(codes: list[int], data_dir: Path) -> None:
        for code in codes:
            words = (sys.executable, "-m", "bot", "say", "--wait", _text(code))
            process = await asyncio.create_subprocess_exec(
                *words,
                cwd=CHECKOUT,
                env={**os.environ, "DATA_DIR": str(data_dir)},
                stdout=asyncio.subprocess.DEVNULL,
            )
            assert await process.wait() == 0

    async def program(number: int, codes: list[int]) -> None:
        async with face.named(f"program {number}") as client:
            receipts = []
            for code in codes:
                await ask(client, code, wait=False)
                # The same message again, now with its receipt; meanwhile the next one is sent.
                receipts.append(asyncio.create_task(ask(client, code, wait=True)))
            for receipt in await asyncio.gather(*receipts):
                assert receipt["outcome"] == "heard", receipt

    data_dir = face.data_dir
    await asyncio.gather(
        telegram(each[0]),
        command_line(each[1], data_dir),
        *(program(number, codes) for number, codes in enumerate(each[2:])),
    )
    names = ["telegram", "command line", *(f"program {number}" for number in range(clients - 2))]
    return {name: [code % CODES for code in codes] for name, codes in zip(names, each, strict=True)}


async def ask(client: httpx.AsyncClient, code: int, *, wait: bool) -> Any:
    """Have a text said, now or when the door says so; return the answer."""
    body = {"input": _text(code), "wait": wait}
    while True:
        answer = await client.post(
            "/v1/audio/speak", json=body, headers={"Idempotency-Key": str(code)}
        )
        if answer.status_code != 429:
            assert answer.status_code in (200, 202), answer.text
            return answer.json()
        await asyncio.sleep(float(answer.headers["retry-after"]))


def _text(code: int) -> str:
    return f"Number {code % CODES}."


def wrong(sent: dict[str, list[int]], tones: list[Any]) -> list[str]:
    """Return what is wrong with what was heard."""
    heard = [tone.code for tone in tones]
    expected = Counter(code for codes in sent.values() for code in codes)
    found = [f"missing: {dict(lost)}" for lost in [expected - Counter(heard)] if lost]
    found += [f"too many: {dict(more)}" for more in [Counter(heard) - expected] if more]
    found += [f"not whole: {tone}" for tone in tones if not tone.whole]
    for name, codes in sent.items():
        rest = iter(heard)
        if not all(code in rest for code in codes):
            found.append(f"out of order: {name}")
    return found


async def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    sandbox = Sandbox(TOKEN)
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder)
        os.environ["ALSA_CONFIG_PATH"] = str(speakers.alsa_config)
        async with sandbox.serve():
            settings = Settings(
                telegram_bot_token=SecretStr(TOKEN),
                telegram_allowed_users=frozenset({YOU.id}),
                telegram_api_url=sandbox.url,
                audio_device="speaker_a",
                data_dir=folder / "data",
                model_dir=load()[0].model_dir,
                limit_per_minute=0,
                limit_waiting=0,
                api_port=0,
            )
            with speakers.listen("speaker_a") as ear:
                async with serve(settings, ToneVoice()) as face:
                    sent = await crowd(face, sandbox, YOU, options.clients, options.requests)
                    await asyncio.to_thread(ear.wait_for_silence)
                    underruns = (await face.get("/v1/status"))["underruns"]
                found = wrong(sent, find_tones(*ear.recording()[:1], RATE_HZ))
        speakers.close()
    print(f"{options.requests} texts of {options.clients} clients; underruns: {underruns}")
    print("\n".join(found) or "Each was heard once, whole, in its order, and told so.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
