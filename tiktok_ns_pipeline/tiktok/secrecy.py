"""Keeps secrets of this adapter out of logs and error texts.

TikTok's token endpoints carry the app secret in the query of a GET (T 1.3), and httpx logs the full
URL of every request. So the query is cut off before any handler sees such a record, and texts that
a server sent back are searched for the secrets of the very call before they are quoted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import httpx

_HIDDEN = "***"
# Quoting more of a server's text helps nobody and may repeat a buyer's data.
_LONGEST_QUOTE = 300


class _WithoutQueries(logging.Filter):
    """Cuts the query off every URL that httpx logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(arg) for arg in record.args)
        return True


def _without_query(value: object) -> object:
    return value.copy_with(query=None) if isinstance(value, httpx.URL) else value


def keep_queries_out_of_logs() -> None:
    """From now on httpx logs URLs without their query; calling it again changes nothing."""
    logger = logging.getLogger("httpx")
    if not any(isinstance(existing, _WithoutQueries) for existing in logger.filters):
        logger.addFilter(_WithoutQueries())


def quotable(text: str, secrets: Iterable[str]) -> str:
    """A server's text, shortened and freed of the given secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _HIDDEN)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
