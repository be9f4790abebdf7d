"""lungspot over HTTP, with a viewer: films in, boxes and pictures out, what readers said kept. Needs ``[serve]``."""

from lungspot.serve.app import create_app
from lungspot.serve.server import serve
from lungspot.serve.settings import Settings

__all__ = ["Settings", "create_app", "serve"]
