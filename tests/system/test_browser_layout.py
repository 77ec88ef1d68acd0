"""The pages on phones and computers: nothing is clipped or broken, and all can be tapped."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import FESTIVAL, MIXED, PAGES
from tests.support.upstream import SAMPLE_IDS

WIDTHS = (320, 390, 768, 1280)
FRAME = 288
"""The width of a widget on the page of a club, with margins, on the smallest phone."""
PHONE = {"width": 390, "height": 844}
LONG = "Unbreakable" * 27
MANY = "many"
"""An event with 60 runs that have long labels, a name of 297 letters without a blank, no place."""

FIND_CLIPPED = """() => {
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; text = texts.nextNode();) {
    const parent = text.parentElement;
    if (!parent.checkVisibility() || parent.closest('.hidden, .skip')) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects())
      if (box.left < -1 || box.right > innerWidth + 1) found.push(`${text.data} at ${box.right}`);
  }
  return found;
}"""

# A word is broken if its letters are on two lines, although it is no wider than its place.
FIND_BROKEN_WORDS = r"""() => {
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; text = texts.nextNode();) {
    const parent = text.parentElement;
    if (!parent.checkVisibility() || parent.closest('.hidden, .skip, code, option')) continue;
    let place = parent;
    while (/inline/.test(getComputedStyle(place).display)) place = place.parentElement;
    const whole = document.createRange();
    whole.selectNodeContents(text);
    if (new Set([...whole.getClientRects()].map(box => Math.round(box.top))).size < 2) continue;
    for (const word of text.data.matchAll(/[^\s\-\u2010-\u2015/]+/g)) {
      if (/[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}]/u.test(word[0])) continue;
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const boxes = [...range.getClientRects()];
      const tops = new Set(boxes.map(box => Math.round(box.top)));
      const width = boxes.reduce((sum, box) => sum + box.width, 0);
      if (tops.size > 1 && width <= place.clientWidth) found.push(word[0]);
    }
  }
  return found;
}"""

READ_LAYOUT = f"""() => [
  document.documentElement.scrollWidth, ({FIND_CLIPPED})(), ({FIND_BROKEN_WORDS})()]"""
OPEN_DETAILS = "document.querySelectorAll('details').forEach(each => { each.open = true; })"

FIND_SMALL_TARGETS = """() => [...document.querySelectorAll(
    'a, button, summary, label.check, select, input:not([type=checkbox])')]
  .filter(each => each.checkVisibility() && !each.matches('.skip'))
  .map(each => [each.outerHTML.slice(0, 120), each.getBoundingClientRect()])
  .filter(([, box]) => box.height < 43.9 || box.width < 43.9)
  .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""

# How near a text is to the rule above or below its row, in pixels.
FIND_NEAREST = """() => {
  const found = [];
  for (const row of document.querySelectorAll('.runs li')) {
    const { top, bottom } = row.getBoundingClientRect();
    const texts = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    for (let text; text = texts.nextNode();) {
      if (text.parentElement.closest('.hidden')) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      for (const box of range.getClientRects()) found.push(box.top - top, bottom - box.bottom);
    }
  }
  return Math.min(...found);
}"""

FIND_BOTTOM = "each => each.getBoundingClientRect().bottom"


@pytest.fixture(scope="module", autouse=True)
def many(site):
    """Publish ``MANY``."""
    site.publish(
        MANY,
        [
            {"distanceLabel": f"Grade {n} of the county championship, girls and boys, heat {n}"}
            for n in range(1, 61)
        ],
        name=LONG,
    )


@pytest.mark.parametrize("event", [*SAMPLE_IDS, MIXED, MANY])
def test_no_text_of_an_event_is_clipped_and_no_word_broken_at_any_width(page, site, event):
    for path in ("", "/embed"):
        page.goto(f"{site.url}/events/{event}{path}")
        page.evaluate(OPEN_DETAILS)
        for width in (FRAME, *WIDTHS) if path else WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            at = f"{event}{path} at {width} px"
            wide, clipped, broken = page.evaluate(READ_LAYOUT)
            assert wide <= width, at
            assert clipped == [], at
            if event != "run-for-all":  # it has an address, markup and Thai, which break anywhere
                assert broken == [], at


@pytest.mark.parametrize(
    "path", [f"events/{FESTIVAL}", f"events/{MIXED}/embed", "events/snowline-ultra", "embed"]
)
def test_no_text_of_a_row_touches_the_rules_around_it(page, site, path):
    page.goto(f"{site.url}/{path}")
    for width in (FRAME, *WIDTHS):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FIND_NEAREST) >= 7, f"{width} px"


LISTS = (
    "home",
    "club",
    "club, chosen",
    "group",
    "group, archived",
    "list",
    "list, dark",
    "list kit",
)


@pytest.mark.parametrize("name", LISTS)
def test_no_text_of_a_list_of_races_is_clipped_at_any_width(page, site, name):
    page.goto(site.url + PAGES[name])
    page.evaluate(OPEN_DETAILS)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide, clipped, _ = page.evaluate(READ_LAYOUT)
        assert wide <= width, f"{width} px"
        assert clipped == [], f"{width} px"


