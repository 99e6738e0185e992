"""Figures for Prometheus: how soon, how fast, how often, with what end. Runs on the event loop."""

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
    """Counts what happens, and reads the rest when it is asked for."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, pipeline: SpeechPipeline, delivery: Delivery, events: Events) -> None:
        """Count from now on."""
        self._pipeline = pipeline
        self._delivery = delivery
        self._registry = CollectorRegistry()
        self._messages = Counter(
            "crier_messages",
            "Messages that have ended, by how, and by where they came from.",
            ("outcome", "source"),
            registry=self._registry,
        )
        self._spoken_s = Counter(
            "crier_spoken_seconds", "How much sound was heard.", registry=self._registry
        )
        self._first_sound_s = Histogram(
            "crier_first_sound_seconds",
            "From the order to the first frame, where the loudspeaker was idle.",
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
        events.watch(self._note)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)

    def _note(self, name: str, data: dict[str, Any]) -> None:
        if name == "ended":
            # Programs choose their names themselves, and each name would be a series for ever.
            source = "telegram" if data["source"] == "telegram" else "http"
            self._messages.labels(data["outcome"], source).inc()
            self._spoken_s.inc(data["audio_s"])
            if data["first_sound_ms"] is not None:
                self._first_sound_s.observe(data["first_sound_ms"] / 1000)
        elif name == "silenced":
            self._stop_s.observe(data["took_s"])

    def collect(self) -> Iterator[Metric]:
        """Return what is true now."""
        status = self._pipeline.status()
        yield CounterMetricFamily(
            "crier_underruns", "How often the device ran dry in a message.", status.underruns
        )
        for name, what, value in (
            ("queue_length", "Messages that have not ended.", self._delivery.under_way),
            ("held_messages", "Messages kept until it need not be quiet.", self._delivery.deferred),
            ("buffer_seconds", "Sound that is ready and not heard yet.", status.buffer_s),
            (
                "synthesis_seconds_per_second",
                "How long the voice takes for one second of sound.",
                status.synthesis_s_per_s,
            ),
        ):
            yield GaugeMetricFamily(f"crier_{name}", what, value)
