"""The other side: the same feed under the same gunicorn, without a newsroom.

Each poll is a call of the upstream, decoded and rendered for this poll alone.
"""

import os
from datetime import UTC, datetime

from flask import Flask, Response, request

from feeds import config
from feeds.domain.entries import build_timetable
from feeds.domain.feed import Feed
from feeds.domain.model import Edition
from feeds.formats import FORMATS
from feeds.upstream.client import IntervalsClient


def create_app() -> Flask:
    settings = config.read(os.environ)
    source = IntervalsClient(settings.api_url, settings.api_key)
    app = Flask("naive")

    @app.get("/events/<event_id>.ics")
    def calendar(event_id: str) -> Response:
        answer = source.fetch(event_id)
        assert answer.body is not None
        event = source.decode(answer.body, event_id).event
        edition = Edition(event=event, fetched=datetime.now(UTC), revisions={})
        page = f"{settings.public_url}/events/{event_id}"
        feed = Feed(
            title=event.name,
            page=page,
            source=f"{page}.ics",
            timezone=settings.timezone,
            timetables=(build_timetable(edition, settings.timezone),),
        )
        response = Response(FORMATS["ics"].render(feed), mimetype="text/calendar")
        response.add_etag()
        response.make_conditional(request)
        return response

    return app
