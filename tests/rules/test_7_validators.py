"""Rules 7.4 to 7.7: entity tags, content codings, conditional requests and Last-Modified."""

import gzip
import hashlib

import pytest

from tests.support.headers import list_stable
from tests.support.service import a_5k, a_run

FORMS = (".ics", ".rss", ".json", "")
"""The ends of the URLs of feeds, and of the page."""

KNOWN = "Wed, 20 May 2026 12:00:00 GMT"
"""When the service of a test begins, in the form of Last-Modified."""


def digest_of(response):
    return hashlib.sha256(response.data).hexdigest()


def modified(service, form=".ics"):
    return service.get(form).headers["Last-Modified"]


@pytest.mark.parametrize("form", FORMS)
def test_the_etag_is_the_digest_of_the_body_which_gzip_packs_without_a_time(unchanged, form):
    """Rules 7.4, 7.5 and RFC 1952 2.3.1: MTIME is 0."""
    plain, gzipped = unchanged.get(form), unchanged.get(form, accept_encoding="gzip")
    assert plain.headers["ETag"] == f'"{digest_of(plain)}"'
    assert gzipped.headers["ETag"] == f'"{digest_of(plain)}-gzip"'
    assert gzipped.headers["Content-Encoding"] == "gzip"
    assert int(gzipped.headers["Content-Length"]) == len(gzipped.data) < len(plain.data)
    assert gzip.decompress(gzipped.data) == plain.data
    assert gzipped.data[4:8] == bytes(4)


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("deflate, gzip;q=1.0, br", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("br, *;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", None),
        ("gzip;q=0.5, identity;q=0.6", None),
        ("gzip;q=0.6, identity;q=0.5", "gzip"),
        ("identity", None),
        ("br", None),
    ],
)
def test_the_q_values_of_accept_encoding_decide_about_gzip(unchanged, accept_encoding, coding):
    """Rules 7.5."""
    fields = {} if accept_encoding is None else {"accept_encoding": accept_encoding}
    assert unchanged.get(**fields).headers.get("Content-Encoding") == coding


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ('"{}"', 304),
        ('W/"{}"', 304),
        ('"other", "{}"', 304),
        ('W/"other",W/"{}", "third"', 304),
        ("*", 304),
        ('"other"', 200),
        ('"{}-gzip"', 200),
        ('"*"', 200),
        ("", 200),
    ],
)
@pytest.mark.parametrize("since", [None, KNOWN, "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_if_none_match_decides_whatever_if_modified_since_says(unchanged, tags, since, status):
    """Rules 7.6 and RFC 9110 13.2.2."""
    fields = {"if_none_match": tags.format(digest_of(unchanged.get()))}
    if since:
        fields["if_modified_since"] = since
    assert unchanged.get(**fields).status_code == status


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (KNOWN, 304),
        ("Wed, 20 May 2026 12:00:01 GMT", 200),
        ("Wed, 20 May 2026 11:59:59 GMT", 200),
        ("Wednesday, 20-May-26 12:00:00 GMT", 304),
        ("Wed May 20 12:00:00 2026", 304),
        ("soon", 200),
        ("", 200),
    ],
)
def test_without_if_none_match_if_modified_since_decides(unchanged, since, status):
    """Rules 7.6; the forms of a date are those of RFC 9110 5.6.7."""
    assert unchanged.get(if_modified_since=since).status_code == status


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_304_has_etag_cache_control_vary_and_cors_and_no_body(unchanged, form, coding):
    """Rules 7.5, 7.6 and RFC 9110 15.4.5."""
    first = unchanged.get(form, accept_encoding=coding)
    again = unchanged.get(form, accept_encoding=coding, if_none_match=first.headers["ETag"])
    assert [each.status_code for each in (first, again)] == [200, 304]
    assert first.headers["Vary"] == "Accept-Encoding"
    assert again.data == b""
    cors = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
    names = ("ETag", "Cache-Control", "Vary", *cors)
    assert dict(list_stable(again.headers)) == {name: first.headers[name] for name in names}


def test_all_feeds_of_an_event_have_one_last_modified(announced):
    """Rules 7.7."""
    announced.advance(hours=1)
    announced.edit("ten", soldOut=True)
    for form in (".ics", ".rss?run=ten", ".ics?distance=5K", ".json"):
        assert modified(announced, form) == "Wed, 20 May 2026 13:00:00 GMT"
    for form in ("", "/embed", "/embed-kit", "/qr.svg"):
        assert "Last-Modified" not in announced.get(form).headers


@pytest.mark.parametrize(
    ("form", "runs", "fields"),
    [
        (".ics", [], {"lat": 41.89170001}),
        (".json", [], {"lat": 41.89170001}),  # JSON alone shows this digit
        (".ics?cancelled=drop", ["ten"], {"eventStatus": "cancelled"}),
        (".ics?distance=5K", ["mile"], {"distanceStandard": "Other"}),
    ],
)
def test_last_modified_moves_with_any_change_also_of_what_leaves_the_feed(
    service, form, runs, fields
):
    """Rules 7.7."""
    service.announce(a_run(), a_5k(), a_5k("mile"))
    service.advance(hours=1)
    service.edit(*runs, **fields)
    response = service.get(form, if_modified_since=KNOWN)
    assert response.status_code == 200
    assert response.headers["Last-Modified"] == "Wed, 20 May 2026 13:00:00 GMT"


def test_last_modified_is_the_second_of_the_save_in_which_registration_has_opened(service):
    """Rules 4.8 and 7.7."""
    service.announce(a_run(registrationOpensAt="2026-05-20T12:10:00Z"))
    service.advance(minutes=25)
    assert modified(service, ".rss") == KNOWN
    service.advance(minutes=35)
    assert modified(service, ".rss") == "Wed, 20 May 2026 13:00:00 GMT"


def test_last_modified_moves_when_a_run_leaves_after_thirty_days_as_no_longer_listed(announced):
    """Rules 7.7."""
    announced.advance(hours=1)
    announced.delist("five")
    announced.believe_removal()
    assert modified(announced) == "Wed, 20 May 2026 13:30:00 GMT"
    announced.advance(days=30, minutes=5)
    assert modified(announced) == "Fri, 19 Jun 2026 13:35:00 GMT"


@pytest.mark.parametrize(
    ("settings", "last_modified"),
    [
        ({}, KNOWN),
        ({"timezone": "Europe/Paris"}, "Wed, 20 May 2026 12:20:00 GMT"),
        ({"public_url": "https://races.example.org"}, "Wed, 20 May 2026 12:20:00 GMT"),
    ],
)
def test_last_modified_moves_with_a_deployment_that_writes_other_bytes(
    announced, settings, last_modified
):
    """Rules 7.7."""
    for minutes in (20, 5):
        announced.advance(minutes=minutes)
        announced.restart(**settings)
        assert modified(announced, ".ics") == modified(announced, ".rss") == last_modified


@pytest.mark.parametrize("form", FORMS)
def test_a_last_modified_in_the_future_is_left_out(announced, form):
    """Rules 7.7 and RFC 9110 8.8.2.1: the clock was set back."""
    announced.advance(hours=-1)
    response = announced.get(form, if_modified_since=KNOWN)
    assert response.status_code == 200
    assert "Last-Modified" not in response.headers
