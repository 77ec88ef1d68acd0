"""Rules 6: the calendar and its options, as icalendar reads them."""

import pytest

from tests.support.service import PAGE, a_5k, a_run

SITE = "https://club.example.org"
REGISTRATION = {
    "registrationOpensAt": "2026-06-01T15:00:00Z",
    "registrationClosesAt": "2026-08-10T04:59:00Z",
}


def content_lines(service, query=""):
    """The content lines of the calendar, unfolded (RFC 5545 3.1)."""
    return service.poll(f".ics{query}").decode().replace("\r\n ", "").split("\r\n")


def description_of(service, query=""):
    """The lines of the only DESCRIPTION."""
    return str(service.entry(query)["DESCRIPTION"]).split("\n")


def test_a_calendar_has_a_name_a_zone_a_source_and_a_page(service):
    """Rules 6.1."""
    service.announce(a_run())
    properties = {name: value.to_ical().decode() for name, value in service.calendar().items()}
    assert properties == {
        "VERSION": "2.0",
        "PRODID": "-//intervals-feeds//intervals-feeds//EN",
        "CALSCALE": "GREGORIAN",
        "NAME": "Harbor Run",
        "X-WR-CALNAME": "Harbor Run",
        "X-WR-CALDESC": f"Harbor Run: {PAGE}",
        "X-WR-TIMEZONE": "America/Chicago",
        "REFRESH-INTERVAL": "PT1H",
        "X-PUBLISHED-TTL": "PT1H",
        "SOURCE": f"{PAGE}.ics",
        "URL": PAGE,
    }


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?run=five", "Harbor Run – 5K"),
        ("?run=five&run=ten", "Harbor Run – 5K\\, 10K"),
        ("?distance=10K", "Harbor Run – 10K"),
        ("?cancelled=keep", "Harbor Run"),
        ("?run=five&run=mile", "Harbor Run – 5K"),
        ("?run=ten&run=another", "Harbor Run – 10K"),
        ("?distance=5K&distance=15K", "Harbor Run – 5K\\, 15K"),
        ("?run=ten&run=five&distance=5K", "Harbor Run – 5K"),
    ],
)
def test_the_name_of_a_filtered_calendar_includes_the_filter(service, query, name):
    """Rules 6.1."""
    service.announce(a_run(), a_5k(), a_5k("mile"))
    lines = content_lines(service, query)
    assert f"NAME:{name}" in lines
    assert f"X-WR-CALNAME:{name}" in lines


@pytest.mark.parametrize("date", ["2026-05-20", "2026-05-30", "2026-08-15", "2026-01-10"])
def test_a_calendar_asks_for_a_poll_every_hour_however_near_the_race_is(service, date):
    """Rules 6.2."""
    service.announce(a_run(date=date), date=date)
    lines = content_lines(service)
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H" in lines
    assert "X-PUBLISHED-TTL:PT1H" in lines


def test_a_calendar_has_no_method_and_no_alarm(service):
    """Rules 6.3."""
    service.announce(a_run(**REGISTRATION), a_5k(eventStatus="cancelled"))
    for query in ("", "?registration=1&busy=1&cancelled=keep"):
        calendar = service.calendar(query)
        assert "METHOD" not in calendar
        assert calendar.walk("VALARM") == []


