"""What clubs embed: the widget's looks, the snippets, oEmbed."""

import html
import re

import pytest

from feeds.web import embed

SITE = "https://feeds.example.org"
PAGE = f"{SITE}/events/harbor-festival"
EMBED, KIT = "/events/harbor-festival/embed", "/events/harbor-festival/embed-kit"


class TestLooks:
    @pytest.mark.parametrize(
        ("query", "canonical"),
        [
            ("", ""),
            ("?theme=auto&accent=", ""),
            ("?theme=dark", "theme=dark"),
            ("?accent=FF8800&theme=light", "theme=light&accent=ff8800"),
            ("?accent=%23f80", "accent=ff8800"),
            ("?unknown=1", ""),
        ],
    )
    def test_one_look_is_one_representation_however_it_is_written(self, client, query, canonical):
        written = client.get(f"{EMBED}{query}")
        assert written.status_code == 200
        assert written.data == client.get(f"{EMBED}?{canonical}").data

    @pytest.mark.parametrize(
        "accent", ["red", "12345", "1234567", "gggggg", "##123", "0a58a8;}", "</style>", "url(x)"]
    )
    @pytest.mark.parametrize("path", [EMBED, KIT])
    def test_an_accent_that_is_no_colour_is_400(self, client, path, accent):
        response = client.get(path, query_string={"accent": accent})
        assert response.status_code == 400
        assert "accent takes a colour in hexadecimal digits, such as 0a58a8." in response.text

    def test_a_theme_that_is_none_is_400(self, client):
        response = client.get(f"{EMBED}?theme=pink")
        assert response.status_code == 400
        assert "theme takes one of auto, light, dark." in response.text

    def test_the_accent_is_the_only_style_within_the_page_and_admitted_by_its_hash(self, client):
        plain, coloured = client.get(EMBED), client.get(f"{EMBED}?accent=0a58a8")
        assert "<style>" not in plain.text
        assert "<style>:root{--accent:#0a58a8;--on-accent:#fff}</style>" in coloured.text
        assert "sha256-" in coloured.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in coloured.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        ("accent", "text"),
        [("000000", "#fff"), ("ffffff", "#000"), ("ffff00", "#000"), ("0a58a8", "#fff")],
    )
    def test_text_on_the_accent_can_be_read(self, accent, text):
        assert embed.parse_widget_style({"accent": accent}).css.endswith(f"--on-accent:{text}}}")


class TestSnippets:
    def test_each_is_shown_as_code_and_live(self, client):
        page = client.get(KIT).text
        codes = [
            html.unescape(each) for each in re.findall(r"<code>(&lt;.*?)</code>", page, re.DOTALL)
        ]
        live = re.findall(r'<div class="live"[^>]*>\s*(.*?)\s*</div>', page, re.DOTALL)
        assert len(codes) == 4
        assert [each.strip() for each in live] == codes[:3]

    def test_the_widgets_code_follows_the_form(self, client):
        page = client.get(f"{KIT}?theme=dark&accent=f80").text
        assert f'src="{PAGE}/embed?theme=dark&amp;accent=ff8800"' in page

    def test_the_buttons_bring_their_style_and_no_script(self, client):
        code = client.get(KIT).text.partition('id="buttons"')[2].partition("</section>")[0]
        assert "&lt;style&gt;" in code
        assert "&lt;script" not in code


class TestOEmbed:
    def ask(self, client, url=PAGE, **more):
        return client.get("/oembed", query_string={"url": url, **more})

    def test_tells_how_to_embed_a_page(self, client):
        response = self.ask(client, format="json")
        told = response.json
        assert response.content_type == "application/json"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert (told["version"], told["type"]) == ("1.0", "rich")
        assert told["title"] == "Harbor Festival of Running"
        assert told["width"] == 600
        # The form that WordPress lets through (wp_filter_oembed_result).
        assert re.fullmatch(
            rf'<blockquote><a href="{PAGE}">Harbor Festival of Running</a></blockquote>\s*'
            rf'<iframe src="{PAGE}/embed" title="Harbor Festival of Running" width="600"'
            rf' height="{told["height"]}" frameborder="0"></iframe>',
            told["html"],
        )

    @pytest.mark.parametrize(
        "url",
        [
            f"{PAGE}?x=1",
            f"{PAGE}#runs",
            PAGE.replace("https", "http"),
            PAGE.replace("https://feeds", "HTTPS://Feeds"),
        ],
    )
    def test_knows_a_page_by_any_form_of_its_address(self, client, url):
        assert self.ask(client, url).json["title"] == "Harbor Festival of Running"

    def test_stays_within_what_is_asked_for(self, client):
        told = self.ask(client, maxwidth="320", maxheight="240").json
        assert (told["width"], told["height"]) == (320, 240)
        assert 'width="320" height="240"' in told["html"]
        assert self.ask(client, maxwidth="5000").json["width"] == 600

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "https://elsewhere.example/events/harbor-festival",
            f"{SITE}.evil.example/events/harbor-festival",
            f"https://user@{SITE[8:]}/events/harbor-festival",
            f"{SITE}/",
            f"{PAGE}/embed",
            f"{PAGE}.ics",
            f"{SITE}/events/nobody",
            "javascript:alert(1)",
        ],
    )
    def test_a_foreign_url_is_404(self, client, upstream, url):
        response = self.ask(client, url)
        assert response.status_code == 404
        assert response.content_type == "text/plain; charset=utf-8"

    def test_another_format_than_json_is_501(self, client):
        response = self.ask(client, format="xml")
        assert response.status_code == 501
        assert response.text == "This address answers in JSON only.\n"

    @pytest.mark.parametrize("name", ["maxwidth", "maxheight"])
    @pytest.mark.parametrize("value", ["0", "-1", "wide", "1e9", "", "9999999"])
    def test_a_size_that_is_none_is_400(self, client, name, value):
        response = self.ask(client, **{name: value})
        assert response.status_code == 400
        assert response.text == f"{name} takes a number of pixels.\n"

    def test_a_name_is_text(self, client, upstream):
        upstream.publish("evil", "2026-09-01", name='"><script>alert(1)</script>')
        told = self.ask(client, f"{SITE}/events/evil").json
        assert "<script" not in told["html"]
