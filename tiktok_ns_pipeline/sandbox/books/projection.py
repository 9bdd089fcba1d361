"""The books as the tables of SuiteQL (N 3.4).

Rows are written when a query needs them, not when a record changes: a burst of saves costs nothing
until someone looks. Lines of sales documents carry negative quantities and amounts, as the analytics
tables do. Line 0 is a document's main line; tax, shipping and cost lines have numbers of their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.sandbox.books import movements, orders
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.desk import Desk
from tiktok_ns_pipeline.sandbox.books.postings import Posting, postings
from tiktok_ns_pipeline.sandbox.books.rendering import choice_name, display_name
from tiktok_ns_pipeline.sandbox.books.stock import Figures, Holder, Place
from tiktok_ns_pipeline.sandbox.books.store import Record
from tiktok_ns_pipeline.sandbox.books.tables import column_kinds, table_statements

Row = dict[str, Any]

# Where a record's rows lie, and by which column they are found.
_OF_TRANSACTION = {
    "transaction": "id",
    "transactionline": "transaction",
    "transactionaccountingline": "transaction",
    "previoustransactionlinelink": "nextdoc",
    "trackingnumbermap": "transaction",
    "itemfulfillmentpackage": "itemfulfillment",
    "transactionshippingaddress": "nkey",
}
# Line numbers beside those of the document's own lines.
_TAX_LINE, _SHIPPING_LINE, _COST_LINES = 900_000, 900_001, 800_000
_PACKAGES = {"package": "", "packageUps": "Ups", "packageUsps": "Usps", "packageFedex": "FedEx"}
_LINK_TYPES = {
    "itemFulfillment": "ShipRcpt",
    "itemReceipt": "ShipRcpt",
    "invoice": "OrdBill",
    "cashSale": "OrdBill",
}
_WITH_MEMBERS = {"kitItem", "assemblyItem"}
_ZERO = Decimal(0)


class Projection:
    """The tables of the books, for `SuiteQL`."""

    def __init__(self, desk: Desk) -> None:
        self.columns: Mapping[str, Mapping[str, str]] = column_kinds()
        self._desk = desk
        self._is_built = False

    @property
    def version(self) -> int:
        """Grows when the tables may have to change."""
        return self._desk.store.version

    def account_now(self) -> datetime:
        """The current instant in the account's zone."""
        return self._desk.now().astimezone(self._desk.zone)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Write the rows of all that changed since the last time."""
        if not self._is_built:
            self._build(connection)
        store = self._desk.store
        if not store.changed and not self._desk.stock.changed_places:
            return
        connection.execute("BEGIN")
        transactions: list[tuple[str, Record | None]] = []
        for path, identifier in store.changed:
            record = store.get(path, identifier)
            if catalogue().types[path].is_transaction:
                transactions.append((identifier, record))
            else:
                self._write_list(connection, catalogue().types[path], identifier, record)
        self._write_transactions(connection, transactions)
        stock = self._desk.stock
        places = ((place, stock.position(*place).figures) for place in stock.changed_places)
        self._write_stock(connection, places)
        connection.execute("COMMIT")
        store.changed.clear()
        stock.changed_places.clear()

    def rewind(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Show transactions, and stock with what orders hold of it, as they were `seconds` ago."""
        since = self._desk.now() - timedelta(seconds=seconds)
        earlier: dict[str, Record | None] = {}
        for change in self._desk.store.history:
            if change.at > since:
                earlier.setdefault(change.id, change.before)
        stock = self._desk.stock
        was = stock.earlier(since)
        for _, (order, _) in was.committed:
            earlier.setdefault(order, self._desk.store.in_group("transaction", order))

        def held(place: Place, holder: Holder) -> Decimal:
            key = (place, holder)
            return was.committed[key] if key in was.committed else stock.committed(place, holder)

        self._write_transactions(connection, list(earlier.items()), held)
        self._write_stock(connection, was.places.items())

    def _build(self, connection: sqlite3.Connection) -> None:
        for statement in table_statements():
            connection.execute(statement)
        connection.execute("INSERT INTO `dual` VALUES ('X')")
        names = [
            (f"status {kind.code}", letter, f"{kind.label} : {choice_name(kind.name, 'status', letter)}")
            for kind in catalogue().types.values()
            if kind.is_transaction
            for letter in "ABCDEFGHV"
        ]
        connection.executemany("INSERT INTO ns_names VALUES (?, ?, ?)", names)
        self._is_built = True

    def _write_transactions(
        self,
        connection: sqlite3.Connection,
        changed: list[tuple[str, Record | None]],
        held: orders.Held | None = None,
    ) -> None:
        keys = [(identifier,) for identifier, _ in changed]
        for table, column in _OF_TRANSACTION.items():
            connection.executemany(f"DELETE FROM `{table}` WHERE `{column}` = ?", keys)
        tracking = [(int(identifier) * 100, int(identifier) * 100 + 99) for identifier, _ in changed]
        connection.executemany("DELETE FROM `trackingnumber` WHERE `id` BETWEEN ? AND ?", tracking)
        rows: dict[str, list[Row]] = {}
        for _, record in changed:
            for table, row in self._transaction_rows(record, held) if record else ():
                rows.setdefault(table, []).append(row)
        for table, lines in rows.items():
            self._insert(connection, table, lines)
        names = [("transaction", one.id, display_name(one)) for _, one in changed if one]
        connection.executemany("INSERT OR REPLACE INTO ns_names VALUES (?, ?, ?)", names)

    def _insert(self, connection: sqlite3.Connection, table: str, rows: list[Row]) -> None:
        names = list(self.columns[table])
        columns = ", ".join(f"`{name}`" for name in names)
        places = ", ".join("?" * len(names))
        connection.executemany(
            f"INSERT OR REPLACE INTO `{table}` ({columns}) VALUES ({places})",
            [[_sql(row.get(name)) for name in names] for row in rows],
        )

    def _transaction_rows(self, record: Record, held: orders.Held | None) -> Iterator[tuple[str, Row]]:
        header = _header(record, self._desk)
        yield "transaction", header
        yield from (("transactionline", row) for row in _lines(record, header, self._desk, held))
        yield from (("previoustransactionlinelink", row) for row in _links(record, header))
        for posting in postings(self._desk, record):
            yield "transactionaccountingline", _accounting_row(record, header, posting)
        address = record.get("shippingAddress")
        if address:
            yield "transactionshippingaddress", {"nkey": int(record.id), **_lower(address)}
        for index, package in enumerate(_packages(record)):
            number = package["packagetrackingnumber"]
            yield "itemfulfillmentpackage", package
            if number:
                identifier = int(record.id) * 100 + index
                yield "trackingnumber", {"id": identifier, "trackingnumber": number}
                yield "trackingnumbermap", {"transaction": int(record.id), "trackingnumber": identifier}

    def _write_list(
        self, connection: sqlite3.Connection, kind: RecordType, identifier: str, record: Record | None
    ) -> None:
        target = {"entity": "customer", "item": "item"}.get(kind.group, kind.name)
        table = target.lower()
        if record is not None:
            name = (target, identifier, display_name(record))
            connection.execute("INSERT OR REPLACE INTO ns_names VALUES (?, ?, ?)", name)
        if table not in self.columns:
            return
        connection.execute(f"DELETE FROM `{table}` WHERE `id` = ?", (identifier,))
        if record is not None:
            self._insert(connection, table, [_list_row(record, self._desk.zone)])
        if kind.name in _WITH_MEMBERS:
            connection.execute("DELETE FROM `itemmember` WHERE `parentitem` = ?", (identifier,))
            self._insert(connection, "itemmember", list(_member_rows(record)) if record else [])

    def _write_stock(
        self, connection: sqlite3.Connection, places: Iterable[tuple[Place, Figures | None]]
    ) -> None:
        places = list(places)
        gone = [place for place, figures in places if figures is None]
        connection.executemany(
            "DELETE FROM `inventoryitemlocations` WHERE `item` = ? AND `location` = ?", gone
        )
        rows = [_stock_row(place, figures) for place, figures in places if figures is not None]
        self._insert(connection, "inventoryitemlocations", rows)