@pytest.mark.parametrize(
    ("name", "label", "status", "others", "summary"),
    [
        ("Harbor Run", "10K", "scheduled", [], "Harbor Run – 10K"),
        ("Harbor Run", "10K", "cancelled", [], "Cancelled: Harbor Run – 10K"),
        ("Harbor 10K", "10K", "scheduled", [], "Harbor 10K"),
        ("Harbor 10k Run", "10K", "scheduled", [], "Harbor 10k Run"),
        ("Harbor 10K", "10K", "postponed", [], "Postponed: Harbor 10K"),
        ("Harbor 10K", "10K", "scheduled", [a_5k()], "Harbor 10K"),
        ("Harbor Fun Run", "fun run", "cancelled", [a_5k()], "Cancelled: Harbor Fun Run"),
        ("Harbor 10k Run", "10K", "scheduled", [a_5k()], "Harbor 10k Run – 10K"),
        ("Harbor 10K", "K", "scheduled", [a_5k()], "Harbor 10K – K"),
        ("Harbor 110K", "10K", "scheduled", [], "Harbor 110K – 10K"),
        ("Harbor (10K)", "10K", "scheduled", [], "Harbor (10K)"),
        ("Harbor-10K-Run", "10K", "scheduled", [], "Harbor-10K-Run"),
        ("Harbor Run 10+ km", "10+ km", "scheduled", [], "Harbor Run 10+ km"),
        ("Harbor 10x km", "10. km", "scheduled", [], "Harbor 10x km – 10. km"),
        ("Harbor", "Harbor Mile", "scheduled", [], "Harbor – Harbor Mile"),
    ],
)
def test_a_summary_is_the_status_the_event_and_the_label_unless_the_name_says_the_label(
    service, name, label, status, others, summary
):
    """Rules 6.4."""
    service.announce(a_run(distanceLabel=label, eventStatus=status), *others, name=name)
    assert service.entries()["ten"]["SUMMARY"] == summary


START = "Start: Sat, Aug 15, 2026, 8:00 AM CDT"


OPENS, CLOSES = "Mon, Jun 1, 2026, 10:00 AM CDT", "Sun, Aug 9, 2026, 11:59 PM CDT"
WINDOW = f"Registration opens {OPENS} and closes {CLOSES}."
TEXT = "The pier is closed.\nBring a torch.\n\nBibs at the gate."
LINKS = {"websiteUrl": SITE, "registrationUrl": f"{SITE}/enter"}
ADDRESSES = [f"Website: {SITE}", f"Event page: {PAGE}"]


def test_a_description_says_all_that_is_known_of_a_run_and_the_addresses_last(service):
    """Rules 6.5."""
    run = a_run(isRelay=True, isWalking=True, **REGISTRATION)
    service.announce(run, description=TEXT, **LINKS)
    assert description_of(service) == [
        START,
        WINDOW,
        "Relay.",
        "Walking event.",
        "Estimated finish 10:30 AM.",
        "",
        *TEXT.split("\n"),
        "",
        f"Register: {SITE}/enter",
        *ADDRESSES,
    ]


@pytest.mark.parametrize(
    ("status", "told"), [("cancelled", []), ("postponed", [WINDOW]), ("no longer listed", [])]
)
def test_the_description_of_a_run_that_is_off_or_postponed_begins_with_status_move_and_reason(
    service, status, told
):
    """Rules 6.5: no finish, and of what is off no registration."""
    service.announce(a_run(**REGISTRATION), a_5k(), description=TEXT, **LINKS)
    service.edit("ten", startTime="09:30")
    service.advance(hours=1)
    service.poll()
    if status == "no longer listed":
        service.delist("ten")
    else:
        service.edit("ten", eventStatus=status)
    service.advance(hours=1)
    service.believe_removal()
    link = [f"Register: {SITE}/enter"] if status == "postponed" else []
    assert str(service.entries()["ten"]["DESCRIPTION"]).split("\n") == [
        f"{status.capitalize()} by the organizer.",
        "Moved from Sat, Aug 15, 2026, 8:00 AM.",
        "",
        "The pier is closed.",
        "Bring a torch.",
        "",
        START.replace("Start", "Planned start").replace("8:00", "9:30"),
        *told,
        "",
        "Bibs at the gate.",
        "",
        *link,
        *ADDRESSES,
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"soldOut": True}, [WINDOW, "Sold out."]),
        ({"registrationOverride": "paused"}, [WINDOW, "Registration is paused."]),
        ({"registrationOverride": "closed"}, ["Registration is closed."]),
        ({"registrationOverride": "lottery"}, [WINDOW, "Registration: lottery"]),
    ],
)
def test_a_run_that_takes_no_entries_has_no_link_to_register(service, fields, told):
    """Rules 6.5, and of the page and the channel, too."""
    service.announce(a_run(**REGISTRATION, **fields), **LINKS)
    lines = description_of(service)
    assert lines[1 : 1 + len(told)] == told
    link = f"Register: {SITE}/enter" in lines
    assert link == ("lottery" in str(told))
    service.advance(days=20)  # registration is open
    for form in ("", ".rss", ".json"):
        # JSON Feed has the address among the data of the run as well.
        assert (
            ">Register<" in service.poll(form).decode().replace("&lt;", "<").replace("&gt;", ">")
        ) == link


