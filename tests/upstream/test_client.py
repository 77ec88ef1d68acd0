"""The client of the partner API: paths, conditional requests, refusals, the list of events."""

import json
from datetime import datetime

import pytest

from feeds.errors import (
    EventNotFound,
    Forbidden,
    InvalidResponse,
    RateLimited,
    Rejected,
    Unauthorized,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from feeds.upstream.client import PAGE_SIZE, FetchResult, IntervalsClient
from feeds.upstream.lists import Page
from tests.support.raw_server import always, serving, wire
from tests.upstream.calls import KEY, catch

DOCUMENT = b'{"data": {"event": {}, "runs": []}}'
HTML = b"<html><body><h1>Bad gateway</h1></body></html>"


@pytest.fixture
def api(httpserver):
    return IntervalsClient(httpserver.url_for("/"), KEY)


def error_body(code, **members):
    return json.dumps({"error": {"code": code, "message": f"no {KEY}", **members}}).encode()


# Documents


def test_a_request_is_conditional_only_with_an_etag(api, httpserver):
    httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT)
    for etag in (None, "", 'W/"v1"', None):
        api.fetch("e1", etag)
    sent = [request.headers.get("If-None-Match") for request, _ in httpserver.log]
    assert sent == [None, None, 'W/"v1"', None]


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', "v1", '""', '"a b, c"'])
def test_the_etag_of_the_answer_is_returned_as_sent(api, httpserver, etag):
    httpserver.expect_request("/events/e1").respond_with_data(DOCUMENT, headers={"ETag": etag})
    assert api.fetch("e1").etag == etag


@pytest.mark.parametrize(
    "header",
    ['ETag: \xa0"v1"', 'ETag: "\xe9"', f'ETag: "{"x" * 300}"', "ETag:", 'ETag: "\x01"'],
    ids=["no-break space", "not ASCII", "overlong", "empty", "control character"],
)
def test_an_etag_that_a_request_cannot_carry_is_ignored(header):
    with serving(always(wire("200 OK", DOCUMENT, header))) as server:
        api = IntervalsClient(server.url, KEY)
        first = api.fetch("e1")
        assert first == FetchResult(body=DOCUMENT, etag=None)
        assert api.fetch("e1", first.etag) == first


@pytest.mark.parametrize("headers", [(), ('ETag: "v2"',)], ids=["no etag", "another etag"])
def test_304_keeps_the_etag_and_is_invalid_if_the_request_had_none(headers):
    with serving(always(wire("304 Not Modified", b"", *headers))) as server:
        api = IntervalsClient(server.url, KEY)
        assert api.fetch("e1", '"v1"') == FetchResult(None, '"v1"')
        catch(InvalidResponse, api.fetch, "e1")


# Refusals


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        *((400, error_body("BAD_REQUEST"), Rejected), (400, HTML, InvalidResponse)),
        *((401, error_body("UNAUTHORIZED"), Unauthorized), (401, HTML, InvalidResponse)),
        *((401, b"", InvalidResponse), (403, error_body("FORBIDDEN"), Forbidden)),
        *((403, HTML, InvalidResponse), (403, b"{}", InvalidResponse)),
        (404, error_body("NOT_FOUND"), EventNotFound),
        (404, error_body("ROUTE_NOT_FOUND"), InvalidResponse),
        (404, error_body("not_found"), InvalidResponse),
        (404, error_body(["NOT_FOUND"]), InvalidResponse),
        *((404, error_body(None), InvalidResponse), (404, HTML, InvalidResponse)),
        *((404, b"", InvalidResponse), (404, b'{"code": "NOT_FOUND"}', InvalidResponse)),
        (404, b'{"error": "NOT_FOUND"}', InvalidResponse),
        *((404, b'["NOT_FOUND"]', InvalidResponse), (404, b"\xff\xfe", InvalidResponse)),
        *((404, b"[" * 100_000, InvalidResponse), (409, error_body("CONFLICT"), Rejected)),
        (422, error_body("VALIDATION_ERROR"), Rejected),
        *((429, error_body("RATE_LIMITED"), RateLimited), (429, HTML, RateLimited)),
        *((500, error_body("NOT_FOUND"), UpstreamUnavailable), (502, HTML, UpstreamUnavailable)),
        *((503, b"", UpstreamUnavailable), (599, HTML, UpstreamUnavailable)),
        *((201, DOCUMENT, InvalidResponse), (204, b"", InvalidResponse)),
        *((206, DOCUMENT, InvalidResponse), (302, HTML, InvalidResponse)),
        *((410, error_body("NOT_FOUND"), InvalidResponse), (418, HTML, InvalidResponse)),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)[:40]),
)
def test_each_status_other_than_200_is_an_error_after_one_request(
    api, httpserver, status, body, kind
):
    httpserver.expect_request("/events/e1").respond_with_data(body, status)
    catch(kind, api.fetch, "e1")
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("retry_after", "retry_at"),
    [
        *((number, "2024-02-29T19:22:47.890Z") for number in ("1709234567890", "1709234567890.0")),
        *(("32503680000000", "3000-01-01T00:00:00Z"), ("0", "1970-01-01T00:00:00Z")),
        ("-1000", "1969-12-31T23:59:59Z"),
        *((number, None) for number in ("1e300", "1e400", "-1e30", "1" + "0" * 30)),
        *((number, None) for number in ("1" + "0" * 400, "1" + "0" * 5000, "NaN", "-Infinity")),
        *((other, None) for other in ('"NaN"', '"1709234567890"', '"soon"', "true", "false")),
        *((other, None) for other in ("null", "[]", "[1709234567890]", "{}")),
    ],
    ids=lambda text: str(text)[:15],
)
def test_the_retry_after_of_a_429_is_a_time_in_milliseconds_or_ignored(
    api, httpserver, retry_after, retry_at
):
    body = f'{{"error": {{"code": "RATE_LIMITED", "retryAfter": {retry_after}}}}}'
    httpserver.expect_request("/events/e1").respond_with_data(body, 429)
    expected = datetime.fromisoformat(retry_at) if retry_at else None
    assert catch(RateLimited, api.fetch, "e1").retry_at == expected


