"""The snippets that clubs paste into their pages, in a browser, on a site of another origin."""

import re
from base64 import b64encode

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
    return {"page": page, "subscribe": f"{page}#subscribe", "rss": f"{page}.rss"}


def test_the_widget_on_another_site_shows_the_event_in_its_own_style(page, site, club, addresses):
    page.goto(club.show(frame(f"{site.url}/events/{MIXED}/embed?accent=7a1f5c")))
    widget = page.frame_locator("iframe")

    expect(widget.get_by_role("heading", name=MIXED_NAME)).to_be_visible()
    expect(widget.locator(".runs li")).to_have_count(5)
    expect(widget.locator(".notice.cancelled")).to_have_text("Cancelled: Marathon.")
    button = widget.get_by_role("link", name="Subscribe")
    expect(button).to_have_css("background-color", "rgb(122, 31, 92)")
    expect(button).to_have_css("color", "rgb(255, 255, 255)")
    expect(widget.locator("body")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    links = "all => all.map(each => [each.textContent.trim(), each.href, each.target])"
    found = widget.locator("a:not(.tap)").evaluate_all(links)
    assert found == [
        [MIXED_NAME, addresses["page"], "_blank"],
        ["Subscribe", addresses["subscribe"], "_blank"],
    ]


def test_the_widget_shows_the_next_6_runs_and_counts_the_others(page, site, club):
    page.goto(club.show(frame(f"{site.url}/events/county-cross-country-day/embed")))
    widget = page.frame_locator("iframe")
    expect(widget.locator(".runs li")).to_have_count(6)
    expect(widget.get_by_role("link", name="and 54 more")).to_be_visible()


@pytest.mark.parametrize(
    ("theme", "scheme", "paper"),
    [
        ("light", "dark", "rgb(255, 255, 255)"),
        ("dark", "light", "rgb(15, 21, 27)"),
        ("auto", "light", "rgb(255, 255, 255)"),
        ("auto", "dark", "rgb(15, 21, 27)"),
        ("", "dark", "rgb(255, 255, 255)"),
    ],
)
def test_the_widget_has_the_theme_of_its_address_or_of_the_system(
    page, site, club, theme, scheme, paper
):
    page.emulate_media(color_scheme=scheme)
    page.goto(club.show(frame(f"{site.url}/events/{FESTIVAL}/embed?theme={theme}")))

    main = page.frame_locator("iframe").locator("main")
    expect(main).to_have_css("background-color", paper)


READ_CORNER = """async (png) => {
    const answer = await fetch(`data:image/png;base64,${png}`);
    const image = await createImageBitmap(await answer.blob());
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.drawImage(image, 0, 0);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
@pytest.mark.parametrize("key", ["script", "frame"])
def test_around_the_round_corners_of_the_widget_one_sees_the_page_of_the_club(
    page, site, club, key, theme
):
    page.goto(f"{site.url}/events/{FESTIVAL}/embed-kit?theme={theme}")
    code = page.locator(f"section[aria-labelledby={key}] pre").text_content()
    url = club.show(f"<style>body {{ background: #fc0 }}</style><p>{code}")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(url)
        frame_ = page.locator("iframe")
        expect(page.frame_locator("iframe").get_by_role("link", name="Subscribe")).to_be_visible()
        png = b64encode(frame_.screenshot()).decode()
        assert page.evaluate(READ_CORNER, png) == [255, 204, 0], scheme


@pytest.fixture
def widget(page, club, addresses):
    """The widget in a frame as WordPress makes it for oEmbed."""
    url = f"{addresses['page']}/embed#?secret=abc123"
    page.goto(club.show(frame(url, 'sandbox="allow-scripts" security="restricted"')))
    page.wait_for_function("messages.length > 0")
    return page.frame_locator("iframe")


def test_the_widget_in_wordpress_has_its_style_and_sends_its_height(page, widget):
    expect(widget.locator("main")).to_have_css("border-top-left-radius", "12.8px")
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
    links = {
        MIXED_NAME: addresses["page"],
        "Subscribe": addresses["subscribe"],
        "Register for Half": addresses["subscribe"],
    }
    for name, address in links.items():
        page.evaluate("messages.length = 0")
        widget.get_by_role("link", name=name).click()
        page.wait_for_function("messages.some(each => each.message === 'link')")
        links = page.evaluate("messages.filter(each => each.message === 'link')")
        assert [(each["value"], each["secret"]) for each in links] == [(address, "abc123")]


def test_the_error_of_a_widget_in_wordpress_sends_its_link(visitor, site, club):
    url = f"{site.url}/events/nobody/embed#?secret=abc123"
    visitor.page.goto(club.show(frame(url, 'sandbox="allow-scripts" security="restricted"')))
    visitor.page.wait_for_function("messages.length > 0")
    visitor.problems.clear()  # the 404
    visitor.page.evaluate("messages.length = 0")
    visitor.page.frame_locator("iframe").get_by_role("link", name="See all races").click()
    visitor.page.wait_for_function("messages.some(each => each.message === 'link')")
    (link,) = visitor.page.evaluate("messages.filter(each => each.message === 'link')")
    assert link["value"] == f"{site.url}/"


@pytest.fixture
def paste(page, site, club):
    """A function: show the page of a club into which the snippet with an id was pasted."""

    def paste(key):
        page.goto(f"{site.url}/events/{MIXED}/embed-kit")
        code = page.locator(f"section[aria-labelledby={key}] pre").text_content()
        page.goto(club.show(f"<meta name=viewport content=width=device-width>{code}"))

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
        ("buttons", {"Add to your calendar": "subscribe", "Dates and changes": "page"}),
        (
            "links",
            {
                "dates and changes": "page",
                "add to your calendar": "subscribe",
                "news as RSS": "rss",
            },
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


@pytest.mark.parametrize("key", ["script", "frame", "buttons", "links"])
def test_no_snippet_makes_the_page_of_a_club_wider_than_a_phone(page, paste, key):
    page.set_viewport_size({"width": 390, "height": 800})
    paste(key)
    page.wait_for_load_state("networkidle")
    for width in (390, 360, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("event", ["harbor-festival", "county-cross-country-day", MIXED])
def test_without_a_script_the_button_to_subscribe_is_never_cut(page, site, club, event):
    page.goto(f"{site.url}/events/{event}/embed-kit")
    code = page.locator("section[aria-labelledby=frame] pre").text_content()
    for height in ('height="', 'height="150" data-was="'):  # as pasted, and much too low
        page.goto(club.show(str(code).replace('height="', height)))
        button = page.frame_locator("iframe").get_by_role("link", name="Subscribe")
        for width in (320, 600):
            page.set_viewport_size({"width": width, "height": 1200})
            expect(button).to_be_visible()
            inner = button.evaluate("each => each.getBoundingClientRect().bottom")
            assert inner <= page.locator("iframe").evaluate("each => each.clientHeight")


FIND_HEIGHTS = """() => [...document.querySelectorAll('iframe')].map(each => each.clientHeight)"""
CONTENT_HEIGHT = "each => Math.ceil(each.getBoundingClientRect().height)"


def read_content_heights(page):
    """The heights of what the frames of a page contain."""
    count = page.locator("iframe").count()
    frames = [page.frame_locator(f"iframe >> nth={number}") for number in range(count)]
    return [frame_.locator("html").evaluate(CONTENT_HEIGHT) for frame_ in frames]


def script(site, event, more=""):
    code = f'<script src="{site.url}/widget.js" data-event="{event}"{more} async></script>'
    return f"<p>Our race:</p>{code}"


def test_the_script_makes_widgets_that_are_as_high_as_their_content(visitor, site, club):
    page = visitor.page
    visitor.page.set_viewport_size({"width": 800, "height": 900})
    host = f"http://127.0.0.1:{site.url.rpartition(':')[2]}"
    policy = (
        "<meta http-equiv=Content-Security-Policy"
        f" content=\"default-src 'none'; script-src {host}; frame-src {host}\">"
    )
    # Two widgets, each with a height of its own, on a page whose policy allows this host alone.
    county = script(site, "county-cross-country-day", ' data-theme="dark" data-accent="f80"')
    page.goto(club.show(f"{policy}{script(site, FESTIVAL)}{county}<p>End"))
    page.wait_for_function("document.querySelectorAll('iframe').length === 2")
    for width in (800, 320, 1000):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("() => frames.length === 2")
        expect(
            page.frame_locator("iframe").first.get_by_role("link", name="Subscribe")
        ).to_be_visible()
        for _ in range(200):
            if page.evaluate(FIND_HEIGHTS) == read_content_heights(page):
                break
            page.wait_for_timeout(25)
        heights = page.evaluate(FIND_HEIGHTS)
        assert heights == read_content_heights(page), f"{width} px"
        assert len(set(heights)) == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("iframe").first.evaluate("each => each.clientWidth") <= 600
    sources = page.locator("iframe").evaluate_all("all => all.map(each => each.src)")
    assert sorted(sources) == [
        f"{site.url}/events/county-cross-country-day/embed?theme=dark&accent=f80",
        f"{site.url}/events/{FESTIVAL}/embed",
    ]
    assert visitor.problems == []


def test_the_script_takes_a_height_from_its_own_frame_only(page, site, club):
    page.goto(club.show(script(site, FESTIVAL)))
    page.wait_for_function("document.querySelector('iframe')?.clientHeight !== 420")
    expect(page.frame_locator("iframe").get_by_role("link", name="Subscribe")).to_be_visible()
    before = page.evaluate(FIND_HEIGHTS)
    page.evaluate(
        """() => new Promise(done => {
            const other = document.body.appendChild(document.createElement('iframe'));
            addEventListener('message', () => setTimeout(done, 50));
            other.contentWindow.eval("parent.postMessage({message: 'height', value: 77}, '*')");
        })"""
    )
    assert page.evaluate(FIND_HEIGHTS)[0] == before[0] != 77


def test_an_error_in_a_frame_is_small_and_as_high_as_its_content(page, site, club):
    page.goto(club.show(script(site, "nobody")))
    widget = page.frame_locator("iframe")
    expect(widget.get_by_role("heading")).to_have_text("We don’t know this race.")
    page.wait_for_function("document.querySelector('iframe').clientHeight < 250")
    expect(widget.locator("header, footer")).to_have_count(0)


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


def test_the_previews_of_the_kit_are_unstyled_pages_with_the_snippets(visitor, site):
    page = visitor.page
    page.goto(f"{site.url}/events/{MIXED}/embed-kit?accent=7a1f5c")
    previews = page.locator("iframe.live")
    expect(previews).to_have_count(4)
    buttons = page.frame_locator("iframe.live >> nth=2").locator(".intervals-feeds a")
    for button in buttons.all():
        expect(button).to_have_css("background-color", "rgb(122, 31, 92)")
    links = page.frame_locator("iframe.live >> nth=3").locator("p")
    expect(links).to_have_css("font-family", re.compile("Times|serif", re.IGNORECASE))
    for number in (0, 1):
        widget = page.frame_locator(f"iframe.live >> nth={number}").frame_locator("iframe")
        expect(widget.get_by_role("link", name="Subscribe")).to_be_visible()
    assert visitor.problems == []
