"""The ASGI application: its routes, the request guard around them, how it starts (recovery) and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from fastapi import FastAPI

from lungspot import BANNER, __version__
from lungspot.adapt import load_for_site
from lungspot.errors import LungspotError
from lungspot.images import use_fork_server
from lungspot.report import require_screened
from lungspot.serve import (
    about,
    label_studio_routes,
    lesson_routes,
    local_page,
    page_files,
    report_routes,
    review_routes,
    routes,
    screening_routes,
    suggestion_routes,
    worklist_routes,
)
from lungspot.serve.app_state import AppState, model_of
from lungspot.serve.metrics import Metrics
from lungspot.serve.problems import install
from lungspot.serve.request_guard import RequestGuard
from lungspot.serve.said import say_anew
from lungspot.serve.screening import screen_for
from lungspot.serve.settings import Settings
from lungspot.serve.store import Store
from lungspot.serve.teach import enrol
from lungspot.serve.workers import Workers

__all__ = ["create_app"]

_LOG = logging.getLogger("lungspot.serve")
_STOP_SECONDS: Final = 30.0  # seconds that films being read have to finish when the server stops


def create_app(settings: Settings) -> FastAPI:
    """Return the application of one server; nothing is opened before it starts.

    Starting raises :class:`~lungspot.errors.LungspotError` where the model or the folder cannot be used.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            detector = load_for_site(settings.model, settings.site, threads=2 if settings.workers == 1 else 1)
            screen = None if settings.screen is None else require_screened(detector.card, settings.screen)
            store = Store(settings.data, queue=settings.queue, keep_identifiers=settings.keep_identifiers)
        except (LungspotError, OSError) as error:
            app.state.failure = error  # uvicorn tells nobody why a start failed
            raise
        try:
            enrol(store, settings.teach)
            screen_for(store, screen)
            store.remember_model(model_of(detector).key, detector.card.to_json(), detector.runtime)
            if (count := say_anew(store, detector.card)) > 0:
                _LOG.info("%d films of another version of lungspot are put into words anew", count)
            server = AppState(replace(settings, screen=screen), store, detector, metrics)
            with use_fork_server():
                workers = Workers(store, detector, settings.workers, server.film_done)
                app.state.server = server
                app.state.workers = workers
                try:
                    yield
                finally:
                    server.stopping = True
                    await asyncio.to_thread(workers.stop, _STOP_SECONDS)
                    server.close()
        finally:
            store.close()

    app = FastAPI(
        title="lungspot",
        version=__version__,
        description=f"Boxes disease in chest X-rays. {BANNER} docs/reference/http.md.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # FastAPI since 0.165 can report requests, and what went wrong in them, by OpenTelemetry; never from here. Older
        # ones do not know the word and keep it among their extras.
        telemetry={
            "auto_configure": False,
            "logs": False,
            "metrics": False,
            "operation_spans": False,
            "tracing": False,
        },
        redirect_slashes=False,  # a redirect would be a status that no route documents
    )
    app.state.failure = None
    of_people = (review_routes, report_routes, lesson_routes, screening_routes)
    for_tools = (suggestion_routes, *(() if settings.label_studio is None else (label_studio_routes,)))
    for part in (routes, worklist_routes, *of_people, *for_tools, about, page_files, local_page):
        app.include_router(part.router)
    install(app)
    app.add_middleware(RequestGuard, settings=settings, metrics=metrics)
    return app
