"""The sandbox Bot API server follows the real server's rules."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from bot.chat.sandbox import Fault, Sandbox
from tests.conftest import ALICE, TOKEN


async def call(sandbox: Sandbox, method: str, token: str = TOKEN, **parameters: Any) -> Any:
    """Call a method and return the body of the response."""
    async with httpx.AsyncClient(verify=False) as client:
        response = await client.post(
            f"{sandbox.url}/bot{token}/{method}", json=parameters, timeout=10
        )
    body = response.json()
    assert body["ok"] == (response.status_code == 200)
    return body


async def test_sandbox_resends_updates_until_they_are_confirmed(sandbox: Sandbox) -> None:
    """An update is sent again until a higher offset is requested."""
    sandbox.send(ALICE, "one")
    sandbox.send(ALICE, "two")
    first = (await call(sandbox, "getUpdates"))["result"]
    again = (await call(sandbox, "getUpdates"))["result"]
    rest = (await call(sandbox, "getUpdates", offset=first[0]["update_id"] + 1))["result"]

    assert [u["message"]["text"] for u in again] == ["one", "two"]
    assert [u["message"]["text"] for u in rest] == ["two"]
    assert sandbox.pending == 1


async def test_sandbox_sends_the_original_and_the_edited_message(sandbox: Sandbox) -> None:
    """A waiting update keeps its original text; the edit is an update of its own."""
    sandbox.edit(ALICE, sandbox.send(ALICE, "before"), "after")
    message, edited = (await call(sandbox, "getUpdates"))["result"]

    assert message["message"]["text"] == "before"
    assert edited["edited_message"]["text"] == "after"


async def test_sandbox_long_poll_waits_for_the_next_update(sandbox: Sandbox) -> None:
    """GetUpdates with a timeout answers as soon as there is an update, or empty at its end."""
    began_s = time.monotonic()
    assert (await call(sandbox, "getUpdates", timeout=1))["result"] == []
    assert time.monotonic() - began_s >= 1

    poll = asyncio.create_task(call(sandbox, "getUpdates", timeout=9))
    await sandbox.wait_for_call("getupdates", 2)
    sandbox.send(ALICE, "now")

    assert (await asyncio.wait_for(poll, 1))["result"][0]["message"]["text"] == "now"


async def test_sandbox_second_poll_ends_the_first(sandbox: Sandbox) -> None:
    """The newer getUpdates wins; the older one gets the conflict."""
    first = asyncio.create_task(call(sandbox, "getUpdates", timeout=9))
    await sandbox.wait_for_call("getupdates")
    second = asyncio.create_task(call(sandbox, "getUpdates", timeout=1))
    conflict = await asyncio.wait_for(first, 2)

    assert conflict["error_code"] == 409
    assert "terminated by other getUpdates request" in conflict["description"]
    assert (await second)["result"] == []


async def test_sandbox_drops_updates_that_are_not_allowed(sandbox: Sandbox) -> None:
    """allowed_updates filters, as on the real server."""
    sandbox.push({"poll": {}})
    sandbox.send(ALICE, "text")
    updates = (await call(sandbox, "getUpdates", allowed_updates=["message"]))["result"]

    assert [list(update)[1] for update in updates] == ["message"]


@pytest.mark.parametrize(
    ("method", "parameters", "status", "description"),
    [
        ("sendMessage", {"chat_id": 7, "text": " "}, 400, "message text is empty"),
        ("sendMessage", {"chat_id": 7, "text": "x" * 4097}, 400, "message is too long"),
        ("sendMessage", {"chat_id": 8, "text": "x"}, 400, "chat not found"),
        (
            "sendMessage",
            {"chat_id": 7, "text": "x", "reply_parameters": {"message_id": 99}},
            400,
            "message to be replied not found",
        ),
        (
            "sendMessage",
            {
                "chat_id": 7,
                "text": "x",
                "reply_markup": {"inline_keyboard": [[{"text": "b", "callback_data": "x" * 65}]]},
            },
            400,
            "BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            {
                "chat_id": 7,
                "text": "x",
                "reply_markup": {
                    "inline_keyboard": [[{"text": "b", "callback_data": "x", "style": "pink"}]]
                },
            },
            400,
            "invalid button style",
        ),
        (
            "setMessageReaction",
            {"chat_id": 7, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "✅"}]},
            400,
            "REACTION_INVALID",
        ),
        ("editMessageText", {"chat_id": 7, "message_id": 9, "text": "x"}, 400, "to edit not found"),
        ("answerCallbackQuery", {"callback_query_id": "1"}, 400, "query is too old"),
        ("getFile", {"file_id": "none"}, 400, "invalid file_id"),
        ("makeCoffee", {}, 404, "method not found"),
    ],
)
async def test_sandbox_refuses_what_the_real_server_refuses(
    sandbox: Sandbox, method: str, parameters: dict[str, Any], status: int, description: str
) -> None:
    """Each refusal has the real server's code and description."""
    sandbox.send(ALICE, "hello")
    body = await call(sandbox, method, **parameters)

    assert body["error_code"] == status
    assert description in body["description"]


