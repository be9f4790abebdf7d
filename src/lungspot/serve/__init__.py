"""The HTTP service and its viewer: films in; boxes, pictures and readers' reviews out. Needs ``[serve]``."""

from lungspot.serve.app import create_app
from lungspot.serve.remote_films import FilmHost, film_host
from lungspot.serve.server import serve
from lungspot.serve.settings import Lesson, Settings
from lungspot.serve.teach import choose_lessons

__all__ = ["FilmHost", "Lesson", "Settings", "choose_lessons", "create_app", "film_host", "serve"]
