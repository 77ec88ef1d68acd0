"""Values of single fields: URLs, addresses and points.

Dates, times and instants are tested with whole documents in ``test_schema``.
"""

from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.upstream import fields

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY_TEXT = st.text(st.characters(exclude_categories=()))


# URLs


@pytest.mark.parametrize(
    "url",
    [
        *("https://club.example", "http://club.example/"),
        "https://club.example:8443/races/5k?year=2025&lang=en#start",
        *("https://user-pages.example/~anna/a;b=c,d(e)'f!*$@:+", "https://192.0.2.7/race"),
        *("https://[2001:db8::1]:8080/race", "https://club.example/already%20quoted%2Fpath"),
    ],
)
def test_an_absolute_web_url_stays_as_it_is(url):
    assert fields.parse_url(url) == url


@pytest.mark.parametrize(
    ("iri", "uri"),
    [
        ("HTTPS://Club.Example/Race", "https://club.example/Race"),
        (
            "https://münchen.example/läufe?ort=süd#ziel-ä",
            "https://xn--mnchen-3ya.example/l%C3%A4ufe?ort=s%C3%BCd#ziel-%C3%A4",
        ),
        ("https://☃.example/", "https://xn--n3h.example/"),
        ("https://\uff43lub.example/", "https://club.example/"),
        ("https://a.example/b c", "https://a.example/b%20c"),
        ("https://a.example/'\"<b>`", "https://a.example/'%22%3Cb%3E%60"),
        ("https://a.example/b\\c", "https://a.example/b%5Cc"),
        ("https://a.example/?q[]={|}", "https://a.example/?q%5B%5D=%7B%7C%7D"),
        ("https://a.example/\u202egpj.exe", "https://a.example/%E2%80%AEgpj.exe"),
        ("https://a.example/\u2028b", "https://a.example/%E2%80%A8b"),
        ("https://a.example/\x00\x1b", "https://a.example/%00%1B"),
        ("https://a.example:/b", "https://a.example/b"),
    ],
    ids=ascii,
)
def test_an_iri_becomes_a_uri(iri, uri):
    assert fields.parse_url(iri) == uri


@pytest.mark.parametrize(
    "url",
    [
        *("club/race", "//club.example/race", "/race", "https:club.example", "club."),
        *("see club.example", "anna@club.example", "club.example@evil.example/", "1.5", "e.g."),
        *("https:///race", "https://:443/race", "https:\\\\club.example\\race"),
        *("ftp://club.example/race", "mailto:anna@club.example", "file:///etc/passwd"),
        *("javascript:alert(1)", "JavaScript://club.example/%0aalert(1)", "java\tscript:alert(1)"),
        *("data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)"),
        *("https://club.example@evil.example/", "https://club.example:443@evil.example/"),
        *("https://@evil.example/", "https://:pw@evil.example/"),
        *("https://club.example\\@evil.example/", "https://club.example%2F@evil.example/"),
        *("http://[", "http://[::1/", "http://::1]/", "http://[gggg::]/"),
        *("https://cl ub.example/", 'https://cl"ub.example/', "https://cl'ub.example/"),
        *("https://<club>.example/", "https://club.example%2Eevil.example/"),
        *("https://club.example\\.evil.example/", "https://club\x00.example/"),
        *("https://club\u2028.example/", "https://club\u202e.example/"),
        *("https://club\u2066.example/", "https://cl\u200dub.example/"),
        "https://laufstraße.example/",  # IDNA 2003 writes ss
        "https://δρομος.example/",  # IDNA 2003 writes another sigma
        *("https://clubא.example/", "https://club.example\uff0fevil.example/"),
        *("https://club..example/é", "https://" + "a" * 64 + ".example/"),
        *("https://club.example:http/", "https://club.example:65536/", "https://club.example:-1/"),
        *("https://\ud800.example/", "https://club.example/\ud800", "https://a.example/b\r\nc"),
    ],
    ids=ascii,
)
def test_a_url_that_is_relative_has_a_user_or_is_read_differently_by_clients_is_refused(url):
    with pytest.raises(ValueError):
        fields.parse_url(url)