def test_an_estimated_finish_on_another_day_has_its_day(service):
    """Rules 6.5."""
    service.announce(a_run(startTime="23:00"))
    assert "Estimated finish Sun, Aug 16, 2026, 1:00 AM." in description_of(service)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"eventStatus": "cancelled"}, "Cancelled by the organizer."),
        ({"eventStatus": "postponed"}, "Postponed by the organizer."),
        ({"eventStatus": "rescheduled"}, "Rescheduled by the organizer."),
        ({"eventStatus": "weatherHold"}, "Status given by the organizer: weatherHold"),
        ({"startTime": "09:30"}, "Moved from Sat, Aug 15, 2026, 8:00 AM."),
        ({"startTime": None}, "No start time has been announced."),
        ({"registrationOverride": "paused"}, "Registration is paused."),
        ({"registrationOverride": "closed"}, "Registration is closed."),
        ({"isVirtual": True}, "Virtual: take part from anywhere."),
        ({"isVirtual": True, "startTime": None}, "Date: Sat, Aug 15, 2026"),
        ({"isVirtual": True, "date": "2026-08-14"}, "The organizer starts at 8:00 AM."),
        ({"eventStatus": "cancelled"}, START.replace("Start", "Planned start")),
        ({"eventStatus": "postponed"}, START.replace("Start", "Planned start")),
    ],
)
def test_a_description_says_what_the_organizer_has_changed(service, fields, line):
    """Rules 6.5."""
    service.announce(a_run(), endDate="2026-08-15")
    assert line not in description_of(service)
    service.edit("ten", **fields)
    service.advance(hours=1)
    assert line in description_of(service)


def test_a_long_text_ends_after_2000_characters_with_the_address_of_the_page(service):
    """Rules 5.10 and 6.5."""
    service.announce(a_run(), description=2000 * "a")
    assert description_of(service)[-3] == 2000 * "a"
    service.edit(description=1999 * "a" + " bcd" + 10_000 * "e")
    service.advance(hours=2)
    cut = 1999 * "a" + f"… {PAGE}"
    assert description_of(service)[-3] == cut
    assert service.items()["ten"]["content_html"].endswith(f"<p>{cut}</p>")
    assert 10_000 * "e" in service.poll("").decode()


def test_a_place_is_one_line_with_coordinates_and_a_map_for_apple(service):
    """Rules 6.6."""
    service.announce(a_run(), address="Navy Pier\n600 E Grand Ave\nChicago")
    lines = content_lines(service)
    assert "LOCATION:Navy Pier 600 E Grand Ave Chicago" in lines
    assert "GEO:41.8917;-87.6043" in lines
    title = "X-TITLE=Navy Pier 600 E Grand Ave Chicago:geo:41.8917,-87.6043"
    [apple] = [line for line in lines if line.startswith("X-APPLE-STRUCTURED-LOCATION")]
    assert sorted(apple.replace('"', "").split(";")[1:]) == [
        "VALUE=URI",
        "X-APPLE-RADIUS=100",
        title,
    ]


def test_a_place_without_an_address_is_its_coordinates_and_one_without_coordinates_has_no_map(
    service,
):
    """Rules 6.6."""
    service.announce(a_run(), address=None)
    assert service.entry()["LOCATION"] == "41.89170, -87.60430"
    assert service.entry()["GEO"].to_ical() == "41.8917;-87.6043"
    service.announce(a_run(), lat=None, lng=None)
    service.advance(hours=1)
    entry = service.entry()
    assert entry["LOCATION"] == "Navy Pier, Chicago"
    assert not {"GEO", "X-APPLE-STRUCTURED-LOCATION"} & set(entry)


