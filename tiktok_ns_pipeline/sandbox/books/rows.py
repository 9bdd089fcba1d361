"""From records to rows: what one record shows in each table of SuiteQL (N 3.4).

Lines of sales documents carry negative quantities and amounts, as the analytics tables do; lines of
stock documents are positive where stock arrives. Line 0 is a document's main line; tax, shipping and
cost lines have numbers of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.sandbox.books import movements, orders
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.postings import Posting, postings
from tiktok_ns_pipeline.sandbox.books.shares import ordered
from tiktok_ns_pipeline.sandbox.books.stock import Figures, Place
from tiktok_ns_pipeline.sandbox.books.store import Record

Row = dict[str, Any]

# Line numbers beside those of the document's own lines.
_TAX_LINE, _SHIPPING_LINE, _HANDLING_LINE, _DISCOUNT_LINE = 900_000, 900_001, 900_002, 900_003
_COST_LINES = 800_000
_PACKAGES = {"package": "", "packageUps": "Ups", "packageUsps": "Usps", "packageFedex": "FedEx"}
_LINK_TYPES = {
    "itemFulfillment": "ShipRcpt",
    "itemReceipt": "ShipRcpt",
    "invoice": "OrdBill",
    "cashSale": "OrdBill",
    "returnAuthorization": "SaleRet",
}
# Credits are linked by what they are made from.
_CREDIT_LINKS = {"returnAuthorization": "RcptBill", "invoice": "SaleRet", "cashSale": "SaleRet"}
# Documents that give back: amounts and quantities have the opposite sign of a sale's.
_GIVING_BACK = {"returnAuthorization", "creditMemo", "cashRefund", "customerRefund"}
# Documents without goods: their lines are their postings.
_MONEY = {"customerPayment", "customerRefund", "deposit"}
_NEVER_POSTED = {"salesOrder", "returnAuthorization"}
_ZERO = Decimal(0)


def member_rows(kit: Record) -> Iterator[Row]:
    """What one unit of a kit or an assembly is made of (N 5.10)."""
    for number, line in enumerate(kit.lines("member"), start=1):
        yield {
            "parentitem": kit.id,
            "item": line["item"],
            "quantity": line["quantity"],
            "linenumber": number,
            "memberunit": line.get("memberUnit"),
        }


def stock_row(place: Place, figures: Figures) -> Row:
    """What one item's stock at one location shows."""
    item, location = place
    return {
        "item": item,
        "location": location,
        "quantityonhand": figures.on_hand,
        "quantityavailable": figures.available,
        "quantitycommitted": figures.committed,
        "quantitybackordered": figures.backordered,
        # Empty where nothing is under way.
        "quantityonorder": figures.on_order or None,
        "quantityintransit": figures.in_transit or None,
    }


def sql_value(value: Any) -> Any:
    """A value as the engine of the tables stores it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _flag(value: object) -> str:
    return "T" if value else "F"


def _day(text: str | None) -> str | None:
    return None if text is None else f"@{text} 00:00:00"


def _instant(text: str | None, zone: ZoneInfo) -> str | None:
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(zone).strftime("@%Y-%m-%d %H:%M:%S")


def lower_case(fields: Mapping[str, Any]) -> Row:
    """Fields by their column names."""
    return {name.lower(): value for name, value in fields.items()}


def header_row(record: Record, desk: Desk) -> Row:
    """A transaction's row in `transaction`."""
    fields = record.fields
    rate: Decimal = fields.get("exchangeRate", Decimal(1))
    total: Decimal = fields.get("total", _ZERO)
    if record.type.name == "journalEntry":
        total = sum((line.get("debit", _ZERO) for line in record.lines("line")), _ZERO)
    total *= _sign(record)
    return {
        **{name: value for name, value in lower_case(fields).items() if not isinstance(value, (list, dict))},
        "id": int(record.id),
        "type": record.type.code,
        "recordtype": record.type.path,
        "trandate": _day(fields["tranDate"]),
        "createddate": _instant(fields["createdDate"], desk.zone),
        "lastmodifieddate": _instant(fields["lastModifiedDate"], desk.zone),
        "duedate": _day(fields.get("dueDate")),
        "entity": fields.get("entity") or fields.get("customer"),
        "foreigntotal": total,
        "total": _base(desk, record, total, rate),
        "posting": _flag(posts(record)),
        "shippingaddress": int(record.id) if fields.get("shippingAddress") else None,
        "voided": "F",
    }


