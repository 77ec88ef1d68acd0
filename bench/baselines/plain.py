"""A Flask application with one route: the least time that a start with Flask takes."""

from flask import Flask


def create_app() -> Flask:
    app = Flask("plain")
    app.add_url_rule("/robots.txt", "robots", lambda: "User-agent: *\n")
    return app
