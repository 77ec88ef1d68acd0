"""What all formats and pages say alike, word by word."""

import contextlib
import html
import locale
import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feeds.domain.model import Options
from feeds.domain.schedule import Period
from feeds.text import dates, descriptions, summaries
from tests.support.factories import HOME, PAGE, a_run, an_edition, an_event, entries_of, the_entry

SAT, SUN = date(2025, 6, 14), date(2025, 6, 15)
CHICAGO = ZoneInfo("America/Chicago")
TOKYO = (35.7, 139.7)

OPENS = datetime(2025, 1, 1, 6, tzinfo=UTC)
CLOSES = datetime(2025, 6, 12, 23, 59, 59, tzinfo=UTC)


def summary_of(label="10K", name="Harbor Run", **run):
    return summaries.build_summary(the_entry(a_run(distance_label=label, **run), name=name))


def facts_of(run=None, **event):
    return list(descriptions.list_facts(the_entry(run or a_run(), **event)))


def itself(**event):
    """The entry of an event without runs."""
    (entry,) = entries_of(an_edition(an_event(**event)), HOME)
    return entry


class TestSummary:
    @pytest.mark.parametrize(
        ("status", "summary"),
        [
            ("scheduled", "Harbor Run: 10K"),
            ("cancelled", "Cancelled: Harbor Run: 10K"),
            ("postponed", "Postponed: Harbor Run: 10K"),
            ("rescheduled", "Rescheduled: Harbor Run: 10K"),
            ("on hold", "Harbor Run: 10K"),
        ],
    )
    def test_starts_with_the_status_if_that_is_news(self, status, summary):
        assert summary_of(status=status) == summary

    @pytest.mark.parametrize(
        ("name", "label"),
        [
            ("Harbor 10K", "10K"),
            ("10K of the Harbor", "10K"),
            ("Harbor 10k", "10K"),
            ("Harbor Half Marathon 2025", "Half Marathon"),
            ("Harbor (10K)", "10K"),
            ("Harbor-10K-Run", "10K"),
            ("Harbor Run 10+ km", "10+ km"),
            ("10K", "10K"),
        ],
    )
    def test_leaves_out_the_only_runs_label_that_the_name_holds_as_words(self, name, label):
        assert summary_of(label, name) == name
        assert summary_of(label, name, status="cancelled") == f"Cancelled: {name}"

    @pytest.mark.parametrize(
        ("name", "label"),
        [
            ("Harbor 15K", "5K"),
            ("Harbor 5Km", "5K"),
            ("Harbor 10 K", "10K"),
            ("Harbor Half-Marathon", "Half Marathon"),
            ("Ultraviolet Run", "Ultra"),
            ("Harbor 10x km", "10. km"),
            ("Harbor", "Harbor Mile"),
        ],
    )
    def test_tells_a_label_that_the_name_does_not_hold_as_words(self, name, label):
        assert summary_of(label, name) == f"{name}: {label}"

    def test_tells_the_label_of_each_of_several_runs_even_if_the_name_holds_it(self):
        event = an_event(
            a_run(id="a", distance_label="10K"),
            a_run(id="b", distance_label="5K", status="cancelled"),
            name="Harbor 10K & 5K",
        )
        assert [
            summaries.build_summary(entry) for entry in entries_of(an_edition(event), HOME)
        ] == [
            "Harbor 10K & 5K: 10K",
            "Cancelled: Harbor 10K & 5K: 5K",
        ]

    def test_of_an_event_without_runs_is_its_name(self):
        assert summaries.build_summary(itself()) == "Harbor Run"


