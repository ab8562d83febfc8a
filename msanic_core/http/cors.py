"""CORS: which pages of other origins may use the routes (Fetch standard, section 3.2). Also answers OPTIONS."""

import re

from sanic import HTTPResponse, Request
from sanic.exceptions import MethodNotAllowed
from sanic.response import BaseHTTPResponse

from msanic_core.http.error_answers import answer_error

_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")


class Cors:
    """Adds CORS headers to responses, including errors. Without origins it adds none.

    `origins`: as browsers send them, or "*". `credentials`: whether requests may have cookies; not with "*".
    `max_age`: seconds for which a browser may cache the response to a preflight.
    """

    def __init__(self, origins: list[str], *, credentials: bool, max_age: int) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origins)
        self._credentials = credentials
        self._max_age = max_age

    @property
    def enabled(self) -> bool:
        """Whether any page of another origin may use the routes."""
        return bool(self._origins)

    def mark(self, request: Request, response: BaseHTTPResponse) -> None:
        """Add the headers to a response; for Sanic's response middleware."""
        if not self._any:
            # For caches, on every response: the next request may come from another origin.
            response.headers.add("Vary", "Origin")
        if not _is_preflight(request) and self._allowed(request):
            response.headers.update(self._origin_headers(request))

    def answer_method(self, request: Request, error: MethodNotAllowed) -> HTTPResponse:
        """Answer a method that the route does not have: OPTIONS (also preflights) with 204, other methods with 405."""
        if request.method != "OPTIONS":
            return answer_error(request, error)
        methods = sorted(map(str, error.allowed_methods or ()))
        headers = {"Allow": ", ".join(methods)}
        if _is_preflight(request) and self._allowed(request):
            headers |= self._preflight_headers(request, methods)
        return HTTPResponse(status=204, headers=headers)

    def _preflight_headers(self, request: Request, methods: list[str]) -> dict[str, str]:
        """Return the headers that allow the real request; {} if the route does not have its method."""
        names = request.headers.get("access-control-request-headers", "")
        if request.headers["access-control-request-method"] not in methods:
            return {}
        if names and not _HEADER_NAMES.fullmatch(names):
            return {}
        headers = {
            **self._origin_headers(request),
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Max-Age": str(self._max_age),
        }
        return {**headers, "Access-Control-Allow-Headers": names} if names else headers

    def _origin_headers(self, request: Request) -> dict[str, str]:
        headers = {"Access-Control-Allow-Origin": "*" if self._any else request.headers["origin"]}
        return {**headers, "Access-Control-Allow-Credentials": "true"} if self._credentials else headers

    def _allowed(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        return origin is not None and (self._any or origin in self._origins)


def _is_preflight(request: Request) -> bool:
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers
