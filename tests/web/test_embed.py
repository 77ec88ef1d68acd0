"""What clubs put on their own sites: the style of the widget, the snippets, oEmbed."""

import gc
import html
import re
import tracemalloc

import pytest

from feeds.web import embed

SITE = "https://feeds.example.org"
PAGE = f"{SITE}/events/harbor-festival"
WIDGET, KIT = "/events/harbor-festival/embed", "/events/harbor-festival/embed-kit"


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        *(("", ""), ("?theme=light&accent=", ""), ("?theme=dark", "theme=dark")),
        ("?accent=FF8800&theme=auto", "theme=auto&accent=ff8800"),
        ("?accent=%230a58a8", ""),  # the colour of the style sheet
        *(("?accent=%23f80", "accent=ff8800"), ("?unknown=1", "")),
    ],
)
def test_equal_styles_of_the_widget_are_one_representation(client, query, canonical):
    written = client.get(f"{WIDGET}{query}")
    assert written.status_code == 200
    assert written.headers["ETag"] == client.get(f"{WIDGET}?{canonical}").headers["ETag"]


def test_every_link_of_the_widget_leaves_the_frame(client):
    links = re.findall(r"<a [^>]*>", client.get(WIDGET).text)
    assert any("/register" in each for each in links)
    assert [each for each in links if 'target="_blank"' not in each] == []


def test_each_style_of_the_widget_is_another_representation(client):
    queries = ("", "?theme=dark", "?theme=auto", "?accent=f80", "?theme=dark&accent=f80")
    assert len({client.get(WIDGET + query).headers["ETag"] for query in queries}) == len(queries)


def test_the_widget_in_other_colours_takes_no_memory(client):
    widgets = [f"{WIDGET}?accent={number:06x}" for number in range(100)]
    client.get(widgets[0])
    tracemalloc.start()
    try:
        assert {client.get(widget).status_code for widget in widgets} == {200}
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 300_000  # 700,000, were they kept


ACCENTS = ("red", "12345", "1234567", "gggggg", "##123", "0a58a8;}", "</style>", "url(x)")
"""Texts that are no colours."""


def test_the_widget_is_400_for_an_accent_that_is_not_a_colour_and_an_unknown_theme(client):
    for name, value in (*(("accent", accent) for accent in ACCENTS), ("theme", "pink")):
        response = client.get(WIDGET, query_string={name: value})
        assert response.status_code == 400
        assert value not in response.text


@pytest.mark.parametrize("accent", ACCENTS)
def test_the_kit_shows_a_mistake_beside_its_field_and_keeps_the_rest(client, accent):
    response = client.get(KIT, query_string={"accent": accent, "theme": "dark"})
    assert response.status_code == 400
    problem = re.search('<p id="accent-problem" class="notice warn">(.*)</p>', response.text)
    assert problem
    assert html.unescape(problem[1]) == f"“{accent}” is no color. Write one such as #0a58a8."
    assert '<option value="dark" selected>' in response.text
    assert 'data-theme="dark"' in html.unescape(response.text)
    assert "theme-problem" not in response.text
    assert "ETag" not in response.headers

    response = client.get(KIT, query_string={"theme": "pink", "accent": "f80"})
    assert response.status_code == 400
    assert "There is no theme “pink”." in response.text
    assert 'value="#ff8800"' in response.text


def test_the_accent_is_the_only_inline_style_and_is_admitted_by_its_hash(client):
    plain, coloured = client.get(WIDGET), client.get(f"{WIDGET}?accent=7a1f5c")
    assert "<style>" not in plain.text
    assert "<style>:root{--accent:#7a1f5c;--on-accent:#fff}</style>" in coloured.text
    assert "sha256-" in coloured.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in coloured.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("accent", "text"),
    [("000000", "#fff"), ("ffffff", "#000"), ("ffff00", "#000"), ("0a58a8", "#fff")],
)
def test_text_on_the_accent_is_black_or_white_for_contrast(accent, text):
    assert embed.WidgetStyle("light", accent).text_colour == text


def read_codes(page):
    """The snippets of a page, as one copies them."""
    found = re.findall(r"<code>(&lt;.*?)</code>", page, re.DOTALL)
    return [html.unescape(each) for each in found]


def test_the_kit_shows_four_snippets_as_code_and_as_they_look_and_two_as_code(client):
    page = client.get(KIT).text
    codes = read_codes(page)
    live = [html.unescape(each) for each in re.findall('srcdoc="([^"]*)"', page)]
    assert len(codes) == 6
    for code, preview in zip(codes[:4], live, strict=True):
        # The policy of the page admits no style attribute.
        assert re.sub(' style="[^"]*"', "", code) in preview
    assert all(each.startswith("<!doctype html><html lang=en>") for each in live)


