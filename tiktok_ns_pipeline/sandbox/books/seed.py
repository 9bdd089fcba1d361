"""What the account holds before anyone trades: lists, items, periods, stock.

The account is a small OneWorld company with subsidiaries in the United States, the United Kingdom and
Vietnam; ids are fixed, so a mapping can name them.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.books.desk import Desk, record_type
from tiktok_ns_pipeline.sandbox.books.postings import REALIZED_GAIN_OR_LOSS, ROUNDING_GAIN_OR_LOSS
from tiktok_ns_pipeline.sandbox.books.reading import instant_text
from tiktok_ns_pipeline.sandbox.books.store import Record

COUNTING_ACCOUNT = "212"
"""The account that differences found by counting are booked to."""

_EVERYWHERE = ("1", "2", "3")
_ON_HAND = Decimal(5_000)
_FIRST_YEAR, _LAST_YEAR = 2024, 2030
_LAST_CLOSED_YEAR = 2024

# Plain fields by id, by record type.
_LISTS: dict[str, dict[str, dict[str, Any]]] = {
    "currency": {
        "1": {"name": "US Dollar", "symbol": "USD", "exchangeRate": "1", "currencyPrecision": "2"},
        "2": {"name": "British Pound", "symbol": "GBP", "exchangeRate": "1.27", "currencyPrecision": "2"},
        "3": {"name": "Euro", "symbol": "EUR", "exchangeRate": "1.08", "currencyPrecision": "2"},
        "4": {
            "name": "Vietnamese Dong",
            "symbol": "VND",
            "exchangeRate": "0.00004",
            "currencyPrecision": "0",
        },
    },
    "subsidiary": {
        "1": {"name": "Parent US", "currency": "1", "country": "US", "legalName": "Parent US Inc."},
        "2": {"name": "UK Ltd", "currency": "2", "country": "GB", "parent": "1", "legalName": "UK Ltd"},
        "3": {"name": "Vietnam", "currency": "4", "country": "VN", "parent": "1", "legalName": "Vietnam Co."},
    },
    "location": {
        "6": {"name": "Main Warehouse", "subsidiary": ("1",)},
        "7": {"name": "West Warehouse", "subsidiary": ("1",)},
        "8": {"name": "TikTok FBT US", "subsidiary": ("1",)},
        "9": {"name": "UK Warehouse", "subsidiary": ("2",)},
        "10": {"name": "VN Warehouse", "subsidiary": ("3",)},
    },
    "department": {"1": {"name": "E-commerce", "subsidiary": _EVERYWHERE}},
    "classification": {
        "1": {"name": "TikTok Shop", "subsidiary": _EVERYWHERE},
        "2": {"name": "Marketing samples", "subsidiary": _EVERYWHERE},
    },
    "customForm": {"68": {"name": "Standard Sales Order"}, "70": {"name": "TikTok order"}},
    "priceLevel": {"-1": {"name": "Custom"}, "1": {"name": "Base Price"}},
    "shipItem": {
        "4721": {"itemId": "Standard Shipping"},
        "4722": {"itemId": "UPS Ground"},
        "4723": {"itemId": "USPS Priority Mail"},
        "4724": {"itemId": "FedEx Home Delivery"},
        "4725": {"itemId": "Royal Mail Tracked 48"},
        "4726": {"itemId": "Giao Hang Nhanh"},
        "4727": {"itemId": "Bike Courier"},
    },
    "paymentOption": {"7": {"name": "TikTok payout"}},
    "paymentMethod": {"7": {"name": "TikTok payout"}},
    "term": {"2": {"name": "Net 30", "daysUntilNetDue": 30}},
    "taxSchedule": {"1": {"name": "Taxable"}, "2": {"name": "Not taxable"}},
    "taxType": {"1": {"name": "VAT GB"}, "2": {"name": "VAT VN"}},
    "salesTaxItem": {
        "5": {"itemId": "Not taxable", "rate": "0%"},
        "10": {"itemId": "VAT-VN", "rate": "10%", "taxType": "2", "subsidiary": ("3",)},
        "20": {"itemId": "VAT:S-GB", "rate": "20%", "taxType": "1", "subsidiary": ("2",)},
    },
    "unitsType": {
        "1": {
            "name": "Count",
            "uom": [
                {"internalId": 1, "unitName": "Each", "conversionRate": Decimal(1), "baseUnit": True},
                {"internalId": 2, "unitName": "Pack of 6", "conversionRate": Decimal(6), "baseUnit": False},
            ],
        }
    },
}

# id: (number, name, type, currency); what has a currency belongs to the subsidiary that it is the base of.
_ACCOUNTS = {
    "54": ("4000", "Sales", "Income", None),
    "55": ("4010", "Shipping income", "Income", None),
    "56": ("4020", "Sales discounts", "Income", None),
    "57": ("4030", "Marketplace tax in transit", "OthCurrLiab", None),
    "58": ("4040", "Sales returns", "Income", None),
    "119": ("1100", "Accounts Receivable", "AcctRec", None),
    "125": ("1210", "TikTok clearing USD", "OthCurrAsset", "1"),
    "126": ("1211", "TikTok clearing GBP", "OthCurrAsset", "2"),
    "127": ("1212", "TikTok clearing VND", "OthCurrAsset", "4"),
    "128": ("1000", "Bank USD", "Bank", "1"),
    "129": ("1001", "Bank GBP", "Bank", "2"),
    "130": ("1002", "Bank VND", "Bank", "4"),
    "131": ("1003", "Undeposited Funds", "OthCurrAsset", None),
    "140": ("1220", "TikTok reserve USD", "OthCurrAsset", "1"),
    "141": ("1221", "TikTok reserve GBP", "OthCurrAsset", "2"),
    "142": ("1222", "TikTok reserve VND", "OthCurrAsset", "4"),
    "212": ("5000", "Cost of Goods Sold", "COGS", None),
    "213": ("1300", "Inventory Asset", "OthCurrAsset", None),
    "218": ("2100", "Accounts Payable", "AcctPay", None),
    "220": ("2200", "VAT payable", "OthCurrLiab", None),
    "221": ("2210", "Accrued marketplace fees", "OthCurrLiab", None),
    "630": ("6300", "Platform commission", "Expense", None),
    "631": ("6310", "Referral fees", "Expense", None),
    "632": ("6320", "Affiliate commission", "Expense", None),
    "633": ("6330", "Shipping fees", "Expense", None),
    "634": ("6340", "Marketplace advertising", "Expense", None),
    "635": ("6350", "Payment fees", "Expense", None),
    "636": ("6360", "Taxes withheld by marketplaces", "Expense", None),
    "637": ("6370", "Marketplace adjustments", "Expense", None),
    "638": ("6380", "Marketplace differences", "Expense", None),
    "639": ("6390", "Refunds beyond billing", "Expense", None),
    "640": ("7000", "Exchange differences of payouts", "OthExpense", None),
    "650": ("6500", "Rounding differences", "Expense", None),
    REALIZED_GAIN_OR_LOSS: ("7010", "Realized Gain/Loss", "OthExpense", None),
    ROUNDING_GAIN_OR_LOSS: ("7020", "Rounding Gain/Loss", "OthExpense", None),
    "900": ("9000", "Sales Orders", "NonPosting", None),
}
_SUBSIDIARY_OF_CURRENCY = {"1": ("1",), "2": ("2",), "4": ("3",), None: _EVERYWHERE}

# id: (name, record type, account)
_CHARGES = {
    "901": ("TTS-SHIPPING", "serviceSaleItem", "55"),
    "902": ("TTS-SELLER-DISCOUNT", "discountItem", "56"),
    "903": ("TTS-MARKETPLACE-TAX", "otherChargeSaleItem", "57"),
    "904": ("TTS-MARKETPLACE-TAX-REMITTED", "otherChargeSaleItem", "57"),
    "905": ("TTS-BUYER-FEE", "otherChargeSaleItem", "54"),
    "906": ("TTS-ROUNDING", "otherChargeSaleItem", "650"),
    "907": ("TTS-REFUND", "otherChargeSaleItem", "58"),
}
# id: (name, (member item, quantity) ...)
_KITS = {"350": ("KIT-001", (("301", 1), ("302", 2))), "351": ("KIT-002", (("303", 1), ("304", 1)))}
_SKUS = 40
_FIRST_OF_MANY = 100_001
_EVERY_ITEM = {"subsidiary": _EVERYWHERE, "includeChildren": True, "taxSchedule": "1"}

# Price of one unit in each currency by id, for SKU number n (1..40).
_PRICES = {"1": ("9.99", "0.50"), "2": ("8.49", "0.40"), "3": ("9.29", "0.45"), "4": ("199000", "5000")}


def seed(desk: Desk) -> None:
    """Fill an empty account."""
    records = [*_list_records(), *_account_records(), *_periods(desk), *_item_records(desk)]
    desk.store.commit(desk.now(), records)
    for number in range(1, _SKUS + 1):
        for location in _LISTS["location"]:
            desk.stock.set_on_hand(str(300 + number), location, _ON_HAND)
    desk.store.commit(desk.now(), ())


def seed_items(desk: Desk, count: int, locations: Sequence[str], on_hand: Decimal) -> list[str]:
    """Add `count` stocked items beside the usual ones, for measuring; their ids, in order.

    They are called SKU-100001 and so on, and an item's id is its number.
    """
    made = instant_text(desk.now())
    common = {**_EVERY_ITEM, "createdDate": made, "lastModifiedDate": made}
    numbers = range(_FIRST_OF_MANY, _FIRST_OF_MANY + count)
    desk.store.reserve("item", numbers[-1])
    desk.store.commit(desk.now(), [_sku(str(number), number, common) for number in numbers])
    for number in numbers:
        for location in locations:
            desk.stock.set_on_hand(str(number), location, on_hand)
    return [str(number) for number in numbers]


def add_missing_lists(desk: Desk) -> None:
    """Add what an account that was kept since before some list or the chart grew does not hold yet."""
    known = [*_list_records(), *_account_records(), *_item_records(desk)]
    missing = [one for one in known if desk.store.get(one.type.path, one.id) is None]
    if missing:
        desk.store.commit(desk.now(), missing)


def _record(type_name: str, identifier: str, fields: dict[str, Any]) -> Record:
    return Record(record_type(type_name), identifier, {"isInactive": False, **fields})


def _list_records() -> list[Record]:
    records: list[Record] = []
    for type_name, rows in _LISTS.items():
        for identifier, fields in rows.items():
            plain = dict(fields)
            if type_name == "currency":
                plain["exchangeRate"] = Decimal(plain["exchangeRate"])
                plain["isBaseCurrency"] = identifier == "1"
            records.append(_record(type_name, identifier, plain))
    return records


def _account_records() -> list[Record]:
    return [
        _record(
            "account",
            identifier,
            {
                "acctNumber": number,
                "acctName": name,
                "acctType": kind,
                "subsidiary": _SUBSIDIARY_OF_CURRENCY[currency],
                **({"currency": currency} if currency else {}),
            },
        )
        for identifier, (number, name, kind, currency) in _ACCOUNTS.items()
    ]


def _periods(desk: Desk) -> list[Record]:
    records: list[Record] = []
    for year in range(_FIRST_YEAR, _LAST_YEAR + 1):
        records.append(_period(f"9{year}", f"FY {year}", date(year, 1, 1), date(year, 12, 31), "isYear"))
        for quarter in range(4):
            start = date(year, quarter * 3 + 1, 1)
            end = date(year, quarter * 3 + 3, calendar.monthrange(year, quarter * 3 + 3)[1])
            records.append(
                _period(f"8{year}{quarter + 1}", f"Q{quarter + 1} {year}", start, end, "isQuarter")
            )
        for month in range(1, 13):
            start = date(year, month, 1)
            end = date(year, month, calendar.monthrange(year, month)[1])
            name = f"{calendar.month_abbr[month]} {year}"
            records.append(_period(str((year - 2020) * 12 + month), name, start, end, ""))
    return records


def _period(identifier: str, name: str, start: date, end: date, span: str) -> Record:
    fields = {
        "name": name,
        "startDate": start.isoformat(),
        "endDate": end.isoformat(),
        "closed": start.year <= _LAST_CLOSED_YEAR,
        "alllocked": False,
        "arlocked": False,
        "aplocked": False,
        "isYear": span == "isYear",
        "isQuarter": span == "isQuarter",
    }
    return _record("accountingPeriod", identifier, fields)


def _item_records(desk: Desk) -> list[Record]:
    made = instant_text(desk.now())
    common = {**_EVERY_ITEM, "createdDate": made, "lastModifiedDate": made}
    records = [_sku(str(300 + number), number, common) for number in range(1, _SKUS + 1)]
    for identifier, (name, type_name, account) in _CHARGES.items():
        where = {"account": account} if type_name == "discountItem" else {"incomeAccount": account}
        fields = {**common, "itemId": name, "displayName": name, **where}
        records.append(_record(type_name, identifier, fields))
    for identifier, (name, members) in _KITS.items():
        parts = [{"item": item, "quantity": Decimal(quantity)} for item, quantity in members]
        fields = {**common, "itemId": name, "displayName": name, "incomeAccount": "54", "member": parts}
        records.append(_record("kitItem", identifier, fields))
    return records


def _sku(identifier: str, number: int, common: dict[str, Any]) -> Record:
    prices = [
        {"currencyPage": currency, "priceLevel": "1", "price": Decimal(base) + Decimal(step) * number}
        for currency, (base, step) in _PRICES.items()
    ]
    fields = {
        **common,
        "itemId": f"SKU-{number:03}",
        "displayName": f"Article {number}",
        "upcCode": f"{int(identifier):012}",
        "unitsType": "1",
        "saleUnit": "1",
        "stockUnit": "1",
        "incomeAccount": "54",
        "cogsAccount": "212",
        "assetAccount": "213",
        "averageCost": Decimal(4),
        "price": prices,
    }
    return _record("inventoryItem", identifier, fields)
