"""The text of a SuiteQL query: its markers, and what a page of its answer carries.

Values are bound to `?` markers. `{after}` marks the place where a keyset read puts the last key it has
seen, so that a query can be continued where it stopped (N 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

# What a query may carry as a bound value; NULL is refused by NetSuite itself (N 3.1).
Parameter = str | int | Decimal

# Markers count only outside of literals and comments, so those are matched first.
_PIECES = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\?|\{after\}", re.DOTALL)


def checked(params: Sequence[Parameter]) -> list[Parameter]:
    """The values to bind. Raises TypeError for one that NetSuite would refuse or misread."""
    for position, value in enumerate(params):
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"SuiteQL parameter {position} is {type(value).__name__}; give text, a whole number or"
                " a Decimal (flags are 'T' and 'F', dates text for TO_DATE)"
            )
    return list(params)


def continued(query: str, params: Sequence[Parameter], after: int) -> tuple[str, list[Parameter]]:
    """The query with `{after}` turned into a bound marker, and the values in the order of the markers.

    Raises ValueError unless the query carries `{after}` exactly once.
    """
    before = 0
    places: list[int] = []
    for piece in _PIECES.finditer(query):
        if piece.group() == "?":
            before += 0 if places else 1
        elif piece.group() == "{after}":
            places.append(piece.start())
    if len(places) != 1:
        raise ValueError("a keyset query carries {after} exactly once, such as WHERE t.id > {after}")
    place = places[0]
    text = query[:place] + "?" + query[place + len("{after}") :]
    return text, [*params[:before], after, *params[before:]]


def inlined(query: str, params: Sequence[Parameter]) -> str:
    """The query with its values written in as quoted literals, for accounts that bind none (N 3.1).

    Raises ValueError when markers and values do not pair up.
    """
    values = list(params)

    def written(piece: re.Match[str]) -> str:
        if piece.group() != "?":
            return piece.group()
        if not values:
            raise ValueError("the query has more ? markers than values")
        value = values.pop(0)
        return (
            "'" + value.replace("'", "''") + "'"
            if isinstance(value, str)
            else format(value, "f" if isinstance(value, Decimal) else "d")
        )

    text = _PIECES.sub(written, query)
    if values:
        raise ValueError("the query has fewer ? markers than values")
    return text


def is_ordered(query: str) -> bool:
    """Whether the query fixes the order of its rows, without which its pages overlap (N 3.1)."""
    return re.search(r"\border\s+by\b", query, re.IGNORECASE) is not None


def rows_of(page: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of a page without the empty `links` that each carries (N 3.1)."""
    return [{name: value for name, value in row.items() if name != "links"} for row in page["items"]]
