"""What a failure of TikTok means for the caller.

TikTok tells failures by `code` in the body; the HTTP status is only a hint (T 2.3). One table turns
codes into error classes, and the class says what may be done:

    TikTokThrottled              nothing was done; wait, then ask again
    TikTokTransient              nothing was done, or it was a read; ask again
    TikTokIncomplete             what was read is not whole, though each answer was a success; ask later
    TikTokAmbiguous              a write whose outcome is unknown; look before sending it again
    TikTokAuthenticationError    no call will succeed until the login is put right
    TikTokPermissionError        this shop or scope is closed to us until a person opens it
    TikTokRefused                this request will be refused however often it is sent
    TikTokUnknownError           a code that nobody documented; a person should look

Some refusals also steer what is done next: see `meanings`.

A call can also succeed in part: code 0 with `data.errors[]` (T 1.6), which is a `PartialFailure`
each, not an exception. An answer that cannot be read as what it should be is a `WireError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from tiktok_ns_pipeline.tiktok.endpoints import Effect


class TikTokError(Exception):
    """A call to TikTok Shop failed. The subclass says what the caller may do."""

    throttled: ClassVar[bool] = False
    """Whether the gate and the rate limiter should slow down."""
    default_advice: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        endpoint: str,
        code: int | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        shop: str | None = None,
        advice: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.message = message
        self.endpoint = endpoint
        self.code = code
        """TikTok's code; None when no readable envelope came back."""
        self.request_id = request_id
        self.http_status = http_status
        """None when no answer came back at all."""
        self.shop = shop
        self.advice = advice or self.default_advice
        self.retry_after_s = retry_after_s
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        where = f"{self.endpoint} for shop {self.shop}" if self.shop else self.endpoint
        facts = {"code": self.code, "HTTP": self.http_status, "request": self.request_id}
        known = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
        sentence = f"{where}: {self.message}" + (f" [{known}]" if known else "")
        return f"{sentence} -- {self.advice}" if self.advice else sentence


class TikTokThrottled(TikTokError):
    """Too many requests; nothing was done (T 2.4)."""

    throttled = True


class TikTokTransient(TikTokError):
    """A passing failure after which asking again is safe."""


class TikTokIncomplete(TikTokTransient):
    """Rows are missing, or moved while they were read: nothing of it may be used."""

    default_advice = "rows come late or moved between pages; read it again later"


class TikTokAmbiguous(TikTokError):
    """A write of which nobody knows whether it happened."""

    default_advice = "it may have been done; look before sending it again"


class TikTokAuthenticationError(TikTokError):
    """The app or its login is not accepted."""


class TikTokPermissionError(TikTokError):
    """A scope, shop or address is closed to the app."""


class TikTokRefused(TikTokError):
    """TikTok understood the request and will not do it."""


class TikTokUnknownError(TikTokError):
    """A failure that nobody documented."""


class WireError(ValueError):
    """An answer is not what TikTok documents. Names the order (or shop) and the field, never the
    buyer's data."""

    def __init__(self, record_id: str | None, field: str, reason: str, *, kind: str = "order") -> None:
        self.record_id = record_id
        self.field = field
        self.reason = reason
        subject = f"{kind} {record_id}" if record_id else f"{kind} without a readable id"
        super().__init__(f"TikTok Shop {subject}: {field} {reason}")


@dataclass(frozen=True, slots=True)
class PartialFailure:
    """One entry of `data.errors[]` under code 0 (T 1.6). `code` is text whatever it was sent as."""

    code: str
    message: str
    detail: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def order_id(self) -> str | None:
        """The order that the entry is about, where it names one."""
        order_id = self.detail.get("order_id")
        return str(order_id) if order_id else None

    @classmethod
    def parse(cls, entry: object) -> PartialFailure:
        """Read one entry; what is no object is kept as its message rather than lost."""
        if not isinstance(entry, dict):
            return cls("", f"unreadable entry of data.errors: {type(entry).__name__}")
        fields = cast(dict[str, Any], entry)
        detail = fields.get("detail")
        return cls(
            code=str(fields.get("code", "")),
            message=str(fields.get("message") or ""),
            detail=cast(dict[str, Any], detail) if isinstance(detail, dict) else {},
        )


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """A row of the table: what these codes mean, what to do, and who says so."""

    error: type[TikTokError]
    codes: tuple[int, ...]
    advice: str
    source: str


TOKEN_EXPIRED = 105002
"""Refresh once, retry once (T 2.3)."""
TOKEN_NOT_ACCEPTED = frozenset({105001, 36009005})
"""The token may have been replaced meanwhile: read it again (T 2.3)."""
NOT_YOUR_ORDER = 21008111
"""An order of another shop, also one of many in a batch (T 3.1)."""
TOO_MANY_HITS = 12052180
"""A search of products with more than 10,000 of them: ask for less time at once (T 5.1)."""
VERSION_GONE = frozenset({36009009, 36009014})
"""The endpoint does not answer in this version (any more), another may (T 2.3, 7.1)."""

