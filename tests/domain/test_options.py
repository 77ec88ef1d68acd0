"""From a query to options and back to its one canonical form."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.model import DISTANCES, Options
from feeds.domain.options import MAX_VALUES, parse, selects, to_query
from feeds.errors import BadOption
from tests.support.factories import a_run

ALL = frozenset({"busy", "cancelled", "distance", "download", "registration", "run"})


def refusal(*query, taken=ALL):
    """The one line that a bad query is answered with."""
    with pytest.raises(BadOption) as refused:
        parse(query, taken)
    message = str(refused.value)
    assert message.splitlines() == [message]
    return message


class TestParse:
    def test_an_empty_query_means_the_defaults(self):
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
            ("busy", "0", Options()),
            ("busy", "1", Options(busy=True)),
            ("registration", "0", Options()),
            ("registration", "1", Options(registration=True)),
            ("download", "0", Options()),
            ("download", "1", Options(download=True)),
        ],
    )
    def test_takes_what_an_option_may_be(self, name, value, options):
        assert parse([(name, value)], ALL) == options

    @pytest.mark.parametrize("distance", DISTANCES)
    def test_takes_every_standard_distance(self, distance):
        assert parse([("distance", distance)], ALL) == Options(distance=(distance,))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("run", ""),
            ("run", "r" * 65),
            ("run", "a b"),
            ("run", "../a"),
            ("run", "a,b"),
            ("run", "ä"),
            ("run", "\u0663"),
            ("run", "abc\n"),
            ("distance", ""),
            ("distance", "10k"),
            ("distance", "10 K"),
            ("distance", "10K,5K"),
            ("distance", "10K|5K"),
            ("distance", "10K\n"),
            ("distance", "Half"),
            ("distance", "Half+Marathon"),
            ("cancelled", ""),
            ("cancelled", "Keep"),
            ("cancelled", "1"),
            ("cancelled", "keepdrop"),
            *(
                (name, value)
                for name in ("busy", "registration", "download")
                for value in ("", "2", "true", "yes", "01", "-1", " 1", "1\n", "\u00b9", "\u0661")
            ),
        ],
    )
    def test_a_bad_value_is_refused_by_the_name_of_its_option(self, name, value):
        assert refusal((name, value)).startswith(f"{name} takes ")

    @pytest.mark.parametrize(
        ("name", "takes"),
        [
            ("run", "the id of a run"),
            (
                "distance",
                "one of 5K, 10K, 15K, Half Marathon, Marathon, 50K, 50M, 100K, 100M, Ultra, Other",
            ),
            ("cancelled", "one of mark, keep, drop"),
            ("busy", "0 or 1"),
            ("registration", "0 or 1"),
            ("download", "0 or 1"),
        ],
    )
    def test_a_refusal_says_what_the_option_takes(self, name, takes):
        assert refusal((name, "?")) == f"{name} takes {takes}."

    def test_a_refusal_does_not_repeat_the_value(self):
        assert "<script>" not in refusal(("run", "<script>"))

    @pytest.mark.parametrize("query", [("a", "?"), ("?", "b"), ("a", "b", "?")], ids=str)
    def test_one_bad_value_among_good_ones_is_refused(self, query):
        assert refusal(*(("run", value) for value in query)) == "run takes the id of a run."

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
    def test_a_doubled_option_is_refused_with_what_it_takes(self, name, first, second):
        takes = "one of mark, keep, drop" if name == "cancelled" else "0 or 1"
        message = refusal((name, first), ("run", "a"), (name, second))
        assert message == f"{name} can be given once; it takes {takes}."

    def test_runs_and_distances_can_be_repeated(self):
        query = [("run", "b"), ("distance", "5K"), ("run", "a"), ("distance", "Marathon")]
        assert parse(query, ALL) == Options(run=("a", "b"), distance=("5K", "Marathon"))

    def test_a_value_given_twice_counts_once(self):
        query = [("run", "a"), ("run", "a"), ("distance", "5K"), ("distance", "5K")]
        assert parse(query, ALL) == Options(run=("a",), distance=("5K",))

    def test_runs_are_sorted_and_distances_in_the_order_of_the_standard_ones(self):
        query = [("run", "b"), ("run", "B"), ("run", "a"), ("run", "10")]
        query += [("distance", each) for each in reversed(DISTANCES)]
        assert parse(query, ALL) == Options(run=("10", "B", "a", "b"), distance=DISTANCES)

    @pytest.mark.parametrize(("name", "value"), [("run", "a"), ("distance", "5K")])
    def test_a_hundred_values_are_taken_and_no_more(self, name, value):
        assert parse([(name, value)] * MAX_VALUES, ALL) != Options()
        assert refusal(*[(name, value)] * (MAX_VALUES + 1)).startswith(f"{name} can be given 100 ")

    @pytest.mark.parametrize(
        "name", ["utm_source", "fbclid", "", "Busy", "RUN", "runs", "run ", "busy[]"]
    )
    @pytest.mark.parametrize("count", [1, 2, 1000])
    def test_an_unknown_parameter_is_ignored(self, name, count):
        assert parse([(name, "?")] * count + [("busy", "1")], ALL) == Options(busy=True)

    @pytest.mark.parametrize("name", sorted(ALL))
    @pytest.mark.parametrize(
        "values",
        [["1"], ["?"], ["keep", "drop"], ["?"] * 101],
        ids=["good", "bad", "doubled", "too-many"],
    )
    def test_an_option_that_a_format_does_not_take_is_ignored_good_or_bad(self, name, values):
        assert parse([(name, value) for value in values], ALL - {name}) == Options()

    def test_a_format_may_take_no_options(self):
        assert parse([(name, "?") for name in ALL], ()) == Options()


class TestCanonical:
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
        ],
    )
    def test_is_what_differs_from_the_defaults(self, options, query):
        assert to_query(options) == query

    def test_is_in_the_order_of_the_names(self):
        options = Options(
            run=("a", "b"), distance=("5K", "10K"), cancelled="keep", busy=True, registration=True
        )
        assert to_query(options) == (
            "busy=1&cancelled=keep&distance=5K&distance=10K&registration=1&run=a&run=b"
        )

    def test_is_percent_encoded_as_every_client_reads_it(self):
        options = Options(distance=("Half Marathon", "Marathon"))
        assert to_query(options) == "distance=Half%20Marathon&distance=Marathon"

    def test_leaves_out_the_way_of_delivery(self):
        assert to_query(Options(download=True, busy=True)) == "busy=1"

    @pytest.mark.parametrize(
        "queries",
        [
            (
                [("run", "b"), ("busy", "1"), ("run", "a")],
                [("busy", "1"), ("run", "a"), ("run", "b"), ("run", "b")],
            ),
            ([("cancelled", "mark")], []),
            ([("busy", "0"), ("registration", "0"), ("download", "0")], []),
            ([("distance", "10K"), ("distance", "5K")], [("distance", "5K"), ("distance", "10K")]),
        ],
        ids=["order-and-repeats", "default-word", "default-digits", "distances"],
    )
    def test_is_one_for_all_queries_that_mean_the_same(self, queries):
        one, other = (to_query(parse(query, ALL)) for query in queries)
        assert one == other


GOOD = st.one_of(
    st.tuples(st.just("run"), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)),
    st.tuples(st.just("distance"), st.sampled_from(DISTANCES)),
)
ONCE = st.fixed_dictionaries(
    {},
    optional={
        "cancelled": st.sampled_from(["mark", "keep", "drop"]),
        "busy": st.sampled_from("01"),
        "registration": st.sampled_from("01"),
        "download": st.sampled_from("01"),
        "utm_source": st.text(),
    },
)
QUERIES = st.tuples(st.lists(GOOD, max_size=8), ONCE).flatmap(
    lambda parts: st.permutations([*parts[0], *parts[1].items()])
)


@given(QUERIES)
def test_the_canonical_form_of_a_canonical_form_is_itself(query):
    once = to_query(parse(query, ALL))
    assert to_query(parse(parse_qsl(once, strict_parsing=bool(once)), ALL)) == once


@given(QUERIES)
def test_the_canonical_form_means_what_the_query_meant(query):
    options = parse([pair for pair in query if pair[0] != "download"], ALL)
    assert parse(parse_qsl(to_query(options)), ALL) == options


@given(QUERIES, st.randoms(use_true_random=False))
def test_the_order_of_a_query_does_not_matter(query, random):
    shuffled = list(query)
    random.shuffle(shuffled)
    assert parse(shuffled, ALL) == parse(query, ALL)


@given(st.lists(st.tuples(st.sampled_from(sorted(ALL)) | st.text(), st.text())))
def test_a_query_is_taken_or_refused_by_name_whatever_it_holds(query):
    try:
        options = parse(query, ALL)
    except BadOption as refused:
        assert str(refused).split()[0] in ALL  # noqa: PT017 - either is fine
    else:
        assert parse(parse_qsl(to_query(options)), ALL - {"download"}) == parse(
            query, ALL - {"download"}
        )


class TestKeeps:
    TEN = a_run(id="a", distance_standard="10K")
    TEN_MILES = a_run(id="b", distance_standard="Other", distance_label="10K")

    @pytest.mark.parametrize(
        ("options", "kept"),
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
    def test_a_run_is_kept_that_is_named_and_has_a_named_distance(self, options, kept):
        assert selects(options, self.TEN) is kept

    def test_a_distance_is_the_standard_one_not_the_label(self):
        assert not selects(Options(distance=("10K",)), self.TEN_MILES)
        assert selects(Options(distance=("Other",)), self.TEN_MILES)

    @pytest.mark.parametrize("status", ["cancelled", "postponed"])
    def test_a_status_does_not_matter(self, status):
        run = a_run(id="a", status=status)
        assert selects(Options(run=("a",), cancelled="drop"), run)
