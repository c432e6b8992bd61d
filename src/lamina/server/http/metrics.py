"""What Prometheus is told: counts and times by route, how much is remembered and waits, how long work takes. No text, no scopes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from lamina.errors import LaminaError
from lamina.memory import Memory
from lamina.records import Filter

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
WORK = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)  # seconds
METHODS = frozenset(("GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"))


class Metrics:
    """The metrics of one server.

    Parameters: `memory`, counted when somebody asks.
    """

    def __init__(self, memory: Memory) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "lamina_http_requests", "Requests by route, method and status.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "lamina_http_request_seconds", "Seconds from the headers of a request to the end of its response.", ("route", "method"),
            registry=self.registry, buckets=BUCKETS,
        )  # fmt: skip
        self.under_way = Gauge(
            "lamina_http_requests_under_way", "Requests worked on or waiting.", registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.added = Counter("lamina_traces_added", "Traces stored by this server.", registry=self.registry)
        self._work = Histogram(
            "lamina_work_seconds", "Seconds of long work by kind and outcome.", ("work", "outcome"),
            registry=self.registry, buckets=WORK,
        )  # fmt: skip
        self._counted = _Counted(memory)
        self.registry.register(self._counted)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def work(self, kind: str, outcome: str, seconds: float) -> None:
        """A piece of long work ended."""
        self._work.labels(kind, outcome).observe(seconds)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # several processes serve: what all of them have counted
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            registry.register(self._counted)
        found: bytes = generate_latest(registry)
        return found


class _Counted:
    """Numbers that the store knows, read when they are asked for."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def describe(self) -> Iterable[Any]:  # what prometheus_client calls a Metric
        """Nothing beforehand."""
        return ()

    def collect(self) -> Iterator[Any]:  # the same
        """The gauges."""
        store = self._memory.store
        try:
            everything = Filter(scope="*", forgotten=True, stale=True, retired=True)
            items = store.items.count(everything)
            pending = len(store.vectors.pending(limit=1_000_000))
            size = store.nbytes()
        except LaminaError:
            return  # the rest of the metrics is worth having without them
        yield GaugeMetricFamily("lamina_items", "Items in the memory.", items)
        yield GaugeMetricFamily("lamina_pending_embeddings", "Items that wait for their vectors.", pending)
        yield GaugeMetricFamily("lamina_store_bytes", "Bytes of the memory on disk.", size)