# The organization of the key, and the list of events


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(("/organization", body) for body in (b"", HTML, b"[]", b"{}", b'{"data": []}')),
        *(("/organization", body) for body in (b'{"data": {}}', b'{"data": {"_id": 57}}')),
        *(("/organization", b'{"data": {"_id": "%s"}}' % id_) for id_ in (b"\\ud800", b"", b" ")),
        *(("/events", body) for body in (b"", b"[]", b'{"hasMore": false}', b'{"data": []}')),
        ("/events", b'{"data": {}, "hasMore": false}'),
    ],
    ids=repr,
)
def test_an_organization_or_a_list_of_another_shape_is_an_invalid_response(
    api, httpserver, path, body
):
    httpserver.expect_request(path).respond_with_data(body)
    if path == "/events":
        catch(InvalidResponse, api.fetch_page, "/events")
    else:
        catch(InvalidResponse, api.fetch_organization)


def never_answer(connection):
    while connection.read_request():
        pass


def test_the_organization_is_fetched_within_the_given_seconds():
    with serving(never_answer) as server:
        catch(UpstreamTimeout, IntervalsClient(server.url, KEY).fetch_organization, 0.2)
        assert server.paths == ["/organization"]


def respond_with_list(httpserver, items, *, more, query=f"limit={PAGE_SIZE}"):
    httpserver.expect_request("/events", query_string=query).respond_with_json(
        {"data": items, "hasMore": more}
    )


def test_the_pages_of_the_list_follow_the_last_id_of_each_page(api, httpserver):
    first = [{"_id": "e1", "date": "2026-06-14"}, {"_id": "e2", "date": "2026-06-15"}]
    respond_with_list(httpserver, first, more=True)
    last = [{"_id": "e3", "date": "2026-06-16"}]
    respond_with_list(httpserver, last, more=False, query=f"limit={PAGE_SIZE}&after=e2")
    assert api.fetch_page("/events") == Page(first, after="e2")
    assert api.fetch_page("/events", "e2") == Page(last, after=None)


@pytest.mark.parametrize("items", [[], ["e1"], [{}], [{"_id": 1}], [{"_id": ""}]], ids=repr)
def test_a_page_that_names_no_next_page_though_there_is_one_is_an_invalid_response(
    api, httpserver, items
):
    respond_with_list(httpserver, items, more=True)
    catch(InvalidResponse, api.fetch_page, "/events")


def test_a_cursor_may_be_any_text(api, httpserver):
    respond_with_list(httpserver, [{"_id": "a b&c/é"}], more=True)
    last = f"limit={PAGE_SIZE}&after=a%20b%26c%2F%C3%A9"
    respond_with_list(httpserver, [], more=False, query=last)
    page = api.fetch_page("/events")
    assert api.fetch_page("/events", page.after) == Page([], after=None)