def test_a_uri_has_at_most_2000_characters():
    longest = "https://club.example/".ljust(fields.MAX_URL, "x")
    assert fields.parse_url(longest) == longest
    with pytest.raises(ValueError):
        fields.parse_url(longest + "x")
    with pytest.raises(ValueError):
        fields.parse_url("https://club.example/" + "ä" * (fields.MAX_URL // 6))


@unhurried
@given(st.builds(str.__add__, st.sampled_from(["https://a.example/", "http://", ""]), ANY_TEXT))
@example("https://a.example/%")
def test_any_text_is_refused_or_a_plain_ascii_uri_that_parses_to_itself(text):
    try:
        uri = fields.parse_url(text)
    except ValueError:
        return
    if uri is None:
        assert not text.strip()
        return
    parts = urlsplit(uri)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert parts.username is None
    assert uri.isascii()
    assert not set(uri) & set('<>"\\^`{|} \t\r\n\x00')
    assert fields.parse_url(uri) == uri


# Addresses (rules 6.9)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ({"street": " ", "line1": None, "address1": "1 Shore"}, "1 Shore"),
        ({"address2": "Gate 4", "line1": "1 Shore"}, "1 Shore, Gate 4"),
        ({"formatted": "all of it", "city": "Evanston", "placeId": "ChIJ"}, "Evanston"),
        ({"placeId": "ChIJ", "formatted": "Beach,\nEvanston"}, "Beach, Evanston"),
        (
            {"venue": "Evanston", "city": "Evanston ", "state": "IL", "country": "IL"},
            "Evanston, IL",
        ),
        ({"city": "Evanston", "zip": 60201}, "Evanston, 60201"),
        ({"venue": "Light\u2028house", "city": "Evan\x07ston\n"}, "Light house, Evanston"),
        ("  Lighthouse\r\nBeach,\t Evanston\x00 ", "Lighthouse Beach, Evanston"),
        ({"city": "Evanston", "open": True, "at": {"lat": 5}}, "Evanston"),
        *((empty, None) for empty in ("", " \n", "\x00", {}, {"city": ""}, {"": " ", "n": None})),
        ({"formatted": "\x00"}, None),
    ],
    ids=str,
)
def test_an_address_is_one_line_of_its_parts_without_repetition(address, line):
    assert fields.format_address(address) == line


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ({"town": "Evanston", "n": 5, "at": "Beach", "open": True, "x": []}, "Evanston, Beach"),
        ({"a": "Evanston", "b": "Beach", "c": "Evanston"}, "Evanston, Beach"),
        *(
            ({"venue": part, "city": "Evanston"}, "Evanston")
            for part in (True, False, 1.5, [], ["Evanston"], {}, {"name": "Evanston"})
        ),
        ({"city": {"name": "Evanston"}}, None),
        ({"placeId": 5}, None),
        ({"formatted": ["Evanston"]}, None),
    ],
    ids=str,
)
def test_an_address_that_is_partly_understood_has_its_texts_as_part(address, part):
    with pytest.raises(fields.PartlyReadError) as caught:
        fields.format_address(address)
    assert caught.value.part == part


@pytest.mark.parametrize("address", [None, 5, True, ["Evanston"], 1.5], ids=repr)
def test_an_address_that_is_neither_text_nor_object_is_not_understood(address):
    with pytest.raises(ValueError):
        fields.format_address(address)


# Points


@pytest.mark.parametrize(
    ("lat", "lng"), [(42.05, -87.67), (90, 180), (-90, -180), (0, 10.5), (51.5, 0), (-0.0, 1e-9)]
)
def test_a_place_on_earth_is_a_point_without_minus_zero(lat, lng):
    """Equal places have equal bytes."""
    assert str(fields.parse_point(lat, lng)) == str((lat + 0.0, lng + 0.0))
    assert str(fields.parse_point(51.5, -0.0)) == "(51.5, 0.0)"


def test_coordinates_that_are_zero_are_no_point():
    assert fields.parse_point(0, 0) is None
    assert fields.parse_point(0.0, "-0.0") is None


@pytest.mark.parametrize(
    ("lat", "lng"),
    [
        *((42.05, None), (None, -87.67), (True, 5), ([42.05], -87.67), ("42.05N", -87.67)),
        *((90.001, 0), (-90.001, 0), (0, 180.001), (0, -180.001), ("42,05", -87.67), ("", 5)),
        *((float("inf"), 0), (0, float("-inf")), (float("nan"), 1), (1, float("nan"))),
    ],
)
def test_coordinates_that_are_missing_or_off_the_earth_are_not_understood(lat, lng):
    with pytest.raises(ValueError):
        fields.parse_point(lat, lng)


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), (-1.5, -1.5), ("5", 5.0), (" +48.8566 ", 48.8566), ("-0.5", -0.5), ("007", 7.0)],
)
def test_numbers_are_read_also_as_decimal_texts(value, number):
    assert fields.parse_number(value) == number


@pytest.mark.parametrize(
    "value", ["1e5", "", "1_000", "٣", "0x10", "nan", ".5", "5.", None, [], {}]
)
def test_other_texts_are_no_numbers(value):
    with pytest.raises(ValueError):
        fields.parse_number(value)