async def test_sandbox_rejects_a_wrong_token(sandbox: Sandbox) -> None:
    """A revoked token gets 401; a string that is no token gets 404."""
    assert (await call(sandbox, "getMe", token="4217:revoked"))["error_code"] == 401
    assert (await call(sandbox, "getMe", token="nonsense"))["error_code"] == 404


async def test_sandbox_refuses_an_edit_that_changes_nothing(sandbox: Sandbox) -> None:
    """The same text and buttons again are "not modified"; others are accepted."""
    sandbox.send(ALICE, "hello")
    number = (await call(sandbox, "sendMessage", chat_id=7, text="a"))["result"]["message_id"]
    edit = {"chat_id": 7, "message_id": number}

    assert (await call(sandbox, "editMessageText", text="b", **edit))["ok"]
    refused = await call(sandbox, "editMessageText", text="b", **edit)
    assert refused["error_code"] == 400
    assert "message is not modified" in refused["description"]


async def test_sandbox_answers_a_flood_with_retry_after(sandbox: Sandbox) -> None:
    """After a burst to one chat the server asks for a pause."""
    sandbox.send(ALICE, "hello")
    answer: Any = {"ok": True}
    while answer["ok"]:
        answer = await call(sandbox, "sendMessage", chat_id=7, text="a")

    assert answer["error_code"] == 429
    assert answer["parameters"]["retry_after"] >= 1


async def test_sandbox_faults_can_be_limited(sandbox: Sandbox) -> None:
    """A fault with a number of times disappears after that many calls."""
    sandbox.faults["getme"] = Fault(status=502, description="Bad Gateway", times=1)

    assert (await call(sandbox, "getMe"))["error_code"] == 502
    assert (await call(sandbox, "getMe"))["result"]["username"] == "crier_bot"


async def test_sandbox_serves_files(sandbox: Sandbox) -> None:
    """GetFile names a path that serves the file to the right token only."""
    path = (await call(sandbox, "getFile", file_id=sandbox.add_file(b"sound")))["result"][
        "file_path"
    ]
    async with httpx.AsyncClient(verify=False) as client:
        right = await client.get(f"{sandbox.url}/file/bot{TOKEN}/{path}")
        wrong = await client.get(f"{sandbox.url}/file/bot4217:other/{path}")

    assert right.content == b"sound"
    assert wrong.status_code == 401


async def test_sandbox_counts_and_drops_waiting_updates(sandbox: Sandbox) -> None:
    """GetWebhookInfo counts; deleteWebhook drops only on request, in any spelling of false."""
    sandbox.send(ALICE, "hello")
    await call(sandbox, "deleteWebhook", drop_pending_updates=False)
    async with httpx.AsyncClient(verify=False) as client:
        url = f"{sandbox.url}/bot{TOKEN}/deleteWebhook"
        await client.post(url, data={"drop_pending_updates": "false"})
    assert (await call(sandbox, "getWebhookInfo"))["result"]["pending_update_count"] == 1

    await call(sandbox, "deleteWebhook", drop_pending_updates=True)
    assert sandbox.pending == 0
