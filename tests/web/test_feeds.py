"""The feeds of an event over HTTP, from an upstream that listens on a socket."""

import re

import pytest

from feeds.formats import FORMATS
from tests.support.upstream import EXAMPLE

PAGE = f"/events/{EXAMPLE}"
CALENDAR = f"{PAGE}.ics"
FORMS = [f"{PAGE}.{extension}" for extension in FORMATS] + [PAGE]
"""The URLs of an event: its feeds and its page."""

INVALID_OPTIONS = [
    *(("run", "a b"), ("run", "a" * 65), ("distance", "10k"), ("cancelled", "hide")),
    *(("busy", "yes"), ("registration", "2"), ("download", "<script>alert(1)</script>")),
    *(("busy", "1\r\nX-Evil: 1"), ("busy", "\N{ARABIC-INDIC DIGIT ONE}"), ("busy", "\0")),
]


@pytest.mark.parametrize("extension", FORMATS)
def test_a_filename_has_64_characters_and_an_extension_at_most(client, upstream, extension):
    upstream.publish("harbor", "2026-06-20", slug="Long-" * 1000)
    disposition = client.get(f"/events/harbor.{extension}").headers["Content-Disposition"]
    assert disposition == f'inline; filename="{("long-" * 13)[:64]}.{extension}"'


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(("name", "value"), INVALID_OPTIONS)
def test_an_invalid_option_is_400_and_never_repeated_in_the_answer(
    client, upstream, extension, name, value
):
    response = client.get(f"{PAGE}.{extension}", query_string={name: value})
    if name in FORMATS[extension].options:
        assert response.status_code == 400
        assert re.fullmatch(rf"{name} takes [ -~]+\.\n", response.text)
        assert value not in response.text
        assert "X-Evil" not in response.headers
        assert upstream.asked == []
    else:
        assert response.status_code == 200


def test_a_page_ignores_the_options_of_feeds(client):
    etag = client.get(PAGE).headers["ETag"]
    for name, value in INVALID_OPTIONS:
        assert client.get(PAGE, query_string={name: value}).headers["ETag"] == etag


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(
    ("query", "status"),
    [
        *((f"x={'a' * 8000}", 200), ("&".join("abcd" * 1000), 200), (f"run={'a' * 8000}", 400)),
        *(("&".join(["run=a"] * 1300), 400), ("run=%FF", 400)),
    ],
)
def test_a_query_of_8_kilobytes_is_answered(client, extension, query, status):
    assert client.get(f"{PAGE}.{extension}?{query}").status_code == status
