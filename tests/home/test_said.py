"""What is said of what somebody publishes."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.intake import RefusedError
from bot.home.said import Said, parse_said


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("Dinner is ready.", Said("Dinner is ready.")),
        ('{"message": "Hi"}', Said("Hi")),
        ('{"message": "Hi", "from": "Kitchen"}', Said("Hi", sender="Kitchen")),
        ('{"message": "Hi", "urgent": true}', Said("Hi", urgent=True)),
        ('{"message": "Hi", "at": 1700000000.5}', Said("Hi", at=1700000000.5)),
        (
            '{"message": "Hi", "voice": "bf_emma", "lang": "en-gb"}',
            Said("Hi", voice="bf_emma", lang="en-gb"),
        ),
        (
            '{"message": "Hi", "expires_s": 60, "replace": "load", "volume": 30}',
            Said("Hi", expires_s=60.0, replace_key="load", volume=30),
        ),
        ('{"message": "Hi", "volume": 0}', Said("Hi", volume=0)),
        ('{"message": "Hi", "volume": 29.6}', Said("Hi", volume=30)),
        # Not a message of ours, so it is read as it is.
        ("{curly} words", Said("{curly} words")),
        ('{"text": "Hi"}', Said('{"text": "Hi"}')),
        ('{"message": 5}', Said('{"message": 5}')),
        ('["message"]', Said('["message"]')),
        # Fields that can't be right have no effect.
        ('{"message": "Hi", "from": 5, "urgent": "yes"}', Said("Hi")),
        ('{"message": "Hi", "from": "telegram"}', Said("Hi")),
        ('{"message": "Hi", "from": "a\\nb"}', Said("Hi")),
        ('{"message": "Hi", "at": "noon"}', Said("Hi")),
        ('{"message": "Hi", "at": true}', Said("Hi")),
        ('{"message": "Hi", "at": NaN}', Said("Hi")),
        ('{"message": "Hi", "at": -5}', Said("Hi")),
        ('{"message": "Hi", "expires_s": -5, "replace": 7, "volume": "loud"}', Said("Hi")),
        ('{"message": "Hi", "expires_s": 1e300, "volume": Infinity}', Said("Hi")),
    ],
)
def test_parse_said_reads_text_and_json(payload: str, expected: Said) -> None:
    """A plain text is said as it is; JSON may have more about it."""
    assert parse_said(payload.encode()) == expected


@given(
    st.one_of(
        st.binary(),
        st.dictionaries(
            st.sampled_from("message from voice lang urgent at expires_s replace volume".split()),
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        ).map(lambda fields: json.dumps(fields).encode()),
    )
)
def test_parse_said_survives_any_payload(payload: bytes) -> None:
    """Whatever is published is said or refused."""
    said = None
    with contextlib.suppress(RefusedError):
        said = parse_said(payload)
    assert said is None or isinstance(said.text, str)