def _sign(record: Record) -> int:
    return -1 if record.type.name in _GIVING_BACK else 1


def _base(desk: Desk, record: Record, amount: Decimal, rate: Decimal) -> Decimal:
    """An amount in the base currency of the record's subsidiary."""
    return desk.to_base(amount, rate, record.get("subsidiary"))


def posts(record: Record) -> bool:
    """Whether a transaction counts in the ledger: orders and returns never, journals once approved."""
    if record.type.name == "itemFulfillment":
        return record.get("shipStatus") == "C"
    if record.type.name == "journalEntry":
        return bool(record.get("approved"))
    return record.type.name not in _NEVER_POSTED and record.type not in movements.ORDERED


def line_rows(record: Record, header: Row, desk: Desk, held: orders.Held | None) -> Iterator[Row]:
    """A transaction's rows in `transactionline`; `held` as for `orders.live_lines`."""
    base: Row = {
        "transaction": header["id"],
        "linelastmodifieddate": header["lastmodifieddate"],
        "mainline": "F",
        "taxline": "F",
        "iscogs": "F",
        "donotdisplayline": "F",
        "isclosed": "F",
        "subsidiary": record.get("subsidiary"),
        "entity": header["entity"],
        "createdfrom": record.get("createdFrom"),
    }
    yield {
        **base,
        "id": 0,
        "linesequencenumber": 0,
        "mainline": "T",
        # A journal has no main amount: its lines are all of it.
        "foreignamount": None if record.type.name == "journalEntry" else header["foreigntotal"],
        "netamount": header["total"],
        "location": record.get("location"),
        "department": record.get("department"),
        "class": record.get("class"),
        "memo": record.get("memo"),
        "isclosed": _flag(record.get("status") == "H"),
        "uniquekey": header["id"] * 1_000,
        "expenseaccount": record.get("account"),
    }
    if record.type.name == "journalEntry":
        yield from (_journal_line(base, line) for line in record.lines("line"))
        return
    if record.type in movements.SAVED or record.type is movements.RECEIPT:
        yield from (_moved_line(base, record, line, desk) for line in movements.moved(record))
        return
    if record.type.name in _MONEY:
        yield from _money_lines(base, record, desk)
        return
    rate: Decimal = record.get("exchangeRate", Decimal(1))
    shown = orders.live_lines(desk, record, held) if record.type is orders.SALES_ORDER else record.lines()
    for index, line in enumerate(shown, start=1):
        yield _goods_line({**base, "linesequencenumber": index}, record, line, rate, desk)
    yield from _side_lines(base, record, rate, desk)


def _goods_line(base: Row, record: Record, line: Mapping[str, Any], rate: Decimal, desk: Desk) -> Row:
    quantity = line.get("quantity")
    if quantity is not None:
        quantity *= -_sign(record) * orders.units_factor(desk, orders.item_of(desk, line), line)
    amount = line.get("amount")
    if amount is not None:
        amount *= -_sign(record)
    sold = _sign(record) > 0
    return {
        **base,
        **{name: value for name, value in line.items() if name.startswith("custcol")},
        "id": line["line"],
        "uniquekey": line.get("lineUniqueKey"),
        "item": line["item"],
        "itemtype": line["itemType"],
        "quantity": quantity,
        "quantitybilled": line.get("quantityBilled"),
        "quantityshiprecv": line.get("quantityFulfilled", line.get("quantityReceived")),
        "quantitypicked": line.get("quantityPicked"),
        "quantitypacked": line.get("quantityPacked"),
        "quantitycommitted": line.get("quantityCommitted"),
        "quantitybackordered": line.get("quantityBackOrdered"),
        "rate": line.get("rate"),
        "foreignamount": amount,
        "netamount": None if amount is None else _base(desk, record, amount, rate),
        "creditforeignamount": line.get("amount") if sold else None,
        "debitforeignamount": None if sold else line.get("amount"),
        "location": line.get("location"),
        "department": line.get("department"),
        "class": line.get("class"),
        "memo": line.get("description"),
        "isclosed": _flag(line.get("isClosed")),
        "isfullyshipped": _flag(line.get("quantityFulfilled", _ZERO) >= ordered(line)),
        "price": line.get("price"),
        "units": line.get("units"),
        "kitcomponent": _flag(line.get("kitMemberOf") is not None),
        "kitmemberof": line.get("kitMemberOf"),
        "isinventoryaffecting": _flag("_stockQuantity" in line and posts(record)),
    }


