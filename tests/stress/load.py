"""Load test: ``python -m tests.stress.load --clients 8 --requests 300``.

Telegram, the command line and programs over HTTP send texts at the same time. Each text sounds as a
tone of its own, by which the recording is checked: every text is heard once and completely, nothing
overlaps, each client's texts stay in order, and each client gets the correct receipts.
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
from bot.settings import Settings, load
from tests.support import fork_server
from tests.support.fake_voice import CODES, HeardTone, ToneVoice, find_tones
from tests.support.http_face import Face, serve
from tests.support.loudspeaker import RATE_HZ, Loudspeakers

TOKEN = "4217:stress-stress-stress-stress"  # of the sandbox
YOU = Person(1)
_FINAL_RECEIPTS = "👍🙊💔"


async def run_load(
    face: Face, sandbox: Sandbox, person: Person, *, clients: int, requests: int
) -> dict[str, list[int]]:
    """Send texts by Telegram, the command line and HTTP; return the codes each client sent.

    Raises:
        AssertionError: a client got a receipt that does not say that its text was heard.
    """
    codes_of = [list(range(start, requests, clients)) for start in range(clients)]

    async def telegram(codes: list[int]) -> None:
        texts = [sandbox.send(person, _text(code)) for code in codes]
        for text in texts:
            receipt = await sandbox.wait_for(
                lambda e, text=text: e.message_id == text and e.text in _FINAL_RECEIPTS,  # type: ignore[misc]
                600,
            )
            assert receipt.text == "👍"

    async def command_line(codes: list[int], data_dir: Path) -> None:
        for code in codes:
            process = await fork_server.start(
                *("bot", "say", "--wait", _text(code)),
                environment={**os.environ, "DATA_DIR": str(data_dir)},
                stdout=asyncio.subprocess.DEVNULL,
            )
            assert await process.wait() == 0

    async def program(number: int, codes: list[int]) -> None:
        async with face.named(f"program {number}") as client:
            receipts = []
            for code in codes:
                await speak(client, code, wait=False)
                # The same message again, to wait for its receipt while the next one is sent.
                receipts.append(asyncio.create_task(speak(client, code, wait=True)))
            for receipt in await asyncio.gather(*receipts):
                assert receipt["outcome"] == "heard", receipt

    data_dir = face.data_dir
    await asyncio.gather(
        telegram(codes_of[0]),
        command_line(codes_of[1], data_dir),
        *(program(number, codes) for number, codes in enumerate(codes_of[2:])),
    )
    names = ["telegram", "command line", *(f"program {number}" for number in range(clients - 2))]
    return {
        name: [code % CODES for code in codes] for name, codes in zip(names, codes_of, strict=True)
    }


async def speak(client: httpx.AsyncClient, code: int, *, wait: bool) -> Any:
    """Send a text over HTTP, again after each 429; return the response's JSON."""
    body = {"input": _text(code), "wait": wait}
    while True:
        response = await client.post(
            "/v1/audio/speak", json=body, headers={"Idempotency-Key": str(code)}
        )
        if response.status_code != 429:
            assert response.status_code in (200, 202), response.text
            return response.json()
        await asyncio.sleep(float(response.headers["retry-after"]))


def _text(code: int) -> str:
    return f"Number {code % CODES}."


def failures(sent: dict[str, list[int]], tones: list[HeardTone]) -> list[str]:
    """Return what is wrong with the recorded tones."""
    heard = [tone.code for tone in tones]
    expected = Counter(code for codes in sent.values() for code in codes)
    failed = [f"missing: {dict(lost)}" for lost in [expected - Counter(heard)] if lost]
    failed += [f"too many: {dict(more)}" for more in [Counter(heard) - expected] if more]
    failed += [f"cut: {tone}" for tone in tones if not tone.complete]
    for name, codes in sent.items():
        rest = iter(heard)
        if not all(code in rest for code in codes):
            failed.append(f"out of order: {name}")
    return failed


async def main() -> int:
    """Run the load test; return the exit code."""
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
                    sent = await run_load(
                        face, sandbox, YOU, clients=options.clients, requests=options.requests
                    )
                    await asyncio.to_thread(ear.wait_for_silence)
                    underruns = (await face.get("/v1/status"))["underruns"]
                failed = failures(sent, find_tones(ear.recording()[0], RATE_HZ))
        speakers.close()
    print(f"{options.requests} texts of {options.clients} clients; underruns: {underruns}")
    print(
        "\n".join(failed)
        or "Every text was heard once, completely and in order, with a correct receipt."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