def _member_rows(kit: Record) -> Iterator[Row]:
    """What one unit of a kit or an assembly is made of (N 5.10)."""
    for number, line in enumerate(kit.lines("member"), start=1):
        yield {
            "parentitem": kit.id,
            "item": line["item"],
            "quantity": line["quantity"],
            "linenumber": number,
            "memberunit": line.get("memberUnit"),
        }


def _stock_row(place: Place, figures: Figures) -> Row:
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


def _sql(value: Any) -> Any:
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


def _lower(fields: Mapping[str, Any]) -> Row:
    return {name.lower(): value for name, value in fields.items()}


def _header(record: Record, desk: Desk) -> Row:
    fields = record.fields
    rate: Decimal = fields.get("exchangeRate", Decimal(1))
    total: Decimal = fields.get("total", _ZERO)
    if record.type.name == "journalEntry":
        total = sum((line.get("debit", _ZERO) for line in record.lines("line")), _ZERO)
    return {
        **{name: value for name, value in _lower(fields).items() if not isinstance(value, (list, dict))},
        "id": int(record.id),
        "type": record.type.code,
        "recordtype": record.type.path,
        "trandate": _day(fields["tranDate"]),
        "createddate": _instant(fields["createdDate"], desk.zone),
        "lastmodifieddate": _instant(fields["lastModifiedDate"], desk.zone),
        "duedate": _day(fields.get("dueDate")),
        "entity": fields.get("entity"),
        "foreigntotal": total,
        "total": round(total * rate, 2),
        "posting": _flag(posts(record)),
        "shippingaddress": int(record.id) if fields.get("shippingAddress") else None,
        "voided": "F",
    }


