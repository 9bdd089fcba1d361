"""The Sales Order that should exist: channel-neutral, complete, immutable.

Staging makes it, the ledger keeps it as an intent's payload, `applying` turns it into NetSuite
records. A document cannot be built without its key, and its `fingerprint` is what tells a new
revision from a repetition.

Invariant: the lines' amounts (plus tax where tax is split out) sum to `control_total`, which is
what the channel says the seller is owed.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

from tiktok_ns_pipeline import exact_json


def _as_json(value: str | Decimal | bool) -> Any:
    return {"number": str(value)} if isinstance(value, Decimal) else value


def _from_json(value: Any) -> Any:
    return Decimal(cast("dict[str, str]", value)["number"]) if isinstance(value, dict) else value


CustomValue = Annotated[
    str | Decimal | bool, PlainSerializer(_as_json, when_used="json"), BeforeValidator(_from_json)
]
"""A custom field's value. NetSuite refuses text for a number, so in JSON a number says that it is one."""

LineKind = Literal["item", "shipping", "discount", "fee", "tax"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Address(_Document):
    """Where the parcel goes, exactly as far as the channel tells (masked or not, never invented)."""

    addressee: str | None = None
    addr1: str | None = None
    addr2: str | None = None
    addr3: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    """ISO 3166 alpha-2."""
    phone: str | None = None


class Customer(_Document):
    """Who the Sales Order is for. A bucket customer gets its number when the order is planned."""

    kind: Literal["bucket", "buyer"]
    key: str
    """`<currency>` of a bucket, the channel's stable buyer id otherwise."""
    name: str
    subsidiary_id: str
    currency_id: str
    email: str | None = None
    existing_id: str | None = None
    """Internal id of a customer that the mapping names; nothing is created then."""
    limit: int = 9_500
    """Transactions after which a bucket is rolled over (N: practical limit 10,000)."""


class SalesOrderLine(_Document):
    """One line of the Sales Order. Amounts are in the order's currency."""

    key: str
    """Stable over revisions: what the line sells at which price from where."""
    kind: LineKind
    item_id: str
    """NetSuite internal id."""
    quantity: Decimal
    rate: Decimal
    amount: Decimal
    """quantity x rate, net of tax where tax is split out, exact."""
    description: str | None = None
    location_id: str | None = None
    department_id: str | None = None
    class_id: str | None = None
    units_id: str | None = None
    tax_code_id: str | None = None
    tax_rate: Decimal | None = None
    """Percent."""
    tax_amount: Decimal = Decimal(0)
    channel_line_ids: tuple[str, ...] = ()
    """Every TikTok line id that this line stands for."""
    custom_fields: dict[str, CustomValue] = {}


class SalesOrderDocument(_Document):
    """One order of a channel as the Sales Order that should exist for it."""

    channel: str
    shop: str
    """Shop code of the mapping."""
    order_id: str
    external_id: str
    """`tts-<shop>-so-<order id>` (DESIGN 4)."""
    placed_at: datetime
    tran_date: date
    """Day in the subsidiary's zone."""
    currency: str
    currency_id: str
    exchange_rate: Decimal | None = None
    exchange_rate_source: str = "NetSuite rate table of the transaction date"
    subsidiary_id: str
    customer: Customer
    order_status: Literal["A", "B"] = "B"
    form_id: str | None = None
    location_id: str | None = None
    department_id: str | None = None
    class_id: str | None = None
    memo: str
    other_ref_num: str
    shipping_address: Address | None = None
    tax_mode: Literal["none", "suitetax", "legacy"] = "none"
    tax_type_id: str | None = None
    lines: tuple[SalesOrderLine, ...]
    control_total: Decimal
    platform_discount: Decimal = Decimal(0)
    """Receivable from the channel, already inside control_total; not a price cut."""
    fulfilment: Literal["seller", "channel"] = "seller"
    custom_fields: dict[str, CustomValue] = {}

    @model_validator(mode="after")
    def _sums_to_control_total(self) -> SalesOrderDocument:
        if not self.lines:
            raise ValueError(f"order {self.order_id} of shop {self.shop} has no lines")
        keys = [line.key for line in self.lines]
        if len(set(keys)) != len(keys):
            raise ValueError(f"order {self.order_id} of shop {self.shop} repeats a line key")
        total = sum((line.amount + line.tax_amount for line in self.lines), Decimal(0))
        if total != self.control_total:
            raise ValueError(
                f"order {self.order_id} of shop {self.shop}: lines sum to {total} {self.currency}, "
                f"the seller is owed {self.control_total} {self.currency}"
            )
        return self

    def fingerprint(self) -> str:
        """Hash of all that decides the record; equal documents are one revision."""
        return exact_json.fingerprint(self.model_dump())
