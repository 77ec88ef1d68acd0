"""Section 3 of docs/rules.md: what is read liberally, and what is not understood."""

import json
import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.upstream.optional import EVENT_FIELDS, RUN_FIELDS
from tests.support.rules import find_code, read_table
from tests.support.service import EVENT, PAGE, a_5k, a_run, an_event

FAR = "2027-08-14"
WHOLE_EVENT: dict[str, Any] = {
    "date": FAR,
    "startTime": "08:00",
    "endDate": FAR,
    "endTime": "12:00",
    "address": "Navy Pier, Chicago",
    "lat": 48.8566,
    "lng": 2.3522,
    "description": "Along the lake.",
    "websiteUrl": "https://club.example/run",
    "registrationUrl": "https://club.example/join",
}
WHOLE_RUN: dict[str, Any] = {
    "date": FAR,
    "startTime": "09:00",
    "eventStatus": "postponed",
    "registrationUrl": "https://club.example/join/ten",
    "registrationOpensAt": "2027-01-01T09:00:00+01:00",
    "registrationClosesAt": "2027-08-13T20:00:00+02:00",
    "registrationOverride": "paused",
    "soldOut": True,
    "isVirtual": False,
    "isRelay": True,
    "isWalking": True,
}
VIRTUAL: dict[str, Any] = {
    "isVirtual": True,
    "eventStatus": "cancelled",
    "registrationOverride": "closed",
}
MEMBERS = [
    (of_event, member)
    for of_event, table in ((True, EVENT_FIELDS), (False, RUN_FIELDS))
    for field in table
    for member in field.members
]
FORMS = (".ics?registration=1", ".rss", ".json")


def announce_whole(service):
    """Announce the event with two runs, of which every field can be read."""
    service.announce(
        a_run(**WHOLE_RUN), a_5k(**WHOLE_RUN | VIRTUAL), a_run("bare", date=FAR), **WHOLE_EVENT
    )


def edit(service, of_event, **fields):
    service.edit(*([] if of_event else ["ten", "five"]), **fields)
    service.advance(minutes=61)


def ask(service):
    """What feeds and widget are, byte by byte, with their times."""
    answers = [service.get(form) for form in FORMS]
    return [(each.status_code, each.headers["Last-Modified"], each.data) for each in answers]


def test_every_optional_field_of_the_model_is_in_the_table_and_in_the_rules():
    """Rules 3.14."""
    documented = {name for members, *_ in read_table("3.14") for name in find_code(members)}
    assert documented == {member for _, member in MEMBERS}
    assert {member for of_event, member in MEMBERS if of_event} == WHOLE_EVENT.keys() - {"date"}
    assert {member for of_event, member in MEMBERS if not of_event} == WHOLE_RUN.keys() - {"date"}


NOT_UNDERSTOOD: list[tuple[bool, str, list[Any]]] = [
    (False, "eventStatus", [{"code": "cancelled"}, 2, "", True, ["cancelled"]]),
    (False, "soldOut", ["yes", 2, "", {}, [True], -1, 0.5]),
    (False, "startTime", ["at nine", "09:00Z", "09:00+02:00", "9", "25:00", "13:00 PM", 900, ""]),
    (True, "startTime", ["TBD", "08:00-05:00", "08:00:00.5", "24:01", 8.0]),
    (True, "lat", ["north", "48,8566", 91, True, None, "1e400", [48.8566]]),
    (True, "lng", ["2.3522 E", -180.5, None, {"degrees": 2}]),
    (True, "endDate", ["13.06.2027", "2027-02-30", "2027-06-13T25:00", 20270613, ""]),
    (True, "endTime", ["noon", "12:00Z", 12, ""]),
    (False, "registrationClosesAt", ["2027-08-13T18:00:00", "2027-08-13", 1754061600, ""]),
    (False, "registrationOpensAt", ["2027-01-01T09:00:00", "soon"]),
    (True, "websiteUrl", ["our site", "ftp://club.example", "https://a@b.example/", 7]),
    (True, "address", [5, ["Navy Pier"], {"venue": {"name": "Pier"}}, {"at": 5}, True]),
    (True, "address", [{"venue": {"name": "Pier"}, "city": "Elsewhere"}, {"type": "Point"}]),
    (True, "description", [5, ["a"], {"html": "<p>"}]),
]


