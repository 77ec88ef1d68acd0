"""What a client is, by its user agent (docs/clients.md, section 7).

Pure: a user agent comes in, a family or a number goes out. A user agent may be false; the numbers
are for an operator who wants to know which clients a change of the feeds concerns.
"""

import re

GOOGLE, APPLE, OUTLOOK, THUNDERBIRD = "google", "apple", "outlook", "thunderbird"
CALENDARS, READERS, BROWSERS, OTHERS = "calendars", "readers", "browsers", "others"

FAMILIES = (GOOGLE, APPLE, OUTLOOK, THUNDERBIRD, CALENDARS, READERS, BROWSERS, OTHERS)
"""All families. ``calendars`` are other calendar apps and servers."""

_READERS = (
    *("feedly", "inoreader", "newsblur", "feedbin", "theoldreader", "bazqux", "feedspot"),
    *("freshrss", "miniflux", "tiny tiny rss", "commafeed", "nextcloud-news", "selfoss", "feedhq"),
    *("netnewswire", "newsboat", "liferea", "akregator", "quiterss", "rssowl", "reeder"),
    *("feeder", "capy", "readyou", "rss guard", "rssguard", "fluent reader", "newsflash", "yarr"),
    *("feedfetcher", "feedparser", "simplepie", "gofeed"),
)

_MARKS = (
    # First: services for many readers say "like FeedFetcher-Google" or "Mozilla/5.0 (compatible;".
    *((mark, READERS) for mark in _READERS),
    ("google-calendar-importer", GOOGLE),
    *((mark, APPLE) for mark in ("dataaccessd", "calendaragent", "calendarstore")),
    ("thunderbird", THUNDERBIRD),
    *((mark, OUTLOOK) for mark in ("outlook", "microsoft office", "ms-office", "exchange/")),
    *((mark, CALENDARS) for mark in ("icsx5", "nextcloud", "homeassistant", "home assistant")),
    *((mark, CALENDARS) for mark in ("davx5", "evolution", "korganizer", "caldav", "webcal")),
    *((mark, READERS) for mark in ("rss", "feed")),
    *((mark, BROWSERS) for mark in (" chrome/", " firefox/", " safari/")),
)
"""What a user agent in lower case contains, and the family; the first mark decides."""

_SUBSCRIBERS = re.compile(r"(?<![\w.,])([0-9]{1,7}) (?:subscriber|reader)s?\b")


def classify_client(user_agent: str) -> str:
    """The family of the client that sends this user agent, one of ``FAMILIES``.

    >>> classify_client("iOS/18.0 (22A3354) dataaccessd/1.0")
    'apple'
    """
    text = user_agent.lower()
    return next((family for mark, family in _MARKS if mark in text), OTHERS)


def find_subscribers(user_agent: str) -> int | None:
    """For how many people a service for feed readers polls, if it says so.

    >>> find_subscribers("Feedly/1.0 (+http://www.feedly.com/fetcher.html; 12 subscribers)")
    12
    """
    found = _SUBSCRIBERS.search(user_agent.lower())
    return int(found[1]) if found else None


def strip_numbers(user_agent: str) -> str:
    """The user agent without its numbers: the same before and after a new version or subscriber."""
    return re.sub(r"[0-9]+", "", user_agent)