def _moved_line(base: Row, record: Record, line: movements.Moved, desk: Desk) -> Row:
    return {
        **base,
        "id": line.number,
        "linesequencenumber": line.number,
        "item": line.item,
        "itemtype": desk.the("item", line.item).type.code,
        "quantity": line.quantity,
        "quantityshiprecv": line.done,
        "location": line.location,
        "isinventoryaffecting": _flag(posts(record)),
    }


def package_rows(record: Record) -> Iterator[Row]:
    """A fulfilment's parcels; integrated carriers have sublists of their own (N 5.5)."""
    for sublist, suffix in _PACKAGES.items():
        for package in record.lines(sublist):
            yield {
                "itemfulfillment": int(record.id),
                "packagetrackingnumber": package.get(f"packageTrackingNumber{suffix}"),
                "packageweight": package.get(f"packageWeight{suffix}"),
                "packagedescr": package.get("packageDescr"),
            }


def _journal_line(base: Row, line: Mapping[str, Any]) -> Row:
    amount = line.get("debit", _ZERO) - line.get("credit", _ZERO)
    return {
        **base,
        **{name: value for name, value in line.items() if name.startswith("custcol")},
        "id": line["line"],
        "linesequencenumber": line["line"],
        "foreignamount": amount,
        "debitforeignamount": line.get("debit"),
        "creditforeignamount": line.get("credit"),
        "expenseaccount": line["account"],
        "entity": line.get("entity"),
        "location": line.get("location"),
        "department": line.get("department"),
        "class": line.get("class"),
        "memo": line.get("memo"),
    }


def _money_lines(base: Row, record: Record, desk: Desk) -> Iterator[Row]:
    """The other side of a payment, refund or deposit, one line for each posting in its currency."""
    named = {int(line["line"]): line for line in record.lines("other")}
    for posting in postings(desk, record):
        if posting.line and posting.foreign:
            line = named.get(posting.line, {})
            yield {
                **base,
                "id": posting.line,
                "linesequencenumber": posting.line,
                "foreignamount": posting.foreign,
                "netamount": posting.amount,
                "expenseaccount": posting.account,
                "memo": line.get("memo"),
                "entity": line.get("entity") or base["entity"],
                "department": line.get("department"),
                "class": line.get("class"),
                "location": line.get("location"),
            }


def _side_lines(base: Row, record: Record, rate: Decimal, desk: Desk) -> Iterator[Row]:
    """Tax, shipping, a discount of the whole, and the cost lines of goods that left."""
    sides = (
        (_TAX_LINE, "taxTotal", {"taxline": "T", "transactionlinetype": "TAX"}),
        (_SHIPPING_LINE, "shippingCost", {"transactionlinetype": "SHIPPING", "itemtype": "ShipItem"}),
        (_HANDLING_LINE, "handlingCost", {"transactionlinetype": "SHIPPING", "itemtype": "ShipItem"}),
        (_DISCOUNT_LINE, "discountTotal", {"transactionlinetype": "DISCOUNT"}),
    )
    for number, name, row in sides:
        amount: Decimal = -_sign(record) * (record.get(name) or _ZERO)
        if amount and record.type.name != "itemFulfillment":
            foreign = {"foreignamount": amount, "netamount": _base(desk, record, amount, rate)}
            yield {**base, "id": number, **row, **foreign}
    if record.type.name == "itemFulfillment" and posts(record) and record.get("orderType") == "SalesOrd":
        for line in record.lines():
            if "_stockQuantity" in line:
                row = {"id": _COST_LINES + line["line"], "iscogs": "T", "item": line["item"]}
                quantity = Decimal(line["_stockQuantity"])
                yield {**base, **row, "quantity": quantity, "location": line["location"]}


