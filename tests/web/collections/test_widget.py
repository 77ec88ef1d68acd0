"""The widget of the club and of its groups, its kit, and oEmbed."""

import re
from html import unescape

import pytest

SITE = "https://feeds.example.org"


def list_names(response):
    """The runs that a widget shows, by day."""
    found = {}
    for part in response.text.split('<h2 class="day">')[1:]:
        day, _, rest = part.partition("</h2>")
        found[day] = re.findall("<bdi>([^<]+)</bdi></a>", rest)
    return found


def read_code(response):
    """A kit with its snippets as one copies them, and as browsers read what was copied."""
    return unescape(unescape(response.text))


def get_oembed(club, url, **parameters):
    return club.client.get("/oembed", query_string={"url": url, **parameters})


def test_the_widget_lists_the_next_runs_by_day_with_one_button(club):
    response = club.open("/embed")
    assert list_names(response) == {
        "Sat, Jun 13, 2026": ["Harbor Run – 10K"],
        "Sun, Jun 14, 2026": ["Harbor Run – 10K"],
        "Sat, Jun 20, 2026": ["Forest Trail – 10K"],
        "Sat, Aug 1, 2026": ["Île Run – 10K"],
    }
    buttons = re.findall(r'<a class="button" href="([^"]+)"', response.text)
    assert buttons == [f"{SITE}/#subscribe"]
    assert f'href="{SITE}/events/forest"' in response.text
    assert "frame-ancestors *" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("?limit=1", ["Sat, Jun 13, 2026"]),
        ("?days=30", ["Sat, Jun 13, 2026", "Sun, Jun 14, 2026"]),
        ("?type=timeTrial", ["Sat, Aug 1, 2026"]),
        ("?event=forest", ["Sat, Jun 20, 2026"]),
        ("?distance=5K", []),
    ],
)
def test_the_widget_takes_a_limit_days_and_the_filters(club, query, days):
    response = club.open(f"/embed{query}")
    assert list(list_names(response)) == days
    assert ("No race is listed for the next 90 days." in response.text) == (not days)


def test_the_button_of_a_filtered_widget_leads_to_the_same_races(club):
    page = club.open("/embed?distance=10K&virtual=no&limit=2").text
    assert f'href="{SITE}/?distance=10K&amp;virtual=no#subscribe"' in page
    assert "10K, in person" in page


def test_the_widget_says_what_is_off_and_where_to_register(club):
    club.edit("forest", eventStatus="cancelled", registrationUrl="https://club.example/forest")
    club.edit("island", registrationUrl="https://club.example/island")
    page = club.open("/embed").text
    assert '<span class="state"><bdi>Cancelled</bdi></span>' in page
    assert re.findall(r'<a class="tap" href="(https://club[^"]+)"', page) == [
        "https://club.example/island"
    ]


def test_the_widget_of_a_group_has_the_runs_of_its_races(club):
    club.add_group("trails", "forest", name="Trail Runners", status="paused")
    response = club.open("/groups/trails/embed")
    assert list(list_names(response)) == ["Sat, Jun 20, 2026"]
    assert "This group is paused." in response.text
    assert f'href="{SITE}/groups/trails#subscribe"' in response.text


@pytest.mark.parametrize("query", ["?theme=pink", "?accent=red", "?limit=0", "?days=x", "?type=x"])
def test_a_widget_with_a_wrong_option_is_400_in_the_frame(club, query):
    response = club.open(f"/embed{query}", status=400)
    assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
    assert "This address asks for something we don’t have." in response.text


def test_the_widget_has_a_theme_and_an_accent(club):
    page = club.open("/embed?theme=dark&accent=f80").text
    assert 'data-theme="dark"' in page
    assert "--accent:#ff8800" in page


def test_equal_widgets_are_one_representation(club):
    queries = ("", "?limit=10&days=90", "?x=1", "?theme=light&accent=")
    assert len({club.open(f"/embed{query}").headers["ETag"] for query in queries}) == 1
    etag = club.open("/embed").headers["ETag"]
    again = club.client.get("/embed", headers={"If-None-Match": etag})
    assert again.status_code == 304


def test_the_kit_has_the_snippets_of_the_list(club):
    club.add_group("trails", "forest", name="Trail Runners")
    kit = read_code(club.open("/groups/trails/embed-kit?distance=10K&limit=5&theme=dark"))
    attributes = 'data-group="trails" data-limit="5" data-filter="distance=10K"'
    assert f'<script src="{SITE}/widget.js" {attributes}' in kit
    assert 'data-theme="dark" async></script>' in kit
    widget = f"{SITE}/groups/trails/embed?distance=10K&limit=5&theme=dark"
    assert f'<iframe src="{widget}"' in kit
    assert f'url: "{SITE}/groups/trails.ics?distance=10K"' in kit
    assert '<input type="hidden" name="distance" value="10K">' in kit
    kit = read_code(club.open("/embed-kit"))
    assert f'<script src="{SITE}/widget.js" data-title="Lakeside Runners" async>' in kit
    assert f'<iframe src="{SITE}/embed"' in kit
    assert f'href="{SITE}/events.rss"' in kit


def test_a_kit_with_a_wrong_style_is_400_with_its_form(club):
    response = club.open("/embed-kit?accent=red&limit=4&distance=9K", status=400)
    assert "“red” is no color." in response.text
    assert 'name="limit" type="number" min="1" max="50" value="4"' in response.text


@pytest.mark.parametrize(
    ("url", "widget", "title"),
    [
        (f"{SITE}/", f"{SITE}/embed", "Lakeside Runners"),
        (SITE, f"{SITE}/embed", "Lakeside Runners"),
        (f"{SITE}/groups/trails/", f"{SITE}/groups/trails/embed", "Trail Runners"),
        (
            f"{SITE}/?event=forest&event=harbor",
            f"{SITE}/embed?event=forest&event=harbor",
            "My races – Lakeside Runners",
        ),
        (f"{SITE}/?distance=10K#x", f"{SITE}/embed?distance=10K", "Lakeside Runners – 10K"),
    ],
)
def test_oembed_takes_the_pages_of_the_club_and_of_groups(club, url, widget, title):
    club.add_group("trails", "forest", name="Trail Runners")
    club.open()
    club.open("/groups/trails")
    document = get_oembed(club, url).json
    assert document["title"] == title
    assert f'src="{widget}"' in unescape(document["html"])
    assert 200 <= document["height"] <= 1000


@pytest.mark.parametrize(
    "query",
    ["type=timeTrial&amp;distance=10K", "Type=timeTrial&DISTANCE=10K", "type=timeTrial&q=&"],
)
def test_oembed_reads_the_query_of_a_page_as_the_page_does(club, query):
    webcal = re.findall(r'"webcal://[^"?]+\?([^"]+)"', club.open(f"/?{query}").text)[0]
    html = unescape(get_oembed(club, f"{SITE}/?{query}").json["html"])
    assert f'src="{SITE}/embed?{unescape(webcal)}"' in html


def test_oembed_of_an_unknown_group_is_404(club):
    club.open()
    assert get_oembed(club, f"{SITE}/groups/nobody").status_code == 404
