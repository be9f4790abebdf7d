"""What Prometheus and a load balancer ask a node: ``/metrics`` and ``/healthz``, over HTTP."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from lungspot import __version__
from lungspot.errors import SetupError
from lungspot.node.spool import OPEN_STATES, Spool

__all__ = ["COUNTED", "MetricsServer", "NodeCounts"]

# What a node counts, and what each count means.
COUNTED = {
    "received": "Films taken.",
    "duplicate": "Films that came again and are not read again.",
    "refused": "Films that were not taken.",
    "rejected": "Connections and associations that were not let in, or offered nothing that is taken.",
    "passed_over": "Films that are not read, by --only and --skip.",
    "read": "Films read.",
    "not_assessed": "Films read that the model cannot judge.",
    "compared": "Films read and compared with an earlier one of the patient.",
    "sent": "Films whose results the archive holds.",
    "send_failed": "Times that a film's results were refused, or could not be offered.",
    "items_claimed": "Work items claimed.",
    "items_completed": "Work items completed.",
    "items_canceled": "Work items canceled by this node.",
    "items_lost": "Work items that the work list took away from this node.",
    "archive_down": "Times that the archive was not to be reached.",
}


class NodeCounts:
    """Counts since the node's start, by the names of :data:`COUNTED`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[name] += 1

    def all(self) -> dict[str, int]:
        """Return every count, also those that are 0."""
        with self._lock:
            return {name: self._counts[name] for name in COUNTED}


class _Collector:
    """Reads tally and spool when it is asked: numbers that cannot be out of step with what lies on the disk."""

    def __init__(self, tally: NodeCounts, spool: Spool) -> None:
        self._tally, self._spool = tally, spool

    def collect(self) -> Iterator[Any]:
        for name, value in self._tally.all().items():
            yield CounterMetricFamily(f"lungspot_node_{name}", COUNTED[name], value=value)
        films = GaugeMetricFamily("lungspot_node_films", "Films in the spool by state.", labels=["state"])
        counts = self._spool.counts()
        for state in OPEN_STATES:
            films.add_metric([state], counts[state])
        yield films
        items = GaugeMetricFamily("lungspot_node_items", "Claimed work items by state.", labels=["state"])
        for name, count in self._spool.items.counts().items():
            items.add_metric([name], count)
        yield items
        yield GaugeMetricFamily("lungspot_node_free_bytes", "Bytes left for films.", value=self._spool.free())
        yield InfoMetricFamily("lungspot_node", "What runs here.", value={"version": __version__})


class MetricsServer:
    """Answers ``GET /metrics`` and ``GET /healthz`` at an address, until it is closed."""

    def __init__(self, address: tuple[str, int], tally: NodeCounts, spool: Spool, well: Callable[[], str]) -> None:
        """``well``: returns what is wrong, empty where nothing is. Raises SetupError PORT."""
        registry = CollectorRegistry()
        registry.register(_Collector(tally, spool))

        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version = "lungspot", ""

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry))
                elif self.path == "/healthz":
                    wrong = well()
                    said = {"status": wrong or "ok", **spool.counts(), "free_bytes": spool.free()}
                    self._answer(503 if wrong else 200, "application/json", json.dumps(said).encode())
                else:
                    self._answer(404, "text/plain", b"/metrics or /healthz\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: a scraper asks every few seconds."""

        Handler.timeout = 10
        try:
            self._server = ThreadingHTTPServer(address, Handler)
        except OSError as error:
            raise SetupError("PORT", f"{address[0]}:{address[1]}", error.strerror or "cannot listen here") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="lungspot-metrics", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
