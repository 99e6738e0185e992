"""Checks of what Home Assistant talks to."""

import asyncio

from bot.doctor.check import Context, Finding, fail, ok, skip


def broker(context: Context) -> Finding:
    """Check that the MQTT broker can be used, if there is one."""
    if context.settings.mqtt_url is None:
        return skip("No MQTT_URL, so Crier is no device of Home Assistant")
    from bot.home.broker import (  # noqa: PLC0415  # its packages may be missing
        BrokerError,
        broker_of,
        check_broker,
    )

    place = broker_of(context.settings)
    try:
        asyncio.run(check_broker(place))
    except BrokerError as exc:
        return fail(exc.found, exc.fix)
    how = "with TLS" if place.tls else "without TLS"
    return ok(f"{place.address} lets Crier in, {how}")