def link_rows(record: Record, header: Row, desk: Desk) -> Iterator[Row]:
    """What links a document to those that it was made from, line by line, and to those that it clears."""
    follows = {
        "nextdoc": header["id"],
        "nexttype": record.type.code,
        "lastmodifieddate": header["lastmodifieddate"],
    }
    for line in record.lines("apply"):
        yield {
            **follows,
            "previousdoc": line["doc"],
            "previousline": 0,
            "previoustype": _type_of(desk, line["doc"]).code,
            "nextline": 0,
            "linktype": "Payment",
            "foreignamount": line["amount"],
        }
    origin = record.get("createdFrom")
    if origin is None:
        return
    source = _type_of(desk, origin)
    link = _LINK_TYPES.get(record.type.name) or _CREDIT_LINKS.get(source.name)
    for line in record.lines():
        if "orderLine" in line:
            yield {
                **follows,
                "previousdoc": origin,
                "previousline": line["orderLine"],
                "previoustype": source.code,
                "nextline": line["line"],
                "linktype": link,
                "foreignamount": line.get("amount"),
            }


def _type_of(desk: Desk, identifier: str) -> RecordType:
    """Type of a transaction; what is looked back at may have lost what it came from, mostly an order."""
    record = desk.find("transaction", identifier)
    return record.type if record else orders.SALES_ORDER


def accounting_row(record: Record, header: Row, posting: Posting, desk: Desk) -> Row:
    """One posting in `transactionaccountingline`; the main line of what can be applied says how far it is."""
    amount = posting.amount
    unpaid: Decimal | None = None
    if posting.line == 0 and record.get("amountRemaining") is not None:
        rate: Decimal = record.get("exchangeRate", Decimal(1))
        unpaid = _base(desk, record, record.get("amountRemaining"), rate)
    return {
        "amountpaid": None if unpaid is None else abs(amount) - unpaid,
        "amountunpaid": unpaid,
        "transaction": header["id"],
        "transactionline": posting.line,
        "account": posting.account,
        "accountingbook": 1,
        "amount": amount,
        "debit": amount if amount > 0 else None,
        "credit": -amount if amount < 0 else None,
        "netamount": amount,
        "exchangerate": record.get("exchangeRate"),
        "posting": header["posting"],
    }


# Where a column is called differently from the field, by table.
_RENAMED = {
    "accountingPeriod": {"periodname": "name"},
    "account": {"accountsearchdisplayname": "acctName", "accountsearchdisplaynamecopy": "acctName"},
    "customer": {"altname": "companyName"},
}
# What is true or false without being a field.
_FIXED = {"accountingPeriod": {"arlocked": "F", "aplocked": "F", "isadjust": "F"}}


def list_row(record: Record, zone: ZoneInfo) -> Row:
    """The row of an item, an entity or another list's record in its table."""
    row: Row = {"id": int(record.id)}
    for name, value in record.fields.items():
        column = name.lower()
        if isinstance(value, bool):
            row[column] = _flag(value)
        elif isinstance(value, tuple):
            row[column] = ", ".join(str(one) for one in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        elif column in {"lastmodifieddate", "createddate", "datecreated"}:
            row[column] = _instant(value, zone)
        elif column in {"startdate", "enddate"}:
            row[column] = _day(date.fromisoformat(value).isoformat())
        elif not isinstance(value, (list, dict)):
            row[column] = value
    for column, name in _RENAMED.get(record.type.name, {}).items():
        row[column] = record.get(name)
    row["fullname"] = record.get("name") or record.get("acctName") or record.get("itemId")
    if record.type.group == "item":
        row["itemtype"] = record.type.code
    if record.type.name == "salesTaxItem":
        row["rate"] = Decimal(str(record.get("rate")).rstrip("%"))
    if record.type.name == "accountingPeriod":
        row["isposting"] = _flag(not (record.get("isYear") or record.get("isQuarter")))
    return {**_FIXED.get(record.type.name, {}), **row}
