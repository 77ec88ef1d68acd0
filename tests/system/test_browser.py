"""Pages in a browser: links, copying, the keyboard, accessibility, print, and no scripts."""

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.support.browser import AXE, FESTIVAL, MIXED, MIXED_NAME, PAGES, SCHEMES, find_violations

FOCUSABLE = "a[href], button, input, select, textarea, iframe, [tabindex]"

FIND_FOCUSABLE = f"""() => [...document.querySelectorAll("{FOCUSABLE}")]
    .filter(each => each.checkVisibility({{visibilityProperty: true}}) && !each.disabled)
    .map(each => each.outerHTML)"""
FIND_FOCUSED = """() => document.activeElement === document.body ? ''
    : document.activeElement.outerHTML"""
FIND_OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"
FIND_LINKS = "all => all.map(each => [each.textContent, each.getAttribute('href')])"

REMOVE_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"


def percent_encode(text):
    """Encode as encodeURIComponent, and "!'()*" too, which RFC 3986 2.3 allows."""
    return quote(text, safe="")


def test_every_link_and_address_of_the_page_of_an_event_leads_where_its_text_says(page, site):
    page.goto(f"{site.url}/events/{MIXED}")
    feed = f"{site.url.removeprefix('http://')}/events/{MIXED}.ics"
    outlook = f"addfromweb?url={percent_encode(f'http://{feed}')}&name={percent_encode(MIXED_NAME)}"
    runs = {
        "Marathon": "all",
        "Half": "all",
        "10K": "all",
        "5K & walk": "5k?a=1&b=2",
        "Mile": "all",
    }
    registers = [
        [f"Register for {label}", f"https://club.example/{path}"]
        for label, path in list(runs.items())[1:4]  # the marathon is cancelled, the mile sold out
    ]

    links = page.locator("a").evaluate_all(FIND_LINKS)
    assert sorted(links) == sorted(
        [
            ["Skip to the content", "#main"],
            ["Intervals feeds", "../"],
            *registers,
            *(
                [f"Subscribe to {k}", f"webcal://{feed}?run={MIXED}-{n}"]
                for n, k in enumerate(runs, 1)
            ),
            ["Apple Calendar", f"webcal://{feed}"],
            [
                "Google Calendar",
                "https://calendar.google.com/calendar/r?cid="
                + percent_encode(f"webcal://{feed}?cancelled=keep"),
            ],
            ["Outlook.com", f"https://outlook.live.com/calendar/0/{outlook}"],
            ["Microsoft 365", f"https://outlook.office.com/calendar/0/{outlook}"],
            ["Thunderbird and others", f"webcal://{feed}"],
            ["Once, as a file", f"http://{feed}?download=1"],
            ["The event\N{RIGHT SINGLE QUOTATION MARK}s website", "https://club.example/l%C3%B8b"],
            ["", f"../events/{MIXED}/qr.svg"],
            ["buttons and a widget to paste", f"../events/{MIXED}/embed-kit"],
        ]
    )
    assert page.locator(".address code").all_text_contents() == [
        f"http://{feed}?cancelled=keep",
        f"http://{feed.removesuffix('ics')}rss",
        f"{site.url}/events/{MIXED}",
    ]


@pytest.mark.parametrize("name", ["event, mixed", "kit", "home", "embed", "error"])
def test_every_link_of_a_page_to_the_service_answers_200(page, site, name):
    page.goto(site.url + PAGES[name])
    found = page.locator("[href], [src]").evaluate_all("all => all.map(e => e.href ?? e.src)")
    urls = {url.partition("#")[0] for url in found if url.startswith(site.url)} - {page.url}

    assert len(urls) >= 2
    for url in urls:
        assert page.request.get(url).status == 200, url


@pytest.mark.parametrize("script", ["", REMOVE_CLIPBOARD], ids=["clipboard", "no clipboard"])
@pytest.mark.parametrize(("path", "buttons"), [("", 3), ("/embed-kit", 4)])
def test_a_copy_button_copies_the_text_beside_the_button(
    page, open_visitor, site, script, path, buttons
):
    other = open_visitor(script=script).page if script else page
    for each in {other.context, page.context}:
        each.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    other.goto(f"{site.url}/events/{MIXED}{path}")
    reader = page if script else page.context.new_page()  # a page that can read the clipboard
    reader.goto(f"{site.url}/nothing")

    assert other.locator("[data-copy]").count() == buttons
    for button in other.locator("[data-copy]").all():
        reader.evaluate("navigator.clipboard.writeText('before')")
        other.bring_to_front()
        button.click()
        expect(button).to_have_text("Copied")
        shown = button.locator("xpath=..").locator("code").text_content()
        assert site.url in str(shown)
        reader.bring_to_front()
        assert reader.evaluate("navigator.clipboard.readText()") == shown


def test_a_copy_button_selects_the_text_where_copying_is_impossible(open_visitor, site):
    page = open_visitor(script=REMOVE_CLIPBOARD).page
    page.goto(f"{site.url}/events/{MIXED}")
    page.evaluate("Document.prototype.execCommand = () => false")
    way = page.locator("[data-way=rss]")
    way.locator("button").click()

    expect(way.locator("button")).to_have_text("Selected")
    assert page.evaluate("getSelection().toString()") == way.locator("code").text_content()


