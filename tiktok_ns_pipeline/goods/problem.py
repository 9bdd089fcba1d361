"""Something that is wrong with a document, in business words, before it becomes an exception."""

from __future__ import annotations

from dataclasses import dataclass

from tiktok_ns_pipeline.goods.text import clean_text
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS

_LONGEST_CAUSE = 200
_LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Equal `cause`s of different orders can be replayed as a group."""

    kind: str
    """A name of `mapping.exception_kinds`."""
    cause: str
    """Stable slug without ids of orders or lines, such as `sku:RED-M`."""
    message: str
    what_to_do: str

    @classmethod
    def of(cls, kind: str, cause: str, message: str) -> Problem:
        """A problem of a known kind, which says what to do. KeyError for an unknown kind."""
        return cls(
            kind,
            clean_text(cause, _LONGEST_CAUSE) or kind,
            clean_text(message, _LONGEST_MESSAGE) or kind,
            KINDS[kind].what_to_do,
        )
