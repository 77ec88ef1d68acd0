"""The snippets that clubs paste into their pages, in a browser, on a site of another origin."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import FESTIVAL, MIXED, MIXED_NAME

RECORD_MESSAGES = """<script>
window.messages = [];
addEventListener("message", event => messages.push({...event.data, from: event.origin}));
</script>"""
FIND_LINKS = "all => all.map(each => [each.textContent.trim(), each.href])"


def frame(url, more=""):
    size = 'width="600" height="500"'
    return f'{RECORD_MESSAGES}<iframe src="{url}" title="Race" {size} {more}></iframe>'


@pytest.fixture
def addresses(site):
    """The addresses that the links of the snippets have, by name."""
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


def test_the_widget_on_another_site_shows_the_event_in_its_own_style(page, site, club, addresses):
    page.goto(club.show(frame(f"{site.url}/events/{MIXED}/embed?accent=7a1f5c")))
    widget = page.frame_locator("iframe")

    expect(widget.get_by_role("heading", name=MIXED_NAME)).to_be_visible()
    expect(widget.locator(".starts li")).to_have_count(5)
    expect(widget.locator(".notice.cancelled")).to_have_text("Cancelled: Marathon.")
    button = widget.get_by_role("link", name="Google")
    expect(button).to_have_css("background-color", "rgb(122, 31, 92)")
    expect(button).to_have_css("border-radius", "6.4px")
    expect(widget.locator("body")).to_have_css("border-top-color", "rgb(122, 31, 92)")
    expect(widget.locator("code")).to_have_text(f"{addresses['page']}.ics?cancelled=keep")
    links = "all => all.map(each => [each.textContent, each.href, each.target])"
    assert widget.locator("a").evaluate_all(links) == [
        [MIXED_NAME, addresses["page"], "_blank"],
        ["Apple and others", addresses["webcal"], "_top"],
        ["Google", addresses["google"], "_blank"],
        ["Outlook", addresses["outlook"], "_blank"],
        ["All ways", f"{addresses['page']}#subscribe", "_blank"],
    ]


@pytest.mark.parametrize(
    ("theme", "scheme", "paper"),
    [
        ("light", "dark", "rgb(255, 255, 255)"),
        ("dark", "light", "rgb(16, 21, 27)"),
        ("auto", "light", "rgb(255, 255, 255)"),
        ("auto", "dark", "rgb(16, 21, 27)"),
    ],
)
def test_the_widget_has_the_theme_of_its_address_or_of_the_system(
    page, site, club, theme, scheme, paper
):
    page.emulate_media(color_scheme=scheme)
    page.goto(club.show(frame(f"{site.url}/events/{FESTIVAL}/embed?theme={theme}")))

    body = page.frame_locator("iframe").locator("body")
    expect(body).to_have_css("background-color", paper)


@pytest.fixture
def widget(page, club, addresses):
    """The widget in a frame as WordPress makes it for oEmbed."""
    url = f"{addresses['page']}/embed#?secret=abc123"
    page.goto(club.show(frame(url, 'sandbox="allow-scripts" security="restricted"')))
    page.wait_for_function("messages.length > 0")
    return page.frame_locator("iframe")


def test_the_widget_in_wordpress_has_its_style_and_sends_its_height(page, widget):
    expect(widget.locator("body")).to_have_css("border-top-color", "rgb(10, 88, 168)")
    height = widget.locator("html").evaluate("e => Math.ceil(e.getBoundingClientRect().height)")

    # The first message may be of the widget before its style sheet was applied.
    page.wait_for_function("height => messages.at(-1).value === height", arg=height)
    message = page.evaluate("messages.at(-1)")
    assert message == {"message": "height", "value": height, "secret": "abc123", "from": "null"}
    assert 200 < height < 2000


def test_the_widget_in_wordpress_sends_its_height_again_when_asked_and_for_a_new_width(
    page, widget
):
    page.evaluate("messages.length = 0; frames[0].postMessage({message: 'ready'}, '*')")
    page.wait_for_function("messages.length > 0 && messages[0].message == 'height'")
    page.locator("iframe").evaluate("frame => { frame.width = 280; }")
    page.wait_for_function("messages.at(-1).value > messages[0].value")


def test_the_widget_in_wordpress_sends_the_links_that_wordpress_opens(page, addresses, widget):
    # WordPress opens only links to the host of the frame, so all links lead to that host.
    subscribe = f"{addresses['page']}#subscribe"
    for name, address in {MIXED_NAME: addresses["page"], "Google": subscribe}.items():
        page.evaluate("messages.length = 0")
        widget.get_by_role("link", name=name).click()
        page.wait_for_function("messages.some(each => each.message === 'link')")
        links = page.evaluate("messages.filter(each => each.message === 'link')")
        assert [(each["value"], each["secret"]) for each in links] == [(address, "abc123")]


@pytest.fixture
def paste(page, site, club):
    """A function: show the page of a club into which the snippet with an id was pasted."""

    def paste(key):
        page.goto(f"{site.url}/events/{MIXED}/embed-kit")
        code = page.locator(f"section[aria-labelledby={key}] pre").text_content()
        page.goto(club.show(code))

    return paste


def test_the_pasted_widget_shows_the_event(page, paste, addresses):
    paste("frame")

    frame = page.locator("iframe")
    assert frame.get_attribute("src") == f"{addresses['page']}/embed"
    assert frame.get_attribute("title") == MIXED_NAME
    widget = page.frame_locator("iframe")
    expect(widget.get_by_role("heading", name=MIXED_NAME)).to_be_visible()


@pytest.mark.parametrize(
    ("key", "links"),
    [
        (
            "buttons",
            {
                "Apple Calendar and others": "webcal",
                "Google Calendar": "google",
                "Outlook.com": "outlook",
                MIXED_NAME: "page",
            },
        ),
        (
            "links",
            {"details": "page", "calendar": "webcal", "Google Calendar": "google", "RSS": "rss"},
        ),
    ],
)
def test_the_pasted_buttons_and_links_have_the_addresses(page, paste, addresses, key, links):
    paste(key)
    found = page.locator("body a").evaluate_all(FIND_LINKS)
    assert found == [[text, addresses[name]] for text, name in links.items()]
    for button in page.locator(".intervals-feeds a").all():
        expect(button).to_have_css("background-color", "rgb(10, 88, 168)")
        expect(button).to_have_css("color", "rgb(255, 255, 255)")


def test_the_pasted_head_announces_a_feed_of_each_format(page, paste, addresses):
    paste("head")
    links = page.locator("head link[rel=alternate]").evaluate_all(
        "all => all.map(each => [each.type, each.title, each.href])"
    )
    types = {"ics": "text/calendar", "rss": "application/rss+xml", "json": "application/feed+json"}
    assert links == [
        [type_, MIXED_NAME, f"{addresses['page']}.{extension}"]
        for extension, type_ in types.items()
    ]


def test_the_buttons_have_the_same_colours_in_the_preview(page, site):
    page.goto(f"{site.url}/events/{MIXED}/embed-kit")
    for button in page.locator(".live .intervals-feeds a").all():
        expect(button).to_have_css("background-color", "rgb(10, 88, 168)")
    expect(page.locator(".live .intervals-feeds")).to_have_css("display", "flex")
