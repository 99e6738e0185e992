"""Metrics for Prometheus: counts, durations, outcomes. Runs on the event loop."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from audio.pipeline import SpeechPipeline
from bot.core.delivery import Delivery
from bot.core.events import Events

_FIRST_SOUND_S = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_STOP_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics(Collector):
    """Counts events, and reads gauges when they are collected."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, pipeline: SpeechPipeline, delivery: Delivery, events: Events) -> None:
        """Start counting."""
        self._pipeline = pipeline
        self._delivery = delivery
        self._registry = CollectorRegistry()
        self._messages = Counter(
            "crier_messages",
            "Messages that have ended, by outcome and source.",
            ("outcome", "source"),
            registry=self._registry,
        )
        self._spoken_s = Counter(
            "crier_spoken_seconds", "Seconds of sound that were heard.", registry=self._registry
        )
        self._first_sound_s = Histogram(
            "crier_first_sound_seconds",
            "From the order to the first frame, if nothing was playing.",
            buckets=_FIRST_SOUND_S,
            registry=self._registry,
        )
        self._stop_s = Histogram(
            "crier_stop_seconds",
            "From the order to stop to silence.",
            buckets=_STOP_S,
            registry=self._registry,
        )
        self._registry.register(self)
        events.watch(self._count)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _count(self, name: str, data: dict[str, Any]) -> None:
        if name == "ended":
            # Programs name themselves, and each name would create a time series.
            source = "telegram" if data["source"] == "telegram" else "http"
            self._messages.labels(data["outcome"], source).inc()
            self._spoken_s.inc(data["audio_s"])
            if data["first_sound_ms"] is not None:
                self._first_sound_s.observe(data["first_sound_ms"] / 1000)
        elif name == "silenced":
            self._stop_s.observe(data["took_s"])

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges, and counters of other modules."""
        status = self._pipeline.status()
        yield CounterMetricFamily(
            "crier_underruns", "Times the device ran dry within a message.", status.underruns
        )
        for name, description, value in (
            ("queue_length", "Messages that have not ended.", self._delivery.under_way_count),
            ("held_messages", "Messages held by a mute or quiet hours.", self._delivery.held_count),
            (
                "buffer_seconds",
                "Seconds of sound that are ready and not heard yet.",
                status.buffer_s,
            ),
            (
                "synthesis_seconds_per_second",
                "Seconds of synthesis for one second of sound.",
                status.synthesis_s_per_s,
            ),
        ):
            yield GaugeMetricFamily(f"crier_{name}", description, value)
