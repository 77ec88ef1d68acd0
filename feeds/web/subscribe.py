"""The links with which each client subscribes to an event.

The makers of the clients do not document these links. Google takes webcal, not https, in ``cid``;
Microsoft takes https; an iPhone opens nothing for webcals.
https://github.com/calagator/calagator/issues/556,
https://github.com/InteractionDesignFoundation/add-event-to-calendar-docs/pull/10,
https://github.com/nextcloud/calendar/issues/2416
"""

from urllib.parse import quote

from msgspec import Struct


class SubscribeLink(Struct, frozen=True):
    """How to subscribe with a client: ``href`` is a link to follow, ``copy`` a URL to copy.

    ``note`` says how soon the client sees changes, which the client decides.
    """

    key: str
    label: str
    note: str
    href: str | None = None
    copy: str | None = None


def build_subscribe_links(page: str, title: str) -> tuple[SubscribeLink, ...]:
    """The ways to subscribe to the event whose page has this URL and this title.

    Google hides cancelled entries. So its feed keeps them and marks their titles, and so does the
    URL to copy, because many paste it into Google (rules 3.3).
    """
    kept = f"{page}.ics?cancelled=keep"
    named = f"url={_quote(f'{page}.ics')}&name={_quote(title)}"
    return (
        SubscribeLink(
            "apple",
            "Apple Calendar",
            "Looks for changes as often as you set: on a Mac every 5 minutes to every week, on an "
            "iPhone as Fetch New Data says in the settings of Calendar.",
            href=to_webcal(f"{page}.ics"),
        ),
        SubscribeLink(
            "google",
            "Google Calendar",
            "Shows changes after 4 to 24 hours; nobody can make it look sooner. "
            "It takes new calendars in a browser, not in its app.",
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
            "For accounts of work and school. Shows changes after about 3 hours, at times only "
            "after a day.",
            href=f"https://outlook.office.com/calendar/0/addfromweb?{named}",
        ),
        SubscribeLink(
            "others",
            "Thunderbird and others",
            "Thunderbird looks for changes every 30 minutes, other programs as their settings say.",
            href=to_webcal(f"{page}.ics"),
        ),
        SubscribeLink(
            "address",
            "Any calendar, by address",
            "For calendars that ask for an address: “From URL”, “Subscribe from web”.",
            copy=kept,
        ),
        SubscribeLink(
            "rss",
            "Feed reader (RSS)",
            "Tells each change as an item of its own; most readers look every hour.",
            copy=f"{page}.rss",
        ),
        SubscribeLink(
            "file",
            "Once, as a file",
            "Never changes: what is moved or cancelled later, it does not learn.",
            href=f"{page}.ics?download=1",
        ),
    )


def to_webcal(url: str) -> str:
    """A URL with the scheme for subscribing; calendars try https first."""
    return f"webcal://{url.partition('://')[2]}"


def build_run_link(page: str, run_id: str) -> str:
    """The URL with which calendars subscribe to one run."""
    return to_webcal(f"{page}.ics?run={run_id}")


def _quote(text: str) -> str:
    return quote(text, safe="")
