"""The token bucket, with a fake clock."""

from bot.rate_limit import TokenBucket


def test_token_bucket_allows_a_burst_and_then_its_rate() -> None:
    """A full bucket empties at once, refills over time, and never holds more than the burst."""
    now_s = 0.0
    bucket = TokenBucket(burst=2, per_s=0.5, clock=lambda: now_s)

    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now_s = 1.0
    assert not bucket.take()  # half a token
    now_s = 2.0
    assert [bucket.take(), bucket.take()] == [True, False]
    now_s = 1000.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
