"""Every table of the lake, declared once.

One declaration serves writing, reading, the assets' table metadata and the documentation, so a
column's meaning is found in one place.

Terms: the *key* names the fact that a row is about; the *version* columns order the rows of one
key, the last of them winning; `newest` says what a later landing replaces in the current view:
the rows with the same key (`row`), everything of that shop and day (`day`), or everything
(`table`). The last two fit full listings, where a fact that is gone must vanish with the next one.

Invariant: a column keeps its place. Its number in the files is its position here, so new columns
go at the end and older files simply lack them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tiktok_ns_pipeline.lake.lazily import arrow

ColumnType = Literal["VARCHAR", "DECIMAL(38,12)", "TIMESTAMPTZ", "DATE", "BIGINT", "BOOLEAN"]
"""Ids and texts, amounts, instants, days, counts, yes or no (the names that DuckDB uses)."""

ACCOUNT_WIDE = "account"
"""Shop folder of what belongs to the whole NetSuite account and to no shop."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type and meaning. `required` ones are never null."""

    name: str
    type: ColumnType
    description: str
    required: bool = False


_COMMON = (
    Column(
        "shop", "VARCHAR", "Shop code of the mapping; `account` where a table has no shop.", required=True
    ),
    Column("day", "DATE", "Business day that the row is filed under.", required=True),
    Column("run_id", "VARCHAR", "Run that landed the row.", required=True),
    Column("landed_at", "TIMESTAMPTZ", "Instant at which the row came into the lake.", required=True),
)
"""Columns of every table; landing fills them."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the lake. `columns` are all columns of its files, the common ones first."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    version: tuple[str, ...]
    newest: Literal["row", "day", "table"] = "row"

    def __post_init__(self) -> None:
        names = self.column_names
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name} declares a column twice")
        if unknown := {*self.key, *self.version} - set(names):
            raise ValueError(f"table {self.name} is keyed by {sorted(unknown)}, which are no columns of it")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def arrow_schema(self) -> Any:
        """The schema of the table's files as `pyarrow.Schema`; columns are numbered by position, from 1."""
        pa = arrow()
        types: dict[ColumnType, Any] = {
            "VARCHAR": pa.string(),
            "DECIMAL(38,12)": pa.decimal128(38, 12),
            "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
            "DATE": pa.date32(),
            "BIGINT": pa.int64(),
            "BOOLEAN": pa.bool_(),
        }
        return pa.schema(
            [
                pa.field(
                    column.name, types[column.type], metadata={b"PARQUET:field_id": str(number).encode()}
                )
                for number, column in enumerate(self.columns, start=1)
            ]
        )


def _table(
    name: str,
    description: str,
    *columns: Column,
    key: tuple[str, ...],
    version: tuple[str, ...],
    newest: Literal["row", "day", "table"] = "row",
) -> Table:
    return Table(name, description, (*_COMMON, *columns), key, version, newest)


RAW_TIKTOK_ORDERS = _table(
    "raw_tiktok_orders",
    "Orders as TikTok Shop told them, the whole payload beside the columns that find it. "
    "Filed under the shop's business day of the order's creation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "order_id",
        "VARCHAR",
        "TikTok's order id; `unreadable-<hash>` where the order has none.",
        required=True,
    ),
    Column("status", "VARCHAR", "Order status as told, unknown ones included (T 3.2)."),
    Column("create_time", "TIMESTAMPTZ", "Instant the order was placed."),
    Column("update_time", "TIMESTAMPTZ", "Instant of the order's last change at TikTok."),
    Column("currency", "VARCHAR", "Currency of the order (ISO 4217)."),
    Column("total_amount", "DECIMAL(38,12)", "What the buyer pays, in the order's currency (T 3.4)."),
    Column("payload", "VARCHAR", "The order as JSON, every number exact."),
    Column("read_at", "TIMESTAMPTZ", "Instant of the answer, by TikTok's clock.", required=True),
    Column("request_id", "VARCHAR", "TikTok's id of the request."),
    key=("channel", "shop", "order_id"),
    version=("update_time", "read_at"),
)