class TestTitle:
    TEN = a_run(id="a", distance_label="10K by the sea")
    FIVE = a_run(id="b", distance_label="5K", distance_standard="5K")
    AGAIN = a_run(id="c", distance_label="5K", distance_standard="5K")

    @pytest.mark.parametrize(
        ("options", "title"),
        [
            (Options(), "Harbor Run"),
            (Options(busy=True, cancelled="keep"), "Harbor Run"),
            (Options(run=("a",)), "Harbor Run: 10K by the sea"),
            (Options(run=("a", "b")), "Harbor Run: 10K by the sea, 5K"),
            (Options(run=("b", "c")), "Harbor Run: 5K"),
            (Options(run=("a", "unknown")), "Harbor Run: 10K by the sea"),
            (Options(run=("unknown",)), "Harbor Run"),
            (Options(distance=("5K",)), "Harbor Run: 5K"),
            (Options(distance=("5K", "Half Marathon")), "Harbor Run: 5K, Half Marathon"),
            (Options(run=("a", "b"), distance=("5K",)), "Harbor Run: 5K"),
        ],
        ids=str,
    )
    def test_names_the_filter(self, options, title):
        assert (
            summaries.build_feed_title(an_event(self.TEN, self.FIVE, self.AGAIN), options) == title
        )

    def test_names_runs_in_the_order_of_the_event(self):
        event = an_event(self.FIVE, self.TEN)
        assert (
            summaries.build_feed_title(event, Options(run=("a", "b")))
            == "Harbor Run: 5K, 10K by the sea"
        )

    def test_of_an_event_without_runs_is_its_name(self):
        assert summaries.build_feed_title(an_event(), Options()) == "Harbor Run"


class TestDatesAndTimes:
    @pytest.mark.parametrize(
        ("when", "text"),
        [
            (date(2025, 6, 14), "Sat 14 Jun 2025"),
            (date(2025, 1, 1), "Wed 1 Jan 2025"),
            (date(2024, 2, 29), "Thu 29 Feb 2024"),
            (date(2025, 3, 2), "Sun 2 Mar 2025"),
            (date(2025, 4, 7), "Mon 7 Apr 2025"),
            (date(2025, 5, 6), "Tue 6 May 2025"),
            (date(2025, 7, 4), "Fri 4 Jul 2025"),
            (date(2025, 8, 31), "Sun 31 Aug 2025"),
            (date(2025, 9, 30), "Tue 30 Sep 2025"),
            (date(2025, 10, 11), "Sat 11 Oct 2025"),
            (date(2025, 11, 2), "Sun 2 Nov 2025"),
            (date(2199, 12, 31), "Tue 31 Dec 2199"),
            (datetime(2025, 6, 14, 8, tzinfo=CHICAGO), "Sat 14 Jun 2025"),
        ],
    )
    def test_a_day_has_its_weekday_and_no_leading_zero(self, when, text):
        assert dates.format_day(when) == text

    @pytest.mark.parametrize(
        ("hour", "minute", "second", "text"),
        [
            (8, 0, 0, "08:00"),
            (0, 0, 0, "00:00"),
            (23, 59, 0, "23:59"),
            (8, 0, 5, "08:00:05"),
            (23, 59, 59, "23:59:59"),
        ],
    )
    def test_a_clock_has_24_hours_and_seconds_only_if_there_are_any(
        self, hour, minute, second, text
    ):
        at = datetime(2025, 6, 14, hour, minute, second, tzinfo=CHICAGO)
        assert dates.format_clock(at) == text

    def test_a_moment_is_day_and_clock(self):
        at = datetime(2025, 6, 14, 8, tzinfo=CHICAGO)
        assert dates.format_moment(at) == "Sat 14 Jun 2025, 08:00"

    def test_a_moment_of_a_day_is_the_day(self):
        assert dates.format_moment(SAT) == "Sat 14 Jun 2025"

    @pytest.mark.parametrize(
        ("first", "last", "text"),
        [
            (SAT, SAT, "Sat 14 Jun 2025"),
            (SAT, SUN, "Sat 14 Jun 2025 to Sun 15 Jun 2025"),
            (date(2025, 12, 31), date(2026, 1, 1), "Wed 31 Dec 2025 to Thu 1 Jan 2026"),
        ],
    )
    def test_days_are_told_with_the_last_day_included(self, first, last, text):
        assert dates.format_when(Period(first, last + timedelta(days=1))) == text

    @pytest.mark.parametrize("hours", [1, 27, 72])
    def test_times_are_told_by_their_start_alone(self, hours):
        start = datetime(2025, 6, 14, 8, tzinfo=CHICAGO)
        period = Period(start, start + timedelta(hours=hours))
        assert dates.format_when(period) == "Sat 14 Jun 2025, 08:00"

    @pytest.mark.parametrize("name", ["C", "de_DE.UTF-8", "fr_FR.UTF-8", "ja_JP.UTF-8"])
    def test_they_are_english_whatever_the_locale_of_the_process(self, name):
        before = locale.setlocale(locale.LC_ALL)
        try:
            with contextlib.suppress(locale.Error):  # not on this machine
                locale.setlocale(locale.LC_ALL, name)
            entry = the_entry(a_run(date=date(2025, 10, 11), start_time=time(18)))
            assert dates.format_when(entry.period) == "Sat 11 Oct 2025, 18:00"
            assert "Start: Sat 11 Oct 2025, 18:00 local time" in descriptions.build_description(
                entry, PAGE
            )
        finally:
            locale.setlocale(locale.LC_ALL, before)