@pytest.mark.parametrize("name", ["event, mixed", "home", "kit", "home, 400", "embed"])
def test_the_tab_key_reaches_every_control_in_order_with_a_visible_focus(page, site, name):
    page.goto(site.url + PAGES[name])
    controls = page.evaluate(FIND_FOCUSABLE)
    reached: list[str] = []
    for _ in range(2 * len(controls) + 10):
        page.keyboard.press("Tab")
        focused = page.evaluate(FIND_FOCUSED)
        if not focused or focused == next(iter(reached), None):
            break
        if focused not in reached[-1:]:  # a frame has more controls
            assert focused.startswith("<iframe") or page.evaluate(FIND_OUTLINE) != "none"
            reached.append(focused)

    assert reached == controls
    assert name == "embed" or 'class="skip"' in reached[0]


def test_the_first_tab_offers_a_link_to_the_content(page, site):
    page.goto(f"{site.url}/events/{MIXED}")
    page.keyboard.press("Tab")
    box = page.get_by_role("link", name="Skip to the content").bounding_box()
    assert box
    assert box["width"] > 100

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.querySelector('main a')")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation_of_accessibility(page, site, name):
    page.goto(site.url + PAGES[name])
    page.evaluate(AXE)
    for width in (360,) if name.startswith("embed") else (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert find_violations(page) == [], f"{width} px, {scheme}"


@pytest.mark.parametrize("width", [320, 720, 768, 1280])
def test_no_word_in_the_table_of_runs_is_broken_into_two_lines(page, site, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site.url}/events/{MIXED}")
    lines = page.locator(".runs .status, .runs td a").evaluate_all(
        "all => all.map(each => each.getClientRects().length)"
    )
    assert set(lines) == {1}


def test_without_scripts_the_page_shows_everything_but_the_copy_buttons(open_visitor, site):
    page = open_visitor(java_script_enabled=False).page
    page.goto(f"{site.url}/events/{MIXED}")

    expect(page.locator(".runs tbody tr")).to_have_count(5)
    for selector, count in ((".notice", 3), ("#ways a.button", 6), (".address code", 3)):
        expect(page.locator(selector)).to_have_count(count)
        for element in page.locator(selector).all():
            expect(element).to_be_visible()
    expect(page.locator("[data-copy]")).to_have_count(3)
    for button in page.locator("[data-copy]").all():
        expect(button).to_be_hidden()


def test_without_scripts_the_forms_find_an_event_and_change_the_widget(open_visitor, site):
    page = open_visitor(java_script_enabled=False).page
    page.goto(f"{site.url}/")
    page.get_by_label("An event\N{RIGHT SINGLE QUOTATION MARK}s id").fill(FESTIVAL)
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{site.url}/events/{FESTIVAL}")

    page.get_by_role("link", name="buttons and a widget to paste").click()
    page.get_by_label("Theme").select_option("dark")
    page.get_by_label("Colour").fill("#FF0")
    page.get_by_role("button", name="Change the widget").click()
    widget = f"{site.url}/events/{FESTIVAL}/embed?theme=dark&accent=ffff00"
    expect(page.locator("iframe")).to_have_attribute("src", widget)
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
def test_the_button_for_the_platform_of_the_visitor_comes_first(
    browser, site, system, engine, first
):
    with browser.new_context(user_agent=f"Mozilla/5.0 ({system}) {engine}") as context:
        if engine == WEBKIT:  # WebKit has no such property
            context.add_init_script("delete Navigator.prototype.userAgentData")
        page = context.new_page()
        page.goto(f"{site.url}/events/{FESTIVAL}")

        expect(page.locator("#ways li").first.locator(".button")).to_have_text(first)
        expect(page.locator("#ways li")).to_have_count(8)
        expect(page.locator("#ways li.own")).to_have_count(1)


def test_no_page_sends_a_request_to_another_site(visitor, site):
    for path in PAGES.values():
        visitor.page.goto(site.url + path)

    assert len(visitor.requests) > len(PAGES)
    assert len(visitor.problems) == 2, "the pages that answer 400 and 404, and no missing asset"
    assert [url for url in visitor.requests if not url.startswith(f"{site.url}/")] == []


def test_print_shows_the_address_and_qr_code_and_hides_buttons(page, site):
    page.goto(f"{site.url}/events/{MIXED}")
    page.emulate_media(media="print")

    for hidden in page.locator("#ways a, button, .skip, header.site, footer.site").all():
        expect(hidden).to_be_hidden()
    assert page.locator(".qr img").evaluate("image => image.naturalWidth > 0")
    expect(page.get_by_text(f"{site.url}/events/{MIXED}", exact=True)).to_be_visible()
    expect(page.locator("[data-way=address] code")).to_be_visible()
    for status in ("Cancelled", "Postponed", "Rescheduled", "Weather hold"):
        expect(page.get_by_role("cell", name=status, exact=True)).to_be_visible()
