"""When a frame is heard, from the positions that a device reports."""

from audio.clock import StreamClock
from audio.types import SAMPLE_RATE_HZ


def test_clock_ignores_steps_and_follows_delays() -> None:
    """A position that lags by a step changes no time; one that starts late changes all."""
    clock = StreamClock()
    times_s, late = [], []
    for now_s, played in ((10.0, 0), (10.02, 0), (10.085, 2048), (10.1, 2048), (10.5, 2400)):
        late.append(clock.observe(now_s, played))
        times_s.append(round(clock.at_s(SAMPLE_RATE_HZ), 2))

    assert times_s == [11.0, 11.0, 11.0, 11.0, 11.4]
    assert late == [False, False, False, False, True]


def test_clock_counts_no_frame_as_heard_before_it_was_written() -> None:
    """A device that accepts a buffer at once has not played it."""
    clock = StreamClock()
    clock.record_write(10.0, 0)
    clock.observe(10.01, 6144)
    first_s = clock.at_s(0)
    clock.record_write(20.0, 12_000)  # it had run dry meanwhile
    clock.observe(20.01, 18_144)

    assert (first_s, clock.at_s(12_000)) == (10.0, 20.0)


def test_clock_forgets_what_was_reported_before_the_device_ran_dry() -> None:
    """Even a short gap shifts every later frame, and the times that were reported are void."""
    clock = StreamClock()
    clock.record_write(10.0, 0)
    before = clock.observe(10.0, 0), round(clock.at_s(SAMPLE_RATE_HZ), 2)
    clock.record_write(11.05, SAMPLE_RATE_HZ, dry=True)
    after = clock.observe(11.05, SAMPLE_RATE_HZ), round(clock.at_s(SAMPLE_RATE_HZ), 2)

    assert before == (False, 11.0)
    assert after == (True, 11.05)
