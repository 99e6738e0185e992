"""The announcement of the Wyoming port in the local network (mDNS), if zeroconf is installed."""

import contextlib
import importlib.util
import logging
import socket
from collections.abc import AsyncIterator

from bot.settings import is_loopback

log = logging.getLogger(__name__)

_SERVICE = "_wyoming._tcp.local."


@contextlib.asynccontextmanager
async def announced(host: str, port: int) -> AsyncIterator[None]:
    """Announce a port while the context is open, so that Home Assistant offers to add it.

    Nothing is announced without the package zeroconf, or if only this computer can reach it.
    """
    if is_loopback(host) or importlib.util.find_spec("zeroconf") is None:
        yield
        return
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415  # may be missing

    name = socket.gethostname().partition(".")[0]
    announcer = AsyncZeroconf()
    try:
        info = AsyncServiceInfo(
            _SERVICE, f"Crier on {name}.{_SERVICE}", port=port, server=f"{name}.local."
        )
        await announcer.async_register_service(info, allow_name_change=True)
        log.info("Announced in the local network: Wyoming, port %d", port)
        yield
    finally:
        await announcer.async_close()
