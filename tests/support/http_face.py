"""A bot that serves HTTP, and a client for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

from audio.ports import Voice
from bot.app import running
from bot.client import Client
from bot.settings import Settings
from bot.start.phases import Running

SECRET = "tests-tests-tests-tests"


class Face:
    """The HTTP face of a running bot, as a program sees it."""

    def __init__(self, bot: Running, settings: Settings) -> None:
        """Connect by api.json and api-token, as the command line does."""
        self.bot = bot
        self.data_dir = settings.data_dir
        self.api_json = json.loads((settings.data_dir / "api.json").read_text())
        self.token = (
            settings.api_token.get_secret_value()
            if settings.api_token
            else (settings.data_dir / "api-token").read_text().strip()
        )
        self.url = f"http://127.0.0.1:{self.api_json['port']}"
        self.client = self.named("tests")

    def named(self, name: str, **options: Any) -> httpx.AsyncClient:
        """Return a client with this name and the token."""
        headers = {"Authorization": f"Bearer {self.token}", "X-Client": name}
        return httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=600,
            trust_env=False,
            verify=False,
            **options,
        )

    def page_url(self) -> str:
        """Return a URL that opens the page once, as `crier page` gets it. Blocks."""
        return Client("page", folder=self.data_dir).page_url()

    async def get(self, path: str) -> Any:
        """Return the JSON at *path*."""
        response = await self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def speak(self, text: str, **fields: Any) -> Any:
        """Send a text to be spoken; return the response's JSON."""
        response = await self.client.post("/v1/audio/speak", json={"input": text, **fields})
        assert response.status_code in (200, 202), response.text
        return response.json()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["EventLog"]:
        """Collect the events while the context is open."""
        async with self.client.stream("GET", "/v1/events") as response:
            assert response.status_code == 200
            log = EventLog()
            task = asyncio.create_task(log.collect(response))
            await log.wait_for(lambda name, _: name == "status")
            try:
                yield log
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class EventLog:
    """The events that a client received."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._changed = asyncio.Condition()

    async def collect(self, response: httpx.Response) -> None:
        """Read server-sent events until the stream ends."""
        name = ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                async with self._changed:
                    self.events.append((name, json.loads(value)))
                    self._changed.notify_all()

    async def wait_for(
        self, matches: Callable[[str, dict[str, Any]], bool], timeout_s: float = 20.0
    ) -> dict[str, Any]:
        """Wait for the first event that *matches*, and return its data."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: any(matches(*event) for event in self.events))
        return next(data for name, data in self.events if matches(name, data))


ServeBot = Callable[..., AbstractAsyncContextManager[Face]]


@asynccontextmanager
async def serve(settings: Settings, voice: Voice) -> AsyncIterator[Face]:
    """Run a bot that serves HTTP while the context is open."""
    face = None
    try:
        async with running(settings, show_code=lambda _: None, voice=voice, http=True) as bot:
            face = Face(bot, settings)
            yield face
    finally:
        if face is not None:
            await face.client.aclose()  # last, since tests watch the bot stop through it
