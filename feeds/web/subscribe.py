"""The links with which each client subscribes to an event.

The makers of the clients do not document these links. Google takes webcal, not https, in ``cid``;
Microsoft takes https; an iPhone opens nothing for webcals.
https://github.com/calagator/calagator/issues/556,
https://github.com/InteractionDesignFoundation/add-event-to-calendar-docs/pull/10,
https://github.com/nextcloud/calendar/issues/2416
"""

from urllib.parse import quote

from msgspec import Struct, structs

from feeds.domain.entries import Entry
from feeds.domain.options import Options, to_query
from feeds.text.pages import get_label
from feeds.text.summaries import build_summary

NO_OPTIONS = Options()


class SubscribeLink(Struct, frozen=True):
    """How to subscribe with a client: ``href`` is a link to follow, ``copy`` a URL to copy.

    ``note`` says how soon the client sees changes, which the client decides. ``android`` is
    whether the way is for Android alone, where Google's app opens no link to subscribe.
    """

    key: str
    label: str
    note: str
    href: str | None = None
    copy: str | None = None
    android: bool = False


def build_subscribe_links(
    feeds: str, title: str, options: Options = NO_OPTIONS
) -> tuple[SubscribeLink, ...]:
    """The ways to subscribe to what has this title; ``feeds`` is the URL without an extension.

    Google hides cancelled entries. So the feed for Google keeps them and marks their titles, as
    does the URL to copy, which many people paste into Google (rules 3.3). Google's link is not the
    first: without JavaScript, visitors on Android see this order.
    """
    calendar = build_feed_url(feeds, "ics", options)
    kept = build_feed_url(feeds, "ics", structs.replace(options, cancelled="keep"))
    channel = build_feed_url(feeds, "rss", options)
    named = f"url={_quote(calendar)}&name={_quote(title)}"
    download = f"{calendar}{'&' if '?' in calendar else '?'}download=1"
    return (
        SubscribeLink(
            "apple",
            "Apple Calendar",
            "Looks for changes as often as you choose in Settings › Calendar › Fetch.",
            href=to_webcal(calendar),
        ),
        SubscribeLink(
            "google",
            "Google Calendar",
            "On a computer; it then shows on your phone. Google shows changes after 4 to 24 hours.",
            href=f"https://calendar.google.com/calendar/r?cid={_quote(to_webcal(kept))}",
        ),
        SubscribeLink(
            "outlook",
            "Outlook.com",
            "Shows changes after about 3 hours, at times only after a day.",
            href=f"https://outlook.live.com/calendar/0/addfromweb?{named}",
        ),
        SubscribeLink(
            "microsoft365",
            "Microsoft 365",
            "For work and school accounts. Shows changes after about 3 hours, at times a day.",
            href=f"https://outlook.office.com/calendar/0/addfromweb?{named}",
        ),
        SubscribeLink(
            "others",
            "Calendar app",
            "Thunderbird, ICSx5 and others. They look for changes as often as you choose.",
            href=to_webcal(calendar),
        ),
        SubscribeLink(
            "address",
            "Copy the address",
            "For calendars that ask for one: “From URL”, “Subscribe from web”.",
            copy=kept,
        ),
        SubscribeLink(
            "rss",
            "Feed reader (RSS)",
            "Each change is an item of its own.",
            copy=channel,
        ),
        SubscribeLink(
            "file",
            "Download .ics (won’t update)",
            "A copy of today.",
            href=download,
        ),
    )


def build_android_links(entry: Entry, page: str, chosen: str) -> tuple[SubscribeLink, ...]:
    """The ways for Google Calendar on Android: add one run once, and subscribe on a computer.

    ``page`` is the URL of the event's page, ``chosen`` that of the page with the present choice.
    """
    return (
        SubscribeLink(
            "google-once",
            "Add to Google Calendar",
            f"{get_label(entry)}, as it is now. It will not follow changes.",
            href=build_google_link(entry, page),
            android=True,
        ),
        build_computer_link(chosen),
    )


def build_computer_link(page: str) -> SubscribeLink:
    """The way for Google Calendar on Android that follows changes: on a computer."""
    return SubscribeLink(
        "computer",
        "Follow it in Google Calendar",
        "Open this page on a computer and subscribe there; it then shows on your phone.",
        copy=page,
        android=True,
    )


def build_google_link(entry: Entry, page: str) -> str:
    """A link that adds one run to Google Calendar, once.

    Google's app for Android opens it, and no link to subscribe. The parameters are those of
    https://github.com/InteractionDesignFoundation/add-event-to-calendar-docs/blob/main/services/google.md
    An all-day end is exclusive, as in iCalendar.
    """
    period = entry.period
    if period.all_day:
        start, end = (f"{each:%Y%m%d}" for each in (period.start, period.end))
    else:
        start, end = (f"{each:%Y%m%dT%H%M%SZ}" for each in (entry.starts, entry.ends))
    parameters = {
        "action": "TEMPLATE",
        "text": build_summary(entry),
        "dates": f"{start}/{end}",
        "ctz": entry.zone.key,
        "details": page,
        "location": entry.place or "",
    }
    query = "&".join(f"{name}={_quote(value)}" for name, value in parameters.items() if value)
    return f"https://calendar.google.com/calendar/render?{query}"


def build_feed_url(feeds: str, extension: str, options: Options) -> str:
    """The URL of a feed with the options that its format takes."""
    if extension != "ics":
        options = structs.replace(options, registration=False, busy=False, cancelled="mark")
    query = to_query(options)
    return f"{feeds}.{extension}{'?' if query else ''}{query}"


def to_webcal(url: str) -> str:
    """A URL with the scheme for subscribing; calendars try https first."""
    return f"webcal://{url.partition('://')[2]}"


def _quote(text: str) -> str:
    return quote(text, safe="")