def test_quotes_in_a_place_are_typographic_in_location_and_title(service):
    """Rules 6.6."""
    service.announce(a_run(), address='The "Old" Pier')
    entry = service.entry()
    assert entry["LOCATION"] == "The “Old” Pier"
    assert entry["X-APPLE-STRUCTURED-LOCATION"].params["X-TITLE"] == entry["LOCATION"]


@pytest.mark.parametrize(("website", "url"), [(None, PAGE), (SITE, SITE)])
def test_the_url_of_an_entry_is_the_website_or_else_the_page(service, website, url):
    """Rules 6.7."""
    service.announce(a_run(), websiteUrl=website)
    assert service.entry()["URL"] == url


@pytest.mark.parametrize(
    ("distance", "type_", "categories"),
    [
        ("10K", "race", ["10K", "Race"]),
        ("Half Marathon", "runClub", ["Half Marathon", "Run club"]),
        ("Other", "timeTrial", ["Time trial"]),
        ("5K", "other", ["5K", "Event"]),
    ],
)
def test_the_categories_are_the_standard_distance_unless_other_and_the_type_of_event(
    service, distance, type_, categories
):
    """Rules 6.7."""
    service.announce(a_run(distanceStandard=distance), type=type_)
    assert [str(each) for each in service.entry()["CATEGORIES"].cats] == categories


@pytest.mark.parametrize("website", [None, SITE])
def test_a_virtual_run_has_no_place_and_a_conference_if_there_is_a_website(service, website):
    """Rules 6.8."""
    service.announce(a_run(isVirtual=True), a_5k(), websiteUrl=website)
    entries = service.entries()
    assert not {"LOCATION", "GEO", "X-APPLE-STRUCTURED-LOCATION"} & set(entries["ten"])
    assert ["CONFERENCE" in entries[id_] for id_ in ("ten", "five")] == [bool(website), False]
    if website:
        assert entries["ten"]["CONFERENCE"].to_ical() == SITE.encode()
        assert entries["ten"]["CONFERENCE"].params["VALUE"] == "URI"


POSTAL = {
    "country": "USA",
    "zip": 60611,
    "region": "IL",
    "city": "Chicago",
    "line2": "Gate 4",
    "address1": "600 E Grand Ave",
    "name": "Navy Pier",
}


@pytest.mark.parametrize(
    ("address", "location"),
    [
        ("Navy Pier; Chicago", "Navy Pier; Chicago"),
        (POSTAL, "Navy Pier, 600 E Grand Ave, Gate 4, Chicago, IL 60611, USA"),
        ({"venue": "Pier", "name": "Navy Pier", "city": "Chicago"}, "Pier, Chicago"),
        ({"street": "Lake St", "line1": "Main St", "locality": "Elgin"}, "Lake St, Elgin"),
        ({"state": "IL", "province": "ON", "postalCode": "60611"}, "IL, 60611"),
        (
            {"city": "Chicago", "state": "IL", "zip": 60611, "country": "US"},
            "Chicago, IL 60611, US",
        ),
        ({"city": "Zurich", "state": "ZH", "zip": 8001, "country": "CH"}, "Zurich, ZH, 8001, CH"),
        ({"venue": "Chicago", "city": "Chicago", "state": "IL"}, "Chicago, IL"),
        ({"city": "Chicago", "formatted": "Navy Pier, Chicago"}, "Chicago"),
        ({"formatted": "Navy Pier, Chicago", "hall": "B"}, "Navy Pier, Chicago"),
        ({"hall": "Festival Hall", "gate": 4, "quay": "North Quay"}, "Festival Hall, North Quay"),
        ({"hall": "B", "wing": "B"}, "B"),
        ({}, "41.89170, -87.60430"),
    ],
)
def test_an_address_object_is_read_by_known_keys_then_formatted_then_all_texts(
    service, address, location
):
    """Rules 6.9."""
    service.announce(a_run(), address=address)
    assert service.entry()["LOCATION"] == location
