"""What clubs paste into pages of their own, in a real browser, on a site of another origin."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import FESTIVAL, MIXED, MIXED_NAME, PAGES

LISTEN = """<script>
window.told = [];
addEventListener("message", event => told.push({...event.data, from: event.origin}));
</script>"""
LINKS = "all => all.map(each => [each.textContent.trim(), each.href])"
PASTED = """code => { const t = document.createElement('template');
    t.innerHTML = code; return t.innerHTML.trim(); }"""


def framed(url, more=""):
    return f'{LISTEN}<iframe src="{url}" title="Race" width="600" height="500" {more}></iframe>'


def ways(site):
    """Where the snippets' links lead, by what they are called."""
    page = f"{site.url}/events/{MIXED}"
    feed = f"{page.removeprefix('http://')}.ics"
    encoded = feed.replace(":", "%3A").replace("/", "%2F")
    name = "%C3%85rets%20l%C3%B8b%3A%2010%20%25%20off%20%26%20S%C3%B8n%27s%20%E2%80%9C5K%E2%80%9D"
    google = f"webcal%3A%2F%2F{encoded}%3Fcancelled%3Dkeep"
    outlook = f"url=http%3A%2F%2F{encoded}&name={name}"
    return {
        "page": page,
        "webcal": f"webcal://{feed}",
        "google": f"https://calendar.google.com/calendar/r?cid={google}",
        "outlook": f"https://outlook.live.com/calendar/0/addfromweb?{outlook}",
        "rss": f"{page}.rss",
    }


class TestTheWidgetOnAnotherSite:
    def test_it_shows_the_event_in_its_own_looks(self, page, site, club):
        page.goto(club.has(framed(f"{site.url}/events/{MIXED}/embed?accent=7a1f5c")))
        widget = page.frame_locator("iframe")

        expect(widget.get_by_role("heading", name=MIXED_NAME)).to_be_visible()
        expect(widget.locator(".starts li")).to_have_count(5)
        expect(widget.locator(".notice.cancelled")).to_have_text("Cancelled: Marathon.")
        expect(widget.locator(".notice.cancelled")).to_be_visible()
        button = widget.get_by_role("link", name="Google")
        expect(button).to_have_css("background-color", "rgb(122, 31, 92)")
        expect(button).to_have_css("border-radius", "6.4px")
        expect(widget.locator("body")).to_have_css("border-top-color", "rgb(122, 31, 92)")
        expect(widget.locator("code")).to_have_text(f"{site.url}/events/{MIXED}.ics?cancelled=keep")
        expect(widget.locator("code")).to_be_visible()

    @pytest.mark.parametrize(
        ("theme", "scheme", "paper"),
        [
            ("light", "dark", "rgb(255, 255, 255)"),
            ("dark", "light", "rgb(16, 21, 27)"),
            ("auto", "light", "rgb(255, 255, 255)"),
            ("auto", "dark", "rgb(16, 21, 27)"),
        ],
    )
    def test_its_theme_is_the_one_asked_for(self, page, site, club, theme, scheme, paper):
        page.emulate_media(color_scheme=scheme)
        page.goto(club.has(framed(f"{site.url}/events/{FESTIVAL}/embed?theme={theme}")))

        body = page.frame_locator("iframe").locator("body")
        expect(body).to_have_css("background-color", paper)

    def test_its_links_leave_the_frame(self, page, site, club):
        page.goto(club.has(framed(f"{site.url}/events/{MIXED}/embed")))
        those = ways(site)
        found = (
            page.frame_locator("iframe")
            .locator("a")
            .evaluate_all("all => all.map(each => [each.textContent, each.href, each.target])")
        )
        assert found == [
            [MIXED_NAME, those["page"], "_blank"],
            ["Apple and others", those["webcal"], "_top"],
            ["Google", those["google"], "_blank"],
            ["Outlook", those["outlook"], "_blank"],
            ["All ways", f"{those['page']}#subscribe", "_blank"],
        ]

    def test_all_ways_opens_the_event_s_page_beside_the_club_s(self, page, site, club):
        page.goto(club.has(framed(f"{site.url}/events/{MIXED}/embed")))
        with page.context.expect_page() as opened:
            page.frame_locator("iframe").get_by_role("link", name="All ways").click()

        expect(opened.value).to_have_url(f"{site.url}/events/{MIXED}#subscribe")
        expect(opened.value.get_by_role("heading", name="Subscribe")).to_be_in_viewport()
        expect(page).to_have_url(club.url)

    def test_what_is_not_there_is_told_within_the_frame(self, page, site, club):
        page.goto(club.has(framed(f"{site.url}/events/nobody/embed")))

        expect(page.frame_locator("iframe").get_by_role("heading")).to_have_text("Not Found")