@pytest.mark.parametrize(("of_event", "member", "values"), NOT_UNDERSTOOD, ids=str)
def test_a_value_that_is_not_understood_changes_no_byte(service, of_event, member, values):
    """Rules 3.7: nor on the next refresh, nor after a restart."""
    announce_whole(service)
    before = ask(service)
    for value in values:
        edit(service, of_event, **{member: value})
        assert ask(service) == before, value
    service.restart()
    service.advance(minutes=61)
    assert ask(service) == before
    assert len(service.upstream.asked) == len(values) + 2


TEXTS = st.text(st.characters(exclude_categories=["Nd", "No", "Nl"]), max_size=20)
ODD = st.sampled_from(
    ["\ud800", "\x00", "null", "None", "[]", "{}", "true!", "AM", ":", "::", "T", "Z", "-", "PM"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | ODD
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS | st.sampled_from(["venue", "city", "code"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def may_be_read(member, value):
    """Whether a value might be understood; every text here is without digits."""
    match value:
        case None:  # where the other half of the point is None too
            return True
        case bool():
            return member in ("soldOut", "isVirtual", "isRelay", "isWalking")
        case int() | float():
            return member in ("lat", "lng") or (value in (0, 1) and member[0] in "si")
        case str() if "Url" in member:
            return "." in value or not any(each.isprintable() for each in value.strip())
        case str():
            words = ("eventStatus", "registrationOverride", "address", "description")
            return member in words or value.strip().lower() in ("true", "false")
        case dict():
            parts = [each for each in value.values() if each is not None]
            known = any(type(each) in (str, int) for each in parts)
            return member == "address" and (known or not parts)
        case _:
            return False


def is_odd(member: str, value: Any) -> bool:
    return not may_be_read(member, value)


def test_whatever_stands_in_place_of_known_fields_makes_no_news(service):
    """Rules 3.7."""
    announce_whole(service)
    before = ask(service)
    odd = {each: VALUES.filter(partial(is_odd, each[1])) for each in MEMBERS}

    @settings(
        max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.fixed_dictionaries({}, optional=odd))
    def check(values):
        event, run = (
            {m: v for (of_event, m), v in values.items() if of_event == where}
            for where in (True, False)
        )
        service.edit(**WHOLE_EVENT | event)
        service.edit("ten", **WHOLE_RUN | run)
        service.edit("five", **WHOLE_RUN | VIRTUAL | run)
        service.advance(minutes=61)
        assert ask(service) == before

    check()


def test_a_field_that_is_understood_again_or_absent_means_what_it_says(service):
    """Rules 3.7."""
    service.announce(a_run(eventStatus="cancelled", startTime="09:00"))
    for value, expected in [({}, "CANCELLED"), ("scheduled", "CONFIRMED"), ([], "CONFIRMED")]:
        service.edit("ten", eventStatus=value, startTime=value if value == {} else None)
        service.advance(hours=2)
        assert service.entry()["STATUS"] == expected
    assert not hasattr(service.entry()["DTSTART"].dt, "hour")
    assert {guid for guid in service.items() if "/" in guid} == {
        "ten/reinstated",
        "ten/moved/2026-08-15",
    }


def test_a_cancellation_that_is_read_after_a_status_that_was_not_is_told(service):
    """Rules 3.7 and 3.15."""
    service.announce(a_run(eventStatus=5), a_5k(eventStatus=5))
    service.edit("ten", eventStatus="cancelled")
    service.edit("five", eventStatus="scheduled")
    service.advance(hours=2)
    assert [guid for guid in service.items() if "/" in guid] == ["ten/cancelled"]


def test_an_unreadable_field_is_logged_once(service, caplog):
    """Rules 3.7."""
    service.announce(a_5k("logged-field", registrationUrl="ftp://a.b"))
    service.advance(hours=2)
    service.poll()
    (message,) = [each for each in caplog.messages if "logged-field" in each]
    assert "registrationUrl cannot be read" in message


READ: list[tuple[bool, str, Any, Any]] = [
    # Whose field; its name; a liberal and the documented spelling of one value.
    *((False, "startTime", text, "09:00") for text in ("9:00", "09:00:00", "09:00:00.000", "0900")),
    *((False, "startTime", text, "09:30") for text in ("9:30 AM", "09:30 am", "9:30AM")),
    (False, "startTime", "12:30 AM", "00:30"),
    (False, "startTime", "9:30 PM", "21:30"),
    (True, "endDate", "2026-08-16T00:00:00Z", "2026-08-16"),
    (True, "lat", "48.8566", 48.8566),
    (True, "lng", " -2.3522 ", -2.3522),
    (False, "distanceMeters", "42195.0", 42195),
    *((False, "soldOut", value, True) for value in ("true", "TRUE", 1)),
    *((False, "isVirtual", value, False) for value in ("false", "False", 0)),
    (False, "isRelay", 1, True),
    *((False, "eventStatus", word, "cancelled") for word in ("Canceled", "CANCELLED", " canceled")),
    (True, "websiteUrl", "www.club.example/run", "https://www.club.example/run"),
    (True, "websiteUrl", "club.example:8080", "https://club.example:8080"),
    (False, "registrationUrl", "club.example?run=5", "https://club.example?run=5"),
    (False, "registrationClosesAt", "2026-08-13T20:00:00.250+02:00", "2026-08-13T18:00:00Z"),
    *((True, name, " ", None) for name in ("address", "description", "websiteUrl")),
]


def test_values_are_read_liberally(service):
    """Rules 3.14: after the documented spelling, the liberal one changes nothing."""
    service.announce(a_run(startTime="07:00"))
    for of_event, member, liberal, plain in READ:
        edit_one(service, of_event, **{member: plain})
        before = ask(service)
        edit_one(service, of_event, **{member: liberal})
        assert ask(service) == before, (member, liberal)


def edit_one(service, of_event, **fields):
    service.edit(*([] if of_event else ["ten"]), **fields)
    service.advance(minutes=61)


@pytest.mark.parametrize("of_event", [True, False])
def test_a_start_at_24_00_is_the_midnight_with_which_the_day_ends(service, of_event):
    """Rules 3.14."""
    run = a_run(startTime=None if of_event else "24:00")
    service.announce(run, startTime="24:00" if of_event else "08:00")
    assert f"{service.entry()['DTSTART'].dt:%Y-%m-%d %H:%M}" == "2026-08-16 00:00"


@pytest.mark.parametrize("fields", [{}, {"endDate": "2026-08-15"}], ids=str)
def test_an_end_at_24_00_is_on_the_day_that_it_ends(service, fields):
    """Rules 2.6 and 3.14."""
    service.announce(a_run(), endTime="24:00", **fields)
    assert f"{service.entry()['DTEND'].dt:%Y-%m-%d %H:%M}" == "2026-08-16 00:00"


# Nothing is known


def describe(service):
    (entry,) = service.entries().values()
    return entry, str(entry["DESCRIPTION"]), service.run("ten")


NO_START = "No start time has been announced."
START_UNREAD = "The organizer's start time could not be read."


@pytest.mark.parametrize("value", ["9", "at nine", "09:00Z", {"hour": 9}])
def test_a_run_whose_start_time_was_never_understood_is_an_all_day_entry(service, value):
    """Rules 3.15: never at the event's time."""
    service.announce(a_run(startTime=value), startTime="08:00")
    _, text, members = describe(service)
    assert members["start"] == "2026-08-15"
    assert START_UNREAD in text
    assert NO_START not in text
    service.edit("ten", startTime=None)
    service.advance(hours=2)
    assert service.entry()["DTSTART"].dt.hour == 8


def test_an_event_whose_start_time_was_never_understood_states_none(service):
    """Rules 3.15."""
    service.announce(a_run(startTime=None), startTime="8 o'clock")
    _, text, members = describe(service)
    assert members["start"] == "2026-08-15"
    assert START_UNREAD in text
    assert NO_START not in text


def test_a_status_that_was_never_understood_is_tentative_and_says_so(service):
    """Rules 3.15."""
    service.announce(a_run(eventStatus={"code": "cancelled"}))
    entry, text, members = describe(service)
    assert (entry["STATUS"], entry["SUMMARY"]) == ("TENTATIVE", "Harbor Run – 10K")
    assert text.startswith("The organizer's status could not be read.")
    assert members["status"] == "unknown"
    assert service.entry("?busy=1")["TRANSP"] == "TRANSPARENT"
    assert "eventStatus" not in service.get("").text
    for form in ("", "/embed"):
        assert "Status unknown" in service.get(form).text


@pytest.mark.parametrize(
    "fields",
    [{"endTime": "noon"}, {"endDate": "?", "endTime": "12:00"}, {"endDate": 5, "endTime": 5}],
    ids=str,
)
def test_an_end_that_was_never_understood_is_an_estimate_that_says_so(service, fields):
    """Rules 3.15."""
    service.announce(a_run(), **fields)
    entry, text, members = describe(service)
    assert entry["DTEND"].dt - entry["DTSTART"].dt == timedelta(hours=2)
    assert "Estimated finish 10:00 AM." in text
    assert members["end_estimated"]


@pytest.mark.parametrize("run", [{"isVirtual": True}, {"startTime": None}], ids=str)
def test_a_last_day_that_was_never_understood_is_not_stated(service, run):
    """Rules 3.15."""
    service.announce(a_run(**run), endDate="Sunday")
    _, text, members = describe(service)
    assert (members["end"], members["end_estimated"]) == ("2026-08-16", True)
    assert "The organizer's last day could not be read." in text


@pytest.mark.parametrize(
    "fields",
    [
        {"registrationClosesAt": "2026-08-13T18:00:00"},
        {"registrationOpensAt": "2026-06-01", "registrationClosesAt": "2026-08-13T18:00:00Z"},
        {"registrationOpensAt": "2026-06-01T12:00:00Z", "registrationOverride": 1},
        {"registrationOpensAt": "2026-06-01T12:00:00Z", "soldOut": "few left"},
    ],
    ids=str,
)
def test_no_state_of_registration_is_told_that_was_not_read(service, fields):
    """Rules 3.15."""
    service.announce(a_run(**fields), registrationUrl="https://club.example/join")
    for _ in range(2):
        page = re.sub("<.*?>", " ", service.get("").text)
        page = page.replace("Also when registration opens and closes", "")  # an option
        assert not re.search("(?i)registration (opens|closes|closed)", page)
        assert "InStock" not in service.get("").text
        service.advance(days=86)
    assert list(service.items()) == ["ten"]
    assert "sold_out" in service.run("ten") or "soldOut" in fields


def test_without_a_point_that_was_understood_no_time_is_stated_in_a_zone(service):
    """Rules 3.15: the zone is not known, but the wall time is."""
    service.announce(a_run(), lat="north")
    _, text, members = describe(service)
    assert members["start"] == "2026-08-15"
    assert "The organizer starts at 8:00 AM." in text
    assert NO_START not in text


def test_an_address_that_was_never_understood_is_not_stated_but_its_parts_are(service):
    """Rules 3.15."""
    service.announce(a_run(), address=["Navy Pier"])
    assert service.entry()["LOCATION"] == "41.89170, -87.60430"
    service.edit(address={"venue": {"name": "Navy Pier"}, "city": "Chicago"})
    service.advance(hours=2)
    assert service.entry()["LOCATION"] == "Chicago"
    assert list(service.items()) == ["ten"]


def test_a_run_that_may_be_virtual_has_no_place(service):
    """Rules 3.15."""
    service.announce(a_run(isVirtual="maybe"))
    entry, _, members = describe(service)
    assert not {"LOCATION", "GEO"} & set(entry)
    assert not {"virtual", "location", "point"} & set(members)
    assert service.entry("?busy=1")["TRANSP"] == "TRANSPARENT"
    assert "AttendanceMode" not in service.get("").text


def test_flags_that_were_never_understood_are_left_out(service):
    """Rules 3.15."""
    service.announce(a_run(isRelay="maybe", isWalking=[], soldOut=7))
    _, text, members = describe(service)
    assert not {"relay", "walking", "sold_out"} & set(members)
    assert not {"Relay.", "Walking event.", "Sold out."} & set(text.splitlines())
    assert '"sport"' not in service.get("").text


def test_an_address_of_a_website_that_was_never_understood_is_not_replaced_by_another(service):
    """Rules 3.15: the event's registration is not that of the run."""
    fields = {"registrationUrl": "https://club.example/join", "websiteUrl": "our site"}
    service.announce(a_run(registrationUrl="see website"), **fields)
    entry, text, members = describe(service)
    assert "Register:" not in text
    assert "url" not in members["registration"]
    assert entry["URL"] == PAGE


# Texts


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ("Cafe\u0301 Run", "Café Run"),
        ("\u202eHarbor\u202c \u2066Run\u2069", "Harbor Run"),
        ("Har\u200bbor\ufeff Run\x07", "Harbor Run"),
        ("Har\x85bor", "Har bor"),
        ("👩\u200d🚀 می\u200cدوم", "👩\u200d🚀 می\u200cدوم"),
    ],
    ids=ascii,
)
def test_names_labels_and_places_are_in_nfc_without_invisible_controls(service, odd, plain):
    """Rules 3.16."""
    service.announce(a_run(distanceLabel=f"{odd} A"), a_5k(), name=odd, address=odd)
    entry = service.entries()["ten"]
    assert entry["SUMMARY"] == f"{plain} – {plain} A"
    assert entry["LOCATION"] == plain


@pytest.mark.parametrize(
    "blank", ["\u200b", "\u200d\u200c", "\u3164", "\u00ad", "\u202e \u2060", "\u2800"]
)
def test_a_name_of_nothing_visible_falls_back_to_slug_or_id(service, blank):
    """Rules 3.16."""
    service.announce(a_run(distanceLabel=blank), a_5k(), name=blank, address=blank)
    assert service.entries()["ten"]["SUMMARY"] == "harbor-run – 10K"
    assert service.entries()["ten"]["LOCATION"] == "41.89170, -87.60430"
    service.edit(slug=blank)
    service.advance(hours=2)
    assert service.entries()["ten"]["SUMMARY"] == f"{EVENT} – 10K"


HTML = [
    ("<p>One</p><p>Two<br>lines &amp; more</p>", "One\n\nTwo\nlines & more"),
    ("<div>One</div>\n<div>Two</div>", "One\nTwo"),
    ("<ul><li>One</li><li>Two</li></ul>", "- One\n- Two"),
    ("See <b>our</b> site\nand come.", "See our site\nand come."),
    (
        '<a href="https://club.example/a?b=1&amp;c=2">Map</a>!',
        "Map (https://club.example/a?b=1&c=2)!",
    ),
    ('<a href="https://club.example/">club.example</a>', "https://club.example/"),
    ('<a href="mailto:anna@club.example">Anna</a>', "Anna (anna@club.example)"),
    ('<a href="javascript:alert(1)">Anna</a>', "Anna"),
    ("<a href='javascript:alert(\"a@b\")'>Anna</a>", "Anna"),
    ('<a href="https://club.example@evil.example/">Anna</a>', "Anna"),
    (
        '<a href="mailto:anna@club.example?subject=Hi">Anna</a>',
        "Anna (anna@club.example?subject=Hi)",
    ),
    ('<a href="MAILTO: anna@club.example">Anna</a>', "Anna (anna@club.example)"),
    (
        '<a href="mailto:anna@club.example?subject=Harbor Run">Anna</a>',
        "Anna (anna@club.example?subject=Harbor Run)",
    ),
    ('<a href="mailto:https://club.example@evil.example/">Anna</a>', "Anna"),
    ('<a href="https://club.example/@anna">Anna</a>', "Anna (https://club.example/@anna)"),
    ("<script>alert(1)</script><p>Hi<!-- not shown --></p>", "Hi"),
    ("<3 hours, A &amp; B, 1 < 2 > 0", "<3 hours, A &amp; B, 1 < 2 > 0"),
    ("<p><3 hours, <anna@club.example></p>", "<3 hours, <anna@club.example>"),
    ("Map: data:image/png;base64,iVBORw0KGgo= here", "Map:  here"),
    ('<p>A<img src="data:image/png;base64,AAAA">B</p>', "AB"),
    (f'<p>A<img src="data:image/png;base64,{100_000 * "A"}">B</p>', "AB"),
]


@pytest.mark.parametrize(("html", "text"), HTML)
def test_a_description_of_html_becomes_text_without_data_uris(service, html, text):
    """Rules 3.17."""
    service.announce(a_run(), description=html)
    description = str(service.entry()["DESCRIPTION"])
    own = description.partition("Estimated finish 10:00 AM.\n\n")[2]
    assert own.removesuffix(f"\n\nEvent page: {PAGE}") == text


def test_html_that_is_too_long_is_cut_off_before_a_tag_and_ends_with_an_ellipsis(service):
    """Rules 3.17 and 8.26."""
    word = f"<span style='{85 * 'x'}'>word</span> "
    service.announce(a_run(), description=1000 * word)
    (text,) = re.findall(r'"description":"([^"]*)"', service.poll("").decode())
    *words, last = text.split(" ")
    assert (set(words), last) == ({"word"}, "word…")


def test_a_document_says_nothing_of_what_could_not_be_read(service):
    """Rules 3.15: with every optional field unreadable, the required ones alone are told."""
    event = an_event() | {member: [member] for of_event, member in MEMBERS if of_event}
    run = a_run() | {member: {"?": member} for of_event, member in MEMBERS if not of_event}
    service.upstream.put(EVENT, {"event": event, "runs": [run]})
    _, text, members = describe(service)
    assert members == {
        "id": "ten",
        "start": "2026-08-15",
        "end": "2026-08-16",
        "timezone": "America/Chicago",
        "end_estimated": True,
        "status": "unknown",
        "distance": {"label": "10K", "standard": "10K", "meters": 10000.0},
        "registration": {},
    }
    assert [line for line in text.splitlines() if line][:3] == [
        "The organizer's status could not be read.",
        "Date: Sat, Aug 15, 2026",
        START_UNREAD,
    ]
    assert json.dumps(service.json_feed()).count("_intervals") == 1


@pytest.mark.parametrize("member", ["_id", "eventId", "date", "distanceMeters", "distanceLabel"])
def test_a_listed_run_of_which_any_member_cannot_be_read_is_never_missing(service, member):
    """Rules 3.5 and 3.6."""
    service.announce(a_run(), a_5k())
    before = service.entries().keys()
    values: list[Any] = [None, 5, "", [], {"?": 1}, "a b", "\ud800"]
    for value in values:
        service.edit("ten", **{member: value})
        service.advance(hours=2)
        service.believe_removal()
        service.advance(days=2)
        entries = service.entries()
        assert entries.keys() == before, value
        assert {str(entry["STATUS"]) for entry in entries.values()} == {"CONFIRMED"}
        assert all("/" not in guid for guid in service.items())
        service.edit("ten", **{member: a_run()[member]})
        service.advance(hours=2)
        service.poll()


@pytest.mark.parametrize("value", ["10k", "10 K", "ten", ""])
def test_a_filter_keeps_a_run_whose_standard_distance_is_spelled_in_another_way(service, value):
    """Rules 3.14: a subscriber's calendar must not lose the race."""
    service.announce(a_run(), a_5k())
    service.edit("ten", distanceStandard=value)
    service.advance(hours=2)
    assert list(service.entries("?distance=10K")) == ["ten"]
    assert "10K" in service.items("?distance=10K")["ten"]["tags"]


@pytest.mark.parametrize("value", ["Run Club", "RUN-CLUB", "club", ""])
def test_a_series_stays_one_when_its_type_is_spelled_in_another_way(service, value):
    """Rules 3.14: a channel of 60 sessions is no burst."""
    service.announce(
        *(a_run(f"s{n}", date=f"2026-08-{n + 1:02}") for n in range(20)), type="runClub"
    )
    before = service.items()
    assert len(before) == 1
    service.edit(type=value)
    service.advance(hours=2)
    assert service.items() == before


@pytest.mark.parametrize("date", ["2026-08-14T22:00:00.000Z", "2026-08-16T04:30:00Z"])
def test_a_timestamp_that_may_be_of_another_day_is_not_read_as_a_date(service, date):
    """Rules 3.14."""
    service.announce(a_run())
    before = ask(service)
    service.edit("ten", date=date)
    service.advance(hours=2)
    assert ask(service) == before


def test_an_address_that_can_be_read_in_full_again_is_no_move(service):
    """Rules 3.7."""
    service.announce(a_run(), lat=None, lng=None, address={"hall": "Halle 3"})
    service.edit(address={"venue": "Messe", "hall": "Halle 3"})
    service.advance(hours=2)
    assert list(service.items()) == ["ten"]
    assert "Moved" not in str(service.entry()["DESCRIPTION"])


@pytest.mark.parametrize("zero", [0, "0", 0.0])
def test_a_point_of_zero_does_not_replace_a_known_one(service, zero):
    """Rules 3.14."""
    service.announce(a_run())
    before = ask(service)
    service.edit(lat=zero, lng=zero)
    service.advance(hours=2)
    assert ask(service) == before


def test_a_number_of_any_size_keeps_no_other_change_away(service):
    """Rules 3.7."""
    service.announce(a_run())
    before = service.entry()
    service.edit(lat=10**320, lng=-(10**320))
    service.edit("ten", eventStatus="cancelled")
    service.advance(hours=2)
    assert service.entry()["STATUS"] == "CANCELLED"
    assert service.entry()["GEO"] == before["GEO"]


def test_a_start_that_is_withdrawn_while_the_events_start_cannot_be_read_is_no_move(service):
    """Rules 3.7."""
    service.announce(a_run(startTime="08:00"), startTime="x")
    service.edit("ten", startTime=None)
    service.advance(hours=2)
    assert list(service.items()) == ["ten"]


@pytest.mark.parametrize(
    ("fields", "point", "row"),
    [
        ({"startTime": "9"}, 41.9, "Time unclear the start time could not be read"),
        ({"startTime": "9", "isVirtual": True}, 41.9, "Time unclear the start time could not be"),
        ({"startTime": "08:00"}, "north", "Time unclear the organizer starts at 8:00 AM"),
        ({"startTime": None}, 41.9, "Time TBA"),
        ({"startTime": None}, "north", "Time TBA"),
        ({"startTime": None, "isVirtual": True}, 41.9, "Any time"),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["", "/embed"])
def test_a_page_says_that_a_time_could_not_be_read_not_that_there_is_none(
    service, fields, point, row, form
):
    """Rules 3.15."""
    service.announce(a_run(**fields), lat=point)
    page = service.get(form).text
    found = re.search(
        '<span class="time">(.*?)</span>.*?<span class="what">(.*?)</li>', page, re.DOTALL
    )
    assert found
    markup = "<strong>.*?</strong>|<span class=.tag.>.*?</span>|<.*?>"
    shown = re.sub(markup, " ", " ".join(found.groups()))
    assert " ".join(shown.split()).startswith(row)
    assert ("TBA" in shown) == ("TBA" in row)


@pytest.mark.parametrize(("point", "says"), [(None, True), (0, True), ("north", False)])
def test_a_page_says_that_there_is_no_place_only_if_none_was_given(service, point, says):
    """Rules 3.15."""
    service.announce(a_run(), lat=point, lng=point, address=None)
    assert ("The organizer has given no place." in service.get("").text) == says
