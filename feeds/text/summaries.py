"""Summaries of runs, titles of feeds, and titles without markup."""

import html
import re

from feeds.domain.entries import Entry
from feeds.domain.model import Event
from feeds.domain.options import Options, selects
from feeds.text.cleaning import clean_line

_TAG = re.compile(r"<!--.*?(?:-->|\Z)|</?[a-zA-Z][^<>]*>", re.DOTALL)
"""A tag or a comment. A comment without an end reaches to the end of the text, as in browsers."""


def build_feed_title(event: Event, options: Options) -> str:
    """``Harbor Run – 10K, 5K``: the event, and the runs and distances that the options select."""
    labels = [
        run.distance_label for run in event.runs if options.run and selects(options, event.id, run)
    ]
    selected = ", ".join(dict.fromkeys([*labels, *options.distance]))
    return join_label(event.name, selected) if selected else event.name


def describe_feed(title: str, about: str = "") -> str:
    """The description of a channel with this title; ``about`` are sentences about a collection."""
    text = f"Schedule, changes and cancellations for {title}."
    return f"{text} {strip_markup(about)}" if about else text


def build_summary(entry: Entry) -> str:
    """``Cancelled: Harbor Run – 10K``."""
    return entry.status.summary_prefix + build_name(entry)


def build_name(entry: Entry) -> str:
    """``Harbor Run – 10K``, without the label where the event's name says it.

    The name says it by ending with it; if the event has one run, also by containing it.
    """
    name, label = entry.event.name, entry.run.distance_label
    if not label or _contains_words(name, label, "" if entry.alone else r"\Z"):
        return name
    return join_label(name, label)


def join_label(name: str, labels: str) -> str:
    """``Harbor Run – 10K``: the name of an event, and the label of a run, or several."""
    return f"{name} – {labels}"


def _contains_words(name: str, label: str, end: str) -> bool:
    """Whether the name contains the label as whole words: ``15K`` does not contain ``5K``.

    ``end`` is a pattern of what follows the label.
    """
    return bool(re.search(rf"(?<!\w){re.escape(label)}(?!\w){end}", name, re.IGNORECASE))


def strip_markup(text: str) -> str:
    """The text on one line, without tags and entities.

    Readers may parse a title as HTML, so the result has no ``<`` that can open a tag, also where
    removing a tag made a new one (``<scr<b>ipt>``). The result is clean again, since an entity may
    be a bidi control. A text of which nothing visible is left is kept, because a title must not be
    empty.
    """
    without = clean_line(_TAG.sub("", html.unescape(text)))
    return re.sub(r"<(?=[a-zA-Z/!?])", "< ", without or text)
