"""Who sent a request: the name of the program, and its Idempotency-Key."""

import hashlib
import secrets
from typing import Annotated

from fastapi import Depends, Header

from bot.http.guard import Refused

MAX_NAME_CHARS = 40
MAX_KEY_CHARS = 255


def client_name(
    x_client: Annotated[
        str,
        Header(
            max_length=MAX_NAME_CHARS,
            description="The name of the program, shown in queue and history.",
        ),
    ] = "http",
) -> str:
    """Return the name of the program that sent a request.

    Raises:
        Refused: it can't be shown.
    """
    name = x_client.strip()
    if not name.isprintable():
        raise Refused(422, "invalid_value", "X-Client: only printable characters make a name.")
    return "http" if name in ("", "telegram") else name


ClientName = Annotated[str, Depends(client_name)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=MAX_KEY_CHARS,
        description="A message that is sent again with the same key is spoken once.",
    ),
]


def update_id_of(client: str, key: str, *kind: str) -> int:
    """Return the update id of a message: with a key, the same each time its client sends it.

    Args:
        client: the name of the program.
        key: its Idempotency-Key; may be empty.
        kind: what else it depends on.
    """
    if not key:
        return -1 - secrets.randbits(62)
    digest = hashlib.sha256("\0".join((client, key, *kind)).encode()).digest()
    return -1 - (int.from_bytes(digest[:8]) >> 1)  # Telegram's numbers are not negative
