"""A player that speaks MPRIS, over a real D-Bus."""

from typing import Self

from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus


class MprisPlayer:
    """A player on the session bus, after the MPRIS specification."""

    def __init__(self, bus: MessageBus, status: str = "Playing") -> None:
        self._bus = bus
        self.status = status
        self.orders: list[str] = []
        self.hangs = False
        """Whether it leaves calls unanswered."""

    @classmethod
    async def start(cls, address: str, name: str, status: str = "Playing") -> Self:
        """Connect one to the bus, under a name."""
        bus = await MessageBus(bus_address=address).connect()
        player = cls(bus, status)
        bus.add_message_handler(player._handle)
        await bus.request_name(f"org.mpris.MediaPlayer2.{name}")
        return player

    def close(self) -> None:
        """Leave the bus."""
        self._bus.disconnect()

    def _handle(self, message: Message) -> Message | bool | None:
        if message.path != "/org/mpris/MediaPlayer2":
            return None
        if self.hangs:
            return True  # it was handled, and no answer follows
        if message.member == "Get":
            assert message.body == ["org.mpris.MediaPlayer2.Player", "PlaybackStatus"]
            return Message.new_method_return(message, "v", [Variant("s", self.status)])
        assert message.interface == "org.mpris.MediaPlayer2.Player"
        self.orders.append(str(message.member))
        self.status = {"Play": "Playing", "Pause": "Paused"}[str(message.member)]
        return Message.new_method_return(message)
