"""My races in a browser: ticks on the club's page, with and without scripts."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import FESTIVAL

FEED = f"events.ics?event={FESTIVAL}&run=lagoons-half-10k"


def tick(page):
    """Tick an event, and a run of another one behind its disclosure."""
    page.get_by_label("Choose Harbor Festival of Running").check()
    race = page.locator("li", has=page.get_by_role("link", name="Lagoons Half Marathon"))
    race.locator("summary").click()
    race.get_by_label("10K").check()


@pytest.mark.parametrize("scripts", [True, False])
def test_ticks_lead_to_a_calendar_of_these_races(open_visitor, site, scripts):
    visitor = open_visitor(java_script_enabled=scripts)
    page = visitor.page
    page.goto(f"{site.url}/")
    if scripts:
        expect(page.locator("#ticked")).to_be_hidden()
    tick(page)
    name = "Subscribe to 2 ticked" if scripts else "Subscribe to ticked"
    page.get_by_role("button", name=name).click()
    page.wait_for_url(f"**/?event={FESTIVAL}&run=lagoons-half-10k#subscribe")
    expect(page.locator("h1")).to_have_text("My races")
    expect(page.locator(".events input:checked")).to_have_count(2)
    link = page.locator("[data-way=others] a").first
    expect(link).to_have_attribute("href", f"webcal://{site.url.removeprefix('http://')}/{FEED}")
    assert visitor.problems == []


def test_a_choice_is_changed_on_its_page(page, site):
    page.goto(f"{site.url}/?event={FESTIVAL}&event=covered-bridge-half")
    page.get_by_label("Choose Covered Bridge Half").uncheck()
    page.get_by_text("Add other races").click()
    page.get_by_label("Choose Lighthouse 10K").check()
    page.get_by_role("button", name="Update my choice").first.click()
    page.wait_for_url(f"**/?event={FESTIVAL}&event=lighthouse-10k#subscribe")


def test_options_change_the_links_and_keep_the_filters(page, site):
    page.goto(f"{site.url}/?distance=10K")
    page.get_by_label("Also when registration opens and closes").check()
    link = page.locator("[data-way=others] a").first
    feed = f"{site.url.removeprefix('http://')}/events.ics?distance=10K&registration=1"
    expect(link).to_have_attribute("href", f"webcal://{feed}")


def test_ticks_beside_options_are_counted_alone_and_keep_the_options(page, site):
    page.goto(f"{site.url}/?busy=1&registration=1")
    expect(page.locator("#ticked")).to_be_hidden()
    page.get_by_label("Choose Harbor Festival of Running").check()
    page.get_by_role("button", name="Subscribe to 1 ticked").click()
    page.wait_for_url(f"**/?busy=1&registration=1&event={FESTIVAL}#subscribe")
    expect(page.get_by_label("Show me as busy")).to_be_checked()


def test_options_change_all_links_of_the_page_as_a_reload_does(page, site):
    chosen = f"{site.url}/?event={FESTIVAL}"
    parts = "main a, main img, main code, [type=hidden]"
    find_links = f"""() => [...document.querySelectorAll("{parts}")]
        .map(each => each.href ?? each.src ?? each.value ?? each.textContent).sort()"""
    page.goto(chosen)
    page.get_by_label("Show me as busy").check()
    expect(page).to_have_url(f"{chosen}&busy=1")
    links = page.evaluate(find_links)
    page.reload()
    assert page.evaluate(find_links) == links
    page.goto(chosen)
    page.get_by_label("Show me as busy").check()
    page.get_by_text("Add other races").click()
    page.get_by_label("Choose Lighthouse 10K").check()
    page.get_by_role("button", name="Update my choice").first.click()
    page.wait_for_url(f"**/?busy=1&event={FESTIVAL}&event=lighthouse-10k#subscribe")


def test_options_change_the_links_of_a_search_and_keep_what_was_found(page, site):
    page.goto(f"{site.url}/?q=harbor")
    # The page of all races may have a link to later ones, which that of the search lacks.
    page.evaluate("document.querySelector('.share').remove()")
    found = page.locator("#mine .events > li")
    count = found.count()
    page.get_by_label("Show me as busy").check()
    link = page.locator(".confirmed .links a").first
    expect(link).to_have_attribute("href", f"{site.url}/events.ics?busy=1")
    expect(found).to_have_count(count)


def test_the_one_line_widget_shows_the_list_on_a_clubs_page(page, site, club):
    group = 'data-group="north-shore-grand-prix" data-days="365" data-limit="3"'
    page.goto(club.show(f'<p>Races</p><script src="{site.url}/widget.js" {group}></script>'))
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("North Shore Grand Prix")
    expect(frame.locator(".runs li")).to_have_count(3)
    expect(frame.get_by_role("link", name="Subscribe")).to_be_visible()