class TestPlace:
    @pytest.mark.parametrize(
        ("event", "place"),
        [
            pytest.param({"location": "1 Pier Rd, Evanston"}, "1 Pier Rd, Evanston", id="address"),
            pytest.param(
                {"location": "1 Pier Rd", "point": (42.05, -87.67)}, "1 Pier Rd", id="both"
            ),
            pytest.param({"point": (42.05, -87.67)}, "42.05000, -87.67000", id="coordinates"),
            pytest.param(
                {"point": (42.0512345, -87.6712355)}, "42.05123, -87.67124", id="to-a-metre"
            ),
            pytest.param({"point": (51.477, -1e-7)}, "51.47700, 0.00000", id="Greenwich"),
            pytest.param({"point": (-1e-7, 36.8)}, "0.00000, 36.80000", id="equator"),
            pytest.param({}, None, id="neither"),
        ],
    )
    def test_is_the_address_else_the_coordinates(self, event, place):
        assert the_entry(a_run(), **event).place == place

    def test_of_a_virtual_run_is_nowhere(self):
        entry = the_entry(a_run(virtual=True), location="1 Pier Rd", point=(42.05, -87.67))
        assert entry.place is None


class TestCategories:
    @pytest.mark.parametrize(
        ("kind", "word"),
        [
            ("race", "Race"),
            ("runClub", "Run club"),
            ("timeTrial", "Time trial"),
            ("other", "Event"),
            ("triathlon", "Event"),
        ],
    )
    def test_are_the_standard_distance_and_the_type(self, kind, word):
        run = a_run(distance_standard="Half Marathon", distance_label="21.1")
        assert descriptions.list_categories(the_entry(run, type=kind)) == ("Half Marathon", word)

    def test_of_an_event_without_runs_are_its_type(self):
        assert descriptions.list_categories(itself()) == ("Race",)


