"""Reading Item Fulfillments of our Sales Orders from NetSuite, with few queries (N 3.4-3.6).

Ours are those whose Sales Order carries TikTok's order id. One query tells which changed; only for
those lines, tracking numbers and the Sales Order's lines are asked for, each by itself, since they
would multiply each other's rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from string import Template
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.fulfilment.documents import CHANNEL
from tiktok_ns_pipeline.mapping.models import CustomFields
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound
from tiktok_ns_pipeline.netsuite.values import to_decimal, to_instant

# An IN list takes 1,000 values (N 3.2).
_IDS_PER_QUERY = 1_000

# Names with a $ are script ids from the mapping, which allows nothing else there.
_FROM = """
FROM transaction f
JOIN previoustransactionlinelink k ON k.nextdoc = f.id AND k.linktype = 'ShipRcpt'
JOIN transaction o ON o.id = k.previousdoc
WHERE f.type = 'ItemShip'
  AND o.type = 'SalesOrd'
  AND o.$order_field IS NOT NULL"""

_HEADERS = f"""
SELECT DISTINCT f.id, f.tranid, f.status, TO_CHAR(f.trandate, 'YYYY-MM-DD') AS tran_date,
       TO_CHAR(f.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS modified_at,
       NVL(BUILTIN.DF(f.shipmethod), f.shipcarrier) AS carrier,
       o.id AS sales_order_id, o.$order_field AS order_id, o.$shop_field AS shop,
       o.$shipper_field AS shipper{_FROM}"""

CHANGED_SINCE = f"""{_HEADERS}
  AND f.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
ORDER BY f.id ASC"""

BY_ID = f"""{_HEADERS}
  AND f.id IN ($markers)
ORDER BY f.id ASC"""

NEWEST_SINCE = f"""
SELECT TO_CHAR(MAX(f.lastmodifieddate), 'YYYY-MM-DD HH24:MI:SS') AS modified_at{_FROM}
  AND f.lastmodifieddate > TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')"""

_LINES = """
SELECT fl.transaction AS fulfilment_id, fl.id AS line, fl.item, ABS(fl.quantity) AS quantity,
       fl.kitmemberof AS kit_member_of, k.previousline AS order_line
FROM transactionline fl
JOIN previoustransactionlinelink k
  ON k.nextdoc = fl.transaction AND k.nextline = fl.id AND k.linktype = 'ShipRcpt'
WHERE fl.transaction IN ($markers)
  AND fl.mainline = 'F'
  AND fl.taxline = 'F'
  AND fl.iscogs = 'F'
ORDER BY fl.transaction ASC, fl.id ASC"""

_ORDER_LINES = """
SELECT sl.transaction AS sales_order_id, sl.id AS line, sl.item, ABS(sl.quantity) AS quantity, sl.location,
       sl.$ids_field AS unit_ids
FROM transactionline sl
WHERE sl.transaction IN ($markers)
  AND sl.mainline = 'F'
  AND sl.taxline = 'F'
  AND sl.$ids_field IS NOT NULL
ORDER BY sl.transaction ASC, sl.id ASC"""

_TRACKING = """
SELECT m.transaction AS fulfilment_id, n.id AS tracking_id, n.trackingnumber AS number
FROM trackingnumbermap m
JOIN trackingnumber n ON n.id = m.trackingnumber
WHERE m.transaction IN ($markers)
ORDER BY m.transaction ASC, n.id ASC"""


@dataclass(frozen=True, slots=True)
class Header:
    """A row that tells of one fulfilment. `row` is as NetSuite gave it."""

    row: Mapping[str, str]

    @property
    def fulfilment_id(self) -> str:
        """Internal id."""
        return self.row["id"]

    @property
    def version(self) -> tuple[str | None, ...]:
        """What changes when its header does."""
        return tuple(self.row.get(name) for name in ("modified_at", "status", "carrier", "tran_date"))

    @property
    def shop(self) -> str:
        """Shop code in the Sales Order's field; empty where there is none."""
        return self.row.get("shop", "")


@dataclass(frozen=True, slots=True)
class AccountClock:
    """How far the account's clock is ahead of UTC, for reading its times."""

    offset: timedelta


class FulfilmentReader:
    """Asks NetSuite about Item Fulfillments. Raises NetSuiteError."""

    def __init__(self, netsuite: NetSuiteClient, fields: CustomFields) -> None:
        self._netsuite = netsuite
        self._fields = {
            "order_field": fields.body.order_id,
            "shop_field": fields.body.shop,
            "shipper_field": fields.body.fulfilment,
            "ids_field": fields.line.line_ids,
        }

    async def changed_since(self, account_time: str) -> list[Header]:
        """Fulfilments saved at or after this time of the account's clock: one query."""
        query = Template(CHANGED_SINCE).substitute(self._fields)
        return _once(await self._netsuite.suiteql(query, [account_time], lane="documents"))

    async def newest_since(self, account_time: str) -> str | None:
        """When, after this time of the account's clock, one was saved last; None when none was."""
        query = Template(NEWEST_SINCE).substitute(self._fields)
        rows = await self._netsuite.suiteql(query, [account_time], lane="documents")
        return rows[0].get("modified_at") if rows else None

    async def named(self, ids: Sequence[str]) -> list[Header]:
        """The fulfilments of these ids that SuiteQL shows."""
        return _once([row async for row in self._rows(BY_ID, ids)])

    async def is_gone(self, fulfilment_id: str) -> bool:
        """Whether the record itself is not there: SuiteQL can lag behind (N 3.5)."""
        try:
            await self._netsuite.get("itemFulfillment", fulfilment_id, expand=False, lane="documents")
        except NetSuiteNotFound:
            return True
        return False

    async def tracking(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Tracking numbers by fulfilment, in NetSuite's order."""
        numbers: defaultdict[str, list[str]] = defaultdict(list)
        async for row in self._rows(_TRACKING, ids):
            if text := row.get("number", "").strip():
                numbers[row["fulfilment_id"]].append(text)
        return numbers

    async def rows(
        self, headers: Sequence[Header], clock: AccountClock, read_at: datetime
    ) -> list[dict[str, Any]]:
        """The fulfilments in full, as rows of `raw_netsuite_item_fulfillments`.

        Raises ValueError for a value that NetSuite does not document.
        """
        ids = [header.fulfilment_id for header in headers]
        lines = await self._by("fulfilment_id", _LINES, ids)
        tracking = await self.tracking(ids)
        orders = list(dict.fromkeys(header.row["sales_order_id"] for header in headers))
        order_lines = await self._by("sales_order_id", _ORDER_LINES, orders)
        return [
            _row(
                header,
                lines[header.fulfilment_id],
                tracking.get(header.fulfilment_id, []),
                order_lines[header.row["sales_order_id"]],
                clock,
                read_at,
            )
            for header in headers
        ]

    async def _by(self, key: str, query: str, ids: Sequence[str]) -> defaultdict[str, list[dict[str, str]]]:
        found: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        async for row in self._rows(query, ids):
            found[row[key]].append(row)
        return found

    async def _rows(self, query: str, ids: Sequence[str]) -> AsyncIterator[dict[str, str]]:
        for start in range(0, len(ids), _IDS_PER_QUERY):
            chunk = list(ids[start : start + _IDS_PER_QUERY])
            markers = ", ".join("?" for _ in chunk)
            text = Template(query).substitute(self._fields, markers=markers)
            for row in await self._netsuite.suiteql(text, chunk, lane="documents"):
                yield row


def gone(row: Mapping[str, Any], read_at: datetime) -> dict[str, Any]:
    """The row of a fulfilment that NetSuite no longer has."""
    kept = {name: value for name, value in row.items() if name not in {"run_id", "landed_at"}}
    return {**kept, "gone": True, "read_at": read_at}


def _once(rows: Iterable[Mapping[str, str]]) -> list[Header]:
    return list({row["id"]: Header(row) for row in rows}.values())


def _row(
    header: Header,
    lines: Sequence[Mapping[str, str]],
    tracking: Sequence[str],
    order_lines: Sequence[Mapping[str, str]],
    clock: AccountClock,
    read_at: datetime,
) -> dict[str, Any]:
    row = header.row
    tran_date = date.fromisoformat(row["tran_date"]) if row.get("tran_date") else None
    sales_order_lines = [
        {
            "line": int(line["line"]),
            "item": line["item"],
            "quantity": to_decimal(line["quantity"]),
            "location": line.get("location"),
            "unitIds": [part for text in line["unit_ids"].split(",") if (part := text.strip())],
        }
        for line in order_lines
        if line.get("quantity") is not None
    ]
    return {
        "channel": CHANNEL,
        "shop": header.shop,
        "day": tran_date or read_at.date(),
        "order_id": row["order_id"].strip(),
        "fulfilment_id": header.fulfilment_id,
        "tran_id": row.get("tranid"),
        "status": row["status"].rpartition(":")[2].strip(),
        "gone": False,
        "sales_order_id": row["sales_order_id"],
        "tran_date": tran_date,
        "modified_at": to_instant(row["modified_at"], clock.offset),
        "modified_at_account": row["modified_at"],
        "carrier": row.get("carrier"),
        "lines": exact_json.dumps([_line(line) for line in lines if line.get("quantity") is not None]),
        "tracking": exact_json.dumps([{"number": number} for number in tracking]),
        "payload": exact_json.dumps(
            {"header": dict(row), "lines": list(map(dict, lines)), "salesOrderLines": sales_order_lines}
        ),
        "read_at": read_at,
    }


def _line(line: Mapping[str, str]) -> dict[str, Any]:
    made = {
        "orderLine": int(line["order_line"]),
        "item": line["item"],
        "quantity": to_decimal(line["quantity"]),
    }
    member_of = line.get("kit_member_of")
    return made if member_of is None else {**made, "kitMemberOf": int(member_of)}
