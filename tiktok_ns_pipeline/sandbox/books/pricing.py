"""What a sales document's lines cost: price, amount, tax and total (N 2.13, 5.12).

Two tax engines exist and an account has one of them. *SuiteTax* taxes by the subsidiary's country
unless the document overrides it with tax details; *legacy* taxes by the line's tax code. Neither
asks whether a marketplace has collected the tax already: that is the caller's business.

Invariant: amounts come out rounded half up to the currency's precision, line by line, and the total
is the sum of what stands on the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, Protocol

from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, missing, refused
from tiktok_ns_pipeline.sandbox.books.store import Record

TaxEngineName = Literal["suitetax", "legacy"]

_ZERO = Decimal(0)
_ONE = Decimal(1)
_HUNDRED = Decimal(100)
_CUSTOM_PRICE = "-1"
_BASE_PRICE = "1"
# Kinds of items whose amount is no product of a quantity.
_UNCOUNTED = {"Discount"}
# Kinds of items that leave a warehouse.
FULFILLABLE = {"InvtPart", "Assembly", "Kit", "NonInvtPart"}

# What recomputes a line's amount when it changes.
_DECIDE_AMOUNT = {"item", "quantity", "units", "price", "rate"}

# Country of the subsidiary -> tax code and tax type that its nexus applies by default.
# The parent in the US has no nexus: its sales are not taxed here.
_NEXUS = {"GB": ("20", "1"), "VN": ("10", "2")}
_LEGACY_DEFAULTS = {"GB": "20", "VN": "10"}
_NOT_TAXABLE = "5"


class Lists(Protocol):
    """Where the rules look up items, tax codes and the like."""

    def find(self, target: str, identifier: str) -> Record | None:
        """The record of that type (or group, such as `item`) and id."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What a document's prices depend on."""

    lists: Lists
    tax_engine: TaxEngineName
    currency: str
    """Internal id."""
    precision: int
    """Decimals of the currency."""
    country: str
    """Of the subsidiary."""

    def rounded(self, amount: Decimal) -> Decimal:
        """The amount in whole units of the currency's precision."""
        return amount.quantize(_ONE.scaleb(-self.precision), rounding=ROUND_HALF_UP)

    def rate_of(self, tax_code: str) -> Decimal:
        """Percent of a tax code."""
        record = self.lists.find("salesTaxItem", tax_code)
        return Decimal(str(record.get("rate")).rstrip("%")) if record else _ZERO


def item_of(lists: Lists, line: Mapping[str, Any]) -> Record:
    """The item that a line sells. Raises BookError when the line names none."""
    identifier = line.get("item")
    record = lists.find("item", identifier) if identifier else None
    if record is None:
        raise missing("Item")
    return record


def priced_line(
    setting: Setting, line: dict[str, Any], given: Mapping[str, Any], index: int
) -> dict[str, Any]:
    """The line with price, rate and amount as they are kept.

    `line` is the whole line after the change, `given` what the request said about it: an amount
    sent wins over a rate, a rate counts only at the custom price level, everything else comes from
    the item's price list.
    """
    item = item_of(setting.lists, line)
    code = item.type.code
    if item.get("isInactive"):
        raise invalid_value(item.id, "item", f"item.items[{index}].item")
    quantity: Decimal | None = line.get("quantity")
    if quantity is None and code in FULFILLABLE:
        raise missing("Quantity")
    if quantity is not None and quantity < 0:
        raise refused("Item quantity must be positive.")
    listed = None if code in _UNCOUNTED else _listed_price(setting, item, line.get("price") or _BASE_PRICE)
    if line.get("price") == _CUSTOM_PRICE or listed is None:
        line["price"] = _CUSTOM_PRICE
    else:
        line["price"] = line.get("price") or _BASE_PRICE
        line["rate"] = listed
    counted = _ONE if quantity is None or code in _UNCOUNTED else quantity
    if given.get("amount") is not None:
        line["amount"] = setting.rounded(given["amount"])
        if line.get("rate") is None and counted:
            line["rate"] = line["amount"] / counted
    elif given.get("grossAmt") is None and (_DECIDE_AMOUNT & given.keys() or "amount" not in line):
        line["amount"] = setting.rounded(counted * (line.get("rate") or _ZERO))
    line["itemType"] = code
    return line


def _listed_price(setting: Setting, item: Record, level: str) -> Decimal | None:
    if level == _CUSTOM_PRICE:
        return None
    for price in item.lines("price"):
        if price.get("currencyPage") == setting.currency and price.get("priceLevel") == level:
            return price.get("price")
    return None


def taxed(setting: Setting, body: dict[str, Any], given_lines: Mapping[int, Mapping[str, Any]]) -> None:
    """Put tax on the lines of `body` (changed in place) and state `taxTotal`.

    `given_lines` is what the request said, by line number.
    """
    if setting.tax_engine == "legacy":
        _tax_by_code(setting, body, given_lines)
    else:
        _tax_by_details(setting, body, given_lines)
    name = "tax1Amt" if setting.tax_engine == "legacy" else "taxAmount"
    body["taxTotal"] = sum((line[name] for line in body["item"]), _ZERO)