class TestFacts:
    def test_of_an_ordinary_run_are_its_start_and_the_clock_it_is_told_on(self):
        assert facts_of(a_run(start_time=time(8)), end_time=time(11)) == [
            "Start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)"
        ]

    def test_tell_the_start_on_the_clock_of_the_place(self):
        facts = facts_of(a_run(start_time=time(8)), end_time=time(11), point=TOKYO)
        assert facts == ["Start: Sat 14 Jun 2025, 08:00 local time (Asia/Tokyo)"]

    @pytest.mark.parametrize(
        ("status", "fact"),
        [
            ("cancelled", "Cancelled by the organizer."),
            ("postponed", "Postponed by the organizer."),
            ("rescheduled", "Rescheduled by the organizer."),
            ("on hold", "Status given by the organizer: on hold"),
            ("CONFIRMED", "Status given by the organizer: CONFIRMED"),
        ],
    )
    def test_tell_a_status_first_even_one_that_is_not_known(self, status, fact):
        start, *ordinary = facts_of(a_run(start_time=time(8)))
        told = facts_of(a_run(start_time=time(8), status=status))
        planned = start if status not in ("cancelled", "postponed") else f"Planned s{start[1:]}"
        assert told == [fact, planned, *ordinary]

    def test_tell_that_an_end_is_an_estimate(self):
        estimate = "The finish time is an estimate."
        assert facts_of(a_run(start_time=time(8)))[1:] == [estimate]

    def test_tell_that_no_start_time_is_known(self):
        unknown = "No start time has been announced."
        assert facts_of() == ["Date: Sat 14 Jun 2025", unknown]

    def test_tell_all_days_of_a_long_run_without_a_start_time(self):
        facts = facts_of(a_run(distance_meters=160_934.4), end_date=SUN)
        assert facts[0] == "Dates: Sat 14 Jun 2025 to Sun 15 Jun 2025"

    @pytest.mark.parametrize("start", [None, time(8)], ids=["no-start", "start"])
    def test_of_a_virtual_run_are_its_days_and_when_the_organizer_starts(self, start):
        own = ["The organizer starts at 08:00."] if start else []
        assert facts_of(a_run(virtual=True, start_time=start), end_date=SUN) == [
            "Dates: Sat 14 Jun 2025 to Sun 15 Jun 2025",
            *own,
            "Virtual: take part from anywhere.",
        ]

    @pytest.mark.parametrize(
        ("window", "fact"),
        [
            pytest.param(
                {"registration_opens": OPENS},
                "Registration opens Wed 1 Jan 2025, 00:00 (America/Chicago)",
                id="opens",
            ),
            pytest.param(
                {"registration_closes": CLOSES},
                "Registration closes Thu 12 Jun 2025, 18:59:59 (America/Chicago)",
                id="closes",
            ),
            pytest.param(
                {"registration_opens": OPENS, "registration_closes": CLOSES},
                "Registration opens Wed 1 Jan 2025, 00:00"
                " and closes Thu 12 Jun 2025, 18:59:59 (America/Chicago)",
                id="both",
            ),
        ],
    )
    def test_tell_the_registration_window(self, window, fact):
        assert facts_of(a_run(**window))[2:] == [fact]

    def test_tell_the_registration_window_on_the_clock_of_the_place(self):
        run = a_run(registration_opens=OPENS, registration_closes=CLOSES)
        (fact,) = facts_of(run, point=TOKYO)[2:]
        assert fact.startswith("Registration opens Wed 1 Jan 2025, 15:00 and closes Fri 13 Jun")
        assert fact.endswith(" 2025, 08:59:59 (Asia/Tokyo)")

    @pytest.mark.parametrize(
        ("override", "fact"),
        [
            ("paused", "Registration is paused."),
            ("closed", "Registration is closed."),
            ("waitlist", "Registration: waitlist"),
        ],
    )
    def test_tell_what_overrides_the_window_after_it(self, override, fact):
        run = a_run(registration_opens=OPENS, registration_override=override)
        assert facts_of(run)[3:] == [fact]
        assert facts_of(a_run(registration_override=override))[2:] == [fact]

    @pytest.mark.parametrize(
        ("field", "fact"),
        [("sold_out", "Sold out."), ("relay", "Relay."), ("walking", "Walking event.")],
    )
    def test_tell_what_is_special(self, field, fact):
        assert facts_of(a_run(**{field: True}))[2:] == [fact]

    def test_come_in_one_order(self):
        run = a_run(
            status="postponed",
            start_time=time(8),
            registration_opens=OPENS,
            registration_override="paused",
            sold_out=True,
            relay=True,
            walking=True,
        )
        assert facts_of(run) == [
            "Postponed by the organizer.",
            "Planned start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)",
            "The finish time is an estimate.",
            "Registration opens Wed 1 Jan 2025, 00:00 (America/Chicago)",
            "Registration is paused.",
            "Sold out.",
            "Relay.",
            "Walking event.",
        ]

    def test_of_an_event_without_runs_are_its_own(self):
        entry = itself(start_time=time(8), end_time=time(11))
        assert list(descriptions.list_facts(entry)) == [
            "Start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)"
        ]


