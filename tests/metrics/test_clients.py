"""Families of clients by their user agents, and the subscribers that feed readers tell."""

import pytest

from feeds.metrics.clients import (
    APPLE,
    BROWSERS,
    CALENDARS,
    FAMILIES,
    GOOGLE,
    OTHERS,
    OUTLOOK,
    READERS,
    THUNDERBIRD,
    classify_client,
    find_subscribers,
    strip_numbers,
)
from tests.support.user_agents import BROWSERS as KNOWN_BROWSERS

FEEDLY = "Feedly/1.0 (+http://www.feedly.com/fetcher.html; {} subscribers; like FeedFetcher-Google)"


@pytest.mark.parametrize(
    ("user_agent", "family"),
    [
        ("Google-Calendar-Importer", GOOGLE),
        ("Mozilla/5.0 (compatible; Google-Calendar-Importer)", GOOGLE),
        ("iOS/26.5 (23F77) dataaccessd/1.0", APPLE),
        ("macOS/14.6.1 (23G93) dataaccessd/1.0", APPLE),
        ("Mac+OS+X/10.15.7 (19H2) CalendarAgent/930.5.1", APPLE),
        ("Microsoft Office/16.0 (Microsoft Outlook 16.0.13426; Pro)", OUTLOOK),
        ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", OUTLOOK),
        ("Outlook-iOS/2.0", OUTLOOK),
        ("Microsoft Exchange/15.20", OUTLOOK),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0",
            THUNDERBIRD,
        ),
        ("ICSx5/2.2.1 (2024/05/01; okhttp/4.12.0) Android/14", CALENDARS),
        ("Nextcloud Webcal Service", CALENDARS),
        ("HomeAssistant/2026.1.0 httpx/0.28", CALENDARS),
        (FEEDLY.format(3), READERS),
        ("Mozilla/5.0 (compatible; Feedbin feed-id:1 - 1 subscribers)", READERS),
        ("Inoreader/1.0 (+http://www.inoreader.com/feed-fetcher; 5 subscribers)", READERS),
        ("NewsBlur Feed Fetcher - 3 subscribers", READERS),
        ("FreshRSS/1.25.0 (Linux; https://freshrss.org)", READERS),
        ("NetNewsWire (RSS Reader; https://netnewswire.com/)", READERS),
        ("NextCloud-News/1.0", READERS),
        ("curl/8.5.0", OTHERS),
        ("", OTHERS),
        ("\x00\xff" * 100, OTHERS),
    ],
)
def test_a_user_agent_has_a_family(user_agent, family):
    assert classify_client(user_agent) == classify_client(user_agent.upper()) == family
    assert family in FAMILIES


@pytest.mark.parametrize("browser", KNOWN_BROWSERS, ids=lambda each: each.name)
def test_a_browser_is_no_calendar(browser):
    assert classify_client(browser.user_agent) in {BROWSERS, OTHERS}


@pytest.mark.parametrize(
    ("user_agent", "number"),
    [
        (FEEDLY.format(12), 12),
        ("Mozilla/5.0 (compatible; Feedbin feed-id:1 - 1 subscribers)", 1),
        ("Reader/1.0 (1 subscriber)", 1),
        ("Reader/1.0 (7 readers)", 7),
        ("Reader/1.0 (0 subscribers)", 0),
        ("Reader/2.14 subscribers", None),
        ("Reader/1.0 (99999999 subscribers)", None),
        ("Reader/1.0 (-5 subscribers)", 5),
        ("Reader/1.0 subscribers", None),
        ("", None),
    ],
)
def test_the_number_of_subscribers_is_read(user_agent, number):
    assert find_subscribers(user_agent) == number


def test_a_new_version_and_a_new_subscriber_are_the_same_service():
    assert strip_numbers(FEEDLY.format(3)) == strip_numbers(FEEDLY.format(41))
    assert strip_numbers(FEEDLY.format(3)) != strip_numbers("NewsBlur - 3 subscribers")
