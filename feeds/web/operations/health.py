"""Health for monitors: whether the process answers, and whether it can do its work."""

from http import HTTPStatus

import msgspec
from flask import Blueprint, Response

from feeds.service.operations.health import Health


def build_blueprint(health: Health) -> Blueprint:
    """The views of /healthz and of /readyz, which answers with what ``health`` finds."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz", provide_automatic_options=False)
    def serve_health() -> Response:
        """The process answers; neither the database nor the upstream is asked."""
        return _respond(b"ok\n", "text/plain")

    @blueprint.get("/readyz", provide_automatic_options=False)
    def serve_readiness() -> Response:
        """A report as JSON: 200 if the service is ready, else 503 with the reasons."""
        report = health.check()
        status = HTTPStatus.OK if report.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _respond(msgspec.json.encode(report) + b"\n", "application/json", status)

    return blueprint


def _respond(body: bytes, media_type: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    response = Response(body, status, mimetype=media_type)
    response.headers["Cache-Control"] = "no-store"
    return response