RAW_NETSUITE_ITEMS = _table(
    "raw_netsuite_items",
    "Items of the NetSuite account, as SuiteQL told them; one landing is the whole list.",
    Column("item_id", "VARCHAR", "Internal id.", required=True),
    Column("itemid", "VARCHAR", "Item name or number."),
    Column("externalid", "VARCHAR", "External id."),
    Column("upccode", "VARCHAR", "UPC code."),
    Column("itemtype", "VARCHAR", "Type code, such as InvtPart or Kit (N 3.4)."),
    Column("displayname", "VARCHAR", "Display name."),
    Column("isinactive", "BOOLEAN", "Whether the item is switched off."),
    Column("payload", "VARCHAR", "The row as JSON."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    Column("snapshot_id", "VARCHAR", "Which reading of the whole list the row belongs to.", required=True),
    key=("item_id",),
    version=("read_at",),
    newest="table",
)

STAGED_SALES_ORDERS = _table(
    "staged_sales_orders",
    "What staging decided for each version of an order: the Sales Order that should exist, or why none does.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("update_time", "TIMESTAMPTZ", "Version of the order that was staged."),
    Column("outcome", "VARCHAR", "staged, waiting, skipped or parked.", required=True),
    Column("reason", "VARCHAR", "Why it waits, is skipped or parked, in business words."),
    Column("control_total", "DECIMAL(38,12)", "What the seller is owed, in the order's currency."),
    Column("currency", "VARCHAR", "Currency of the order (ISO 4217)."),
    Column("document", "VARCHAR", "The Sales Order document as JSON; null unless staged."),
    Column("fingerprint", "VARCHAR", "Hash of the document."),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    Column("mapping_fingerprint", "VARCHAR", "Hash of the mapping that decided."),
    key=("channel", "shop", "order_id"),
    version=("update_time", "staged_at"),
)

RAW_NETSUITE_SALES_ORDERS = _table(
    "raw_netsuite_sales_orders",
    "Sales Orders as NetSuite told them when a day was proved; one landing is all that the proof read.",
    Column("netsuite_id", "VARCHAR", "Internal id.", required=True),
    Column("external_id", "VARCHAR", "External id, as spelled there."),
    Column("order_id", "VARCHAR", "TikTok's order id in the correlation field, custbody_tts_order_id."),
    Column("tran_id", "VARCHAR", "Document number."),
    Column("status", "VARCHAR", "Status letter (N 2.12)."),
    Column("tran_date", "DATE", "Date of the Sales Order."),
    Column("currency", "VARCHAR", "Currency of the transaction (ISO 4217)."),
    Column("foreign_total", "DECIMAL(38,12)", "Total in the transaction's currency."),
    Column("payload", "VARCHAR", "The row as JSON."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("shop", "day", "netsuite_id"),
    version=("read_at",),
    newest="day",
)

ORDER_RECONCILIATION = _table(
    "order_reconciliation",
    "The proof of orders: one row per order of the day, or Sales Order without one, with its verdict.",
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("external_id", "VARCHAR", "External id that the Sales Order has, or should have.", required=True),
    Column("verdict", "VARCHAR", "What the two systems say about each other.", required=True),
    Column("tiktok_status", "VARCHAR", "Status at TikTok; null where TikTok has no such order."),
    Column("netsuite_status", "VARCHAR", "Status letter of the Sales Order; null where there is none."),
    Column("owed", "DECIMAL(38,12)", "What TikTok's order owes the seller; null where it cannot be told."),
    Column("posted", "DECIMAL(38,12)", "Total of the Sales Orders; null where there is none."),
    Column("difference", "DECIMAL(38,12)", "posted - owed; null where they cannot be compared."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("netsuite_id", "VARCHAR", "Internal id; several with commas."),
    Column("tran_id", "VARCHAR", "Document number; several with commas."),
    Column("note", "VARCHAR", "What a person should know about the verdict."),
    Column("tiktok_read_at", "TIMESTAMPTZ", "Instant of the listing at TikTok.", required=True),
    Column("netsuite_read_at", "TIMESTAMPTZ", "Instant of the listing at NetSuite.", required=True),
    key=("shop", "day", "order_id", "external_id"),
    version=("tiktok_read_at", "netsuite_read_at"),
    newest="day",
)

ORDER_RECONCILIATION_STATEMENTS = _table(
    "order_reconciliation_statements",
    "One row per proof of a shop's day: what was counted on either side, or why the proof did not run.",
    Column("statement", "VARCHAR", "The proof in one line.", required=True),
    Column("not_run_side", "VARCHAR", "System that could not be read; null where the proof ran."),
    Column("not_run_reason", "VARCHAR", "Why it could not be read."),
    Column("tiktok_orders", "BIGINT", "Orders listed at TikTok."),
    Column("netsuite_sales_orders", "BIGINT", "Sales Orders read from NetSuite."),
    Column("differences", "BIGINT", "Rows that a person or a later run has to look at."),
    Column("proved_at", "TIMESTAMPTZ", "Instant of the proof.", required=True),
    key=("shop", "day"),
    version=("proved_at",),
)

RAW_NETSUITE_ITEM_FULFILLMENTS = _table(
    "raw_netsuite_item_fulfillments",
    "Item Fulfillments of our Sales Orders as NetSuite told them, filed under the day of their date. "
    "One that is deleted stays, as `gone`.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("fulfilment_id", "VARCHAR", "Internal id.", required=True),
    Column("tran_id", "VARCHAR", "Document number."),
    Column("status", "VARCHAR", "A picked, B packed, C shipped (N 2.12).", required=True),
    Column("gone", "BOOLEAN", "Whether NetSuite no longer has it.", required=True),
    Column("sales_order_id", "VARCHAR", "Internal id of the Sales Order.", required=True),
    Column("tran_date", "DATE", "Date of the Item Fulfillment."),
    Column("modified_at", "TIMESTAMPTZ", "When it was last saved.", required=True),
    Column("modified_at_account", "VARCHAR", "The same on the account's own clock (N 3.5)."),
    Column("carrier", "VARCHAR", "Name of the ship method, else the carrier's text; null without any."),
    Column("lines", "VARCHAR", "JSON list of {orderLine, item, quantity, kitMemberOf?}.", required=True),
    Column("tracking", "VARCHAR", "JSON list of {number}, in NetSuite's order.", required=True),
    Column("payload", "VARCHAR", "What was read, with the Sales Order's lines, as JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "fulfilment_id"),
    version=("modified_at", "read_at"),
)

RAW_TIKTOK_PACKAGES = _table(
    "raw_tiktok_packages",
    "Packages as TikTok Shop told them, filed under the shop's business day of their creation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("package_id", "VARCHAR", "TikTok's package id.", required=True),
    Column("status", "VARCHAR", "Status as sent (T 4.3)."),
    Column("update_time", "TIMESTAMPTZ", "Instant of the last change."),
    Column("order_ids", "VARCHAR", "Orders with units in it, with commas."),
    Column("tracking_number", "VARCHAR", "Its tracking number."),
    Column("payload", "VARCHAR", "The package as it came, exact JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading, by TikTok's clock.", required=True),
    key=("channel", "shop", "package_id"),
    version=("update_time", "read_at"),
)

STAGED_SHIPMENTS = _table(
    "staged_shipments",
    "For each order with Item Fulfillments the parcels that TikTok should know of, or why there are none "
    "(yet). Filed under the day of the order's newest Item Fulfillment.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("outcome", "VARCHAR", "staged, waiting, skipped or parked.", required=True),
    Column("reason", "VARCHAR", "Why not all is staged, and what else a person should know."),
    Column("parcels", "BIGINT", "How many parcels.", required=True),
    Column("units", "BIGINT", "How many units are in them.", required=True),
    Column("document", "VARCHAR", "The parcels as JSON.", required=True),
    Column("dispatch_by", "TIMESTAMPTZ", "Until when the order must be handed to the carrier (T 3.3)."),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    key=("channel", "shop", "order_id"),
    version=("staged_at",),
)

TIKTOK_SHIPMENTS = _table(
    "tiktok_shipments",
    "Parcels that TikTok accepted, filed under the shop's business day of that.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("shipment", "VARCHAR", "`<order id>.<fulfilment id>.<number>`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("fulfilment_id", "VARCHAR", "Internal id of the Item Fulfillment.", required=True),
    Column("package_id", "VARCHAR", "TikTok's package, where it is known."),
    Column("tracking", "VARCHAR", "Tracking number.", required=True),
    Column("carrier", "VARCHAR", "Carrier as NetSuite names it."),
    Column("units", "VARCHAR", "TikTok's line ids, with commas.", required=True),
    Column("revision", "BIGINT", "1, and more where it was corrected.", required=True),
    Column("saved_at", "TIMESTAMPTZ", "When NetSuite saved what was told.", required=True),
    Column("accepted_at", "TIMESTAMPTZ", "When TikTok had accepted it.", required=True),
    key=("channel", "shop", "shipment"),
    version=("accepted_at",),
)

RAW_TIKTOK_CANCELLATIONS = _table(
    "raw_tiktok_cancellations",
    "Cancellations and buyers' requests to cancel as TikTok Shop told them, the whole payload beside the "
    "columns that find it. Filed under the shop's business day of the cancellation's creation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "cancel_id",
        "VARCHAR",
        "TikTok's id of the cancellation; `unreadable-<hash>` where it has none.",
        required=True,
    ),
    Column("order_id", "VARCHAR", "TikTok's id of the order that it is about."),
    Column("cancel_type", "VARCHAR", "Whose it is, as told: CANCEL or BUYER_CANCEL (T 6.3)."),
    Column("cancel_status", "VARCHAR", "Where it stands, as told, unknown ones included (T 6.3)."),
    Column("role", "VARCHAR", "Who cancelled: BUYER, SELLER, SYSTEM or another."),
    Column("create_time", "TIMESTAMPTZ", "Instant it was asked for."),
    Column("update_time", "TIMESTAMPTZ", "Instant of its last change at TikTok."),
    Column("deadline", "TIMESTAMPTZ", "Until when the seller may answer; null where nothing is asked."),
    Column("payload", "VARCHAR", "The cancellation as JSON, every number exact."),
    Column("read_at", "TIMESTAMPTZ", "Instant of the answer, by TikTok's clock.", required=True),
    Column("request_id", "VARCHAR", "TikTok's id of the request."),
    key=("channel", "shop", "cancel_id"),
    version=("update_time", "read_at"),
)

STAGED_ORDER_CLOSURES = _table(
    "staged_order_closures",
    "What staging made of each cancelled order and each cancellation: a Sales Order to be closed, a "
    "request to be answered, or why there is nothing to do.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("subject", "VARCHAR", "What was staged: `order <id>` or `cancellation <id>`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's id of the order; null where it could not be read."),
    Column("cancel_id", "VARCHAR", "TikTok's id of the cancellation; null for an order."),
    Column("update_time", "TIMESTAMPTZ", "Version that was staged."),
    Column("outcome", "VARCHAR", "closure, request, ended, nothing or malformed.", required=True),
    Column("deadline", "TIMESTAMPTZ", "Until when a request may be answered."),
    Column("reason", "VARCHAR", "Why so, in business words."),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    key=("channel", "shop", "subject"),
    version=("update_time", "staged_at"),
)

STAGED_BILLS = _table(
    "staged_bills",
    "What staging decided for a shipment: the bill that should exist, or why none does. Filed under the "
    "day of the Item Fulfillment.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("fulfilment_id", "VARCHAR", "Internal id of the Item Fulfillment.", required=True),
    Column("modified_at", "TIMESTAMPTZ", "Version of the Item Fulfillment that was staged."),
    Column("outcome", "VARCHAR", "staged, skipped, parked or withdrawn.", required=True),
    Column("reason", "VARCHAR", "Why there is no bill, in business words."),
    Column("expected_total", "DECIMAL(38,12)", "Total of the bill, tax included, in the order's currency."),
    Column("currency", "VARCHAR", "Currency of the bill (ISO 4217)."),
    Column("tran_date", "DATE", "Day on which the bill is posted."),
    Column("document", "VARCHAR", "The bill as JSON; null unless staged."),
    Column("fingerprint", "VARCHAR", "Hash of the bill."),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    Column("mapping_fingerprint", "VARCHAR", "Hash of the mapping that decided."),
    key=("channel", "shop", "fulfilment_id"),
    version=("staged_at",),
)

NETSUITE_BILLS = _table(
    "netsuite_bills",
    "Bills as they were read back from NetSuite, beside what they should be. Filed under the day of their "
    "date.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("fulfilment_id", "VARCHAR", "Internal id of the Item Fulfillment.", required=True),
    Column("record_type", "VARCHAR", "cashSale or invoice.", required=True),
    Column("netsuite_id", "VARCHAR", "Internal id of the bill.", required=True),
    Column("tran_id", "VARCHAR", "Document number."),
    Column("external_id", "VARCHAR", "External id of the bill.", required=True),
    Column("expected_total", "DECIMAL(38,12)", "What it should come to.", required=True),
    Column("billed_total", "DECIMAL(38,12)", "What it comes to; null where NetSuite no longer has it."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217).", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "order_id", "fulfilment_id"),
    version=("read_at",),
)

FULFILMENT_RECONCILIATION = _table(
    "fulfilment_reconciliation",
    "The proof of what follows orders: one row per unit (`shipment`), per order that is or should be "
    "closed (`closure`) and per order to bill (`bill`), with its verdict.",
    Column("aspect", "VARCHAR", "`shipment`, `closure` or `bill`.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id; empty where a record names none.", required=True),
    Column(
        "subject",
        "VARCHAR",
        "The unit's line id; the Item Fulfillment's id where no unit stands for it; or the order's id.",
        required=True,
    ),
    Column("verdict", "VARCHAR", "What the two systems say about each other.", required=True),
    Column("is_wrong", "BOOLEAN", "Whether somebody has to look at it.", required=True),
    Column("tiktok_status", "VARCHAR", "Status of the unit or order at TikTok."),
    Column("tiktok_tracking", "VARCHAR", "Tracking number that TikTok shows."),
    Column("netsuite_status", "VARCHAR", "Status letters in NetSuite (N 2.12); several with commas."),
    Column("netsuite_tracking", "VARCHAR", "Tracking numbers in NetSuite, with commas."),
    Column("documents", "VARCHAR", "Records of NetSuite that the row is about, as people call them."),
    Column("shipped_in_netsuite", "BIGINT", "Units of the row that left, says NetSuite.", required=True),
    Column("shipped_at_tiktok", "BOOLEAN", "Whether TikTok shows the unit as shipped.", required=True),
    Column("expected", "DECIMAL(38,12)", "What should be billed; null where it cannot be told."),
    Column("billed", "DECIMAL(38,12)", "What is billed."),
    Column("difference", "DECIMAL(38,12)", "billed - expected; null where they cannot be compared."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("note", "VARCHAR", "What a person should know about the verdict."),
    Column("tiktok_read_at", "TIMESTAMPTZ", "Instant of the listing at TikTok.", required=True),
    Column("netsuite_read_at", "TIMESTAMPTZ", "Instant of the reading in NetSuite.", required=True),
    key=("shop", "day", "aspect", "order_id", "subject"),
    version=("tiktok_read_at", "netsuite_read_at"),
    newest="day",
)

FULFILMENT_RECONCILIATION_STATEMENTS = _table(
    "fulfilment_reconciliation_statements",
    "One row per proof of what followed a day's orders, or why the proof did not run.",
    Column("statement", "VARCHAR", "The proof in one line.", required=True),
    Column("not_run_side", "VARCHAR", "System that could not be read; null where the proof ran."),
    Column("not_run_reason", "VARCHAR", "Why it could not be read."),
    Column("shipped_in_netsuite", "BIGINT", "Units that left, says NetSuite."),
    Column("shipped_at_tiktok", "BIGINT", "Units that TikTok shows as shipped."),
    Column("differences", "BIGINT", "Rows that a person or a later run has to look at."),
    Column("proved_at", "TIMESTAMPTZ", "Instant of the proof.", required=True),
    key=("shop", "day"),
    version=("proved_at",),
)

RAW_TIKTOK_RETURNS = _table(
    "raw_tiktok_returns",
    "Returns, refunds and replacements as TikTok Shop told them, the whole payload beside the columns that "
    "find it. Filed under the shop's business day of the return's creation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "return_id",
        "VARCHAR",
        "TikTok's id of the return; `unreadable-<hash>` where it has none.",
        required=True,
    ),
    Column("order_id", "VARCHAR", "TikTok's id of the order that it is about."),
    Column("return_type", "VARCHAR", "REFUND, RETURN_AND_REFUND, REPLACEMENT or another (T 6.4)."),
    Column("return_status", "VARCHAR", "Where it stands, as told, unknown ones included (T 6.4)."),
    Column("arbitration_status", "VARCHAR", "What TikTok decided where it was called; null where not."),
    Column("role", "VARCHAR", "Who asked: BUYER, SELLER, OPERATOR, SYSTEM or another."),
    Column("create_time", "TIMESTAMPTZ", "Instant it was asked for."),
    Column("update_time", "TIMESTAMPTZ", "Instant of its last change at TikTok."),
    Column("deadline", "TIMESTAMPTZ", "Until when the seller may answer; null where nothing is asked."),
    Column("refund_total", "DECIMAL(38,12)", "What the buyer gets back; null where that is not told."),
    Column("currency", "VARCHAR", "Currency of the refund (ISO 4217)."),
    Column("payload", "VARCHAR", "The return as JSON, every number exact."),
    Column("read_at", "TIMESTAMPTZ", "Instant of the answer, by TikTok's clock.", required=True),
    Column("request_id", "VARCHAR", "TikTok's id of the request."),
    key=("channel", "shop", "return_id"),
    version=("update_time", "read_at"),
)

STAGED_REFUNDS = _table(
    "staged_refunds",
    "What staging decided for a return, or the cancellation of an order that had left: the documents that "
    "should exist in NetSuite, or why there are none. Filed under the day of the return or cancellation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("claim_id", "VARCHAR", "TikTok's return or cancel id.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id; null where it could not be read."),
    Column("is_cancellation", "BOOLEAN", "Whether it is the cancellation of an order.", required=True),
    Column("update_time", "TIMESTAMPTZ", "Version that was staged."),
    Column("custody", "VARCHAR", "Where the goods are; null where that is not known."),
    Column("money", "VARCHAR", "Where the refund is; null where that is not known."),
    Column("outcome", "VARCHAR", "staged, waiting, parked or nothing.", required=True),
    Column("reason", "VARCHAR", "Why it waits, is parked or needs nothing, in business words."),
    Column("to_buyer", "DECIMAL(38,12)", "What the buyer gets back."),
    Column("expected_total", "DECIMAL(38,12)", "Total of the credit, tax included; null without one."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217).", required=True),
    Column("tran_date", "DATE", "Day on which the credit is posted."),
    Column("documents", "VARCHAR", "The documents as a JSON list."),
    Column("look_again_at", "TIMESTAMPTZ", "When it is looked at again by itself; null for never."),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    Column("mapping_fingerprint", "VARCHAR", "Hash of the mapping that decided."),
    key=("channel", "shop", "claim_id"),
    version=("staged_at",),
)

NETSUITE_REFUNDS = _table(
    "netsuite_refunds",
    "What NetSuite has of each return or cancellation: Return Authorization, Item Receipts, Credit Memo or "
    "Cash Refund, and the journal of what went beyond the bill. Filed under the day of the return.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("claim_id", "VARCHAR", "TikTok's return or cancel id.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id; null where the record names none."),
    Column("kind", "VARCHAR", "ra, ir, credit or rx.", required=True),
    Column("record_type", "VARCHAR", "The type of the record (N 2.1).", required=True),
    Column("netsuite_id", "VARCHAR", "Internal id of the record.", required=True),
    Column("tran_id", "VARCHAR", "Document number."),
    Column("external_id", "VARCHAR", "External id; null of a record that the pipeline did not make."),
    Column(
        "status", "VARCHAR", "Status letter (N 2.12), empty where it has none; null where the record is gone."
    ),
    Column("expected_total", "DECIMAL(38,12)", "What it should come to; null where it has no amount."),
    Column("total", "DECIMAL(38,12)", "What it comes to; null where it has no amount or is gone."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("seen_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "claim_id", "kind", "netsuite_id"),
    version=("seen_at",),
)

RAW_NETSUITE_INVENTORY = _table(
    "raw_netsuite_inventory",
    "What NetSuite has of each item at each Location whose stock is published, as SuiteQL told it: what "
    "changed since it landed last, and all of it once a day. Filed under the UTC day of reading.",
    Column("item_id", "VARCHAR", "Internal id of the item.", required=True),
    Column("location_id", "VARCHAR", "Internal id of the Location.", required=True),
    Column("available", "DECIMAL(38,12)", "What can still be promised; null where NetSuite gave no number."),
    Column("on_hand", "DECIMAL(38,12)", "What lies there."),
    Column("committed", "DECIMAL(38,12)", "What open orders hold."),
    Column("backordered", "DECIMAL(38,12)", "What open orders ask for beyond that."),
    Column("in_transit", "DECIMAL(38,12)", "What is on its way there."),
    Column("gone", "BOOLEAN", "Whether NetSuite did not return it any more.", required=True),
    Column("reading", "VARCHAR", "`full`, or `touched`: what changed in between.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("item_id", "location_id"),
    version=("read_at",),
)

RAW_TIKTOK_PRODUCTS = _table(
    "raw_tiktok_products",
    "Listings as TikTok Shop told them, those that changed. Filed under the UTC day of reading.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "product_id", "VARCHAR", "TikTok's product id; `unreadable-<hash>` where it has none.", required=True
    ),
    Column("status", "VARCHAR", "Status as sent (T 5.2)."),
    Column("update_time", "TIMESTAMPTZ", "Instant of its last change at TikTok."),
    Column("payload", "VARCHAR", "The product as it came, exact JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading, by TikTok's clock.", required=True),
    key=("channel", "shop", "product_id"),
    version=("update_time", "read_at"),
)

RAW_TIKTOK_STOCK = _table(
    "raw_tiktok_stock",
    "What TikTok shows of each SKU in each warehouse, landed where it changed. Filed under the UTC day of "
    "reading.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("sku_id", "VARCHAR", "TikTok's SKU id.", required=True),
    Column("warehouse_id", "VARCHAR", "TikTok's warehouse id.", required=True),
    Column("product_id", "VARCHAR", "TikTok's product id."),
    Column("available", "BIGINT", "Units that can be ordered now (T 5.3).", required=True),
    Column("committed", "BIGINT", "Units that open orders hold; null where TikTok does not tell."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "sku_id", "warehouse_id"),
    version=("read_at",),
)

STAGED_STOCK_LEVELS = _table(
    "staged_stock_levels",
    "What each SKU should show in each warehouse, or why it is left alone, with every term of the number. "
    "Filed under the UTC day of the decision; a decision lands where it differs from the last one.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("sku_id", "VARCHAR", "TikTok's SKU id.", required=True),
    Column("warehouse_id", "VARCHAR", "TikTok's warehouse id.", required=True),
    Column("seller_sku", "VARCHAR", "The seller's name of it; null where it has none."),
    Column("outcome", "VARCHAR", "staged, held, skipped or parked.", required=True),
    Column("level", "BIGINT", "TikTok units that it should show; null unless staged."),
    Column("shown", "BIGINT", "TikTok units that it showed, as far as was known."),
    Column("scarce", "BOOLEAN", "Whether its stock is divided among those who share it."),
    Column("reason", "VARCHAR", "Why so, in business words."),
    Column("terms", "VARCHAR", "Every term of the number, as JSON.", required=True),
    Column("position_id", "BIGINT", "The newest movement that the number counts.", required=True),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    key=("channel", "shop", "sku_id", "warehouse_id"),
    version=("staged_at",),
)

TIKTOK_STOCK_LEVELS = _table(
    "tiktok_stock_levels",
    "Levels that TikTok accepted, one row for each warehouse of a push. Filed under the UTC day of the push.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("sku_id", "VARCHAR", "TikTok's SKU id.", required=True),
    Column("warehouse_id", "VARCHAR", "TikTok's warehouse id.", required=True),
    Column("product_id", "VARCHAR", "TikTok's product id.", required=True),
    Column("before", "BIGINT", "What TikTok showed just before.", required=True),
    Column("level", "BIGINT", "What was written.", required=True),
    Column("read_back", "BIGINT", "What TikTok showed just after; null where it could not be read."),
    Column("version", "VARCHAR", "The intent and the newest movement that the level counts.", required=True),
    Column("since", "TIMESTAMPTZ", "Instant of the movement that made the push due."),
    Column("pushed_at", "TIMESTAMPTZ", "When TikTok had accepted it.", required=True),
    key=("channel", "shop", "sku_id", "warehouse_id"),
    version=("pushed_at",),
)

FBT_STOCK = _table(
    "fbt_stock",
    "What TikTok counts in its own warehouses beside the Location that mirrors them; ours never to push. "
    "Filed under the UTC day of reading.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("warehouse_id", "VARCHAR", "TikTok's warehouse id.", required=True),
    Column(
        "item_id",
        "VARCHAR",
        "Internal id of the item; `sku <TikTok SKU id>` of goods that are no item.",
        required=True,
    ),
    Column("location_id", "VARCHAR", "Internal id of the Location; null where none is mapped."),
    Column("sku_ids", "VARCHAR", "TikTok's SKUs of which it is a part, with commas.", required=True),
    Column("counted", "DECIMAL(38,12)", "What TikTok has there, in NetSuite units.", required=True),
    Column("on_hand", "DECIMAL(38,12)", "What NetSuite has on hand there; null where it is not known."),
    Column("difference", "DECIMAL(38,12)", "counted - on_hand; null where they cannot be compared."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "warehouse_id", "item_id"),
    version=("read_at",),
)

STOCK_RECONCILIATION = _table(
    "stock_reconciliation",
    "The proof of stock: one row per SKU and TikTok warehouse (`level`), and one per item and pool of "
    "Locations that open orders want (`cover`, filed under `account`).",
    Column("aspect", "VARCHAR", "`level` or `cover`.", required=True),
    Column(
        "subject", "VARCHAR", "`<sku id> at <warehouse id>`, or `<item id> at <Locations>`.", required=True
    ),
    Column(
        "verdict", "VARCHAR", "What the two systems say; of a cover `covered` or `oversold`.", required=True
    ),
    Column("is_wrong", "BOOLEAN", "Whether somebody has to look at it.", required=True),
    Column("sku_id", "VARCHAR", "TikTok's id of the SKU; null of a cover."),
    Column("seller_sku", "VARCHAR", "The seller's SKU at TikTok; null where it has none."),
    Column("warehouse_id", "VARCHAR", "TikTok's id of the warehouse; null of a cover."),
    Column("items", "VARCHAR", "Internal ids of the NetSuite items, with commas."),
    Column("locations", "VARCHAR", "Internal ids of the Locations of the pool, with commas."),
    Column("shown", "BIGINT", "Units that TikTok shows."),
    Column("may_show", "BIGINT", "Units that may be shown; null where that cannot be told."),
    Column("difference", "BIGINT", "shown - may_show as far as it stood in every look; null of a cover."),
    Column("available", "DECIMAL(38,12)", "Of a cover: NetSuite's available quantity; null where unknown."),
    Column("claimed", "DECIMAL(38,12)", "Of a cover: wanted by open orders without a live Sales Order."),
    Column("backordered", "DECIMAL(38,12)", "Of a cover: backordered on Sales Orders of open orders."),
    Column("oversold", "DECIMAL(38,12)", "Of a cover: sold beyond what NetSuite holds."),
    Column("orders", "VARCHAR", "Of a cover: `shop/order` of the orders that are not covered, with commas."),
    Column("note", "VARCHAR", "What a person should know about the verdict."),
    Column("tiktok_read_at", "TIMESTAMPTZ", "Instant of the reading at TikTok.", required=True),
    Column("netsuite_read_at", "TIMESTAMPTZ", "Instant of the reading in NetSuite.", required=True),
    key=("shop", "day", "aspect", "subject"),
    version=("tiktok_read_at", "netsuite_read_at"),
    newest="day",
)

STOCK_RECONCILIATION_STATEMENTS = _table(
    "stock_reconciliation_statements",
    "One row per proof of stock over all shops, or why it did not run.",
    Column("statement", "VARCHAR", "The proof in one line.", required=True),
    Column("not_run", "VARCHAR", "Shops that were not proved, with commas; null where all were."),
    Column("levels", "BIGINT", "Slots at TikTok; null where nothing could be read."),
    Column("shown", "BIGINT", "Units that the compared slots show."),
    Column("available", "DECIMAL(38,12)", "Units that NetSuite has available for them."),
    Column("claimed", "DECIMAL(38,12)", "Of these, wanted by open orders without a live Sales Order."),
    Column("shown_beyond", "BIGINT", "Units shown that do not exist."),
    Column("not_shown", "BIGINT", "Units that could be sold and are not shown."),
    Column("oversold", "DECIMAL(38,12)", "Units sold beyond what NetSuite holds."),
    Column("differences", "BIGINT", "Rows that somebody has to look at."),
    Column("proved_at", "TIMESTAMPTZ", "Instant of the proof.", required=True),
    key=("shop", "day"),
    version=("proved_at",),
)

RAW_TIKTOK_STATEMENTS = _table(
    "raw_tiktok_statements",
    "Statements as TikTok Shop listed them, and what headed their transactions when these were read whole. "
    "Filed under the UTC day that the statement covers (T 7.2).",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "statement_id",
        "VARCHAR",
        "TikTok's statement id; `unreadable-<hash>` where it has none.",
        required=True,
    ),
    Column("statement_time", "TIMESTAMPTZ", "The midnight (UTC) that ended the day."),
    Column("currency", "VARCHAR", "Currency of its amounts (ISO 4217)."),
    Column("settlement_amount", "DECIMAL(38,12)", "What it settles, as the list tells."),
    Column("payment_id", "VARCHAR", "Payment that it is part of; null while it waits or is carried on."),
    Column("payment_status", "VARCHAR", "Status of the payment as told (T 7.3)."),
    Column("payload", "VARCHAR", "The statement as it was listed, exact JSON.", required=True),
    Column("head", "VARCHAR", "What heads its transactions, exact JSON; null until these were read whole."),
    Column("shape", "VARCHAR", "Version of TikTok's answer that they came in."),
    Column("transactions", "BIGINT", "How many transactions it has."),
    Column("transactions_hash", "VARCHAR", "Hash of head and transactions."),
    Column(
        "transactions_read_at",
        "TIMESTAMPTZ",
        "Instant of reading them: `read_at` of its rows in raw_tiktok_statement_transactions.",
    ),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading the list.", required=True),
    key=("channel", "shop", "statement_id"),
    version=("read_at",),
)

RAW_TIKTOK_STATEMENT_TRANSACTIONS = _table(
    "raw_tiktok_statement_transactions",
    "Transactions of statements as TikTok Shop told them: all of a statement, or none. Filed under the UTC "
    "day that the statement covers.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("statement_id", "VARCHAR", "TikTok's statement id.", required=True),
    Column(
        "transaction_id",
        "VARCHAR",
        "TikTok's transaction id; `unreadable-<hash>` where it has none.",
        required=True,
    ),
    Column("type", "VARCHAR", "`ORDER`, `RESERVE` or an adjustment's, as told (T 7.8)."),
    Column("order_id", "VARCHAR", "Order that it settles or is about."),
    Column("settlement_amount", "DECIMAL(38,12)", "What it settles."),
    Column("reserve_amount", "DECIMAL(38,12)", "Withheld (negative) or released; null where not told."),
    Column("payload", "VARCHAR", "The transaction as it came, exact JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading; the same for all of a statement.", required=True),
    key=("channel", "shop", "statement_id", "transaction_id"),
    version=("read_at",),
)

RAW_TIKTOK_PAYMENTS = _table(
    "raw_tiktok_payments",
    "Payments as TikTok Shop told them. Filed under the UTC day of their creation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "payment_id", "VARCHAR", "TikTok's payment id; `unreadable-<hash>` where it has none.", required=True
    ),
    Column("status", "VARCHAR", "Status as told (T 7.9)."),
    Column("create_time", "TIMESTAMPTZ", "Instant of its creation."),
    Column("paid_time", "TIMESTAMPTZ", "When the money moved; null before."),
    Column("amount", "DECIMAL(38,12)", "What arrives."),
    Column("currency", "VARCHAR", "Currency in which it arrives (ISO 4217)."),
    Column("shape", "VARCHAR", "Version of TikTok's answer.", required=True),
    Column("payload", "VARCHAR", "The payment as it came, exact JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "payment_id"),
    version=("read_at",),
)

RAW_TIKTOK_WITHDRAWALS = _table(
    "raw_tiktok_withdrawals",
    "Movements of the shop's wallet as TikTok Shop told them, in markets that have one (T 7.9). Filed under "
    "the UTC day of their creation.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "withdrawal_id", "VARCHAR", "TikTok's id of it; `unreadable-<hash>` where it has none.", required=True
    ),
    Column("type", "VARCHAR", "SETTLE, WITHDRAW, TRANSFER or REVERSE, as told."),
    Column("status", "VARCHAR", "PROCESSING, SUCCESS or FAILED, as told."),
    Column("amount", "DECIMAL(38,12)", "What moved."),
    Column("currency", "VARCHAR", "Currency of the amount (ISO 4217)."),
    Column("create_time", "TIMESTAMPTZ", "Instant of its creation."),
    Column("payload", "VARCHAR", "The movement as it came, exact JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "withdrawal_id"),
    version=("read_at",),
)

RAW_TIKTOK_UNSETTLED = _table(
    "raw_tiktok_unsettled",
    "All that had not settled at the last reading of a day, with TikTok's estimates (T 7.10). Filed under "
    "the UTC day of reading.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "transaction_id",
        "VARCHAR",
        "TikTok's transaction id; `unreadable-<hash>` where it has none.",
        required=True,
    ),
    Column("type", "VARCHAR", "`ORDER` or an adjustment's, as told."),
    Column("order_id", "VARCHAR", "Order that it is about."),
    Column("estimate", "DECIMAL(38,12)", "What TikTok expects to settle."),
    Column("currency", "VARCHAR", "Currency of the estimate (ISO 4217)."),
    Column("delivered_at", "TIMESTAMPTZ", "When the order was delivered; null before."),
    Column("settles_at", "TIMESTAMPTZ", "When TikTok expects it to settle; null before its delivery."),
    Column("reason", "VARCHAR", "Why it has not settled, as told."),
    Column("payload", "VARCHAR", "The estimate as it came, exact JSON.", required=True),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "day", "transaction_id"),
    version=("read_at",),
    newest="day",
)

STAGED_PAYOUT_JOURNALS = _table(
    "staged_payout_journals",
    "For each payout (or statement, or accrued month, by mapping) the document that should exist, or why "
    "none does. Filed under the UTC day of its last statement.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "key",
        "VARCHAR",
        "Id of the payment, or of the statement; with the month behind for an accrual.",
        required=True,
    ),
    Column("payment_id", "VARCHAR", "TikTok's payment id; null of a statement's own document."),
    Column("statements", "VARCHAR", "TikTok's ids of the statements in it, with commas.", required=True),
    Column("outcome", "VARCHAR", "staged, parked or skipped.", required=True),
    Column("reason", "VARCHAR", "Why it was parked or skipped."),
    Column("record_type", "VARCHAR", "journalEntry or deposit; null unless staged."),
    Column("external_id", "VARCHAR", "External id of the document; null unless staged."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("net", "DECIMAL(38,12)", "What it moves to the bank; null unless staged."),
    Column("true_date", "DATE", "Day of the money in the subsidiary's zone."),
    Column("tran_date", "DATE", "Day on which it is posted: the true one, or the first open one after it."),
    Column("lines", "BIGINT", "How many lines it has."),
    Column("document", "VARCHAR", "The document with its lines and their components, as JSON."),
    Column("support_text", "VARCHAR", "Text for TikTok's support, where the amounts do not add up."),
    Column("fingerprint", "VARCHAR", "Hash of the document."),
    Column("staged_at", "TIMESTAMPTZ", "Instant of staging.", required=True),
    Column("mapping_fingerprint", "VARCHAR", "Hash of the mapping that decided."),
    key=("channel", "shop", "key"),
    version=("staged_at",),
)

NETSUITE_PAYOUT_JOURNALS = _table(
    "netsuite_payout_journals",
    "Documents of payouts as they were read back from NetSuite, beside what they should be. Filed under the "
    "day of their date.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "kind",
        "VARCHAR",
        "`je` of a payout, `fx` of a difference of exchange, `pay` of a payment of invoices, `crpay` of a "
        "refund of credit memos.",
        required=True,
    ),
    Column("key", "VARCHAR", "Business key of the document.", required=True),
    Column(
        "record_type", "VARCHAR", "journalEntry, deposit, customerPayment or customerRefund.", required=True
    ),
    Column("netsuite_id", "VARCHAR", "Internal id of the document.", required=True),
    Column("tran_id", "VARCHAR", "Document number."),
    Column("external_id", "VARCHAR", "External id of the document.", required=True),
    Column("tran_date", "DATE", "Day on which it was to be posted.", required=True),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217).", required=True),
    Column("expected_total", "DECIMAL(38,12)", "Sum of its debits as sent.", required=True),
    Column("posted_total", "DECIMAL(38,12)", "Sum of its debits in NetSuite; null where it is gone."),
    Column("differences", "VARCHAR", "Accounts whose amounts differ, as JSON; null where none does."),
    Column("is_posting", "BOOLEAN", "Whether it posts; a journal that waits for approval does not."),
    Column("exchange_rate", "DECIMAL(38,12)", "Rate at which NetSuite posted it."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "kind", "key"),
    version=("read_at",),
)

