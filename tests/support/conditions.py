"""Scenarios of conditional requests and content codings, and of a max-age that runs down."""

from datetime import timedelta
from itertools import product

from werkzeug.http import http_date, parse_date

from tests.support.outages import serve
from tests.support.recording import Service

KNOWN = "/events/harbor-festival"
FORMS = (".ics", ".rss", ".json", "")
CODINGS = (None, "gzip", "gzip;q=0", "identity", "br", "*")
MIXED = "br,gzip;q=0.5,identity;q=0.6"
TAGS = (None, '"<tag>"', 'W/"<tag>"', '"other", "<tag>"', "*", '"other"', '"<tag>-gzip"')
DATES = (None, "<modified>", "<older>", "<newer>", "soon")
OTHER_CODINGS = ("", "GZIP", "x-gzip", "gzip;q=1.5", "gzip;q=x", "*;q=0", "gzip,*;q=0", MIXED)
OTHER_TAGS = ("<tag>", '"<tag>', "", '"a" "<tag>"', 'w/"<tag>"', '"<tag>",', "*, *")
OTHER_DATES = ("<rfc850>", "<asctime>", "", "Wed, 31 Feb 2026 12:00:00 GMT", "<modified>, <newer>")


def ask_conditionally(service: Service) -> None:
    """Methods, conditions and codings, answered by the cache in front and by the router.

    The router answers a target for the first time: ``n`` is a parameter that the service ignores.
    """
    target = f"{KNOWN}.ics"
    _learn(service, target)
    for tag, date, coding in product(TAGS, DATES, CODINGS):
        service.ask(target, times=3, **_headers(tag, date, coding))
    for tag, date, coding in product(TAGS, DATES, CODINGS[:2]):
        service.ask(target, "HEAD", times=3, **_headers(tag, date, coding))
    routed = product(("GET", "HEAD"), (*TAGS[:2], TAGS[-1]), DATES[:2], CODINGS[:2])
    for number, (method, tag, date, coding) in enumerate(routed):
        service.ask(f"{target}?n={number}", method, times=2, **_headers(tag, date, coding))
    for date in OTHER_DATES:
        service.ask(target, times=2, if_modified_since=date)
    for tag in OTHER_TAGS:
        service.ask(target, times=2, if_none_match=tag)
    for coding in OTHER_CODINGS:
        service.ask(target, times=2, accept_encoding=coding)
    forms = [KNOWN + form for form in (*FORMS[1:], "/embed", "/qr.svg")]
    oembed = f"/oembed?url=https://feeds.example.org{KNOWN}"
    others = ("/assets/style.css", "/robots.txt", oembed, "/")
    for target in (*forms, f"{KNOWN}.ics?download=1", *others):
        _learn(service, target)
        conditions = ((None, None), (TAGS[1], None), (TAGS[-1], None), (None, DATES[1]))
        for method, (tag, date), coding in product(("GET", "HEAD"), conditions, CODINGS[:2]):
            service.ask(target, method, times=2, **_headers(tag, date, coding))


def _learn(service: Service, target: str) -> None:
    """Ask, have placeholders stand for what the answer has, and wait for 4.5 seconds.

    Within a second, the cache may give the same answer again.
    """
    service.step(target)
    answer = service.ask(target)
    modified = parse_date(answer.headers.get("Last-Modified")) or service.clock.now
    service.values = {
        "<tag>": answer.headers.get("ETag", "").strip('"'),
        "<modified>": http_date(modified),
        "<older>": http_date(modified - timedelta(seconds=1)),
        "<newer>": http_date(modified + timedelta(seconds=1)),
        "<rfc850>": f"{modified:%A, %d-%b-%y %H:%M:%S GMT}",
        "<asctime>": f"{modified:%a %b %d %H:%M:%S %Y}",
    }
    service.step(target, seconds=4.5)


def _headers(tag: str | None, date: str | None, coding: str | None) -> dict[str, str]:
    headers = {"if_none_match": tag, "if_modified_since": date, "accept_encoding": coding}
    return {name: value for name, value in headers.items() if value is not None}


def ask_as_time_passes(service: Service) -> None:
    """One feed from the cache in front while its max-age runs down; then the clock is put back."""
    serve(service, service.upstream.document("harbor-festival"))
    seconds = (0, 0.4, 0.5, 0.1, 0.9, 0.1, 1.9, 2, 58, 3535, 0.9, 0.1, 1, 3600, 10)
    for number, moved in enumerate(seconds):
        service.step(f"{number}: {moved} s later", seconds=moved)
        for form in FORMS:
            service.ask(KNOWN + form, times=2)
    for moved in (-5, -10, -20, -7200, 7300):
        service.step(f"the clock is moved by {moved} s", seconds=moved)
        for form in FORMS:
            service.ask(KNOWN + form, times=2, if_modified_since="<modified>")
        service.values["<modified>"] = http_date(service.clock.now)