# fmt: off
_SYSTEM_FAULTS = (
    10007999, 11001027, 11001031, 11005010, 11006005, 11006010, 11006026, 11007010, 11034023,
    11034025, 12001000, 12052881, 12056001, 21001003, 21001008, 21001011, 21001029, 21001043,
    21001055, 21008300, 21022029, 21022030, 21023022, 21023034, 21042001, 21042076, 25001028,
    25001058, 25007002, 25020008, 33001002, 38023025,
)
# fmt: on

RULES: tuple[ErrorRule, ...] = (
    ErrorRule(TikTokThrottled, (36009002,), "wait before the next call", "T 2.4"),
    ErrorRule(TikTokThrottled, (36009037,), "the hourly quota of a test shop is used up; wait", "T 1.1"),
    ErrorRule(TikTokTransient, (36009003,), "try again; it can persist for one object", "T 2.3"),
    ErrorRule(TikTokTransient, (36009007,), "try again, with a smaller request if it persists", "T 2.3"),
    ErrorRule(
        TikTokTransient,
        (10002014, 10002015, 10006402, 10037002, 10037003, 10037004),
        "try again",
        "T 2.3, order detail",
    ),
    ErrorRule(
        TikTokTransient,
        _SYSTEM_FAULTS,
        "try again",
        "T 2.3, domain codes whose text asks for another try or names a system fault",
    ),
    ErrorRule(
        TikTokAuthenticationError, (TOKEN_EXPIRED,), "the seller must authorize the app again", "T 2.3"
    ),
    ErrorRule(
        TikTokAuthenticationError,
        (105001, 105004, 36009005),
        "the token or the authorization is not valid; the seller must authorize the app again",
        "T 2.3",
    ),
    ErrorRule(
        TikTokAuthenticationError,
        (101000,),
        "the token belongs to another kind of user or another shop; authorize as the seller of this shop",
        "T 2.3",
    ),
    ErrorRule(
        TikTokAuthenticationError,
        (36004001, 36004004),
        "the refresh token or the authorization code is spent; the seller must authorize the app again",
        "T 1.3",
    ),
    ErrorRule(
        TikTokAuthenticationError,
        (106001,),
        "the signature does not match; check the app secret and this machine's clock",
        "T 2.3",
    ),
    ErrorRule(
        TikTokPermissionError,
        (105005,),
        "a scope is missing; enable it for the app, then the seller must authorize the app again",
        "T 1.3",
    ),
    ErrorRule(
        TikTokPermissionError,
        (36009033,),
        "this machine's address is not on the app's allow list; add it",
        "T 1.1",
    ),
    ErrorRule(
        TikTokPermissionError,
        (36009043, 36009044, 12052700),
        "the shop or its seller is inactive at TikTok",
        "T 2.3",
    ),
    ErrorRule(
        TikTokRefused,
        (36009004,),
        "the request is malformed or not from this app; read TikTok's text, also check app key and clock",
        "T 2.3",
    ),
    ErrorRule(
        TikTokRefused,
        (36009009, 36009010, 36009014, 36009021, 36009022, 36009023, 98001004),
        "this endpoint does not take the request as it is; the pipeline needs an upgrade",
        "T 2.3",
    ),
    ErrorRule(TikTokRefused, (106013,), "shop_cipher is missing; the pipeline needs an upgrade", "T 1.4"),
    ErrorRule(TikTokRefused, (NOT_YOUR_ORDER,), "the order belongs to another shop", "T 3.1"),
)

_RULE_OF = {code: rule for rule in RULES for code in rule.codes}

# Orders, fulfilment, products, packages and logistics, finance, cancellations and returns: an error
# of these numbers that is not in the table is the domain's refusal (T 2.3).
_DOMAINS = (
    range(1000, 1004),
    range(1100, 1106),
    range(1201, 1206),
    range(2100, 2105),
    (2200,),
    range(2500, 2503),
)
_DOMAIN_REFUSAL = ErrorRule(TikTokRefused, (), "TikTok's text says why", "T 2.3, number ranges")
_UNDOCUMENTED = ErrorRule(TikTokUnknownError, (), "not documented; ask TikTok with the request id", "T 2.3")

# Only when no known code came with it (T 2.3, 2.4).
_BY_STATUS: dict[int, ErrorRule] = {
    401: ErrorRule(TikTokAuthenticationError, (), "TikTok does not accept the login", "T 2.3"),
    403: ErrorRule(TikTokPermissionError, (), "TikTok denies access", "T 2.3"),
    429: ErrorRule(TikTokThrottled, (), "wait before the next call", "T 2.4"),
}
_SERVER_FAULT = ErrorRule(TikTokTransient, (), "overload or maintenance at TikTok; try again", "T 2.4")


def rule_for(code: int | None, http_status: int | None) -> ErrorRule:
    """The row that a failed answer falls under: by code, then by number range, then by status."""
    if code is not None and code in _RULE_OF:
        return _RULE_OF[code]
    if code is not None and any(code // 10_000 in domain for domain in _DOMAINS):
        return _DOMAIN_REFUSAL
    if http_status is not None and http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    if http_status is not None and http_status >= 500:
        return _SERVER_FAULT
    return _UNDOCUMENTED


def error_class(rule: ErrorRule, effect: Effect) -> type[TikTokError]:
    """The rule's class, except that a write which failed in passing may have happened."""
    if rule.error is TikTokTransient and effect == "write":
        return TikTokAmbiguous
    return rule.error
