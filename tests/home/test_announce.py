"""The announcement of Wyoming in the local network, seen with zeroconf."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from typing import Any

import pytest
from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from bot.home.announce import announced

SERVICE = "_wyoming._tcp.local."
PORT = 10321


class Network:
    """What is announced in the local network."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        self.zeroconf = zeroconf
        self._changes: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()
        self.browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[self._on_change])

    def _on_change(self, *, name: str, state_change: ServiceStateChange, **_: Any) -> None:
        self._changes.put_nowait((state_change, name))

    async def next(self, change: ServiceStateChange) -> AsyncServiceInfo | None:
        """Wait until a service of ours is added or removed; return it, unless it is gone."""
        async with asyncio.timeout(20):
            while True:
                seen, name = await self._changes.get()
                if seen is change and name.startswith("Crier on "):
                    return await self.zeroconf.async_get_service_info(SERVICE, name, 500)


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    """Return the local network; skip where there is none."""
    try:
        zeroconf = AsyncZeroconf()
    except OSError as exc:
        pytest.skip(f"needs a network with multicast ({exc})")
    network = Network(zeroconf)
    yield network
    await network.browser.async_cancel()
    await zeroconf.async_close()


async def test_announced_shows_the_port_while_it_is_open(network: Network) -> None:
    """Home Assistant gets an address and the port, and sees that they are gone."""
    async with announced("0.0.0.0", PORT):  # noqa: S104  # what is announced is the address
        info = await network.next(ServiceStateChange.Added)
    await network.next(ServiceStateChange.Removed)

    assert info is not None
    assert info.port == PORT
    assert info.parsed_addresses()
    assert "0.0.0.0" not in info.parsed_addresses()  # noqa: S104  # it is no address of anything


@pytest.mark.parametrize(("host", "is_installed"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104
async def test_announced_does_nothing_if_it_can_not(
    monkeypatch: pytest.MonkeyPatch, host: str, *, is_installed: bool
) -> None:
    """Without zeroconf, or on an address that nobody else can reach, there is no task for it."""
    if not is_installed:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    async with announced(host, PORT):
        tasks = {task.get_name() for task in asyncio.all_tasks()}

    assert "announce" not in tasks
