"""Header fields that are the same in equal responses."""

from werkzeug.datastructures import Headers


def list_stable(headers: Headers) -> list[tuple[str, str]]:
    """The header fields but the id of the request, in order of their names."""
    return sorted((name, value) for name, value in headers if name != "X-Request-Id")
