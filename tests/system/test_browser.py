"""Pages in a real browser: links, copying, the keyboard, axe, paper, and life without scripts."""

from urllib.parse import quote

import pytest
from playwright.sync_api import Response, expect

from tests.support.browser import AXE, FESTIVAL, MIXED, MIXED_NAME, PAGES, SCHEMES, violations

KIB = 1024
KEYS = "a[href], button, input, select, textarea, iframe, [tabindex]"
"""What one can do something with."""

SCRIPT = {
    # Places in the order of the page of what can be seen and worked with, and where one is.
    "places": f"""() => [...document.querySelectorAll("{KEYS}")]
        .filter(each => each.checkVisibility({{visibilityProperty: true}}) && !each.disabled)
        .map(each => each.outerHTML)""",
    "here": """() => document.activeElement === document.body ? ''
        : document.activeElement.outerHTML""",
    "ring": "() => getComputedStyle(document.activeElement).outlineStyle",
    "links": "all => all.map(each => [each.textContent, each.getAttribute('href')])",
}


NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


def encoded(text):
    """As encodeURIComponent does; marks that it leaves alone may be encoded too (RFC 3986 2.3)."""
    return quote(text, safe="")


class TestLinks:
    def test_each_way_to_subscribe_leads_where_its_client_wants_it(self, page, site):
        page.goto(f"{site.url}/events/{MIXED}")
        feed = f"{site.url.removeprefix('http://')}/events/{MIXED}.ics"
        named = f"url={encoded(f'http://{feed}')}&name={encoded(MIXED_NAME)}"

        links = page.locator("#ways a").evaluate_all(SCRIPT["links"])
        assert dict(links) == {
            "Apple Calendar": f"webcal://{feed}",
            "Google Calendar": "https://calendar.google.com/calendar/r?cid="
            + encoded(f"webcal://{feed}?cancelled=keep"),
            "Outlook.com": f"https://outlook.live.com/calendar/0/addfromweb?{named}",
            "Microsoft 365": f"https://outlook.office.com/calendar/0/addfromweb?{named}",
            "Thunderbird and others": f"webcal://{feed}",
            "Once, as a file": f"http://{feed}?download=1",
        }
        assert len(links) == 6
        read = page.evaluate("url => [...new URL(url).searchParams]", dict(links)["Outlook.com"])
        assert read == [["url", f"http://{feed}"], ["name", MIXED_NAME]]
        rss = page.locator("[data-way=rss]")
        expect(rss.locator("code")).to_have_text(f"http://{feed.removesuffix('ics')}rss")
        expect(rss.locator("a")).to_have_count(0)
        expect(page.locator("[data-way=address] code")).to_have_text(
            f"http://{feed}?cancelled=keep"
        )

    def test_every_other_link_of_the_page_leads_where_it_says(self, page, site):
        page.goto(f"{site.url}/events/{MIXED}")
        feed = f"webcal://{site.url.removeprefix('http://')}/events/{MIXED}.ics"
        links = page.locator("a:not(#ways a)").evaluate_all(SCRIPT["links"])

        assert [tuple(each) for each in links] == [
            ("Skip to the content", "#main"),
            ("Intervals feeds", "../"),
            ("Subscribe to Marathon", f"{feed}?run={MIXED}-1"),
            ("Register for Half", "https://club.example/all"),
            ("Subscribe to Half", f"{feed}?run={MIXED}-2"),
            ("Register for 10K", "https://club.example/all"),
            ("Subscribe to 10K", f"{feed}?run={MIXED}-3"),
            ("Register for 5K & walk", "https://club.example/5k?a=1&b=2"),
            ("Subscribe to 5K & walk", f"{feed}?run={MIXED}-4"),
            ("Register for Mile", "https://club.example/all"),
            ("Subscribe to Mile", f"{feed}?run={MIXED}-5"),
            ("The event\N{RIGHT SINGLE QUOTATION MARK}s website", "https://club.example/l%C3%B8b"),
            ("", f"../events/{MIXED}/qr.svg"),
            ("buttons and a widget to paste", f"../events/{MIXED}/embed-kit"),
        ]

    @pytest.mark.parametrize("name", ["event, mixed", "kit", "home", "embed", "error"])
    def test_whatever_a_page_links_to_here_is_there(self, page, site, name):
        page.goto(site.url + PAGES[name])
        found = page.locator("[href], [src]").evaluate_all("all => all.map(e => e.href ?? e.src)")
        there = {url.partition("#")[0] for url in found if url.startswith(site.url)} - {page.url}

        assert len(there) >= 2
        for url in there:
            assert page.request.get(url).status == 200, url

    def test_one_can_go_from_the_first_page_to_the_kit_and_back(self, page, site):
        page.goto(f"{site.url}/")
        page.get_by_role("link", name=MIXED_NAME, exact=True).click()
        expect(page).to_have_url(f"{site.url}/events/{MIXED}")
        page.get_by_role("link", name="buttons and a widget to paste").click()
        expect(page).to_have_url(f"{site.url}/events/{MIXED}/embed-kit")
        page.get_by_role("link", name="Back to the event").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(MIXED_NAME)
        page.get_by_role("link", name="Intervals feeds").click()
        expect(page).to_have_url(f"{site.url}/")


