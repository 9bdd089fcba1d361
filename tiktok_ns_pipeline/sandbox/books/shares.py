"""How a follow-up document takes its part of what is left of each line of the document it is made from.

A part takes of amount and tax what its quantity is of the quantity left, the last part all of it, so
the parts sum to the whole to the cent. A body may say a line's `amount`: that is how a share of a line
without quantity, such as a discount, is taken; the same share of its quantity counts as taken. Lines
that a body does not mention are taken as far as they are left (N 10 no. 5); a quantity of 0 leaves one
out.

Terms: a *count* names the fields under which a line keeps what has been taken of it for one purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.errors import invalid_value, refused
from tiktok_ns_pipeline.sandbox.books.merging import Line
from tiktok_ns_pipeline.sandbox.books.pricing import FULFILLABLE, Setting, completed_details

AMOUNTS = ("amount", "taxAmount", "tax1Amt")
"""What a part has of a line beside its quantity."""

_ZERO = Decimal(0)
_ONE = Decimal(1)
# Shares of a quantity are kept so fine; the last share takes what is left.
_FINEST_SHARE = Decimal("1e-12")
# What a part's line takes over from the line it is a part of.
_INHERITED = (
    "item",
    "rate",
    "price",
    "description",
    "location",
    "department",
    "class",
    "units",
    "itemType",
    "taxCode",
    "taxRate1",
    "taxDetailsReference",
)


def ordered(line: Mapping[str, Any]) -> Decimal:
    """Quantity of a line; a line without one counts as one."""
    return line.get("quantity", _ONE)


@dataclass(frozen=True, slots=True)
class Count:
    """Where a line keeps what was taken of it: `quantity` is a field, `prefix` opens the amounts' names."""

    quantity: str
    prefix: str

    def of(self, line: Mapping[str, Any], name: str = "") -> Decimal:
        """How much was taken of the quantity, or of the amount called `name`."""
        return Decimal(line.get(f"{self.prefix}{name}" if name else self.quantity, 0))

    def add(self, line: Line, part: Mapping[str, Any], sign: int, quantity: Decimal | None = None) -> None:
        """Let a part be taken from `line` (+1) or given back (-1), or only `quantity` of it."""
        whole = share_of(part)
        taken = whole if quantity is None else quantity
        line[self.quantity] = self.of(line) + sign * taken
        for name in AMOUNTS:
            if name in part:
                amount = part[name] if taken == whole else part[name] * taken / whole
                line[f"{self.prefix}{name}"] = self.of(line, name) + sign * amount


BILLED = Count("quantityBilled", "_billed_")
"""What was invoiced or sold of an order's line, or credited of a return's."""
RETURNED = Count("_returned", "_returned_")
"""What buyers may send back, or were credited without sending it back."""
CREDITED = Count("_credited", "_credited_")
"""What was credited or refunded, with or without a return."""


def share_of(part: Mapping[str, Any]) -> Decimal:
    """How much of its source's quantity a part stands for."""
    return Decimal(part.get("_share", ordered(part)))


@dataclass(frozen=True, slots=True)
class Left:
    """What can still be taken of a line: `due` of its quantity, of `quantity` that share its amounts."""

    due: Decimal
    quantity: Decimal
    amounts: Mapping[str, Decimal]


def left_of(count: Count, line: Line, due: Decimal) -> Left:
    """What is left of a line's own quantity and amounts."""
    amounts = {name: line[name] - count.of(line, name) for name in AMOUNTS if name in line}
    return Left(due, share_of(line) - count.of(line), amounts)