def posts(record: Record) -> bool:
    """Whether a transaction counts in the ledger: orders never, journals once approved."""
    if record.type.name == "itemFulfillment":
        return record.get("shipStatus") == "C"
    if record.type.name == "journalEntry":
        return bool(record.get("approved"))
    return record.type is not orders.SALES_ORDER and record.type not in movements.ORDERED


def _lines(record: Record, header: Row, desk: Desk, held: orders.Held | None) -> Iterator[Row]:
    base: Row = {
        "transaction": header["id"],
        "linelastmodifieddate": header["lastmodifieddate"],
        "mainline": "F",
        "taxline": "F",
        "iscogs": "F",
        "donotdisplayline": "F",
        "isclosed": "F",
        "subsidiary": record.get("subsidiary"),
        "entity": record.get("entity"),
        "createdfrom": record.get("createdFrom"),
    }
    yield {
        **base,
        "id": 0,
        "linesequencenumber": 0,
        "mainline": "T",
        "foreignamount": header["foreigntotal"],
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
    rate: Decimal = record.get("exchangeRate", Decimal(1))
    shown = orders.live_lines(desk, record, held) if record.type is orders.SALES_ORDER else record.lines()
    for index, line in enumerate(shown, start=1):
        yield _goods_line({**base, "linesequencenumber": index}, record, line, rate, desk)
    yield from _side_lines(base, record, rate)


def _goods_line(base: Row, record: Record, line: Mapping[str, Any], rate: Decimal, desk: Desk) -> Row:
    quantity = line.get("quantity")
    if quantity is not None:
        quantity *= orders.units_factor(desk, orders.item_of(desk, line), line)
    amount = line.get("amount")
    return {
        **base,
        **{name: value for name, value in line.items() if name.startswith("custcol")},
        "id": line["line"],
        "uniquekey": line.get("lineUniqueKey"),
        "item": line["item"],
        "itemtype": line["itemType"],
        "quantity": None if quantity is None else -quantity,
        "quantitybilled": line.get("quantityBilled"),
        "quantityshiprecv": line.get("quantityFulfilled"),
        "quantitypicked": line.get("quantityPicked"),
        "quantitypacked": line.get("quantityPacked"),
        "quantitycommitted": line.get("quantityCommitted"),
        "quantitybackordered": line.get("quantityBackOrdered"),
        "rate": line.get("rate"),
        "foreignamount": None if amount is None else -amount,
        "netamount": None if amount is None else round(-amount * rate, 2),
        "creditforeignamount": amount,
        "location": line.get("location"),
        "department": line.get("department"),
        "class": line.get("class"),
        "memo": line.get("description"),
        "isclosed": _flag(line.get("isClosed")),
        "isfullyshipped": _flag(line.get("quantityFulfilled", _ZERO) >= orders.ordered(line)),
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


def _packages(record: Record) -> Iterator[Row]:
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


def _side_lines(base: Row, record: Record, rate: Decimal) -> Iterator[Row]:
    """Tax, shipping, and the cost lines of goods that left."""
    tax: Decimal = record.get("taxTotal") or _ZERO
    if tax:
        row = {"id": _TAX_LINE, "taxline": "T", "transactionlinetype": "TAX"}
        yield {**base, **row, "foreignamount": -tax, "netamount": round(-tax * rate, 2)}
    shipping: Decimal = record.get("shippingCost") or _ZERO
    if shipping and record.type.name != "itemFulfillment":
        row = {"id": _SHIPPING_LINE, "transactionlinetype": "SHIPPING", "itemtype": "ShipItem"}
        yield {**base, **row, "foreignamount": -shipping, "netamount": round(-shipping * rate, 2)}
    if record.type.name == "itemFulfillment" and posts(record) and record.get("orderType") == "SalesOrd":
        for line in record.lines():
            if "_stockQuantity" in line:
                row = {"id": _COST_LINES + line["line"], "iscogs": "T", "item": line["item"]}
                quantity = Decimal(line["_stockQuantity"])
                yield {**base, **row, "quantity": quantity, "location": line["location"]}


def _links(record: Record, header: Row) -> Iterator[Row]:
    origin = record.get("createdFrom")
    if origin is None:
        return
    for line in record.lines():
        yield {
            "previousdoc": origin,
            "previousline": line["orderLine"],
            "previoustype": record.get("orderType") or orders.SALES_ORDER.code,
            "nextdoc": header["id"],
            "nextline": line["line"],
            "nexttype": record.type.code,
            "linktype": _LINK_TYPES.get(record.type.name),
            "foreignamount": line.get("amount"),
            "lastmodifieddate": header["lastmodifieddate"],
        }


def _accounting_row(record: Record, header: Row, posting: Posting) -> Row:
    amount = posting.amount
    return {
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


def _list_row(record: Record, zone: ZoneInfo) -> Row:
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
