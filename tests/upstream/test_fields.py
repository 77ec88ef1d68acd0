"""Values of single fields: what is taken, how it reads, and what is refused."""

import unicodedata
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.upstream import fields as values

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY_TEXT = st.text(st.characters(exclude_categories=()))


class TestUrl:
    @pytest.mark.parametrize(
        "text",
        [
            "https://club.example",
            "http://club.example/",
            "https://club.example:8443/races/5k?year=2025&lang=en#start",
            "https://user-pages.example/~anna/a;b=c,d(e)'f!*$@:+",
            "https://192.0.2.7/race",
            "https://[2001:db8::1]:8080/race",
            "https://club.example/already%20quoted%2Fpath",
        ],
    )
    def test_an_absolute_web_address_stays_as_it_is(self, text):
        assert values.parse_url(text) == text

    @pytest.mark.parametrize(
        ("text", "uri"),
        [
            pytest.param("HTTPS://Club.Example/Race", "https://club.example/Race", id="case"),
            pytest.param(
                "https://münchen.example/läufe?ort=süd#ziel-ä",
                "https://xn--mnchen-3ya.example/l%C3%A4ufe?ort=s%C3%BCd#ziel-%C3%A4",
                id="not-ascii",
            ),
            pytest.param("https://☃.example/", "https://xn--n3h.example/", id="idn"),
            pytest.param(
                "https://\uff43lub.example/", "https://club.example/", id="fullwidth-host"
            ),
            pytest.param("https://a.example/b c", "https://a.example/b%20c", id="space-in-path"),
            pytest.param(
                "https://a.example/'\"<b>`", "https://a.example/'%22%3Cb%3E%60", id="quotes"
            ),
            pytest.param("https://a.example/b\\c", "https://a.example/b%5Cc", id="backslash"),
            pytest.param("https://a.example/?q[]={|}", "https://a.example/?q%5B%5D=%7B%7C%7D"),
            pytest.param(
                "https://a.example/\u202egpj.exe", "https://a.example/%E2%80%AEgpj.exe", id="bidi"
            ),
            pytest.param("https://a.example/\u2028b", "https://a.example/%E2%80%A8b", id="u2028"),
            pytest.param("https://a.example/\x00\x1b", "https://a.example/%00%1B", id="control"),
            pytest.param("https://a.example:/b", "https://a.example/b", id="empty-port"),
        ],
    )
    def test_an_iri_becomes_a_uri(self, text, uri):
        assert values.parse_url(text) == uri

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="empty"),
            pytest.param("club.example/race", id="no-scheme"),
            pytest.param("//club.example/race", id="scheme-relative"),
            pytest.param("/race", id="path"),
            pytest.param("ftp://club.example/race", id="ftp"),
            pytest.param("mailto:anna@club.example", id="mailto"),
            pytest.param("javascript:alert(1)", id="javascript"),
            pytest.param("JavaScript://club.example/%0aalert(1)", id="javascript-with-host"),
            pytest.param("java\tscript:alert(1)", id="javascript-with-tab"),
            pytest.param("data:text/html,<script>alert(1)</script>", id="data"),
            pytest.param("vbscript:msgbox(1)", id="vbscript"),
            pytest.param("file:///etc/passwd", id="file"),
            pytest.param("https:club.example", id="no-slashes"),
            pytest.param("https:///race", id="no-host"),
            pytest.param("https://:443/race", id="port-alone"),
            pytest.param("https:\\\\club.example\\race", id="backslashes"),
        ],
    )
    def test_what_is_no_absolute_web_address_is_refused(self, text):
        with pytest.raises(ValueError):
            values.parse_url(text)

    @pytest.mark.parametrize(
        "text",
        [
            "https://club.example@evil.example/",
            "https://club.example:443@evil.example/",
            "https://@evil.example/",
            "https://:pw@evil.example/",
            "https://club.example\\@evil.example/",
            "https://club.example%2F@evil.example/",
        ],
    )
    def test_an_address_that_names_a_user_is_refused(self, text):
        with pytest.raises(ValueError):
            values.parse_url(text)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("http://[", id="open-bracket"),
            pytest.param("https://a.example/b\r\nc", id="line-break"),
            pytest.param("http://[::1/", id="ipv6-not-closed"),
            pytest.param("http://::1]/", id="ipv6-not-opened"),
            pytest.param("http://[gggg::]/", id="not-ipv6"),
            pytest.param("https://cl ub.example/", id="space"),
            pytest.param('https://cl"ub.example/', id="double-quote"),
            pytest.param("https://cl'ub.example/", id="single-quote"),
            pytest.param("https://<club>.example/", id="angle-brackets"),
            pytest.param("https://club.example%2Eevil.example/", id="percent"),
            pytest.param("https://club.example\\.evil.example/", id="backslash"),
            pytest.param("https://club\x00.example/", id="nul"),
            pytest.param("https://club\u2028.example/", id="u2028"),
            pytest.param("https://club\u202e.example/", id="bidi-override"),
            pytest.param("https://club\u2066.example/", id="bidi-isolate"),
            pytest.param("https://cl\u200dub.example/", id="zero-width-joiner"),
            pytest.param("https://laufstraße.example/", id="sharp-s-that-would-become-ss"),
            pytest.param("https://δρομος.example/", id="final-sigma-that-would-become-sigma"),
            pytest.param("https://clubא.example/", id="mixed-directions"),
            pytest.param("https://club.example\uff0fevil.example/", id="fullwidth-slash"),
            pytest.param("https://club..example/é", id="empty-label"),
            pytest.param("https://" + "a" * 64 + ".example/", id="label-too-long"),
            pytest.param("https://club.example:http/", id="port-no-number"),
            pytest.param("https://club.example:65536/", id="port-too-large"),
            pytest.param("https://club.example:-1/", id="port-negative"),
            pytest.param("https://\ud800.example/", id="surrogate-in-host"),
            pytest.param("https://club.example/\ud800", id="surrogate-in-path"),
        ],
    )
    def test_an_address_that_no_browser_should_follow_is_refused(self, text):
        with pytest.raises(ValueError):
            values.parse_url(text)

    def test_an_address_may_be_as_long_as_agreed_and_no_longer(self):
        longest = "https://club.example/".ljust(values.MAX_URL, "x")

        assert values.parse_url(longest) == longest
        with pytest.raises(ValueError):
            values.parse_url(longest + "x")

    def test_the_length_is_that_of_the_uri(self):
        with pytest.raises(ValueError):
            values.parse_url("https://club.example/" + "ä" * (values.MAX_URL // 6))

    @UNHURRIED
    @given(st.builds(str.__add__, st.sampled_from(["https://a.example/", "http://", ""]), ANY_TEXT))
    @example("https://a.example/%")
    def test_whatever_the_text_is_the_uri_is_plain_and_stays_itself(self, text):
        try:
            uri = values.parse_url(text)
        except ValueError:
            return

        parts = urlsplit(uri)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.username is None
        assert uri.isascii()
        assert not set(uri) & set('<>"\\^`{|} \t\r\n\x00')
        assert values.parse_url(uri) == uri


class TestLocation:
    @pytest.mark.parametrize(
        ("key", "place"),
        [
            ("venue", 0),
            ("name", 0),
            ("street", 1),
            ("line1", 1),
            ("address1", 1),
            ("line2", 2),
            ("address2", 2),
            ("city", 3),
            ("locality", 3),
            ("state", 4),
            ("region", 4),
            ("province", 4),
            ("postalCode", 5),
            ("zip", 5),
            ("country", 6),
        ],
    )
    def test_each_known_key_has_its_place_in_postal_order(self, key, place):
        keys = ["venue", "street", "line2", "city", "state", "zip", "country"]
        keys[place] = key
        address = {each: f"the {each}" for each in reversed(keys)}

        assert values.read_location(address) == ", ".join(f"the {each}" for each in keys)

    @pytest.mark.parametrize(
        ("keys", "first"),
        [
            (["name", "venue"], "venue"),
            (["address1", "line1", "street"], "street"),
            (["address1", "line1"], "line1"),
            (["address2", "line2"], "line2"),
            (["locality", "city"], "city"),
            (["province", "region", "state"], "state"),
            (["province", "region"], "region"),
            (["zip", "postalCode"], "postalCode"),
        ],
    )
    def test_of_keys_that_mean_the_same_one_is_told(self, keys, first):
        assert values.read_location({key: f"the {key}" for key in keys}) == f"the {first}"

    def test_an_empty_part_gives_way_to_the_next_key_that_means_the_same(self):
        assert (
            values.read_location({"street": " ", "line1": None, "address1": "1 Shore"}) == "1 Shore"
        )

    def test_known_keys_win_over_formatted_and_the_rest(self):
        address = {"formatted": "all of it", "city": "Evanston", "placeId": "ChIJ"}

        assert values.read_location(address) == "Evanston"

    def test_formatted_is_taken_where_no_key_is_known(self):
        address = {"placeId": "ChIJ", "formatted": "Lighthouse Beach,\nEvanston"}

        assert values.read_location(address) == "Lighthouse Beach, Evanston"

    def test_an_object_of_other_keys_gives_its_texts_in_order(self):
        address = {"town": "Evanston", "n": 5, "where": "Lighthouse Beach", "open": True, "x": []}

        assert values.read_location(address) == "Evanston, Lighthouse Beach"

    def test_repeated_parts_are_told_once(self):
        address = {"venue": "Evanston", "city": "Evanston ", "state": "IL", "country": "IL"}

        assert values.read_location(address) == "Evanston, IL"

    def test_repeated_texts_of_other_keys_are_told_once(self):
        assert values.read_location({"a": "Evanston", "b": "Beach", "c": "Evanston"}) == (
            "Evanston, Beach"
        )

    def test_a_postal_code_may_be_a_number(self):
        assert values.read_location({"city": "Evanston", "zip": 60201}) == "Evanston, 60201"

    @pytest.mark.parametrize(
        "part",
        [True, False, 1.5, None, [], ["Evanston"], {}, {"name": "Evanston"}],
        ids=repr,
    )
    def test_a_part_that_is_no_text_is_left_out(self, part):
        assert values.read_location({"venue": part, "city": "Evanston"}) == "Evanston"
        assert values.read_location({"city": part}) is None

    def test_a_text_is_taken_as_one_line(self):
        assert values.read_location("  Lighthouse\r\nBeach,\t Evanston\x00 ") == (
            "Lighthouse Beach, Evanston"
        )

    def test_every_part_is_one_line(self):
        assert values.read_location({"venue": "Light\u2028house", "city": "Evan\x07ston\n"}) == (
            "Light house, Evanston"
        )

    @pytest.mark.parametrize(
        "address", [None, "", " \n", "\x00", {}, {"city": ""}, {"": " "}, {"formatted": "\x00"}]
    )
    def test_an_address_that_says_nothing_is_none(self, address):
        assert values.read_location(address) is None


class TestPoint:
    @pytest.mark.parametrize(
        ("lat", "lng"),
        [(42.05, -87.67), (90, 180), (-90, -180), (0, 10.5), (51.5, 0), (-0.0, 1e-9)],
    )
    def test_a_place_on_earth_is_a_point(self, lat, lng):
        assert values.parse_point(lat, lng) == (lat, lng)

    def test_the_equator_has_no_sign_since_equal_places_are_written_alike(self):
        assert str(values.parse_point(-0.0, 9.5)) == "(0.0, 9.5)"
        assert str(values.parse_point(51.5, -0.0)) == "(51.5, 0.0)"

    @pytest.mark.parametrize(
        ("lat", "lng"),
        [
            (None, None),
            (42.05, None),
            (None, -87.67),
            (0, 0),
            (0.0, -0.0),
            (90.001, 0),
            (-90.001, 0),
            (0, 180.001),
            (0, -180.001),
            (float("inf"), 0),
            (0, float("-inf")),
            (float("nan"), 1),
            (1, float("nan")),
        ],
    )
    def test_anything_else_is_none(self, lat, lng):
        assert values.parse_point(lat, lng) is None


class TestText:
    @pytest.mark.parametrize(
        "end",
        ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"],
        ids=ascii,
    )
    def test_what_any_client_takes_for_a_line_end_becomes_one(self, end):
        assert values.clean_text(f"one{end}two") == "one\ntwo"
        assert values.clean_line(f"one{end}two") == "one two"

    def test_prose_keeps_paragraphs_tabs_and_spaces_within(self):
        assert values.clean_text("one\r\n\r\n\ttwo  three") == "one\n\n\ttwo  three"

    def test_prose_loses_what_surrounds_it(self):
        assert values.clean_text("\x00\n  one \u2028\t\x1f") == "one"

    def test_a_line_has_single_spaces(self):
        assert values.clean_line("\t one\n\n two\u00a0 \u3000three ") == "one two three"

    @pytest.mark.parametrize("text", ["", " ", "\r\n", "\x00\x1b\x7f", "\ud800", "\ufffe\uffff"])
    def test_a_text_of_nothing_is_empty(self, text):
        assert values.clean_text(text) == ""
        assert values.clean_line(text) == ""

    @pytest.mark.parametrize(
        "text", ["Zoë's 5 km: ½ price — “go”", "🏃🏽‍♀️", "e\u0301", "مرحبا \u200fa", "\U0010ffff"]
    )
    def test_all_other_characters_stay_as_they_are(self, text):
        assert values.clean_text(text) == text
        assert values.clean_line(text) == text

    @UNHURRIED
    @given(ANY_TEXT)
    def test_prose_has_no_control_characters_and_one_kind_of_line_end(self, text):
        prose = values.clean_text(text)

        odd = {each for each in prose if unicodedata.category(each) in ("Cc", "Cs")}
        assert odd <= {"\t", "\n"}
        assert prose.splitlines() == (prose.split("\n") if prose else [])
        assert values.clean_text(prose) == prose

    @UNHURRIED
    @given(ANY_TEXT)
    def test_a_line_is_one_line_and_stays_itself(self, text):
        line = values.clean_line(text)

        assert len(line.splitlines()) == bool(line)
        assert values.clean_line(line) == line

    @UNHURRIED
    @given(ANY_TEXT)
    @example("\ufffe\uffff\x00\x1f")
    def test_prose_goes_through_xml_unharmed(self, text):
        element = ET.Element("description")
        element.text = values.clean_text(text)

        read = ET.fromstring(ET.tostring(element, encoding="utf-8"))

        assert (read.text or "") == element.text
