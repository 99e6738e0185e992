"""What the commands that control the bot send, and print."""

from typing import Any

import pytest

from bot.cli.main import main
from tests.support.fake_api import FakeApi


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ([], {}),
        (["--expires", "10m"], {"expires_s": 600.0}),
        (["--expires", "90s", "--replace", "build"], {"expires_s": 90.0, "replace": "build"}),
        (["--volume", "30%"], {"volume": 30}),
        (["--volume", "0"], {"volume": 0}),
    ],
)
def test_say_sends_what_becomes_of_a_text_that_waits(
    commanded: FakeApi, options: list[str], fields: dict[str, Any]
) -> None:
    """Each option is a field; none is sent that was not given."""
    commanded.answer("POST /v1/audio/speak", {"id": 7, "position": 1}, 202)
    code = main(["say", *options, "41 %."])
    [(_, _, body)] = commanded.requests

    assert code == 0
    assert body == {"input": "41 %.", "priority": "normal", **fields}


@pytest.mark.parametrize(
    ("arguments", "request_line", "sent", "answer", "printed"),
    [
        (["volume"], "GET /v1/volume", None, {"percent": 80}, "The volume is 80 %."),
        (["volume", "50"], "PUT /v1/volume", {"percent": 50}, {"percent": 50}, "Volume 50 %."),
        (["speed"], "GET /v1/speed", None, {"speed": 1.0}, "The speed is 1."),
        (
            ["speed", "1.2"],
            "PUT /v1/speed",
            {"speed": 1.2},
            {"speed": 1.2},
            "Speed 1.2, from the next message on.",
        ),
        (
            ["speed", "--reset"],
            "PUT /v1/speed",
            {"speed": None},
            {"speed": 1.0},
            "Speed 1, from the next message on.",
        ),
        (
            ["mute", "1h"],
            "POST /v1/audio/mute",
            {"for_s": 3600.0},
            {"quiet": "Muted until 18:30."},
            "Muted until 18:30. What comes meanwhile is kept.",
        ),
        (
            ["mute"],
            "POST /v1/audio/mute",
            {"for_s": None},
            {"quiet": "Muted until /unmute."},
            "Muted until `crier unmute`. What comes meanwhile is kept.",
        ),
        (["unmute"], "POST /v1/audio/unmute", None, {"quiet": ""}, "Unmuted."),
        (
            ["unmute"],
            "POST /v1/audio/unmute",
            None,
            {"quiet": "Quiet hours until 07:00."},
            "Unmuted. Quiet hours until 07:00.",
        ),
    ],
)
def test_command_sends_one_request_and_prints_its_effect(
    commanded: FakeApi,
    capsys: pytest.CaptureFixture[str],
    *,
    arguments: list[str],
    request_line: str,
    sent: Any,
    answer: Any,
    printed: str,
) -> None:
    """Volume, speed and mute are shown or set."""
    commanded.answer(request_line, answer)
    code = main(arguments)

    assert code == 0
    assert [(line, body) for line, _, body in commanded.requests] == [(request_line, sent)]
    assert capsys.readouterr().out == f"{printed}\n"


def test_mute_until_a_time_sends_the_seconds_until_then(commanded: FakeApi) -> None:
    """The words of the command line are one text."""
    commanded.answer("POST /v1/audio/mute", {"quiet": "Muted until 07:00."})
    main(["mute", "until", "7:00"])
    [(_, _, body)] = commanded.requests

    assert 0 < body["for_s"] <= 25 * 3600
