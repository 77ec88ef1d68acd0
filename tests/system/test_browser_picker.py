"""How visitors choose what and where to subscribe, in a browser."""

import pytest
from playwright.sync_api import Route, expect

from tests.support.browser import FESTIVAL, REMOVE_CLIPBOARD
from tests.support.user_agents import ANDROID, BROWSERS

FIND_FIRST = "() => [...document.querySelectorAll('#ways > li')].map(each => each.dataset.way)"
FIND_SHOWN_LINKS = """() => [...document.querySelectorAll('.ways a')]
    .filter(each => each.checkVisibility()).map(each => each.href)"""


def test_the_user_agents_are_of_enough_browsers_and_apps():
    assert len({each.user_agent for each in BROWSERS}) >= 25
    apps = {each.name.partition(",")[0] for each in BROWSERS if each.in_app}
    assert apps == {"Instagram", "Facebook", "LinkedIn", "TikTok", "LINE"}


@pytest.fixture(scope="module")
def disguise(browser):
    """A function: a page that says to be this browser; a context for each would take longer."""
    with browser.new_context() as context:
        page = context.new_page()
        session = context.new_cdp_session(page)

        def disguise(user_agent):
            page.goto("about:blank")
            session.send("Emulation.setUserAgentOverride", {"userAgent": user_agent})
            return page

        yield disguise


@pytest.mark.parametrize("visited", BROWSERS, ids=lambda each: each.name)
def test_the_ways_for_the_platform_of_the_visitor_come_first(disguise, site, visited):
    page = disguise(visited.user_agent)
    page.goto(f"{site.url}/events/{FESTIVAL}")

    expect(page.locator("#others")).to_be_visible()
    assert page.evaluate("navigator.userAgent") == visited.user_agent
    assert tuple(page.evaluate(FIND_FIRST)) == visited.first
    for way in page.locator("#ways > li").all():
        expect(way).to_be_visible()
    expect(page.locator(".inapp")).to_be_visible(visible=visited.in_app)
    page.get_by_text("Other calendars").click()
    links = page.evaluate(FIND_SHOWN_LINKS)
    assert len(set(links)) == len(links), "a link is shown twice"
    if visited.first == ANDROID:
        assert not [link for link in links if "calendar.google.com/calendar/r?" in link]
        assert links[0].startswith("https://calendar.google.com/calendar/render?")
        expect(page.locator("#ways")).to_contain_text("It will not follow changes.")


@pytest.mark.parametrize("visited", [each for each in BROWSERS if each.first == ANDROID][:1])
def test_without_scripts_the_first_way_is_not_the_subscription_of_google(browser, site, visited):
    with browser.new_context(user_agent=visited.user_agent, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}/events/{FESTIVAL}")
        first = page.locator(".ways a:visible").first
        assert str(first.get_attribute("href")).startswith("webcal:")


def read_links(page):
    """The links of all ways, and the addresses to copy, by way."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.ways > li')].map(each => [
            each.dataset.way,
            each.querySelector('a')?.href ?? each.querySelector('code').textContent,
        ]))"""
    )


def test_ticking_a_run_changes_the_links_at_once_and_the_address_of_the_page(visitor, site):
    page, url = visitor.page, f"{site.url}/events/{FESTIVAL}"
    page.goto(f"{url}?busy=1")
    expect(page.get_by_label("Show me as busy")).to_be_checked()
    page.get_by_label("Show me as busy").uncheck()
    expect(page).to_have_url(url)
    whole = read_links(page)
    runs = site.upstream.document(FESTIVAL)["runs"]
    ten, five = (next(each for each in runs if each["distanceLabel"] == k) for k in ("10K", "5K"))

    page.get_by_label("10K").check()
    expect(page).to_have_url(f"{url}?run={ten['_id']}")
    expect(page.locator("#told")).to_have_text("The links are updated.")
    page.get_by_label("5K", exact=True).check()
    page.get_by_label("Also when registration opens and closes").check()
    chosen = f"registration=1&{'&'.join(f'run={k}' for k in sorted((five['_id'], ten['_id'])))}"
    expect(page.locator("[data-way=others] a")).to_have_attribute(
        "href", f"webcal://{url.removeprefix('http://')}.ics?{chosen}"
    )
    links = read_links(page)
    assert links["address"] == f"{url}.ics?cancelled=keep&{chosen}"
    for key in ("apple", "google", "outlook", "microsoft365", "file", "rss"):
        assert ten["_id"] in links[key], key
    assert "10K" in links["google-once"]

    page.reload()
    expect(page.get_by_label("10K")).to_be_checked()
    assert read_links(page) == links
    for label in ("10K", "5K", "Also when registration opens and closes"):
        page.get_by_label(label, exact=True).uncheck()
    expect(page).to_have_url(url)
    assert read_links(page) == whole
    assert visitor.problems == []


def test_the_links_are_those_of_the_last_tick_when_answers_come_late(page, site):
    page.goto(f"{site.url}/events/{FESTIVAL}")
    held: list[Route] = []
    page.route("**/events/*?run=*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright
    page.get_by_label("10K").check()
    page.get_by_label("10K").uncheck()
    page.get_by_label("5K", exact=True).check()
    page.wait_for_function("document.querySelectorAll('[name=run]:checked').length === 1")
    while len(held) < 2:
        page.wait_for_timeout(10)
    for route in reversed(held):
        route.continue_()
    five = page.get_by_label("5K", exact=True).get_attribute("value")
    page.unroute("**/events/*?run=*")
    expect(page).to_have_url(f"{site.url}/events/{FESTIVAL}?run={five}")
    assert read_links(page)["others"].endswith(f"?run={five}")


def test_without_scripts_the_form_shows_the_page_with_the_links_of_the_choice(open_visitor, site):
    page = open_visitor(java_script_enabled=False).page
    page.goto(f"{site.url}/events/{FESTIVAL}")
    ten = page.get_by_label("10K").get_attribute("value")
    page.get_by_label("10K").check()
    page.get_by_label("Show me as busy").check()
    page.get_by_role("button", name="Update the links").click()
    expect(page).to_have_url(f"{site.url}/events/{FESTIVAL}?run={ten}&busy=1#subscribe")
    link = str(page.locator("[data-way=apple] a").get_attribute("href"))
    assert link.endswith(f"/events/{FESTIVAL}.ics?busy=1&run={ten}")
    expect(page.get_by_label("10K")).to_be_checked()
    expect(page.get_by_label("5K", exact=True)).not_to_be_checked()
    canonical = page.locator("link[rel=canonical]").get_attribute("href")
    assert canonical == f"{site.url}/events/{FESTIVAL}"


def test_an_app_without_a_clipboard_still_shows_the_address_to_copy(browser, site):
    app = next(each for each in BROWSERS if each.in_app)
    with browser.new_context(user_agent=app.user_agent) as context:
        context.add_init_script(REMOVE_CLIPBOARD)
        page = context.new_page()
        page.goto(f"{site.url}/events/{FESTIVAL}")
        hint = page.locator(".inapp")
        expect(hint).to_contain_text("This app can’t add calendars.")
        expect(hint.locator("code")).to_have_text(f"{site.url}/events/{FESTIVAL}")
        assert page.locator("main > *").first.evaluate("each => each.className").startswith("inapp")