class TestLinks:
    RUNS, EVENTS, SITE = (f"https://club.example/{each}" for each in ("run", "event", "site"))

    def links(self, run=None, **event):
        return [
            (link.label, link.url)
            for link in descriptions.list_links(the_entry(run or a_run(), **event), PAGE)
        ]

    def test_always_lead_to_the_page(self):
        assert self.links() == [("Event page", PAGE)]

    def test_come_in_one_order(self):
        run = a_run(registration_url=self.RUNS)
        assert self.links(run, website_url=self.SITE) == [
            ("Register", self.RUNS),
            ("Website", self.SITE),
            ("Event page", PAGE),
        ]

    @pytest.mark.parametrize(
        ("of_run", "of_event", "register"),
        [(RUNS, EVENTS, RUNS), (RUNS, None, RUNS), (None, EVENTS, EVENTS)],
        ids=["both", "run", "event"],
    )
    def test_register_where_the_run_says_else_where_the_event_does(
        self, of_run, of_event, register
    ):
        links = self.links(a_run(registration_url=of_run), registration_url=of_event)
        assert links == [("Register", register), ("Event page", PAGE)]

    @pytest.mark.parametrize(
        ("of_run", "of_event"), [(RUNS, None), (None, EVENTS)], ids=["run", "event"]
    )
    def test_nobody_registers_for_a_cancelled_run(self, of_run, of_event):
        run = a_run(status="cancelled", registration_url=of_run)
        links = self.links(run, registration_url=of_event, website_url=self.SITE)
        assert links == [("Website", self.SITE), ("Event page", PAGE)]

    def test_of_an_event_without_runs_are_its_own(self):
        (register, page) = descriptions.list_links(itself(registration_url=self.EVENTS), PAGE)
        assert (register.url, page.url) == (self.EVENTS, PAGE)


class TestProse:
    def test_is_facts_links_and_the_events_own_text(self):
        entry = the_entry(
            a_run(start_time=time(8), sold_out=True),
            end_time=time(11),
            website_url="https://club.example/",
            description="Along the shore.\n\nBring <b>gloves</b> & water.",
        )
        assert descriptions.build_description(entry, PAGE) == (
            "Start: Sat 14 Jun 2025, 08:00 local time (America/Chicago)\n"
            "Sold out.\n"
            "\n"
            "Website: https://club.example/\n"
            f"Event page: {PAGE}\n"
            "\n"
            "Along the shore.\n\nBring <b>gloves</b> & water."
        )

    def test_without_a_text_ends_with_the_links(self):
        assert descriptions.build_description(the_entry(a_run()), PAGE) == (
            f"Date: Sat 14 Jun 2025\nNo start time has been announced.\n\nEvent page: {PAGE}"
        )


