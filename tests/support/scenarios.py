"""The requests of the replay, in named scenarios. They use the public surface of the service alone.

A scenario is a function of a started ``Service``. The clock moves only in ``step``.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path

from tests.support.conditions import ask_as_time_passes, ask_conditionally
from tests.support.lives import live, vanish
from tests.support.outages import OUTAGES, fail, fail_at_start, remember_unknown_ids, revalidate
from tests.support.recording import Service
from tests.support.upstream import SAMPLE_IDS

TARGETS = Path(__file__).parent / "replay_data" / "targets.txt"

KNOWN = "/events/harbor-festival"
CHAIN = "/events/chain-of-lakes-festival"
METHODS = ("POST", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE", "HEAD")
FORMS = (".ics", ".rss", ".json", "", "/embed", "/embed-kit", "/qr.svg")


def targets(section: str) -> list[str]:
    """The lines of a section of ``targets.txt``."""
    text = TARGETS.read_text("utf-8")
    return text.partition(f"[{section}]\n")[2].partition("\n\n")[0].splitlines()


def ask_samples(service: Service) -> None:
    """All samples in all forms, with time in between for the upstream's rate limit."""
    for id_ in SAMPLE_IDS:
        service.step(id_, seconds=5)
        service.ask_all(f"/events/{id_}{form}" for form in FORMS)
    service.step("all are known", seconds=5)
    service.ask("/")
    service.step("all are old, more than the rate limit grants; two are near", days=12)
    service.ask_all(f"/events/{id_}.ics" for id_ in SAMPLE_IDS)


def ask_options(service: Service) -> None:
    """All options: each alone and together, not canonical, wrong, doubled, unknown."""
    for id_ in ("chain-of-lakes-festival", "snowline-ultra"):
        service.step(id_, seconds=5)
        for values in product(("mark", "keep", "drop"), "01", "01", "01"):
            names = ("cancelled", "busy", "registration", "download")
            query = "&".join("=".join(pair) for pair in zip(names, values, strict=True))
            service.ask(f"/events/{id_}.ics?{query}")
    service.step("filters and values", seconds=5)
    for query in targets("filters") + targets("wrong values") + targets("harmless parameters"):
        service.ask_all([f"{CHAIN}.ics{query}", f"{CHAIN}.rss{query}"])
    for query in ("?distance=10K", "?download=1", "?busy=2", "?run="):
        service.ask_all([f"{CHAIN}.json{query}", f"{CHAIN}{query}"])


def ask_everywhere(service: Service) -> None:
    """Methods, and addresses that exist, do not exist, or nearly exist."""
    service.step("addresses")
    version = re.search(r"style\.css\?(\w+)", service.ask(KNOWN).text)
    service.values["<version>"] = version[1] if version else ""
    service.ask_all(["", *targets("addresses")])
    service.step("an unknown id", minutes=1)
    service.ask_all(f"/events/no-such-event{form}" for form in FORMS)
    service.step("methods")
    others = ("/", "/nowhere", "/assets/style.css", "/oembed")
    for path, method in product((*(KNOWN + form for form in FORMS), *others), METHODS):
        service.ask(path, method)
    service.step("header fields that change nothing")
    for path in (f"{KNOWN}.ics", KNOWN, "/", "/nowhere"):
        service.ask(path, host="other.example", x_forwarded_host="other.example")
        service.ask(path, accept="application/json", user_agent="Google-Calendar-Importer")
        service.ask(path, upgrade="websocket", connection="Upgrade", range="bytes=0-9")


def restart(service: Service) -> None:
    """The same database under other settings, and under two processes."""
    changes: dict[str, dict[str, object]] = {
        "first": {},
        "same settings": {},
        "another home zone": {"timezone": "Europe/Paris"},
        "another public URL": {"public_url": "https://races.example.org/sub"},
        "a cap on max-age": {"max_age": timedelta(seconds=90)},
    }
    for name, settings in changes.items():
        service.step(name, minutes=2)
        service.start(**settings)
        service.ask_all(KNOWN + form for form in FORMS)
        service.ask_all(["/", "/events/no-such-event.ics"])
    first = service.client
    service.start()
    clients = {"first process": first, "second process": service.client}
    document = service.upstream.document("harbor-festival")
    for number, seconds in enumerate((61, 95, 1, 2, 3700)):
        document["runs"][0]["startTime"] = f"08:0{number}"
        service.upstream.put("harbor-festival", document)
        service.step("", seconds=seconds)
        for name, service.client in clients.items():
            service.step(f"{name}, {number}")
            service.ask_all([f"{KNOWN}.ics", f"{KNOWN}.rss"])


SCENARIOS: dict[str, Callable[[Service], None]] = {
    "samples": ask_samples,
    "options": ask_options,
    "conditions": ask_conditionally,
    "time": ask_as_time_passes,
    "addresses": ask_everywhere,
    "unknown ids": remember_unknown_ids,
    "revalidation": revalidate,
    "restarts": restart,
    **{f"outage: {name}": partial(fail, begin=begin) for name, begin in OUTAGES.items()},
    **{
        f"outage at the start: {name}": partial(fail_at_start, begin=OUTAGES[name])
        for name in ("401", "403", "refused connections")
    },
    "a life": live,
    "an event vanishes": partial(vanish, emptied=False),
    "the runs of an event vanish": partial(vanish, emptied=True),
}
"""All scenarios by name."""
