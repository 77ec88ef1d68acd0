"""The service without its caches: each poll calls the upstream, and decodes and renders alone."""

import os
from datetime import UTC, datetime

from flask import Flask, Response, request

from feeds import config
from feeds.domain.entries import build_timetable
from feeds.domain.feed import Feed, build_page_url
from feeds.domain.model import Edition
from feeds.formats import FORMATS
from feeds.upstream import schema
from feeds.upstream.client import IntervalsClient


def create_app() -> Flask:
    settings = config.read(os.environ)
    client = IntervalsClient(settings.api_url, settings.api_key)
    app = Flask("naive")

    @app.get("/events/<event_id>.ics")
    def respond(event_id: str) -> Response:
        result = client.fetch(event_id)
        assert result.body is not None
        event = schema.decode(result.body, event_id).event
        edition = Edition(event=event, fetched=datetime.now(UTC), revisions={})
        page = build_page_url(settings.public_url, event_id)
        feed = Feed(
            title=event.name,
            page=page,
            public_url=settings.public_url,
            source=f"{page}.ics",
            timezone=settings.timezone,
            locale="en_US",
            timetables=(build_timetable(edition, settings.timezone),),
        )
        response = Response(FORMATS["ics"].render(feed), mimetype="text/calendar")
        response.add_etag()
        response.make_conditional(request)
        return response

    return app