def test_the_snippets_have_the_style_of_the_form(client):
    page = client.get(f"{KIT}?theme=dark&accent=f80").text
    script, frame, buttons, *_ = read_codes(page)
    assert script == (
        f'<script src="{SITE}/widget.js" data-event="harbor-festival" data-theme="dark"'
        ' data-accent="ff8800" async></script>'
    )
    assert f'src="{PAGE}/embed?theme=dark&amp;accent=ff8800"' in frame
    assert "background: #ff8800; color: #000;" in buttons
    assert '<option value="dark" selected>' in page
    assert 'value="#ff8800"' in page


def test_no_snippet_is_wider_than_the_place_it_is_pasted_into(client):
    _, frame, *_ = read_codes(client.get(KIT).text)
    assert 'style="width:100%;max-width:600px;color-scheme:light"' in frame
    assert get_oembed(client, maxwidth="320").json["html"].count("width:100%;max-width:320px") == 1


def test_the_text_of_each_button_and_link_says_what_it_does(client):
    _, _, buttons, links, *_ = read_codes(client.get(KIT).text)
    texts = [re.findall("<a [^>]+>(.+)</a>", each) for each in (buttons, links)]
    assert texts == [
        ["Add to your calendar", "Dates and changes"],
        ["dates and changes", "add to your calendar", "news as RSS"],
    ]


def test_the_kit_has_a_recipe_for_each_host(client):
    page = client.get(KIT).text
    hosts = re.findall("<dt>(.+)</dt>", page)
    assert hosts == ["WordPress", "Wix", "Squarespace", "Weebly", "Google Sites"]


def test_the_buttons_bring_their_style_and_no_script(client):
    code = client.get(KIT).text.partition('id="buttons"')[2].partition("</section>")[0]
    assert "&lt;style&gt;" in code
    assert "&lt;script" not in code


def get_oembed(client, url=PAGE, **parameters):
    return client.get("/oembed", query_string={"url": url, **parameters})


def test_oembed_returns_the_html_of_the_widget(client):
    response = get_oembed(client, format="json")
    document = response.json
    assert response.content_type == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert (document["version"], document["type"]) == ("1.0", "rich")
    assert document["title"] == "Harbor Festival of Running"
    assert document["width"] == 600
    assert response.cache_control.max_age == document["cache_age"] == 3600
    # The form that WordPress lets through (wp_filter_oembed_result).
    assert re.fullmatch(
        rf'<blockquote><a href="{PAGE}">Harbor Festival of Running</a></blockquote>\s*'
        rf'<iframe src="{PAGE}/embed" title="Harbor Festival of Running" width="600"'
        rf' height="{document["height"]}" frameborder="0"'
        ' style="width:100%;max-width:600px;color-scheme:light">'
        "</iframe>",
        document["html"],
    )


@pytest.mark.parametrize(
    "url",
    [
        *(f"{PAGE}?x=1", f"{PAGE}#runs", PAGE.replace("https", "http")),
        PAGE.replace("https://feeds", "HTTPS://Feeds"),
    ],
)
def test_oembed_accepts_any_form_of_the_url_of_a_page(client, url):
    assert get_oembed(client, url).json["title"] == "Harbor Festival of Running"


def test_oembed_keeps_the_widget_within_the_requested_size(client):
    document = get_oembed(client, maxwidth="320", maxheight="240").json
    assert (document["width"], document["height"]) == (320, 240)
    assert 'width="320" height="240"' in document["html"]
    assert get_oembed(client, maxwidth="5000").json["width"] == 600


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://elsewhere.example/events/harbor-festival"),
        f"{SITE}.evil.example/events/harbor-festival",
        *(f"https://user@{SITE[8:]}/events/harbor-festival", f"{PAGE}/embed"),
        *(f"{SITE}/groups", f"{SITE}/groups/none", f"{SITE}/robots.txt"),
        *(f"{PAGE}.ics", f"{SITE}/events/nobody", "javascript:alert(1)"),
    ],
)
def test_oembed_of_another_url_is_404(client, url):
    response = get_oembed(client, url)
    assert response.status_code == 404
    assert response.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", ["maxwidth", "maxheight"])
@pytest.mark.parametrize("value", ["0", "-1", "wide", "1e9", "", "9999999"])
def test_oembed_with_an_invalid_size_is_400(client, name, value):
    response = get_oembed(client, **{name: value})
    assert response.status_code == 400
    assert response.text == f"{name} takes a number of pixels.\n"


def test_markup_in_a_name_is_escaped_in_the_html_of_oembed(client, upstream):
    upstream.publish("evil", "2026-09-01", name='"><script>alert(1)</script>')
    assert "<script" not in get_oembed(client, f"{SITE}/events/evil").json["html"]
