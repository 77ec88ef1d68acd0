"""What the tests of the upstream's HTTP share: the key, and the check of an error."""

import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest

from feeds.errors import UpstreamError

E = TypeVar("E", bound=UpstreamError)

KEY = "sk_live_51H8aVeryPrivate"


def catch(kind: type[E], call: Callable[..., object], *arguments: object, **keywords: object) -> E:
    """Call, and return the error; check that it has one line and does not show the key."""
    with pytest.raises(UpstreamError) as caught:
        call(*arguments, **keywords)
    error = caught.value
    assert type(error) is kind
    # An exception of requests holds the request, and the request holds the key.
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert KEY not in "".join(shown)
    assert len(str(error).splitlines()) == 1
    return error