def _tax_by_code(
    setting: Setting, body: dict[str, Any], given_lines: Mapping[int, Mapping[str, Any]]
) -> None:
    for line in body["item"]:
        given = given_lines.get(line["line"], {})
        line["taxCode"] = line.get("taxCode") or _LEGACY_DEFAULTS.get(setting.country, _NOT_TAXABLE)
        if given.get("taxRate1") is None or "taxCode" in given:
            line["taxRate1"] = setting.rate_of(line["taxCode"])
        share = line["taxRate1"] / _HUNDRED
        gross = given.get("grossAmt")
        if gross is not None and given.get("amount") is None:
            line["amount"] = setting.rounded(gross / (1 + share))
            line["tax1Amt"] = setting.rounded(gross) - line["amount"]
        elif given.get("tax1Amt") is not None:
            line["tax1Amt"] = setting.rounded(given["tax1Amt"])
        elif {"amount", "rate", "quantity", "taxCode", "price"} & given.keys() or "tax1Amt" not in line:
            line["tax1Amt"] = setting.rounded(line["amount"] * share)
        line["grossAmt"] = line["amount"] + line["tax1Amt"]


def _tax_by_details(
    setting: Setting, body: dict[str, Any], given_lines: Mapping[int, Mapping[str, Any]]
) -> None:
    lines: Sequence[dict[str, Any]] = body["item"]
    overridden = bool(body.get("taxDetailsOverride"))
    given_details: Sequence[Mapping[str, Any]] = body.get("taxDetails") or ()
    for line in lines:
        # Legacy fields are part of the schema and without effect here (N 2.13).
        for name in ("tax1Amt", "taxRate1", "taxCode"):
            line.pop(name, None)
        line["taxDetailsReference"] = line.get("taxDetailsReference") or f"ITEM_{line['line']}"
        gross = given_lines.get(line["line"], {}).get("grossAmt")
        if gross is not None and given_lines[line["line"]].get("amount") is None:
            share = _share(setting, line["taxDetailsReference"], given_details if overridden else None)
            line["amount"] = setting.rounded(gross / (1 + share))
    details = (
        completed_details(setting, given_details, lines) if overridden else _nexus_details(setting, lines)
    )
    body["taxDetails"] = details
    for line in lines:
        reference = line["taxDetailsReference"]
        line["taxAmount"] = sum(
            (one["taxAmount"] for one in details if one["taxDetailsReference"] == reference), _ZERO
        )
        line["grossAmt"] = line["amount"] + line["taxAmount"]


def _share(setting: Setting, reference: str, details: Sequence[Mapping[str, Any]] | None) -> Decimal:
    """Tax on a line as a share of its net amount."""
    if details is not None:
        rates = (one.get("taxRate") or _ZERO for one in details if one["taxDetailsReference"] == reference)
        return sum(rates, _ZERO) / _HUNDRED
    code, _ = _NEXUS.get(setting.country, (_NOT_TAXABLE, ""))
    return setting.rate_of(code) / _HUNDRED


def completed_details(
    setting: Setting, details: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Tax details as a body gives them, complete and rounded. Raises BookError."""
    references = {line["taxDetailsReference"]: line for line in lines}
    complete: list[dict[str, Any]] = []
    for index, given in enumerate(details):
        reference = given.get("taxDetailsReference")
        if reference not in references:
            raise invalid_value(
                reference, "taxDetailsReference", f"taxDetails.items[{index}].taxDetailsReference"
            )
        for name, label in (("taxCode", "Tax Code"), ("taxType", "Tax Type"), ("taxRate", "Tax Rate")):
            if given.get(name) is None:
                raise missing(label)
        basis = given.get("taxBasis")
        basis = references[reference]["amount"] if basis is None else setting.rounded(basis)
        amount = given.get("taxAmount")
        amount = basis * given["taxRate"] / _HUNDRED if amount is None else amount
        complete.append({**given, "taxBasis": basis, "taxAmount": setting.rounded(amount)})
    return complete


def _nexus_details(setting: Setting, lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if setting.country not in _NEXUS:
        return []
    code, kind = _NEXUS[setting.country]
    rate = setting.rate_of(code)
    return [
        {
            "taxDetailsReference": line["taxDetailsReference"],
            "taxCode": code,
            "taxType": kind,
            "taxBasis": line["amount"],
            "taxRate": rate,
            "taxAmount": setting.rounded(line["amount"] * rate / _HUNDRED),
        }
        for line in lines
    ]


def totalled(setting: Setting, body: dict[str, Any]) -> None:
    """State the totals of `body` (changed in place).

    Shipping cost counts only with a shipping method (N 5.4); a header discount only with its item.
    """
    body["subtotal"] = sum((line["amount"] for line in body["item"]), _ZERO)
    if body.get("shipMethod") is None:
        body.pop("shippingCost", None)
    discount: Decimal = body.get("discountRate") or _ZERO
    body["discountTotal"] = setting.rounded(discount) if body.get("discountItem") else _ZERO
    extras = [setting.rounded(body.get(name) or _ZERO) for name in ("shippingCost", "handlingCost")]
    body["total"] = sum([body["subtotal"], body["discountTotal"], body["taxTotal"], *extras], _ZERO)
    if setting.tax_engine == "suitetax":
        body["totalAfterTaxes"] = body["total"]
