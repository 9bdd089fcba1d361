"""What the billing flow speaks of: a shipment as it was read, the Sales Order's lines, and the bill.

Terms: a *fulfilment* is an Item Fulfillment of one of our Sales Orders; it *stands as shipped* while
NetSuite has it in state C (N 2.12). A *bill* is the Cash Sale or Invoice of one fulfilment. A *share*
is the part of a Sales Order's line that one bill takes.

Invariant: a bill's shares, and what NetSuite adds to the first bill of an order, sum to its total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.money import exact_decimal

CHANNEL = "tiktok"
SUBJECT = "bill "
"""How the subjects of this flow's exceptions begin; the fact's business key follows."""

_ZERO = Decimal(0)
_SHIPPED = "C"


class MalformedFulfilment(ValueError):
    """A fulfilment of which it cannot be said what was shipped."""


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """An Item Fulfillment as the lake holds it."""

    shop: str
    order_id: str
    """The channel's."""
    id: str
    number: str
    """Document number, or the internal id where there is none."""
    sales_order_id: str
    """Internal id."""
    stands_as_shipped: bool
    is_gone: bool
    shipped_on: date
    """Date of the Item Fulfillment: the day that its cost is posted on, so revenue follows it."""
    filed_under: date
    """Day under which the lake keeps it."""
    modified_at: datetime | None
    lines: Mapping[int, Decimal]
    """Quantity by line of the Sales Order, as SuiteQL tells it: in the item's base units. Of a kit the
    kit's line, not its members."""

    @property
    def fact(self) -> FactKey:
        """The fact that it is billed."""
        return FactKey(CHANNEL, self.shop, BILL, f"{self.order_id}.{self.id}")

    @property
    def subject(self) -> str:
        """What an exception about its bill is about."""
        return f"{SUBJECT}{self.fact.business_key}"

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"Item Fulfillment {self.number} of order {self.order_id}"

    @property
    def shipped(self) -> dict[str, str]:
        """What was shipped, for comparing what was billed with what stands now."""
        return {str(line): format(quantity.normalize(), "f") for line, quantity in sorted(self.lines.items())}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Fulfilment:
        """The fulfilment of a row of `raw_netsuite_item_fulfillments`. Raises MalformedFulfilment."""
        name = f"Item Fulfillment {row['fulfilment_id']} of order {row['order_id']}"
        if not row["order_id"] or not row["sales_order_id"]:
            raise MalformedFulfilment(f"{name} names no order or no Sales Order.")
        return cls(
            shop=str(row["shop"]),
            order_id=str(row["order_id"]),
            id=str(row["fulfilment_id"]),
            number=str(row["tran_id"] or row["fulfilment_id"]),
            sales_order_id=str(row["sales_order_id"]),
            stands_as_shipped=row["status"] == _SHIPPED and not row["gone"],
            is_gone=bool(row["gone"]),
            shipped_on=row["tran_date"] or row["day"],
            filed_under=row["day"],
            modified_at=row["modified_at"],
            lines=_lines(row["lines"], name),
        )


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaxShare(_Document):
    """One tax of a bill's line, as the Sales Order details it (N 2.13, SuiteTax)."""

    reference: str
    """`taxDetailsReference` of the line."""
    code_id: str
    type_id: str
    rate: Decimal
    """Percent."""
    basis: Decimal
    amount: Decimal


class BillLine(_Document):
    """One line of the Sales Order and the share that the bill takes of it; zero where it takes none."""

    order_line: int
    quantity: Decimal | None = None
    """In the line's own unit; None of a line without quantity, such as a discount."""
    amount: Decimal = _ZERO
    """Net of tax, in the order's currency."""
    tax: Decimal = _ZERO
    says_tax: bool = False
    """Whether the body carries the tax on the line (legacy tax)."""
    tax_reference: str | None = None
    """By which the tax details name the line (SuiteTax)."""

    @property
    def is_empty(self) -> bool:
        """Whether the bill takes nothing of the line."""
        return not self.quantity and not self.amount


class Bill(_Document):
    """One fulfilment as the Cash Sale or Invoice that should exist for it."""

    channel: str
    shop: str
    order_id: str
    fulfilment_id: str
    record_type: Literal["cashSale", "invoice"]
    external_id: str = Field(pattern=r"^[a-z0-9_-]{1,100}$")
    """`tts-<shop>-<cs|inv>-<order id>-<fulfilment id>`; letters, digits, `_` and `-` (N 2.6)."""
    sales_order_id: str
    account_id: str | None = None
    """The clearing account of a Cash Sale."""
    shipped_on: date
    tran_date: date
    """The day of shipment, or the first open day after it."""
    memo: str
    currency: str
    lines: tuple[BillLine, ...]
    taxes: tuple[TaxShare, ...] | None = None
    """None where the Sales Order details no taxes."""
    added: Decimal = _ZERO
    """What stands on the Sales Order beside its lines and goes to its first bill (N 5.4)."""
    expected_total: Decimal
    edition: int = 1
    """Grows when a bill that was deleted is to be made once more."""

    @model_validator(mode="after")
    def _sums(self) -> Bill:
        total = sum((line.amount + line.tax for line in self.lines), self.added)
        if total != self.expected_total:
            raise ValueError(f"{self.external_id}: shares sum to {total}, not to {self.expected_total}")
        if all(line.is_empty for line in self.lines):
            raise ValueError(f"{self.external_id} bills nothing")
        return self

    def fingerprint(self) -> str:
        """Hash of all that decides the record."""
        return exact_json.fingerprint(self.model_dump())

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"{'Cash Sale' if self.record_type == 'cashSale' else 'Invoice'} {self.external_id}"


def _lines(text: str | None, name: str) -> dict[int, Decimal]:
    """Shipped quantities by order line."""
    try:
        told = exact_json.loads(text or "")
        if not isinstance(told, list):
            raise TypeError("no list")
        elements = cast("list[dict[str, Any]]", told)
        shipped: dict[int, Decimal] = {}
        for element in elements:
            if element.get("kitMemberOf") is not None:
                continue
            line = int(element["orderLine"])
            shipped[line] = shipped.get(line, _ZERO) + exact_decimal(element["quantity"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedFulfilment(f"{name}: its lines cannot be read ({type(error).__name__}).") from None
    if any(quantity < 0 for quantity in shipped.values()):
        raise MalformedFulfilment(f"{name} ships a negative quantity.")
    return {line: quantity for line, quantity in shipped.items() if quantity}
