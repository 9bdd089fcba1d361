"""Which path of the simulated TikTok Shop leads to which endpoint.

An endpoint is a function of the desks behind the counter and the call; it gives the text of `data` or
raises a `Refusal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tiktok_ns_pipeline.sandbox.paging import PageTokens
from tiktok_ns_pipeline.sandbox.refusals import Refusal
from tiktok_ns_pipeline.sandbox.tiktok_calls import Call
from tiktok_ns_pipeline.sandbox.webhooks import WebhookDesk
from tiktok_ns_pipeline.sandbox.world import World

NO_SUCH_PATH = Refusal(36009009, "There is no such path.", 404)
WRONG_VERB = Refusal(36009010, "This path does not take that HTTP method.", 405)
_OLD_VERSION = Refusal(36009014, "This version of the API is not valid.", 400)


class Desks(NamedTuple):
    """What the endpoints work with."""

    world: World
    pages: PageTokens
    webhooks: WebhookDesk


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; `path` has its version in it, `{name}` stands for an id."""

    method: str
    path: str
    scope: str | None
    takes_cipher: bool
    handler: Callable[[Desks, Call], str]


class Routes:
    """All endpoints of a server. Of two that match, the one without ids comes first in the table."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._patterns = tuple((_pattern(route.path), route) for route in routes)
        # The same paths whatever their version, to tell a retired version from a wrong path.
        self._unversioned = tuple(_pattern(_VERSION.sub(r"/\1/", route.path)) for route in routes)

    def of(self, call: Call) -> Route:
        """The endpoint for a call, whose `path_values` are set; raises Refusal when there is none."""
        matches = [
            (match, route) for pattern, route in self._patterns if (match := pattern.fullmatch(call.path))
        ]
        if not matches:
            bare = _VERSION.sub(r"/\1/", call.path)
            known = bare != call.path and any(pattern.fullmatch(bare) for pattern in self._unversioned)
            raise _OLD_VERSION if known else NO_SUCH_PATH
        for match, route in matches:
            if route.method == call.method:
                call.path_values = match.groupdict()
                return route
        raise WRONG_VERB


_VERSION = re.compile(r"^/(\w+)/([0-9]{6})/")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[0-9]+)", re.escape(path)))
