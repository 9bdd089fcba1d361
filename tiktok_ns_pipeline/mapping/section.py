"""What all parts of the mapping have in common: frozen, strict about names, exact about values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^-?[0-9]{1,25}$")]
"""An internal id of NetSuite or an id of TikTok: digits, always text."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""

Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""ISO 3166 alpha-2, as TikTok uses it (T 10.1)."""

FieldName = Annotated[str, Field(pattern=r"^cust(body|col)[a-z0-9_]{1,40}$")]
"""Script id of a custom field of NetSuite's transactions, in lower case."""


class Section(BaseModel):
    """A part of the mapping. Unknown keys are refused, so that no typing error passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")
