"""User agents of current browsers, with the ways to subscribe that a page shows them first."""

from typing import NamedTuple

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
_CHROME = f"{_BLINK} Chrome/142.0.0.0 Safari/537.36"
_CHROME_MOBILE = f"{_BLINK} Chrome/142.0.0.0 Mobile Safari/537.36"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_PIXEL = "Mozilla/5.0 (Linux; Android 16; Pixel 10 Build/BP3A.250905.014; wv)"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_WEBVIEW = f"{_BLINK} Version/4.0 Chrome/142.0.7444.102 Mobile Safari/537.36"

APPLE = ("apple",)
ANDROID = ("google-once", "others", "computer")
WINDOWS = ("outlook", "microsoft365")
CHROME_OS = ("google",)
LINUX = ("others", "google")


class Browser(NamedTuple):
    """A browser: its name, its user agent, the first ways, and whether it is that of an app."""

    name: str
    user_agent: str
    first: tuple[str, ...]
    in_app: bool = False


BROWSERS = (
    Browser(
        "Safari, iPhone", f"{_IPHONE} {_WEBKIT} Version/26.0 Mobile/15E148 Safari/604.1", APPLE
    ),
    Browser("Safari, iPad", f"{_MAC} {_WEBKIT} Version/26.0 Safari/605.1.15", APPLE),
    Browser(
        "Safari, iPad, mobile site",
        f"{_IPAD} {_WEBKIT} Version/26.0 Mobile/15E148 Safari/604.1",
        APPLE,
    ),
    Browser("Safari, Mac", f"{_MAC} {_WEBKIT} Version/26.0 Safari/605.1.15", APPLE),
    Browser(
        "Chrome, iPhone",
        f"{_IPHONE} {_WEBKIT} CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
        APPLE,
    ),
    Browser(
        "Firefox, iPhone", f"{_IPHONE} {_WEBKIT} FxiOS/145.0 Mobile/15E148 Safari/604.1", APPLE
    ),
    Browser(
        "Edge, iPhone",
        f"{_IPHONE} {_WEBKIT} Version/18.0 EdgiOS/142.0.3595.66 Mobile/15E148 Safari/604.1",
        APPLE,
    ),
    Browser("Chrome, Mac", f"{_MAC} {_CHROME}", APPLE),
    Browser(
        "Firefox, Mac",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
        APPLE,
    ),
    Browser("Chrome, Android", f"{_ANDROID} {_CHROME_MOBILE}", ANDROID),
    Browser("Chrome, Android tablet", f"{_ANDROID} {_CHROME}", ANDROID),
    Browser(
        "Firefox, Android",
        "Mozilla/5.0 (Android 16; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
        ANDROID,
    ),
    Browser(
        "Samsung Internet",
        f"{_ANDROID} {_BLINK} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
        ANDROID,
    ),
    Browser("Edge, Android", f"{_ANDROID} {_CHROME_MOBILE} EdgA/142.0.0.0", ANDROID),
    Browser("Opera, Android", f"{_ANDROID} {_CHROME_MOBILE} OPR/92.0.0.0", ANDROID),
    Browser("Chrome, Windows", f"{_WINDOWS} {_CHROME}", WINDOWS),
    Browser("Edge, Windows", f"{_WINDOWS} {_CHROME} Edg/142.0.0.0", WINDOWS),
    Browser("Opera, Windows", f"{_WINDOWS} {_CHROME} OPR/125.0.0.0", WINDOWS),
    Browser(
        "Firefox, Windows",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
        WINDOWS,
    ),
    Browser("ChromeOS", f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME}", CHROME_OS),
    Browser("Chrome, Linux", f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME}", LINUX),
    Browser(
        "Firefox, Linux",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        LINUX,
    ),
    Browser("an unknown browser", "Mozilla/5.0 (compatible)", LINUX),
    Browser(
        "Instagram, iPhone",
        f"{_IPHONE} {_WEBKIT} Mobile/15E148 Instagram 407.0.0.26.243 (iPhone17,1; iOS 18_7; en_US)",
        APPLE,
        in_app=True,
    ),
    Browser(
        "Instagram, Android",
        f"{_PIXEL} {_WEBVIEW} Instagram 407.0.0.30.243 Android (36/16; 420dpi; 1080x2424)",
        ANDROID,
        in_app=True,
    ),
    Browser(
        "Facebook, iPhone",
        f"{_IPHONE} {_WEBKIT} Mobile/22H20 [FBAN/FBIOS;FBAV/537.0.0.41.103;FBBV/810000000]",
        APPLE,
        in_app=True,
    ),
    Browser(
        "Facebook, Android",
        f"{_PIXEL} {_WEBVIEW} [FB_IAB/FB4A;FBAV/537.0.0.50.77;]",
        ANDROID,
        in_app=True,
    ),
    Browser(
        "LinkedIn, iPhone",
        f"{_IPHONE} {_WEBKIT} Mobile/15E148 [LinkedInApp]/9.31.4500",
        APPLE,
        in_app=True,
    ),
    Browser("LinkedIn, Android", f"{_PIXEL} {_WEBVIEW} [LinkedInApp]", ANDROID, in_app=True),
    Browser(
        "TikTok, iPhone",
        f"{_IPHONE} {_WEBKIT} Mobile/15E148 musical_ly_42.3.0 BytedanceWebview/d8a21c6",
        APPLE,
        in_app=True,
    ),
    Browser(
        "TikTok, Android",
        f"{_PIXEL} {_WEBVIEW} trill_420300 BytedanceWebview/d8a21c6",
        ANDROID,
        in_app=True,
    ),
    Browser(
        "LINE, iPhone",
        f"{_IPHONE} {_WEBKIT} Mobile/15E148 Safari Line/15.18.0",
        APPLE,
        in_app=True,
    ),
    Browser("LINE, Android", f"{_PIXEL} {_WEBVIEW} Line/15.18.1/IAB", ANDROID, in_app=True),
)