class TestCopying:
    def copies(self, page, reader, site, path):
        """What each button of a page copies, beside what is shown; by who reads the clipboard."""
        for each in {page.context, reader.context}:
            each.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
        reader.goto(f"{site.url}/nothing")
        page.goto(site.url + path)
        for button in page.locator("[data-copy]").all():
            reader.evaluate("navigator.clipboard.writeText('before')")
            button.click()
            expect(button).to_have_text("Copied")
            shown = button.locator("xpath=..").locator("code").text_content()
            yield reader.evaluate("navigator.clipboard.readText()"), shown

    @pytest.mark.parametrize(("path", "buttons"), [("", 3), ("/embed-kit", 4)])
    def test_a_button_copies_what_is_beside_it(self, page, site, path, buttons):
        pairs = list(self.copies(page, page, site, f"/events/{MIXED}{path}"))

        assert len(pairs) == buttons
        assert [copied for copied, _ in pairs] == [shown for _, shown in pairs]
        assert all(site.url in copied for copied, _ in pairs)

    @pytest.mark.parametrize(("path", "buttons"), [("", 3), ("/embed-kit", 4)])
    def test_it_does_so_without_a_clipboard_of_the_browser_s(
        self, page, visit, site, path, buttons
    ):
        other = visit(script=NO_CLIPBOARD).page
        pairs = list(self.copies(other, page, site, f"/events/{MIXED}{path}"))

        assert len(pairs) == buttons
        assert [copied for copied, _ in pairs] == [shown for _, shown in pairs]

    def test_where_nothing_can_be_copied_it_is_selected(self, visit, site):
        page = visit(script=NO_CLIPBOARD).page
        page.goto(f"{site.url}/events/{MIXED}")
        page.evaluate("Document.prototype.execCommand = () => false")
        way = page.locator("[data-way=rss]")
        way.locator("button").click()

        expect(way.locator("button")).to_have_text("Selected")
        assert page.evaluate("getSelection().toString()") == way.locator("code").text_content()


class TestTheKeyboard:
    @pytest.mark.parametrize("name", ["event, mixed", "home", "kit", "home, 400", "embed"])
    def test_it_reaches_everything_in_order(self, page, site, name):
        page.goto(site.url + PAGES[name])
        places = page.evaluate(SCRIPT["places"])
        reached: list[str] = []
        for _ in range(2 * len(places) + 10):
            page.keyboard.press("Tab")
            here = page.evaluate(SCRIPT["here"])
            if not here or here == next(iter(reached), None):
                break
            if here not in reached[-1:]:  # within a frame there is more to reach
                assert here.startswith("<iframe") or page.evaluate(SCRIPT["ring"]) != "none"
                reached.append(here)

        assert reached == places
        assert name == "embed" or 'class="skip"' in reached[0]

    def test_the_first_key_offers_to_skip_to_the_content(self, page, site):
        page.goto(f"{site.url}/events/{MIXED}")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        box = skip.bounding_box()
        assert box
        assert box["width"] > 100

        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{site.url}/events/{MIXED}#main")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.querySelector('main a')")


