"""What record types there are and which fields each has: the shape of the simulated account.

Field names come from `record_fields.json` (N, Appendix A), custom fields included. A *schema* is the
shape of a record, of a sublist's line or of a subrecord. The *key* of a sublist is the field by which
a change finds its line; a sublist without key can only be appended to or replaced (N 2.7).

Invariant: a name is matched without regard to case and kept in the spelling of the catalogue.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources
from typing import Any, Literal


class Kind(Enum):
    """How the value of a field is written."""

    text = "text"
    number = "number"
    integer = "integer"
    flag = "flag"
    day = "day"
    instant = "instant"
    any = "any"
    reference = ">"
    references = ">>"
    choice = "="
    sublist = "list"
    subrecord = "sub"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `target` is the record type referred to, the schema of a sublist or subrecord."""

    name: str
    kind: Kind
    target: str = ""
    choices: frozenset[str] = frozenset()
    read_only: bool = False
    longest: int = 0
    """Most characters of a text; 0 where no limit is known."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of a record, line or subrecord, by lower-case name, in the order of answers."""

    name: str
    key: str
    fields: dict[str, Field]


Group = Literal["transaction", "entity", "item", "list"]


@dataclass(frozen=True, slots=True, eq=False)
class RecordType:
    """One type of record, equal to itself only.

    `code` is what SuiteQL calls it (N 3.3), `prefix` opens its numbers.
    """

    name: str
    path: str
    group: Group
    namespace: str
    """Types of one namespace share their external ids (N 2.6)."""
    code: str
    prefix: str
    label: str
    schema: Schema
    exposed: bool = True
    """Whether the record service serves it; other lists are only referred to."""

    @property
    def is_transaction(self) -> bool:
        """Whether it is a document of the books."""
        return self.group == "transaction"


# name: (SuiteQL code, prefix of its number, label)
_TRANSACTIONS = {
    "salesOrder": ("SalesOrd", "SO", "Sales Order"),
    "itemFulfillment": ("ItemShip", "IF", "Item Fulfillment"),
    "invoice": ("CustInvc", "INV", "Invoice"),
    "cashSale": ("CashSale", "CS", "Cash Sale"),
    "creditMemo": ("CustCred", "CM", "Credit Memo"),
    "cashRefund": ("CashRfnd", "CR", "Cash Refund"),
    "customerRefund": ("CustRfnd", "CRF", "Customer Refund"),
    "customerPayment": ("CustPymt", "PAY", "Payment"),
    "customerDeposit": ("CustDep", "CD", "Customer Deposit"),
    "depositApplication": ("DepAppl", "DA", "Deposit Application"),
    "deposit": ("Deposit", "DEP", "Deposit"),
    "journalEntry": ("Journal", "JE", "Journal"),
    "returnAuthorization": ("RtnAuth", "RMA", "Return Authorization"),
    "itemReceipt": ("ItemRcpt", "IR", "Item Receipt"),
    "inventoryAdjustment": ("InvAdjst", "IA", "Inventory Adjustment"),
    "inventoryTransfer": ("InvTrnfr", "IT", "Inventory Transfer"),
    "transferOrder": ("TrnfrOrd", "TO", "Transfer Order"),
    "purchaseOrder": ("PurchOrd", "PO", "Purchase Order"),
}
# name: (SuiteQL item type, label)
_ITEMS = {
    "inventoryItem": ("InvtPart", "Inventory Item"),
    "nonInventorySaleItem": ("NonInvtPart", "Non-inventory Item"),
    "serviceSaleItem": ("Service", "Service"),
    "otherChargeSaleItem": ("OthCharge", "Other Charge"),
    "discountItem": ("Discount", "Discount"),
    "kitItem": ("Kit", "Kit/Package"),
    "assemblyItem": ("Assembly", "Assembly/Bill of Materials"),
}
# Lists that are referred to but not served (N 5.11 says periods cannot be read as a REST list).
_UNSERVED = (
    "customForm",
    "taxType",
    "taxSchedule",
    "accountingPeriod",
    "pricingGroup",
    "nexus",
    "paymentOption",
    "paymentMethod",
)

