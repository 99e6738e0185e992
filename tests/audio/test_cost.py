"""The synthesis cost: how it is learned and stored."""

import json

import pytest

from audio.cost import SynthesisCost, speech_length

STORED = SynthesisCost().to_dict()


def learn(cost: SynthesisCost, *, spoken_s: float, took_s: float) -> SynthesisCost:
    """Return *cost* after a chunk of English."""
    return cost.after(length=20 * spoken_s, speed=1, lang="en-us", spoken_s=spoken_s, took_s=took_s)


def test_cost_learns_and_can_be_stored() -> None:
    """After a few chunks the estimate is that of the machine; it survives being stored."""
    cost = SynthesisCost()
    for spoken_s in (1.0, 2.0, 3.0, 4.0) * 8:
        took_s = 0.05 + 0.2 * spoken_s
        cost = cost.after(
            length=25 * spoken_s, speed=2, lang="en-us", spoken_s=spoken_s, took_s=took_s
        )

    assert cost.overhead_s == pytest.approx(0.05, abs=0.03)
    assert cost.rtf == pytest.approx(0.2, abs=0.03)
    assert cost.audio_s(20, 2, "en-us") == pytest.approx(0.8, abs=0.05)
    assert SynthesisCost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost


@pytest.mark.parametrize("rtf", [0.05, 0.5, 2.0])
def test_cost_of_a_first_run_is_what_was_measured(rtf: float) -> None:
    """Before the first chunk, a sentence is expected to cost what it did at set-up."""
    cost = SynthesisCost.for_measured(rtf)

    assert cost.cost_s(2.5) == pytest.approx(2.5 * rtf)
    assert cost.overhead_s > 0
    assert SynthesisCost.from_dict(cost.to_dict()) == cost


def test_cost_learns_the_cold_start_separately() -> None:
    """A slow first chunk after each rest is learned, and does not make the machine seem busy."""
    cost = SynthesisCost()
    for _ in range(8):
        cost = cost.after(
            length=20, speed=1, lang="en-us", spoken_s=1, took_s=0.4 * 1.5, rested=True
        )
        for spoken_s in (2.0, 3.0, 4.0):
            took_s = 0.1 + 0.3 * spoken_s
            cost = learn(cost, spoken_s=spoken_s, took_s=took_s)
    cost = cost.after(length=20, speed=1, lang="en-us", spoken_s=1, took_s=0.4 * 1.5, rested=True)

    assert cost.slowdown < 1.1
    assert cost.cost_s(2.0) == pytest.approx(0.7, rel=0.1)


def test_slow_chunk_raises_the_estimate_at_once_and_decays_quickly() -> None:
    """The machine may stay busy; a single slow chunk has little lasting effect."""
    steady = SynthesisCost()
    for spoken_s in (1.0, 2.0, 3.0, 4.0) * 25:
        took_s = 0.2 + 0.3 * spoken_s
        steady = learn(steady, spoken_s=spoken_s, took_s=took_s)
    slow = learn(steady, spoken_s=2.5, took_s=2 * steady.cost_s(2.5))

    assert slow.cost_s(2.5) > 1.4 * steady.cost_s(2.5)
    assert slow.overhead_s + slow.rtf * 2.5 < 1.04 * (steady.overhead_s + steady.rtf * 2.5)


def test_cost_of_an_interrupted_run_is_not_learned() -> None:
    """A process that was stopped for hours in a run has nearly the same estimate afterwards."""
    steady = SynthesisCost()
    for spoken_s in (1.0, 2.0, 3.0, 4.0) * 25:
        steady = learn(steady, spoken_s=spoken_s, took_s=0.2 + 0.3 * spoken_s)
    interrupted = learn(steady, spoken_s=2.5, took_s=3 * 3600.0)
    afterwards = learn(interrupted, spoken_s=2.5, took_s=0.95)

    assert afterwards.rtf == pytest.approx(steady.rtf, rel=0.2)
    assert afterwards.overhead_s == pytest.approx(steady.overhead_s, abs=0.2)
    assert afterwards.cost_s(2.5) < 2.5


def test_cost_learns_how_long_speech_lasts_by_language() -> None:
    """A language of long phonemes does not change the estimate of another."""
    cost = SynthesisCost()
    for _ in range(10):
        cost = learn(cost, spoken_s=2.0, took_s=0.8)
    english_s = cost.audio_s(100, 1.0, "en-us")
    for _ in range(3):
        cost = cost.after(length=10, speed=1, lang="th", spoken_s=2.0, took_s=0.8)

    assert cost.audio_s(100, 1.0, "en-us") == english_s
    assert cost.audio_s(100, 1.0, "th") > 2 * english_s


@pytest.mark.parametrize(
    "damaged",
    [
        *(None, [], {}, {"rtf": 1}),
        *({**STORED, name: value} for name, value in (("n", "x"), ("n", 0), ("x", -5.0))),
        *({**STORED, "rates": rates} for rates in (1, {"en-us": 5}, {"en-us": [0, 1]})),
        {**STORED, "cold_factor": 0},
    ],
)
def test_cost_from_dict_ignores_damaged_values(damaged: object) -> None:
    """Values that are no plausible estimate, or have other names, give the initial estimate."""
    assert SynthesisCost.from_dict(damaged) == SynthesisCost()


def test_speech_length_of_digits_exceeds_letters() -> None:
    """A digit is spoken as a word."""
    assert speech_length("12") > speech_length("ab")
