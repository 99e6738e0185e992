"""A bot with an HTTP face, and a client that talks to it as any program would."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

from audio.ports import Voice
from bot.app import Running, running
from bot.client import Client
from bot.settings import Settings

SECRET = "tests-tests-tests-tests"


class Face:
    """What a program sees of a running bot."""

    def __init__(self, bot: Running, settings: Settings) -> None:
        """Find it as the command line does: by api.json and api-token."""
        self.bot = bot
        self.data_dir = settings.data_dir
        self.facts = json.loads((settings.data_dir / "api.json").read_text())
        self.token = (
            settings.api_token.get_secret_value()
            if settings.api_token
            else (settings.data_dir / "api-token").read_text().strip()
        )
        self.url = f"http://127.0.0.1:{self.facts['port']}"
        self.client = self.named("tests")

    def named(self, name: str, **options: Any) -> httpx.AsyncClient:
        """Return a client of that name, which has the token."""
        headers = {"Authorization": f"Bearer {self.token}", "X-Client": name}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=600, trust_env=False, **options
        )

    def page_url(self) -> str:
        """Return an address that opens the page once, as `crier page` gets it. Blocks."""
        return Client("page", folder=self.data_dir).page_url()

    async def get(self, path: str) -> Any:
        """Return what is there."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def speak(self, text: str, **fields: Any) -> Any:
        """Have a text said; return the answer."""
        answer = await self.client.post("/v1/audio/speak", json={"input": text, **fields})
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Heard"]:
        """Collect the events while the context lasts."""
        async with self.client.stream("GET", "/v1/events") as answer:
            assert answer.status_code == 200
            heard = Heard()
            task = asyncio.create_task(heard.collect(answer))
            await heard.wait_for(lambda name, _: name == "status")
            try:
                yield heard
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class Heard:
    """Events, as a client got them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._changed = asyncio.Condition()

    async def collect(self, answer: httpx.Response) -> None:
        """Read them for ever."""
        name = ""
        async for line in answer.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                async with self._changed:
                    self.events.append((name, json.loads(value)))
                    self._changed.notify_all()

    async def wait_for(
        self, wanted: Callable[[str, dict[str, Any]], bool], timeout_s: float = 20.0
    ) -> dict[str, Any]:
        """Return the first event that is *wanted*."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: any(wanted(*one) for one in self.events))
        return next(data for name, data in self.events if wanted(name, data))


ServeBot = Callable[..., AbstractAsyncContextManager[Face]]


@asynccontextmanager
async def serve(settings: Settings, voice: Voice) -> AsyncIterator[Face]:
    """Run a bot with an HTTP face."""
    face = None
    try:
        async with running(settings, show_code=lambda _: None, voice=voice, http=True) as bot:
            face = Face(bot, settings)
            yield face
    finally:
        if face is not None:
            await face.client.aclose()  # last, since it sees how the bot ends
