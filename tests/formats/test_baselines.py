"""The baselines with which ``python -m bench renders`` compares the formats."""

from bench.baselines.libraries import prepare_feedgen, prepare_icalendar
from bench.support.festival import FIRST_FETCHED, build_event, build_feed, publish_event
from feeds.formats import FORMATS

EDITION = publish_event(None, build_event(), FIRST_FETCHED)


def test_icalendar_alone_makes_the_same_calendar():
    feed = build_feed(EDITION, "ics")
    assert prepare_icalendar(feed)() == FORMATS["ics"].render(feed)


def test_feedgen_alone_makes_the_same_channel():
    feed = build_feed(EDITION, "rss")
    assert prepare_feedgen(feed)() == FORMATS["rss"].render(feed)