class TestWhoCannotSeeWell:
    @pytest.mark.parametrize("name", PAGES)
    def test_axe_finds_nothing(self, page, site, name):
        page.goto(site.url + PAGES[name])
        page.evaluate(AXE)
        for width in (360,) if name.startswith("embed") else (360, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                assert violations(page) == [], f"{width} px, {scheme}"

    @pytest.mark.parametrize("width", [320, 720, 768, 1280])
    def test_no_word_of_the_table_is_broken(self, page, site, width):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{site.url}/events/{MIXED}")
        lines = page.locator(".runs .status, .runs td a").evaluate_all(
            "all => all.map(each => each.getClientRects().length)"
        )
        assert set(lines) == {1}


class TestWithoutScripts:
    def test_the_page_shows_everything_but_what_copies(self, visit, site):
        page = visit(java_script_enabled=False).page
        page.goto(f"{site.url}/events/{MIXED}")

        for kind in ("cancelled", "postponed", "rescheduled"):
            expect(page.locator(f".notice.{kind}")).to_be_visible()
        expect(page.locator(".runs tbody tr")).to_have_count(5)
        expect(page.locator("#ways a.button")).to_have_count(6)
        for link in page.locator("main a").all():
            expect(link).to_be_visible()
        expect(page.locator(".address code")).to_have_count(3)
        for address in page.locator(".address code").all():
            expect(address).to_be_visible()
        expect(page.locator("[data-copy]")).to_have_count(3)
        for button in page.locator("[data-copy]").all():
            expect(button).to_be_hidden()

    @pytest.mark.parametrize(
        "asked", [FESTIVAL, f"https://www.intervals.run/events/{FESTIVAL}?from=mail"]
    )
    def test_an_event_is_found(self, visit, site, asked):
        page = visit(java_script_enabled=False).page
        page.goto(f"{site.url}/")
        page.get_by_label("An event\N{RIGHT SINGLE QUOTATION MARK}s id").fill(asked)
        page.get_by_role("button", name="Show").click()

        expect(page).to_have_url(f"{site.url}/events/{FESTIVAL}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Harbor Festival of Running")

    def test_the_widget_is_changed(self, visit, site):
        page = visit(java_script_enabled=False).page
        page.goto(f"{site.url}/events/{MIXED}/embed-kit")
        page.get_by_label("Theme").select_option("dark")
        page.get_by_label("Colour").fill("#FF0")
        page.get_by_role("button", name="Change the widget").click()

        widget = f"{site.url}/events/{MIXED}/embed?theme=dark&accent=ffff00"
        expect(page.locator("iframe")).to_have_attribute("src", widget)
        expect(page.locator("pre").first).to_contain_text(widget.replace("&", "&amp;"))
        button = page.frame_locator("iframe").get_by_role("link", name="Google")
        expect(button).to_have_css("background-color", "rgb(255, 255, 0)")
        expect(button).to_have_css("color", "rgb(0, 0, 0)")
        expect(page.get_by_label("Theme")).to_have_value("dark")


WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("system", "engine", "first"),
    [
        ("iPhone; CPU iPhone OS 26_0 like Mac OS X", WEBKIT, "Apple Calendar"),
        ("iPhone; CPU iPhone OS 26_0 like Mac OS X", BLINK, "Apple Calendar"),
        ("Macintosh; Intel Mac OS X 10_15_7", BLINK, "Apple Calendar"),
        ("Linux; Android 16; Pixel 10", BLINK, "Google Calendar"),
        ("Windows NT 10.0; Win64; x64", BLINK, "Outlook.com"),
        ("X11; Linux x86_64", BLINK, "Thunderbird and others"),
    ],
)
def test_the_visitor_s_own_platform_comes_first(browser, site, system, engine, first):
    with browser.new_context(user_agent=f"Mozilla/5.0 ({system}) {engine}") as context:
        if engine == WEBKIT:  # which has none
            context.add_init_script("delete Navigator.prototype.userAgentData")
        page = context.new_page()
        page.goto(f"{site.url}/events/{FESTIVAL}")

        expect(page.locator("#ways li").first.locator(".button")).to_have_text(first)
        expect(page.locator("#ways li")).to_have_count(8)
        expect(page.locator("#ways li.own")).to_have_count(1)


def test_nobody_else_is_asked_for_anything_by_any_page(visiting, site):
    for path in PAGES.values():
        visiting.page.goto(site.url + path)

    assert len(visiting.requests) > len(PAGES)
    assert len(visiting.alarms) == 2, "400, 404, and nothing that is not there"
    assert [url for url in visiting.requests if not url.startswith(f"{site.url}/")] == []


def test_an_event_s_page_is_small(visiting, site):
    sizes: dict[str, Response] = {}
    visiting.context.on("response", lambda r: sizes.setdefault(r.url, r))
    visiting.page.goto(f"{site.url}/events/{FESTIVAL}", wait_until="networkidle")

    assert {url.rpartition(".")[2].partition("?")[0] for url in list(sizes)[1:]} >= {"css", "js"}
    assert sum(len(response.body()) for response in sizes.values()) < 50 * KIB


def test_on_paper_there_is_what_paper_can_do(page, site):
    page.goto(f"{site.url}/events/{MIXED}")
    page.emulate_media(media="print")

    for hidden in page.locator("#ways a, button, .skip, header.site, footer.site").all():
        expect(hidden).to_be_hidden()
    expect(page.locator(".qr img")).to_be_visible()
    assert page.locator(".qr img").evaluate("image => image.naturalWidth > 0")
    expect(page.get_by_text(f"{site.url}/events/{MIXED}", exact=True)).to_be_visible()
    expect(page.locator("[data-way=address] code")).to_be_visible()
    for status in ("Cancelled", "Postponed", "Rescheduled", "Weather hold"):
        expect(page.get_by_role("cell", name=status, exact=True)).to_be_visible()
