"""How a value of TikTok Shop is read: tolerantly where it says nothing, strictly where it says something.

TikTok writes «no value» in many ways: an absent key, `""`, `null`, and for ids and times also `0` or
`"0"` (T 0). All of them become None, and never zero: an amount that is not stated is not an amount
of zero. What is there but wrong (a float for an id, text for an amount) is refused with a WireError
that names the record and the field, and that never repeats a buyer's data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.money import MoneyError, exact_decimal
from tiktok_ns_pipeline.tiktok.errors import WireError

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Seconds of the year 2100: a larger number is milliseconds or nonsense.
_LATEST_EPOCH = 4_102_444_800


def _present(value: object) -> bool:
    return value is not None and value != {} and not (isinstance(value, str) and not value.strip())


def kind_of(value: object) -> str:
    """What sort of value it is, for error texts: never the value itself."""
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "a truth value",
        int: "a number",
    }
    return "nothing" if value is None else kinds.get(type(value), "a number with decimals")


def _whole_number(value: object, what: str) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 40:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"is {kind_of(value)} where {what} belongs")
    return value


def _amount(value: object) -> Decimal | None:
    if not _present(value):
        return None
    if not isinstance(value, (str, int, Decimal)) or isinstance(value, bool):
        raise ValueError(f"is {kind_of(value)} where an amount belongs")
    try:
        return exact_decimal(value)
    except MoneyError as wrong:
        raise ValueError(f"is no amount: {wrong}") from None


def identifier(value: object) -> str | None:
    """An id as text, None when there is none. Raises ValueError for what no id can be."""
    if not _present(value):
        return None
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if text is None:
        raise ValueError(f"is {kind_of(value)} where an id belongs")
    if not _ID.fullmatch(text):
        raise ValueError("is text that no id of TikTok Shop can be")
    return None if text == "0" else text


def _required_id(value: object) -> str:
    found = identifier(value)
    if found is None:
        raise ValueError("is missing")
    return found


def _text(value: object) -> str | None:
    if not _present(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError(f"is {kind_of(value)} where text belongs")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is text with half a character (a lone surrogate)") from None
    return text


def required_text(value: object) -> str:
    """Text that must be there."""
    found = _text(value)
    if found is None:
        raise ValueError("is missing")
    return found


def _currency(value: object) -> str | None:
    text = _text(value)
    if text is not None and not _CURRENCY.fullmatch(text.strip()):
        raise ValueError("is no currency code (ISO 4217)")
    return text and text.strip()


def _instant(value: object) -> datetime | None:
    if not _present(value):
        return None
    seconds = _whole_number(value, "a time in Unix seconds")
    if not 0 <= seconds < _LATEST_EPOCH:
        raise ValueError(f"is {seconds}, which is no time in Unix seconds")
    return from_epoch(seconds) if seconds else None


def _required_instant(value: object) -> datetime:
    found = _instant(value)
    if found is None:
        raise ValueError("is missing")
    return found


def _count(value: object) -> int | None:
    return _whole_number(value, "a count") if _present(value) else None


def _required_count(value: object) -> int:
    found = _count(value)
    if found is None:
        raise ValueError("is missing")
    return found


def _flag(value: object) -> bool:
    """Absent means false: TikTok omits flags that are not set (T 0)."""
    if not _present(value):
        return False
    spelled = str(value).strip().lower() if isinstance(value, (bool, int, str)) else ""
    if spelled not in ("true", "false", "1", "0"):
        raise ValueError(f"is {kind_of(value)} where true or false belongs")
    return spelled in ("true", "1")


def absent_as_empty(value: object) -> object:
    """For lists that may be missing."""
    if not _present(value):
        return ()
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"is {kind_of(value)} where a list belongs")
    return cast(object, value)


def absent_as_none(value: object) -> object:
    """For blocks that may be missing."""
    return value if _present(value) else None


Amount = Annotated[Decimal | None, BeforeValidator(_amount)]
Id = Annotated[str | None, BeforeValidator(identifier)]
RequiredId = Annotated[str, BeforeValidator(_required_id)]
Text = Annotated[str | None, BeforeValidator(_text)]
RequiredText = Annotated[str, BeforeValidator(required_text)]
Personal = Annotated[str | None, BeforeValidator(_text), Field(repr=False)]
"""Text about the buyer: never in a `repr`, so never in a log (T 9.6)."""
Currency = Annotated[str | None, BeforeValidator(_currency)]
Instant = Annotated[datetime | None, BeforeValidator(_instant)]
RequiredInstant = Annotated[datetime, BeforeValidator(_required_instant)]
Count = Annotated[int | None, BeforeValidator(_count)]
RequiredCount = Annotated[int, BeforeValidator(_required_count)]
Flag = Annotated[bool, BeforeValidator(_flag)]


class Wire(BaseModel):
    """What TikTok sent: unknown keys are ignored, what is read never changes."""

    model_config = ConfigDict(frozen=True, extra="ignore")


M = TypeVar("M", bound=Wire)


def parse(
    model: type[M],
    raw: object,
    kind: str,
    record_id: str | None = None,
    *,
    id_keys: tuple[str, ...] = ("id",),
) -> M:
    """The model of a raw document; WireError tells the first field that is wrong, and the record by
    `record_id` or by what stands under one of `id_keys`."""
    if not isinstance(raw, Mapping):
        raise WireError(record_id, "the document", f"is {kind_of(raw)} where an object belongs", kind=kind)
    document = cast(Mapping[str, Any], raw)
    try:
        return model.model_validate(document)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        reason = _reason(first.get("ctx", {}).get("error"), first["type"])
        failure = WireError(
            record_id or _readable_id(document, id_keys), _field(first["loc"]), reason, kind=kind
        )
    # Outside the except block: pydantic's error quotes the input, which may be a buyer's data.
    raise failure


def _reason(ours: object, pydantic_type: str) -> str:
    if isinstance(ours, ValueError):
        return str(ours)
    return "is missing" if pydantic_type == "missing" else "is no object where one belongs"


def _field(location: tuple[int | str, ...]) -> str:
    """`line_items[2].sale_price` from the parts of a location."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def _readable_id(document: Mapping[str, Any], id_keys: tuple[str, ...]) -> str | None:
    try:
        return next(filter(None, (identifier(document.get(key)) for key in id_keys)), None)
    except ValueError:
        return None
