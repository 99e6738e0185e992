"""The announcement of the Wyoming port in the local network (mDNS), if zeroconf is installed."""

import asyncio
import contextlib
import importlib.util
import logging
import socket
from collections.abc import AsyncIterator

from bot.settings import is_loopback

log = logging.getLogger(__name__)

_SERVICE = "_wyoming._tcp.local."
_MDNS = ("224.0.0.251", 5353)
_ANY = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
_CLOSE_TIMEOUT_S = 0.5
"""Of the 3 s that a SIGTERM may take."""


@contextlib.asynccontextmanager
async def announced(host: str, port: int) -> AsyncIterator[None]:
    """Announce a port while the context is open, so that Home Assistant offers to add it.

    Nothing is announced without the package zeroconf, without a network, or if only this computer
    can reach the port.
    """
    if is_loopback(host) or importlib.util.find_spec("zeroconf") is None:
        yield
        return
    task = asyncio.create_task(_announce(host, port), name="announce")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)


async def _announce(host: str, port: int) -> None:
    """Announce a port until cancelled. It takes a second to see that the name is free."""
    from zeroconf import Error  # noqa: PLC0415  # may be missing
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415  # likewise

    name = socket.gethostname().partition(".")[0]
    try:
        # A name of its own for this computer, since the system announces the usual one itself.
        info = AsyncServiceInfo(
            _SERVICE,
            f"Crier on {name}.{_SERVICE}",
            port=port,
            server=f"crier-{name}.local.",
            parsed_addresses=[_own_address() if host in _ANY else host],
        )
        async with AsyncZeroconf() as announcer:
            await announcer.async_register_service(info, allow_name_change=True)
            log.info("Wyoming is announced in the local network, port %d", port)
            await asyncio.Event().wait()
    except (OSError, Error) as exc:
        log.warning("Wyoming can't be announced in the local network: %s", exc)


def _own_address() -> str:
    """Return this computer's address in the local network; sends nothing.

    Raises:
        OSError: there is no network.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_MDNS)
        return str(probe.getsockname()[0])
