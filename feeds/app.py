"""Settings in, Flask application out."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from werkzeug.routing import BaseConverter

from feeds import config
from feeds.config import Settings
from feeds.database import Database
from feeds.intervals import Intervals
from feeds.newsroom import Newsroom
from feeds.web import feeds, pages, problems
from feeds.web.delivery import Delivery

_HERE = Path(__file__).parent
TEMPLATES = next(
    (path for path in (_HERE.parent / "templates", _HERE / "templates") if path.is_dir()),
    _HERE / "templates",
)
"""Beside the package in a checkout, within it in a wheel."""


def utc_now() -> datetime:
    """The clock: the one place that asks what time it is."""
    return datetime.now(UTC)


class _Identifier(BaseConverter):
    """Ids of events; anything else is 404 before the upstream is asked."""

    regex = "[A-Za-z0-9_-]{1,64}"


def create_app(settings: Settings | None = None, clock: Callable[[], datetime] = utc_now) -> Flask:
    """The service as a WSGI application; without settings, those of the environment.

    Raises ``SettingsError`` when they cannot be used.
    """
    settings = settings or config.read(os.environ)
    database = Database(settings.database_url)
    database.open(settings.api_url)
    source = Intervals(settings.api_url, settings.api_key)
    newsroom = Newsroom(source, database, clock, settings.timezone, settings.max_age)

    app = Flask("feeds", template_folder=str(TEMPLATES), static_folder=None)
    app.url_map.converters["id"] = _Identifier
    # Else a doubled slash is redirected to an address made from the Host header.
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions["delivery"] = Delivery(newsroom, clock, settings.public_url, settings.timezone)
    for module in (feeds, pages, problems):
        app.register_blueprint(module.blueprint)
    return app