SETTLEMENT_MATCHES = _table(
    "settlement_matches",
    "What each statement clears of each order, and how the order stands as a whole: all that was ever "
    "settled of it beside its NetSuite documents. Filed under the UTC day of the statement.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column("statement_id", "VARCHAR", "TikTok's statement id.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id.", required=True),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217).", required=True),
    Column("placed_at", "TIMESTAMPTZ", "When the order was placed."),
    Column("sales", "DECIMAL(38,12)", "Cleared by the statement: goods sold.", required=True),
    Column("refunds", "DECIMAL(38,12)", "Refunds, negative.", required=True),
    Column("shipping", "DECIMAL(38,12)", "Shipping that the order's bill sold.", required=True),
    Column("other", "DECIMAL(38,12)", "What else goes to the clearing account.", required=True),
    Column("verdict", "VARCHAR", "How the order stands; null where it was not matched."),
    Column("settled", "DECIMAL(38,12)", "All that was ever settled of the order."),
    Column("documented", "DECIMAL(38,12)", "What its bills less its credits come to."),
    Column("documents", "VARCHAR", "Its NetSuite documents, `type id` with commas."),
    Column("reasons", "VARCHAR", "Why settled and documented differ, as JSON."),
    Column("matched_at", "TIMESTAMPTZ", "Instant of matching.", required=True),
    key=("channel", "shop", "statement_id", "order_id"),
    version=("matched_at",),
)