@pytest.mark.parametrize("name", ["home", "club, chosen", "group"])
def test_the_first_screen_of_a_phone_offers_to_subscribe_to_a_list(page, site, name):
    page.set_viewport_size(PHONE)
    page.goto(site.url + PAGES[name])
    expect(page.get_by_role("link", name="Subscribe").first).to_be_in_viewport(ratio=1)
    expect(page.locator("h1")).to_be_in_viewport(ratio=1)
    expect(page.locator(".events li").first).to_be_in_viewport()


@pytest.mark.parametrize("name", PAGES)
def test_everything_that_can_be_tapped_is_44_pixels_high_and_wide(page, site, name):
    page.goto(site.url + PAGES[name])
    page.evaluate(OPEN_DETAILS)
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FIND_SMALL_TARGETS) == [], f"{width} px"


FIRST_SCREEN = {
    "one run": ("foothills-marathon", "Postponed", "Chautauqua Park", False),
    "five runs": (FESTIVAL, "", "Veterans Park", True),
    "60 runs": ("county-cross-country-day", "", "Tom Sawyer Park", False),
    "cancelled": ("river-city-10-miler", "Cancelled", "Kiener Plaza", False),
    "one of four cancelled": ("chain-of-lakes-festival", "Cancelled: Marathon.", "Lake", False),
    "rescheduled": ("bayfront-5k", "Rescheduled", "Crissy Field", True),
}
"""The sample, its notice, its place, and whether one registers."""


@pytest.mark.parametrize("name", FIRST_SCREEN)
def test_the_first_screen_of_a_phone_says_whether_when_and_where_with_what_to_tap(page, site, name):
    event, notice, place, registers = FIRST_SCREEN[name]
    page.set_viewport_size(PHONE)
    page.goto(f"{site.url}/events/{event}")
    head = page.locator(".hero")
    expect(head.locator(".when")).to_contain_text("2026")
    expect(head.locator(".where")).to_contain_text(place)
    parts = [head]
    if notice:
        parts.append(page.locator(".notice:visible").first)
        expect(parts[-1]).to_contain_text(notice)
    words = ["Subscribe in your calendar", *(["Register"] if registers else [])]
    actions = page.locator(".actions a")
    assert actions.all_text_contents() == words
    bar = page.locator(".actions").bounding_box()
    for each in parts:
        assert each.evaluate(FIND_BOTTOM) <= bar["y"], "the actions are below, or cover nothing"
    for action in actions.all():
        assert action.evaluate(FIND_BOTTOM) <= PHONE["height"]

    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(actions.first).to_be_in_viewport(ratio=1)
    actions.first.click()
    expect(page.get_by_role("heading", name="Subscribe")).to_be_in_viewport()


def test_nothing_on_the_page_stays_behind_the_actions_of_a_phone(page, site):
    page.set_viewport_size(PHONE)
    page.goto(f"{site.url}/events/{FESTIVAL}")
    page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    footer = page.locator("footer.site p").evaluate(FIND_BOTTOM)
    assert footer <= page.locator(".actions").bounding_box()["y"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ("river-city-10-miler", "line-through"),  # cancelled
        ("foothills-marathon", "line-through"),  # postponed
        ("bayfront-5k", "none"),  # rescheduled
        ("chain-of-lakes-festival", "none"),  # one of four is cancelled
        (FESTIVAL, "none"),
    ],
)
def test_the_date_is_struck_out_if_nothing_takes_place_on_it(page, site, event, line):
    page.goto(f"{site.url}/events/{event}")
    for part in (".hero .tile strong", ".hero .days", ".hero .clock"):
        expect(page.locator(part)).to_have_css("text-decoration-line", line)
    page.goto(f"{site.url}/?event={event.replace('-', ' ').split()[0]}")
    expect(page.locator(".events .tile strong").first).to_have_css("text-decoration-line", line)


@pytest.mark.parametrize("event", ["river-city-10-miler", "foothills-marathon", "bayfront-5k"])
def test_the_reason_stands_in_the_notice_alone(page, site, event):
    reason = site.upstream.document(event)["event"]["description"]
    page.goto(f"{site.url}/events/{event}")
    expect(page.locator(".notice:visible")).to_contain_text(reason)
    assert page.locator("main").inner_text().count(reason) == 1


def test_the_date_stands_above_the_runs_only_if_they_are_on_several_days(page, site):
    for event, days in ((FESTIVAL, 0), ("blue-ridge-weekend", 3), ("virtual-miles-challenge", 0)):
        for path in ("", "/embed"):
            page.goto(f"{site.url}/events/{event}{path}")
            expect(page.locator(".day")).to_have_count(days)


def test_a_virtual_event_says_so_where_others_have_their_place(page, site):
    page.goto(f"{site.url}/events/virtual-miles-challenge")
    expect(page.locator(".where")).to_have_text("Virtual: take part from anywhere.")