def parts(
    setting: Setting, verb: str, lines: Sequence[Line], given: Iterable[Line], left: Callable[[Line], Left]
) -> list[Line]:
    """The lines of a follow-up document. Raises BookError when more is asked than is left, or nothing is.

    `verb` says in refusals what is done to the lines; `given` names lines by `orderLine`, or by `line` as
    refunds of a cash sale do (N 2.8).
    """
    known = {line["line"] for line in lines}
    wanted: dict[int, tuple[int, Line]] = {}
    for index, element in enumerate(given):
        number: int | None = element.get("orderLine", element.get("line"))
        if number is None or number not in known:
            raise invalid_value(number, "orderLine", f"item.items[{index}].orderLine")
        wanted[number] = (index, element)
    made: list[Line] = []
    for line in lines:
        index, element = wanted.get(line["line"], (-1, {}))
        rest = left(line)
        share = _share(setting, verb, line, element, rest, f"item.items[{index}]")
        if share > 0:
            made.append(_part(setting, line, element, rest, share, len(made) + 1))
    if not made:
        raise refused("You must have at least one valid line item for this transaction.")
    return made


def _share(setting: Setting, verb: str, line: Line, element: Line, rest: Left, path: str) -> Decimal:
    """How much of a line's quantity is taken: what is said, what its amount stands for, or all."""
    amount = element.get("amount")
    if amount is not None:
        amount = setting.rounded(amount)
        if amount * rest.amounts["amount"] < 0 or abs(amount) > abs(rest.amounts["amount"]):
            raise invalid_value(amount, "amount", f"{path}.amount")
        if amount and not rest.due:
            raise refused(f"Line {line['line']} has nothing to {verb}.")
    quantity = element.get("quantity")
    if quantity is not None:
        if quantity < 0 or quantity > rest.due:
            raise refused(f"Line {line['line']} has {rest.due} to {verb}, not {quantity}.")
        return quantity
    if amount is None or amount == rest.amounts["amount"] or line["itemType"] in FULFILLABLE:
        return rest.due
    share = min((rest.due * amount / rest.amounts["amount"]).quantize(_FINEST_SHARE), rest.due)
    return max(share, _FINEST_SHARE) if amount else _ZERO


def _part(setting: Setting, line: Line, element: Line, rest: Left, share: Decimal, number: int) -> Line:
    own: Line = {name: line[name] for name in _INHERITED if name in line}
    own.update({name: value for name, value in line.items() if name.startswith("custcol")})
    own.update({name: value for name, value in element.items() if name.startswith("custcol")})
    own.update(orderLine=line["line"], line=number)
    if "quantity" in line:
        own["quantity"] = share
    else:
        own["_share"] = share
    part = share / rest.quantity
    if element.get("amount") is not None:
        own["amount"] = setting.rounded(element["amount"])
        own["rate"] = own["amount"] / own.get("quantity", _ONE)
        left = rest.amounts["amount"]
        part = own["amount"] / left if left else part
    for name, left in rest.amounts.items():
        if name not in own:
            own[name] = setting.rounded(left * part)
    if setting.tax_engine == "legacy" and element.get("tax1Amt") is not None:
        own["tax1Amt"] = setting.rounded(element["tax1Amt"])
    return own


def take_tax(
    setting: Setting, details: Iterable[Mapping[str, Any]], body: dict[str, Any], given: Any
) -> None:
    """Tax of `body` as its request details it (`given`), else its share of the source's `details`."""
    if setting.tax_engine == "suitetax" and given is not None:
        body["taxDetails"] = completed_details(setting, given, body["item"])
        for line in body["item"]:
            reference = line.get("taxDetailsReference")
            line["taxAmount"] = sum(
                (one["taxAmount"] for one in body["taxDetails"] if one["taxDetailsReference"] == reference),
                _ZERO,
            )
    else:
        by_reference = {line.get("taxDetailsReference"): line for line in body["item"]}
        body["taxDetails"] = [
            {
                **detail,
                "taxBasis": by_reference[detail["taxDetailsReference"]]["amount"],
                "taxAmount": by_reference[detail["taxDetailsReference"]]["taxAmount"],
            }
            for detail in details
            if detail["taxDetailsReference"] in by_reference
        ]
    for line in body["item"]:
        line["grossAmt"] = line["amount"] + line.get("taxAmount", line.get("tax1Amt", _ZERO))
    name = "tax1Amt" if setting.tax_engine == "legacy" else "taxAmount"
    body["taxTotal"] = sum((line.get(name, _ZERO) for line in body["item"]), _ZERO)