class TestTheWidgetInTheSandboxOfWordPress:
    @pytest.fixture
    def widget(self, page, site, club):
        url = f"{site.url}/events/{MIXED}/embed#?secret=abc123"
        page.goto(club.has(framed(url, 'sandbox="allow-scripts" security="restricted"')))
        return page.frame_locator("iframe")

    def test_it_tells_its_height(self, page, widget):
        page.wait_for_function("told.some(each => each.message == 'height')")
        (told, *_) = page.evaluate("told")

        height = widget.locator("html").evaluate("e => Math.ceil(e.getBoundingClientRect().height)")
        assert told == {"message": "height", "value": height, "secret": "abc123", "from": "null"}
        assert height > 200

    def test_it_tells_another_height_when_it_gets_another_width(self, page, widget):
        page.wait_for_function("told.length > 0")
        page.locator("iframe").evaluate("frame => { frame.width = 280; }")

        page.wait_for_function("told.at(-1).value > told[0].value")
        assert page.evaluate("told.at(-1).message") == "height"

    def test_it_answers_a_parent_that_was_late(self, page, widget):
        page.wait_for_function("told.length > 0")
        page.evaluate("told.length = 0; frames[0].postMessage({message: 'ready'}, '*')")

        page.wait_for_function("told.length > 0 && told[0].message == 'height'")

    def test_it_has_the_parent_follow_its_links(self, page, site, widget):
        page.wait_for_function("told.length > 0")
        own = ways(site)["page"]
        # It follows links to the frame's own host only: those to others lead there as well.
        for name, address in [
            (MIXED_NAME, own),
            ("Google", f"{own}#subscribe"),
            ("Apple and others", f"{own}#subscribe"),
        ]:
            page.evaluate("told.length = 0")
            widget.get_by_role("link", name=name).click()
            page.wait_for_function("told.some(each => each.message === 'link')")
            links = page.evaluate("told.filter(each => each.message === 'link')")
            assert [(each["value"], each["secret"]) for each in links] == [(address, "abc123")]

    def test_it_has_its_looks_and_the_address_to_copy(self, page, site, widget):
        expect(widget.locator("body")).to_have_css("border-top-color", "rgb(10, 88, 168)")
        expect(widget.get_by_role("link", name="Google")).to_have_css(
            "background-color", "rgb(10, 88, 168)"
        )
        address = widget.get_by_text(f"{site.url}/events/{MIXED}.ics?cancelled=keep", exact=True)
        expect(address).to_be_visible()


@pytest.mark.parametrize("name", ["event, mixed", "kit", "home", "error", "home, 400"])
def test_no_other_page_is_shown_in_a_frame(visiting, site, club, name):
    page = visiting.page
    page.goto(club.has(framed(site.url + PAGES[name])))
    page.frames[1].wait_for_load_state()

    assert page.frames[1].url.startswith("chrome-error:")
    assert any("frame-ancestors 'none'" in each for each in visiting.alarms)


class TestTheSnippetsOfTheKit:
    @pytest.fixture
    def code(self, page, site):
        """What a snippet's button copies, by the snippet's id."""
        page.goto(f"{site.url}/events/{MIXED}/embed-kit")
        return lambda key: page.locator(f"section[aria-labelledby={key}] pre").text_content()

    @pytest.mark.parametrize("key", ["frame", "buttons", "links"])
    def test_what_is_shown_beside_a_code_is_made_of_it(self, page, code, key):
        live = page.locator(f"section[aria-labelledby={key}] .live")

        assert live.evaluate("live => live.innerHTML.trim()") == page.evaluate(PASTED, code(key))

    def test_the_widget(self, page, site, club, code):
        page.goto(club.has(code("frame")))

        frame = page.locator("iframe")
        assert frame.get_attribute("src") == f"{site.url}/events/{MIXED}/embed"
        assert frame.get_attribute("title") == MIXED_NAME
        widget = page.frame_locator("iframe")
        expect(widget.get_by_role("heading", name=MIXED_NAME)).to_be_visible()
        expect(widget.locator(".starts li")).to_have_count(5)

    def test_the_buttons(self, page, site, club, code):
        page.goto(club.has(code("buttons")))

        those = ways(site)
        assert page.locator("body a").evaluate_all(LINKS) == [
            ["Apple Calendar and others", those["webcal"]],
            ["Google Calendar", those["google"]],
            ["Outlook.com", those["outlook"]],
            [MIXED_NAME, those["page"]],
        ]
        for button in page.locator("body a").all():
            expect(button).to_have_css("background-color", "rgb(10, 88, 168)")
            expect(button).to_have_css("color", "rgb(255, 255, 255)")

    def test_they_look_alike_on_the_kit(self, page, site, code):
        for button in page.locator(".live .intervals-feeds a").all():
            expect(button).to_have_css("background-color", "rgb(10, 88, 168)")
        expect(page.locator(".live .intervals-feeds")).to_have_css("display", "flex")

    def test_the_links(self, page, site, club, code):
        page.goto(club.has(code("links")))

        those = ways(site)
        assert page.locator("body a").evaluate_all(LINKS) == [
            ["details", those["page"]],
            ["calendar", those["webcal"]],
            ["Google Calendar", those["google"]],
            ["RSS", those["rss"]],
        ]
        expect(page.locator("body")).to_contain_text(f"Follow {MIXED_NAME}:")

    def test_what_goes_into_the_head(self, page, site, club, code):
        page.goto(club.has(code("head")))

        links = page.locator("head link[rel=alternate]").evaluate_all(
            "all => all.map(each => [each.type, each.title, each.href])"
        )
        base = f"{site.url}/events/{MIXED}"
        assert links == [
            ["text/calendar", MIXED_NAME, f"{base}.ics"],
            ["application/rss+xml", MIXED_NAME, f"{base}.rss"],
            ["application/feed+json", MIXED_NAME, f"{base}.json"],
        ]
        for type_, _, url in links:
            answer = page.request.get(url)
            assert answer.status == 200
            assert answer.headers["content-type"].startswith(type_)
