"""Numbers for Prometheus, in a registry of this server's own."""

from __future__ import annotations

import prometheus_client as prometheus
from prometheus_client.process_collector import ProcessCollector
from starlette.types import Scope

from lungspot import __version__

__all__ = ["Metrics"]

_BUCKETS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """What one server counts."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        ProcessCollector(registry=self.registry)
        into = self.registry
        self.accepted = prometheus.Counter("lungspot_films_accepted", "Films accepted.", registry=into)
        self.duplicates = prometheus.Counter("lungspot_films_duplicate", "Films that were here before.", registry=into)
        self.refused = prometheus.Counter("lungspot_uploads_refused", "Uploads refused.", ["code"], registry=into)
        self.done = prometheus.Counter("lungspot_films_done", "Films done.", ["status"], registry=into)
        self.seconds = prometheus.Histogram("lungspot_film_seconds", "Seconds a film.", buckets=_BUCKETS, registry=into)
        self.suggestions = prometheus.Counter(
            "lungspot_suggestions", "Tasks of Label Studio answered.", ["outcome"], registry=into
        )
        self.waiting = prometheus.Gauge("lungspot_films_waiting", "Films accepted and not yet done.", registry=into)
        by = ["method", "route", "status"]
        self._requests = prometheus.Counter("lungspot_requests", "Answers.", by, registry=into)
        prometheus.Info("lungspot", "What runs here.", registry=into).info({"version": __version__})

    def answered(self, scope: Scope, status: int) -> None:
        """Count one answer, under its route's pattern, so that nobody can make names here."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "PUT", "DELETE"} else "other"
        self._requests.labels(method, route, str(status)).inc()

    def film(self, status: str, seconds: float) -> None:
        """Count one film that is done."""
        self.done.labels(status).inc()
        self.seconds.observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text form."""
        return prometheus.generate_latest(self.registry)
