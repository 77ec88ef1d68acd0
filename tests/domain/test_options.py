"""From a query to options and back to the one canonical query."""

from time import process_time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.model import DISTANCES
from feeds.domain.options import MAX_VALUES, Options, parse, parse_event_id, to_query
from feeds.errors import BadOption

ALL = frozenset({"busy", "cancelled", "distance", "download", "registration", "run"})
FLAGS = ("busy", "registration", "download")


def refuse(*query, taken=ALL):
    """The one line with which a bad query is answered."""
    with pytest.raises(BadOption) as refused:
        parse(query, taken)
    message = str(refused.value)
    assert message.splitlines() == [message]
    return message


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


def test_an_option_can_be_given_100_times_at_most():
    assert refuse(*[("run", "a")] * (MAX_VALUES + 1)) == "run can be given 100 times at most."


@pytest.mark.parametrize("name", sorted(ALL))
def test_an_option_that_the_format_does_not_take_is_ignored(name):
    assert parse([(name, "?")] * 101, ALL - {name}) == Options()


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
def test_the_canonical_query_means_what_the_query_means(query):
    options = parse([pair for pair in query if pair[0] != "download"], ALL)
    assert parse(parse_qsl(to_query(options)), ALL) == options


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


@pytest.mark.parametrize("text", ["a", "/", "/events/", ".ics", "?#", " "])
def test_a_long_text_in_place_of_an_event_id_takes_less_than_a_second(text):
    began = process_time()
    with pytest.raises(BadOption):
        parse_event_id(text * 400_000 + "/!")
    assert process_time() - began < 1
