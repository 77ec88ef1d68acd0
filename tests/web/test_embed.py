"""What clubs put on their own sites: the style of the widget, the snippets, oEmbed."""

import html
import re

import pytest

from feeds.web import embed

SITE = "https://feeds.example.org"
PAGE = f"{SITE}/events/harbor-festival"
WIDGET, KIT = "/events/harbor-festival/embed", "/events/harbor-festival/embed-kit"


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        *(("", ""), ("?theme=auto&accent=", ""), ("?theme=dark", "theme=dark")),
        ("?accent=FF8800&theme=light", "theme=light&accent=ff8800"),
        *(("?accent=%23f80", "accent=ff8800"), ("?unknown=1", "")),
    ],
)
def test_equal_styles_of_the_widget_are_one_representation(client, query, canonical):
    written = client.get(f"{WIDGET}{query}")
    assert written.status_code == 200
    assert written.headers["ETag"] == client.get(f"{WIDGET}?{canonical}").headers["ETag"]


def test_each_style_of_the_widget_is_another_representation(client):
    queries = ("", "?theme=dark", "?theme=light", "?accent=f80", "?theme=dark&accent=f80")
    assert len({client.get(WIDGET + query).headers["ETag"] for query in queries}) == len(queries)


@pytest.mark.parametrize("path", [WIDGET, KIT])
def test_an_accent_that_is_not_a_colour_and_an_unknown_theme_are_400(client, path):
    accents = ("red", "12345", "1234567", "gggggg", "##123", "0a58a8;}", "</style>", "url(x)")
    takes = "accent takes a colour in hexadecimal digits, such as 0a58a8."
    wrong = [("accent", accent, takes) for accent in accents]
    for name, value, text in (*wrong, ("theme", "pink", "theme takes one of auto, light, dark.")):
        response = client.get(path, query_string={name: value})
        assert response.status_code == 400
        assert text in response.text


def test_the_accent_is_the_only_inline_style_and_is_admitted_by_its_hash(client):
    plain, coloured = client.get(WIDGET), client.get(f"{WIDGET}?accent=0a58a8")
    assert "<style>" not in plain.text
    assert "<style>:root{--accent:#0a58a8;--on-accent:#fff}</style>" in coloured.text
    assert "sha256-" in coloured.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in coloured.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("accent", "text"),
    [("000000", "#fff"), ("ffffff", "#000"), ("ffff00", "#000"), ("0a58a8", "#fff")],
)
def test_text_on_the_accent_is_black_or_white_for_contrast(accent, text):
    css = embed.parse_widget_style({"accent": accent}).css
    assert css.endswith(f"--on-accent:{text}}}")


def test_the_kit_shows_three_snippets_as_code_and_as_they_look_and_one_as_code(client):
    page = client.get(KIT).text
    codes = [html.unescape(each) for each in re.findall(r"<code>(&lt;.*?)</code>", page, re.DOTALL)]
    live = re.findall(r'<div class="live"[^>]*>\s*(.*?)\s*</div>', page, re.DOTALL)
    assert len(codes) == 4
    assert [each.strip() for each in live] == codes[:3]


def test_the_code_of_the_widget_has_the_style_of_the_form(client):
    page = client.get(f"{KIT}?theme=dark&accent=f80").text
    assert f'src="{PAGE}/embed?theme=dark&amp;accent=ff8800"' in page


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
        rf' height="{document["height"]}" frameborder="0"></iframe>',
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
        *(f"https://user@{SITE[8:]}/events/harbor-festival", f"{SITE}/", f"{PAGE}/embed"),
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