class TestPlain:
    @pytest.mark.parametrize(
        "text", ["Harbor Run: 10K", "5 < 10", "I <3 running > walking", "10K & 5K", "a<", "Läufe"]
    )
    def test_leaves_a_text_alone_that_has_no_tags(self, text):
        assert summaries.strip_markup(text) == text

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("<b>Harbor</b> Run", "Harbor Run"),
            ("Harbor <br/> Run", "Harbor Run"),
            ('<a href="https://club.example/?a=1&b=2">Harbor</a>', "Harbor"),
            ("<B\nCLASS='x'\n>Harbor</B\n>", "Harbor"),
            ("<h1>5 < 10</h1>", "5 < 10"),
        ],
    )
    def test_removes_tags(self, text, plain):
        assert summaries.strip_markup(text) == plain

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("Harbor<!-- hidden --> Run", "Harbor Run"),
            ("Harbor<!-- <b>hidden</b>\n > --> Run", "Harbor Run"),
            ("<!----><!-- -->Harbor", "Harbor"),
            ("Harbor <!-- never ends: <b>a</b>", "Harbor"),
        ],
    )
    def test_removes_comments(self, text, plain):
        assert summaries.strip_markup(text) == plain

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("Fun &amp; Run", "Fun & Run"),
            ("Caf&eacute; Run", "Café Run"),
            ("It&#39;s&#x20;on", "It's on"),
            ("5 &lt; 10", "5 < 10"),
            ("Harbor&nbsp;Run", "Harbor Run"),
            ("A & B", "A & B"),
        ],
    )
    def test_decodes_entities(self, text, plain):
        assert summaries.strip_markup(text) == plain

    @pytest.mark.parametrize(
        "text",
        ["&lt;b&gt;Harbor&lt;/b&gt; Run", "&#60;b>Harbor</b&#x3e; Run", "<b&gt;Harbor&lt;/b> Run"],
    )
    def test_removes_encoded_tags(self, text):
        assert summaries.strip_markup(text) == "Harbor Run"

    def test_is_one_line_without_space_around_it(self):
        assert summaries.strip_markup(" <p>Harbor</p>\n\n<p> Run\t</p> &#10;") == "Harbor Run"

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("<scr<b>ipt>Run", "< script>Run"),
            ("<scr<!-- -->ipt>Run", "< script>Run"),
            ("<<b>b>Run", "< b>Run"),
            ("Run <img src=x onerror=alert(1)", "Run < img src=x onerror=alert(1)"),
            ("</</b>b>Run", "< /b>Run"),
        ],
    )
    def test_what_is_left_opens_no_tag(self, text, plain):
        assert summaries.strip_markup(text) == plain

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("<b></b>", "< b>< /b>"),
            ("<Harbor>", "< Harbor>"),
            ("<!-- Harbor -->", "< !-- Harbor -->"),
            ("&lt;Harbor&gt;", "&lt;Harbor&gt;"),
            ("&nbsp;", "&nbsp;"),
        ],
    )
    def test_of_nothing_but_tags_is_the_text_itself_since_a_title_must_not_be_empty(
        self, text, plain
    ):
        assert summaries.strip_markup(text) == plain

    def test_a_long_hostile_text_takes_no_time(self):
        for piece in ("<!--", "<a", "<a ", "</", "<a<b>", "<!-", "&lt;!--"):
            started = datetime.now(UTC)
            summaries.strip_markup(piece * 50_000)
            assert datetime.now(UTC) - started < timedelta(seconds=2), piece

    @given(
        st.lists(
            st.sampled_from(
                [
                    "<",
                    ">",
                    "/",
                    "!",
                    "--",
                    "?",
                    "b",
                    "script",
                    " ",
                    "&lt;",
                    "&gt;",
                    "&amp;",
                    "5",
                    '"',
                ]
            )
            | st.text(max_size=3)
        ).map("".join)
    )
    @example("<s<s>cript>")
    @example("<!--<b>-->")
    def test_no_reader_finds_a_tag_or_a_comment_in_it(self, text):
        assert not re.search("<[a-zA-Z/!?]", summaries.strip_markup(text))

    @given(st.text(min_size=1))
    def test_nothing_becomes_empty(self, text):
        assert summaries.strip_markup(text)

    @given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Z", "C"])))
    def test_a_text_comes_back_that_was_escaped(self, text):
        assert summaries.strip_markup(html.escape(text)) == text
