"""The first steps of commands that use the service's settings: read, check, handle signals."""

import logging
import os
import signal
from threading import Event as Flag

import click

from feeds import config, logformat
from feeds.app import check
from feeds.config import Settings
from feeds.domain.catalog import Organization
from feeds.domain.quota import FREE, Rate
from feeds.errors import (
    FeedsError,
    Forbidden,
    SettingsError,
    StorageUnavailable,
    Unauthorized,
    UpstreamError,
)
from feeds.service.refresh import ADVICE

log = logging.getLogger(__name__)


def read_settings() -> Settings:
    """Read the settings; log warnings.

    Raises ``ClickException`` with a line for each invalid setting.
    """
    logformat.configure(config.read_log_level(os.environ))
    # Before the check: a misspelt name may be the reason why a required setting is missing.
    for name in config.find_unknown(os.environ):
        warn(f"{name} is no setting of this service.")
    try:
        return config.read(os.environ)
    except SettingsError as error:
        raise click.ClickException("\n".join(error.faults)) from None


def prepare(consequence: str = "", *, needs_key: bool = False) -> Settings:
    """Read the settings, and check them with the database and one upstream call; log warnings.

    ``consequence`` is a sentence at the end of the warning that the upstream does not answer.

    Raises ``ClickException`` with a line for each invalid setting, if the database is lost
    meanwhile, and if the command ``needs_key`` and the upstream does not accept the key.
    """
    settings = read_settings()
    if config.sends_key_in_clear(settings.api_url):
        warn("FEEDS_API_URL is not https: the key is sent in clear.")
    if path := config.find_relative_path(settings.database_url):
        log.info("FEEDS_DATABASE_URL is relative: the database is %s", path)
    try:
        if hint := _find_conflict(check(settings), settings.rate):
            warn(hint)
    except SettingsError as error:
        raise click.ClickException("\n".join(error.faults)) from None
    except StorageUnavailable as error:  # it was there a moment ago; the log says why
        raise click.ClickException(str(error)) from None
    except Forbidden:
        pass  # the key lacks read:series, so its organization is unknown (rules 3.10)
    except UpstreamError as error:
        if needs_key and isinstance(error, Unauthorized):
            raise click.ClickException(describe(error)) from None
        warn(f"{describe(error)}{consequence}")
    return settings


def describe(error: FeedsError) -> str:
    """The message of an error, and what an operator can do about it."""
    return f"{error}{ADVICE.get(type(error), '')}"


def warn(text: str) -> None:
    """Tell the operator of something that does not keep the command from running."""
    log.warning("%s", text)


def handle_signals() -> Flag:
    """Return a flag that SIGTERM and Ctrl-C set, so that a refresh in progress can finish."""
    ends = Flag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ends.set())
    return ends


def _find_conflict(organization: Organization, rate: Rate) -> str | None:
    """What is wrong with the rate of the settings for the plan of the key, as far as certain."""
    if organization.plan != "free" or not rate.exceeds(FREE):
        return None
    return (
        "the plan of the key is free, which grants 100 calls a day, and FEEDS_UPSTREAM_RATE is"
        " more. Set FEEDS_UPSTREAM_RATE=100/day, or the Intervals API will refuse calls."
    )
