"""Pages in a browser: links, copying, the keyboard, accessibility, print, and no scripts."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.support.browser import (
    AXE,
    FESTIVAL,
    MIXED,
    MIXED_NAME,
    PAGES,
    REMOVE_CLIPBOARD,
    find_violations,
)

FOCUSABLE = "a[href], button, input, select, textarea, summary, iframe, [tabindex]"

# The script of the kit changes the height of a preview while the test runs.
WITHOUT_HEIGHT = r'each => each.outerHTML.replace(/ height="\d+"/g, "")'
FIND_FOCUSABLE = f"""() => [...document.querySelectorAll("{FOCUSABLE}")]
    .filter(each => each.checkVisibility({{visibilityProperty: true}}) && !each.disabled)
    .map({WITHOUT_HEIGHT})"""
FIND_FOCUSED = f"""() => document.activeElement === document.body ? ''
    : ({WITHOUT_HEIGHT})(document.activeElement)"""
FIND_OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"
FIND_LINKS = "all => all.map(each => [each.textContent.trim(), each.getAttribute('href')])"


def percent_encode(text):
    """Encode as encodeURIComponent, and "!'()*" too, which RFC 3986 2.3 allows."""
    return quote(text, safe="")


def test_every_link_and_address_of_the_page_of_an_event_leads_where_its_text_says(page, site):
    page.goto(f"{site.url}/events/{MIXED}")
    feed = f"{site.url.removeprefix('http://')}/events/{MIXED}.ics"
    outlook = f"addfromweb?url={percent_encode(f'http://{feed}')}&name={percent_encode(MIXED_NAME)}"
    # Nobody registers for what is cancelled or sold out.
    registers = {"Half": "all", "10K": "all", "5K & walk": "5k?a=1&b=2"}
    day = "20260620T{}00Z/20260620T{}00Z"
    once = (
        "https://calendar.google.com/calendar/render?action=TEMPLATE"
        f"&text={percent_encode(f'Postponed: {MIXED_NAME} – Half')}"
        f"&dates={percent_encode(day.format('1400', '1600'))}&ctz=America%2FChicago"
        f"&details={percent_encode(f'{site.url}/events/{MIXED}')}"
        f"&location={percent_encode('Fælledparken, København')}"
    )

    links = page.locator("a").evaluate_all(FIND_LINKS)
    assert sorted(links) == sorted(
        [
            ["Skip to the content", "#main"],
            ["‹ North Shore Race Series", "../"],
            [
                "Fælledparken, København",
                "https://www.google.com/maps/search/?api=1&query="
                + percent_encode("Fælledparken, København"),
            ],
            ["Subscribe in your calendar", "#subscribe"],
            ["Register", "#runs"],
            *(
                [f"Register for {label}", f"https://club.example/{path}"]
                for label, path in registers.items()
            ),
            ["Apple Calendar", f"webcal://{feed}"],
            [
                "Google Calendar",
                "https://calendar.google.com/calendar/r?cid="
                + percent_encode(f"webcal://{feed}?cancelled=keep"),
            ],
            ["Outlook.com", f"https://outlook.live.com/calendar/0/{outlook}"],
            ["Microsoft 365", f"https://outlook.office.com/calendar/0/{outlook}"],
            ["Calendar app", f"webcal://{feed}"],
            ["Download .ics (won’t update)", f"http://{feed}?download=1"],
            ["Add to Google Calendar", once],
            ["Event website", "https://club.example/l%C3%B8b"],
            ["", f"../events/{MIXED}/qr.svg"],
            ["SVG", f"../events/{MIXED}/qr.svg"],
            ["PNG", f"../events/{MIXED}/qr.png"],
            ["Put this event on your club’s website", f"../events/{MIXED}/embed-kit"],
            ["Calendar", f"http://{feed}"],
            ["RSS", f"{site.url}/events/{MIXED}.rss"],
            ["JSON", f"{site.url}/events/{MIXED}.json"],
        ]
    )
    event = f"{site.url}/events/{MIXED}"
    assert sorted(page.locator(".address code").all_text_contents()) == [
        *([event] * 3),  # to share, for apps without a browser, and to open on a computer
        f"{event}.ics?cancelled=keep",
        f"{event}.rss",
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
@pytest.mark.parametrize(("path", "buttons"), [("", 3), ("/embed-kit", 8)])
def test_a_copy_button_copies_the_text_beside_the_button(
    page, open_visitor, site, script, path, buttons
):
    other = open_visitor(script=script).page if script else page
    for each in {other.context, page.context}:
        each.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    other.goto(f"{site.url}/events/{MIXED}{path}")
    reader = page if script else page.context.new_page()  # a page that can read the clipboard
    reader.goto(f"{site.url}/nothing")

    for other_ways in other.locator("#others summary").all():
        other_ways.click()
    shown_buttons = other.locator("[data-copy]:visible")
    assert shown_buttons.count() == buttons
    for button in shown_buttons.all():
        reader.evaluate("navigator.clipboard.writeText('before')")
        other.bring_to_front()
        button.click()
        expect(button).to_have_text("Copied")
        shown = button.locator("xpath=..").locator("code").text_content()
        assert site.url in str(shown)
        reader.bring_to_front()
        assert reader.evaluate("navigator.clipboard.readText()") == shown


def test_a_copy_button_that_is_pressed_again_has_its_own_text_in_the_end(open_visitor, site):
    page = open_visitor(script=REMOVE_CLIPBOARD).page
    page.clock.install()
    page.goto(f"{site.url}/events/{MIXED}")
    button = page.locator(".share button")
    for _ in range(2):
        button.click()
        expect(button).to_have_text("Copied")
        page.clock.run_for(1500)
    expect(button).to_have_text("Copied")
    page.clock.run_for(2000)
    expect(button).to_have_text("Copy")


def test_a_copy_button_selects_the_text_where_copying_is_impossible(open_visitor, site):
    page = open_visitor(script=REMOVE_CLIPBOARD).page
    page.goto(f"{site.url}/events/{MIXED}")
    page.evaluate("Document.prototype.execCommand = () => false")
    way = page.locator("[data-way=rss]")
    page.locator("#others summary").click()
    way.locator("button").click()

    expect(way.locator("button")).to_have_text("Selected")
    assert page.evaluate("getSelection().toString()") == way.locator("code").text_content()


@pytest.mark.parametrize("name", ["event, mixed", "home", "kit", "home, 404", "embed"])
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


COLORS = ("yellow", "black", "white", "grey")
"""Embeds that differ from others in their colors alone."""

FRAMES = ("list", "list, dark", "list, nothing")
"""Pages that look alike at any width."""

WIDE_BARS = ("event", "club", "club, chosen")
"""Pages with the bar of actions: nothing else has other colors on a wide screen."""


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation_of_accessibility(page, site, name):
    page.goto(site.url + PAGES[name])
    page.evaluate(AXE)
    page.set_viewport_size({"width": 360, "height": 900})
    colors = name.startswith("embed, ") and name.rpartition(" ")[2] in COLORS
    assert find_violations(page, *(["color-contrast"] if colors else [])) == []
    page.emulate_media(color_scheme="dark")  # other colours, and the same elements
    assert find_violations(page, "color-contrast") == [], "dark"
    if not name.startswith("embed") and name not in FRAMES:
        page.set_viewport_size({"width": 1280, "height": 900})
        if name in WIDE_BARS:
            assert find_violations(page, "color-contrast") == [], "1280 px, dark"
        page.emulate_media(color_scheme="light")
        ignored = () if name in WIDE_BARS else ("color-contrast",)
        assert find_violations(page, ignored=ignored) == [], "1280 px"


def test_without_scripts_the_page_shows_everything_but_the_copy_buttons(open_visitor, site):
    page = open_visitor(java_script_enabled=False).page
    page.goto(f"{site.url}/events/{MIXED}")

    expect(page.locator(".runs li")).to_have_count(5)
    for selector, count in (
        (".notice:visible", 4),
        ("#ways a.button:visible", 6),
        (".address code:visible", 3),
        ("#choice button:visible", 1),
        ("[data-copy]:visible", 0),
        (".countdown:visible", 0),
    ):
        expect(page.locator(selector)).to_have_count(count)
    expect(page.locator("time.ago")).to_have_text("Wed, May 20, 2026, 7:00 AM CDT")


def test_without_scripts_the_forms_find_an_event_and_change_the_widget(open_visitor, site):
    page = open_visitor(java_script_enabled=False).page
    page.goto(f"{site.url}/")
    page.get_by_label("Find a race by name").fill("festival of running")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Harbor Festival of Running").click()
    expect(page).to_have_url(f"{site.url}/events/{FESTIVAL}")

    page.get_by_role("link", name="Put this event on your club’s website").click()
    page.get_by_label("Theme").select_option("Dark")
    page.get_by_label("Color").fill("#ffff00")
    page.get_by_role("button", name="Show it in this style").click()
    widget = f"{site.url}/events/{FESTIVAL}/embed?theme=dark&accent=ffff00"
    preview = page.frame_locator("iframe[title$='without a script']")
    expect(preview.locator("iframe")).to_have_attribute("src", widget)
    button = preview.frame_locator("iframe").get_by_role("link", name="Subscribe")
    expect(button).to_have_css("background-color", "rgb(255, 255, 0)")
    expect(button).to_have_css("color", "rgb(0, 0, 0)")
    expect(page.get_by_label("Theme")).to_have_value("dark")
    expect(page.get_by_label("Color")).to_have_value("#ffff00")


def test_no_page_sends_a_request_to_another_site(visitor, site):
    for path in PAGES.values():
        visitor.page.goto(site.url + path)

    assert len(visitor.requests) > len(PAGES)
    failing = [name for name in PAGES if "40" in name or name == "error"]
    assert len(visitor.problems) == len(failing), visitor.problems
    assert [url for url in visitor.requests if not url.startswith(f"{site.url}/")] == []


def test_print_shows_the_address_and_qr_code_and_hides_buttons(page, site):
    page.goto(f"{site.url}/events/{MIXED}")
    page.emulate_media(media="print")

    for hidden in page.locator("#ways a, button, .actions, .skip, header.site, footer.site").all():
        expect(hidden).to_be_hidden()
    assert page.locator(".qr img").evaluate("image => image.naturalWidth > 0")
    expect(page.locator(".share .address code")).to_be_visible()
    expect(page.locator("[data-way=address] code")).to_be_visible()
    expect(page.locator(".countdown")).to_be_hidden()
    for state in ("Cancelled", "Postponed", "Rescheduled", "Weather hold", "Sold out"):
        expect(page.locator(".state", has_text=state)).to_be_visible()


def test_print_shows_the_runs_that_the_screen_hides(page, site):
    page.goto(f"{site.url}/events/county-cross-country-day")
    page.emulate_media(media="print")
    height = page.locator(".runs").last.evaluate("each => each.getBoundingClientRect().height")
    assert height > 100
    expect(page.locator("summary:visible")).to_have_count(0)


def test_the_page_counts_the_days_to_the_start_and_the_age_of_what_it_shows(page, site):
    page.clock.set_fixed_time("2026-06-18T12:04:00Z")
    page.goto(f"{site.url}/events/{MIXED}")
    expect(page.locator(".countdown")).to_have_text("in 2 days")
    expect(page.locator("time.ago")).to_have_text(re.compile(r"^\d+ hours ago$"))
    assert page.locator("time.ago").get_attribute("title") is None
