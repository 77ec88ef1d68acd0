"""An application of Flask and nothing else: the least that a start can take."""

from flask import Flask


def create_app() -> Flask:
    app = Flask("plain")
    app.add_url_rule("/robots.txt", "robots", lambda: "User-agent: *\n")
    return app