# Fields that only an account with SuiteTax has (N 5.12).
SUITE_TAX_ONLY = frozenset({"taxDetails", "taxDetailsOverride", "taxRegOverride", "taxDetailsReference"})

# Most characters of a text field; what is longer is refused, not cut.
_LONGEST = {
    "memo": 999,
    "otherRefNum": 45,
    "tranId": 45,
    "externalId": 255,
    "entityId": 83,
    "companyName": 83,
    "itemId": 250,
    "email": 254,
    "addressee": 83,
    "attention": 83,
    "addr1": 150,
    "addr2": 150,
    "addr3": 150,
    "city": 50,
    "zip": 36,
    "addrPhone": 32,
    "custcol_tts_line_ids": 4_000,
}
_LONGEST_CUSTOM_TEXT = 300
_CUSTOM_OF_GROUP = {"transaction": "body", "entity": "entity", "item": "item"}


class Catalogue:
    """All record types and schemas of the account."""

    def __init__(self) -> None:
        text = (
            resources.files("tiktok_ns_pipeline.sandbox.books")
            .joinpath("record_fields.json")
            .read_text("utf-8")
        )
        facts: dict[str, Any] = json.loads(text)
        self._custom: dict[str, dict[str, str]] = facts["custom"]
        self.schemas = {name: self._line_schema(name, fact) for name, fact in facts["schemas"].items()}
        self.types: dict[str, RecordType] = {}
        for name, fields in facts["records"].items():
            self._add(name, fields, exposed=True)
        for name in _UNSERVED:
            self._add(name, {"id": "text*", "name": "text"}, exposed=False)

    def find(self, name: str) -> RecordType | None:
        """The record type of that name, in any spelling."""
        return self.types.get(name.lower())

    def custom(self, prefix: str) -> list[Field]:
        """The custom fields whose names begin so (`custbody`, `custcol`, `custentity`)."""
        found = {name: code for fields in self._custom.values() for name, code in fields.items()}
        return [_field(name, code) for name, code in found.items() if name.startswith(prefix)]

    def _line_schema(self, name: str, fact: dict[str, Any]) -> Schema:
        custom = self._custom["line"] if name.endswith(".item") or name == "journalLine" else {}
        return _schema(name, fact["key"], {**fact["fields"], **custom})

    def _add(self, name: str, fields: dict[str, str], exposed: bool) -> None:
        group: Group = "list"
        namespace, code, prefix, label = name, "", "", name
        if name in _TRANSACTIONS:
            group = namespace = "transaction"
            code, prefix, label = _TRANSACTIONS[name]
        elif name in _ITEMS:
            group = namespace = "item"
            code, label = _ITEMS[name]
        elif name == "customer":
            group = namespace = "entity"
            label = "Customer"
        custom = self._custom.get(_CUSTOM_OF_GROUP.get(group, ""), {})
        schema = _schema(name, "", {**fields, **custom})
        path = name.lower()
        self.types[path] = RecordType(name, path, group, namespace, code, prefix, label, schema, exposed)


@cache
def catalogue() -> Catalogue:
    """The account's catalogue, read once."""
    return Catalogue()


def _schema(name: str, key: str, fields: dict[str, str]) -> Schema:
    ordered = sorted(fields.items(), key=lambda item: item[0].lower())
    return Schema(name, key, {spelling.lower(): _field(spelling, code) for spelling, code in ordered})


def _field(name: str, code: str) -> Field:
    read_only = code.endswith("*")
    code = code.rstrip("*")
    if code.startswith(">>"):
        return Field(name, Kind.references, code[2:], read_only=read_only)
    if code.startswith(">"):
        return Field(name, Kind.reference, code[1:], read_only=read_only)
    if code.startswith("="):
        choices = frozenset(filter(None, code[1:].split("|")))
        return Field(name, Kind.choice, choices=choices, read_only=read_only)
    kind, _, target = code.partition(" ")
    longest = _LONGEST.get(name, _LONGEST_CUSTOM_TEXT if name.startswith("cust") and "_" in name else 0)
    return Field(name, Kind(kind), target, read_only=read_only, longest=longest)