UNSETTLED_SALES = _table(
    "unsettled_sales",
    "What TikTok owes for each order today and has not paid, and when it is expected. Filed under the UTC "
    "day of reading; the last reading of a day counts.",
    Column("channel", "VARCHAR", "`tiktok`.", required=True),
    Column(
        "subject", "VARCHAR", "TikTok's order id; of what is about no order the transaction's.", required=True
    ),
    Column(
        "state",
        "VARCHAR",
        "on_its_way, delivered, settled (in no statement yet), in_statement (not paid), carried (a "
        "statement below zero) or reserve.",
        required=True,
    ),
    Column("amount", "DECIMAL(38,12)", "What TikTok owes; negative where the seller does.", required=True),
    Column("currency", "VARCHAR", "Currency of the amount (ISO 4217).", required=True),
    Column("statements", "VARCHAR", "TikTok's ids of the statements that it is in, with commas."),
    Column("delivered_at", "TIMESTAMPTZ", "When the order was delivered; null before, and where not told."),
    Column("expected_on", "DATE", "UTC day on which it is expected to settle; null where nobody can tell."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("channel", "shop", "day", "subject", "state"),
    version=("read_at",),
    newest="day",
)

PAYOUT_RECONCILIATION = _table(
    "payout_reconciliation",
    "The proof of payouts: one row per statement of the UTC day, per payment that TikTok made on it or "
    "document without one, and, where a bank's lines were given, per payment or line.",
    Column("aspect", "VARCHAR", "`statement`, `payout` or `bank`.", required=True),
    Column(
        "subject", "VARCHAR", "TikTok's statement or payment id; else the document or line.", required=True
    ),
    Column("verdict", "VARCHAR", "What the two systems say about each other.", required=True),
    Column("is_wrong", "BOOLEAN", "Whether somebody has to look at it.", required=True),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("expected", "DECIMAL(38,12)", "What TikTok settles or pays; null where it cannot be told."),
    Column("posted", "DECIMAL(38,12)", "What documents put on the bank account, or the bank's line has."),
    Column("difference", "DECIMAL(38,12)", "posted - expected; null where they cannot be compared."),
    Column("documents", "VARCHAR", "Numbers of the documents, or the bank's reference; with commas."),
    Column("lines", "VARCHAR", "JSON: expected and posted by account, where they differ."),
    Column("note", "VARCHAR", "What a person should know about the verdict."),
    Column("tiktok_read_at", "TIMESTAMPTZ", "Instant of the listing at TikTok.", required=True),
    Column("netsuite_read_at", "TIMESTAMPTZ", "Instant of the listing at NetSuite.", required=True),
    key=("shop", "day", "aspect", "subject"),
    version=("tiktok_read_at", "netsuite_read_at"),
    newest="day",
)

CLEARING_RECONCILIATION = _table(
    "clearing_reconciliation",
    "The proof of clearing accounts: what each one's balance is made of, one row per order or other "
    "transaction that stands open on it. Filed under the UTC day of the proof.",
    Column("account", "VARCHAR", "Internal id of the clearing account.", required=True),
    Column("subject", "VARCHAR", "TikTok's order id; else the document or the payment.", required=True),
    Column("reason", "VARCHAR", "Why it stands open.", required=True),
    Column("is_explained", "BOOLEAN", "False for what nobody can account for.", required=True),
    Column("currency", "VARCHAR", "Currency of the amount (ISO 4217).", required=True),
    Column("amount", "DECIMAL(38,12)", "Its part of the balance; debit positive.", required=True),
    Column("documented", "DECIMAL(38,12)", "What documents of the order have posted to the account."),
    Column("settled", "DECIMAL(38,12)", "What posted payouts took out of the account for the order."),
    Column("documents", "VARCHAR", "Numbers of the documents, with commas."),
    Column("tiktok_read_at", "TIMESTAMPTZ", "Instant of the listing at TikTok.", required=True),
    Column("netsuite_read_at", "TIMESTAMPTZ", "Instant of the listing at NetSuite.", required=True),
    key=("shop", "day", "account", "subject", "reason"),
    version=("tiktok_read_at", "netsuite_read_at"),
    newest="day",
)

CLEARING_MOVEMENTS = _table(
    "clearing_movements",
    "What moves on clearing accounts, as their proofs read it in both systems, so that the next proof reads "
    "what changed: one row per order of each document or statement, and one for what is about no order. A "
    "new reading of a document replaces all of its rows. Filed under the UTC day of reading.",
    Column("account", "VARCHAR", "Internal id of the clearing account.", required=True),
    Column(
        "source",
        "VARCHAR",
        "`netsuite` a document, `tiktok` a statement, `proof` that everything was read from the beginning.",
        required=True,
    ),
    Column("document_id", "VARCHAR", "NetSuite's internal id, or TikTok's statement id.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id; empty for what is about no order.", required=True),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("amount", "DECIMAL(38,12)", "What it posts, debit positive; of a statement, what leaves."),
    Column("refunded", "DECIMAL(38,12)", "Of a statement: how much of this buyers gave back; negative."),
    Column("name", "VARCHAR", "What people call the document; null where it is gone."),
    Column("payouts", "VARCHAR", "Payments and statements that it says it books, with commas."),
    Column("is_exchange", "BOOLEAN", "Whether it books a difference of exchange."),
    Column("payment_id", "VARCHAR", "Payment of the statement; null while it is not paid."),
    Column("settlement", "DECIMAL(38,12)", "What the statement settles."),
    Column("reserve", "DECIMAL(38,12)", "What the statement withholds or releases; null where not told."),
    Column("dated", "DATE", "Date of the document, or UTC day that the statement covers."),
    Column("basis", "VARCHAR", "Changes when the document or the statement does."),
    Column("read_at", "TIMESTAMPTZ", "Instant of reading.", required=True),
    key=("account", "source", "document_id", "order_id"),
    version=("read_at",),
)

REFUND_RECONCILIATION = _table(
    "refund_reconciliation",
    "The proof of refunds: one row per return or cancellation whose refund is complete, or credit without "
    "one. Filed under the shop's business day of its last change, or of the credit's date.",
    Column("claim_id", "VARCHAR", "TikTok's return or cancel id; null where a credit names none."),
    Column("subject", "VARCHAR", "The claim's id, or the credit's internal id.", required=True),
    Column("order_id", "VARCHAR", "TikTok's order id; null where none is known."),
    Column("verdict", "VARCHAR", "What the two systems say about each other.", required=True),
    Column("is_wrong", "BOOLEAN", "Whether somebody has to look at it.", required=True),
    Column("tiktok_status", "VARCHAR", "Status at TikTok; null where TikTok has no such claim."),
    Column("refunded", "DECIMAL(38,12)", "What the buyer got back; null where that is not told."),
    Column("billed", "DECIMAL(38,12)", "Total of the order's bills in NetSuite."),
    Column("credited", "DECIMAL(38,12)", "Total of the credits; null where there is none."),
    Column("currency", "VARCHAR", "Currency of the amounts (ISO 4217)."),
    Column("documents", "VARCHAR", "Numbers of the credits, with commas."),
    Column("note", "VARCHAR", "What a person should know about the verdict."),
    Column("tiktok_read_at", "TIMESTAMPTZ", "Instant of the listing at TikTok.", required=True),
    Column("netsuite_read_at", "TIMESTAMPTZ", "Instant of the listing at NetSuite.", required=True),
    key=("shop", "day", "subject"),
    version=("tiktok_read_at", "netsuite_read_at"),
    newest="day",
)

SETTLEMENT_PROOFS = _table(
    "settlement_proofs",
    "One row per proof of payouts, refunds or clearing of a shop's day: what was found, or why it did not "
    "run.",
    Column("proof", "VARCHAR", "`payouts`, `refunds` or `clearing`.", required=True),
    Column("statement", "VARCHAR", "The proof in one line.", required=True),
    Column("not_run_side", "VARCHAR", "System that could not be read; null where the proof ran."),
    Column("not_run_reason", "VARCHAR", "Why it could not be read."),
    Column("rows", "BIGINT", "Rows of the proof."),
    Column("differences", "BIGINT", "Rows that somebody has to look at."),
    Column("proved_at", "TIMESTAMPTZ", "Instant of the proof.", required=True),
    key=("shop", "day", "proof"),
    version=("proved_at",),
)

TABLES: tuple[Table, ...] = (
    RAW_TIKTOK_ORDERS,
    RAW_NETSUITE_ITEMS,
    STAGED_SALES_ORDERS,
    RAW_NETSUITE_SALES_ORDERS,
    ORDER_RECONCILIATION,
    ORDER_RECONCILIATION_STATEMENTS,
    RAW_NETSUITE_ITEM_FULFILLMENTS,
    RAW_TIKTOK_PACKAGES,
    STAGED_SHIPMENTS,
    TIKTOK_SHIPMENTS,
    RAW_TIKTOK_CANCELLATIONS,
    STAGED_ORDER_CLOSURES,
    STAGED_BILLS,
    NETSUITE_BILLS,
    RAW_TIKTOK_RETURNS,
    STAGED_REFUNDS,
    NETSUITE_REFUNDS,
    FULFILMENT_RECONCILIATION,
    FULFILMENT_RECONCILIATION_STATEMENTS,
    RAW_NETSUITE_INVENTORY,
    RAW_TIKTOK_PRODUCTS,
    RAW_TIKTOK_STOCK,
    STAGED_STOCK_LEVELS,
    TIKTOK_STOCK_LEVELS,
    FBT_STOCK,
    STOCK_RECONCILIATION,
    STOCK_RECONCILIATION_STATEMENTS,
    RAW_TIKTOK_STATEMENTS,
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    RAW_TIKTOK_PAYMENTS,
    RAW_TIKTOK_WITHDRAWALS,
    RAW_TIKTOK_UNSETTLED,
    STAGED_PAYOUT_JOURNALS,
    NETSUITE_PAYOUT_JOURNALS,
    SETTLEMENT_MATCHES,
    UNSETTLED_SALES,
    PAYOUT_RECONCILIATION,
    CLEARING_RECONCILIATION,
    CLEARING_MOVEMENTS,
    REFUND_RECONCILIATION,
    SETTLEMENT_PROOFS,
)
"""All tables, in the order of the flow."""
