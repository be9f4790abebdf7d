"""The HTTP service and its viewer: films in; boxes, pictures and readers' reviews out. Needs ``[serve]``."""

from lungspot.serve.app import create_app
from lungspot.serve.server import serve
from lungspot.serve.settings import Settings

__all__ = ["Settings", "create_app", "serve"]
