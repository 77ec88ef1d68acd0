"""From a query to options and back to the one canonical query."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feeds.domain.model import DISTANCES, Options
from feeds.domain.options import MAX_VALUES, parse, parse_event_id, selects, to_query
from feeds.errors import BadOption
from tests.support.factories import a_run

ALL = frozenset({"busy", "cancelled", "distance", "download", "registration", "run"})
FLAGS = ("busy", "registration", "download")


def refuse(*query, taken=ALL):
    """The one line with which a bad query is answered."""
    with pytest.raises(BadOption) as refused:
        parse(query, taken)
    message = str(refused.value)
    assert message.splitlines() == [message]
    return message


def test_an_empty_query_means_the_defaults():
    assert parse([], ALL) == Options(
        run=(), distance=(), cancelled="mark", busy=False, registration=False, download=False
    )


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("run", "k57abc_DEF-1", Options(run=("k57abc_DEF-1",))),
        ("run", "r" * 64, Options(run=("r" * 64,))),
        ("cancelled", "mark", Options()),
        ("cancelled", "keep", Options(cancelled="keep")),
        ("cancelled", "drop", Options(cancelled="drop")),
        *((name, "0", Options()) for name in FLAGS),
        *((name, "1", structs.replace(Options(), **{name: True})) for name in FLAGS),
        *(("distance", each, Options(distance=(each,))) for each in DISTANCES),
    ],
)
def test_each_option_takes_its_values(name, value, options):
    assert parse([(name, value)], ALL) == options


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("run", ["", "r" * 65, "a b", "../a", "a,b", "ä", "\u0663", "abc\n"]),
        ("distance", ["", "10k", "10 K", "10K,5K", "10K|5K", "10K\n", "Half", "Half+Marathon"]),
        ("cancelled", ["", "Keep", "1", "keepdrop"]),
        *(
            (name, ["", "2", "true", "yes", "01", "-1", " 1", "1\n", "\u00b9", "\u0661"])
            for name in FLAGS
        ),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_option(name, values):
    for value in values:
        assert refuse((name, value)).startswith(f"{name} takes ")


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("run", "the id of a run"),
        (
            "distance",
            "one of 5K, 10K, 15K, Half Marathon, Marathon, 50K, 50M, 100K, 100M, Ultra, Other",
        ),
        ("cancelled", "one of mark, keep, drop"),
        *((name, "0 or 1") for name in FLAGS),
    ],
)
def test_a_refusal_says_what_the_option_takes_and_does_not_repeat_the_value(name, takes):
    assert refuse((name, "<script>")) == f"{name} takes {takes}."


@pytest.mark.parametrize("query", [("a", "?"), ("?", "b"), ("a", "b", "?")], ids=str)
def test_one_bad_value_among_good_ones_is_refused(query):
    assert refuse(*(("run", value) for value in query)) == "run takes the id of a run."


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("cancelled", "keep", "drop"),
        ("cancelled", "keep", "keep"),
        ("busy", "0", "1"),
        ("busy", "1", "1"),
        ("registration", "1", "0"),
        ("download", "1", "1"),
    ],
)
def test_an_option_that_is_given_twice_is_refused_with_what_it_takes(name, first, second):
    takes = "one of mark, keep, drop" if name == "cancelled" else "0 or 1"
    message = refuse((name, first), ("run", "a"), (name, second))
    assert message == f"{name} can be given once; it takes {takes}."


def test_runs_and_distances_can_be_repeated():
    query = [("run", "b"), ("distance", "5K"), ("run", "a"), ("distance", "Marathon")]
    assert parse(query, ALL) == Options(run=("a", "b"), distance=("5K", "Marathon"))


def test_a_value_that_is_given_twice_counts_once():
    query = [("run", "a"), ("run", "a"), ("distance", "5K"), ("distance", "5K")]
    assert parse(query, ALL) == Options(run=("a",), distance=("5K",))


def test_runs_are_sorted_and_distances_are_in_the_order_of_the_standard_distances():
    query = [("run", "b"), ("run", "B"), ("run", "a"), ("run", "10")]
    query += [("distance", each) for each in reversed(DISTANCES)]
    assert parse(query, ALL) == Options(run=("10", "B", "a", "b"), distance=DISTANCES)


@pytest.mark.parametrize(("name", "value"), [("run", "a"), ("distance", "5K")])
def test_an_option_takes_100_values_at_most(name, value):
    assert parse([(name, value)] * MAX_VALUES, ALL) != Options()
    assert refuse(*[(name, value)] * (MAX_VALUES + 1)).startswith(f"{name} can be given 100 ")


@pytest.mark.parametrize(
    "name", ["utm_source", "fbclid", "", "Busy", "RUN", "runs", "run ", "busy[]"]
)
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_an_unknown_parameter_is_ignored(name, count):
    assert parse([(name, "?")] * count + [("busy", "1")], ALL) == Options(busy=True)


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize(
    "values",
    [["1"], ["?"], ["keep", "drop"], ["?"] * 101],
    ids=["good", "bad", "twice", "too-many"],
)
def test_an_option_that_the_format_does_not_take_is_ignored(name, values):
    assert parse([(name, value) for value in values], ALL - {name}) == Options()


def test_a_format_may_take_no_options():
    assert parse([(name, "?") for name in ALL], ()) == Options()


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (Options(), ""),
        (Options(busy=True), "busy=1"),
        (Options(cancelled="keep"), "cancelled=keep"),
        (Options(cancelled="drop"), "cancelled=drop"),
        (Options(distance=("10K",)), "distance=10K"),
        (Options(registration=True), "registration=1"),
        (Options(run=("r-1_A",)), "run=r-1_A"),
        (Options(download=True, busy=True), "busy=1"),
        (
            Options(distance=("Half Marathon", "Marathon")),
            "distance=Half%20Marathon&distance=Marathon",
        ),
        (
            Options(("a", "b"), ("5K", "10K"), "keep", busy=True, registration=True),
            "busy=1&cancelled=keep&distance=5K&distance=10K&registration=1&run=a&run=b",
        ),
    ],
    ids=str,
)
def test_the_canonical_query_has_what_differs_from_the_defaults_in_the_order_of_names(
    options, query
):
    assert to_query(options) == query


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            [("run", "b"), ("busy", "1"), ("run", "a")],
            [("busy", "1"), ("run", "a"), ("run", "b"), ("run", "b")],
        ),
        ([("cancelled", "mark")], []),
        ([("busy", "0"), ("registration", "0"), ("download", "0")], []),
        ([("distance", "10K"), ("distance", "5K")], [("distance", "5K"), ("distance", "10K")]),
    ],
    ids=["order and repeats", "a default word", "default digits", "distances"],
)
def test_queries_that_mean_the_same_have_one_canonical_query(one, other):
    assert to_query(parse(one, ALL)) == to_query(parse(other, ALL))


GOOD = st.one_of(
    st.tuples(st.just("run"), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)),
    st.tuples(st.just("distance"), st.sampled_from(DISTANCES)),
)
ONCE = st.fixed_dictionaries(
    {},
    optional={
        "cancelled": st.sampled_from(["mark", "keep", "drop"]),
        **{name: st.sampled_from("01") for name in FLAGS},
        "utm_source": st.text(),
    },
)
QUERIES = st.tuples(st.lists(GOOD, max_size=8), ONCE).flatmap(
    lambda parts: st.permutations([*parts[0], *parts[1].items()])
)


@given(QUERIES)
def test_the_canonical_query_of_a_canonical_query_is_the_same(query):
    once = to_query(parse(query, ALL))
    assert to_query(parse(parse_qsl(once, strict_parsing=bool(once)), ALL)) == once


@given(QUERIES)
def test_the_canonical_query_means_what_the_query_means(query):
    options = parse([pair for pair in query if pair[0] != "download"], ALL)
    assert parse(parse_qsl(to_query(options)), ALL) == options


@given(QUERIES, st.randoms(use_true_random=False))
def test_the_order_of_a_query_does_not_matter(query, random):
    shuffled = list(query)
    random.shuffle(shuffled)
    assert parse(shuffled, ALL) == parse(query, ALL)


@given(st.lists(st.tuples(st.sampled_from(sorted(ALL)) | st.text(), st.text())))
def test_any_query_is_taken_or_refused_by_the_name_of_an_option(query):
    try:
        options = parse(query, ALL)
    except BadOption as refused:
        assert str(refused).split()[0] in ALL  # noqa: PT017 - either is fine
    else:
        assert parse(parse_qsl(to_query(options)), ALL - {"download"}) == parse(
            query, ALL - {"download"}
        )


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        (Options(), True),
        (Options(run=("a",)), True),
        (Options(run=("a", "z")), True),
        (Options(run=("z",)), False),
        (Options(run=("A",)), False),
        (Options(distance=("10K",)), True),
        (Options(distance=("5K", "10K")), True),
        (Options(distance=("5K",)), False),
        (Options(run=("a",), distance=("10K",)), True),
        (Options(run=("a",), distance=("5K",)), False),
        (Options(run=("z",), distance=("10K",)), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", ["scheduled", "cancelled", "postponed"])
def test_options_select_the_runs_that_are_named_and_have_a_named_distance(
    options, selected, status
):
    run = a_run(id="a", distance_standard="10K", status=status)
    assert selects(options, run) is selected


def test_a_distance_selects_by_the_standard_distance_and_not_by_the_label():
    ten_miles = a_run(id="b", distance_standard="Other", distance_label="10K")
    assert not selects(Options(distance=("10K",)), ten_miles)
    assert selects(Options(distance=("Other",)), ten_miles)


@pytest.mark.parametrize(
    "text",
    [
        "harbor",
        " harbor\n",
        "https://intervals.run/events/harbor",
        "https://intervals.run/events/harbor/",
        "https://intervals.run/events/harbor?utm_source=mail#runs",
        "https://intervals.run/events/harbor/register",
        "https://intervals.run/harbor",
        "https://feeds.example.org/events/harbor.ics?busy=1",
    ],
)
def test_an_event_id_is_found_in_an_id_or_an_address(text):
    assert parse_event_id(text) == "harbor"


@pytest.mark.parametrize(
    "text", ["", "/", "a b", "ä", "a" * 65, "https://intervals.run/events/a b"]
)
def test_a_text_without_an_event_id_is_refused(text):
    with pytest.raises(BadOption, match="Paste the id of an event"):
        parse_event_id(text)
