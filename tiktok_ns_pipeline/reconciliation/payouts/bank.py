"""The bank's own lines, from a file: CSV, or an OFX statement of version 1 (SGML) or 2 (XML).

A CSV has a heading with the columns date, amount, currency and reference, in any order; dates are
YYYY-MM-DD, amounts have a point. Give the lines of TikTok's payouts only: each line of a day that is no
payment is named. Nothing is guessed: a file that cannot be read whole is refused.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline.money import MoneyError, exact_decimal
from tiktok_ns_pipeline.reconciliation.payouts.model import BankLine

_COLUMNS = ("date", "amount", "currency", "reference")
_CURRENCY = re.compile(r"[A-Z]{3}")
_STATEMENT = re.compile(r"<(?P<kind>(?:CC)?STMTRS)>(?P<body>.*?)</(?P=kind)>", re.DOTALL | re.IGNORECASE)
_TRANSACTION = re.compile(r"<STMTTRN>(.*?)</STMTTRN>", re.DOTALL | re.IGNORECASE)
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&nbsp;": " "}


class BankFileError(ValueError):
    """A bank's file cannot be read; says where and what to do."""


def read_bank_lines(text: str) -> list[BankLine]:
    """The lines of a bank's file, CSV or OFX by its beginning. Raises BankFileError."""
    head = text.lstrip("\ufeff \r\n\t")
    if head.upper().startswith("OFXHEADER") or "<OFX>" in head[:2_000].upper():
        return _from_ofx(head)
    return _from_csv(head)


def _from_csv(text: str) -> list[BankLine]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    headings = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    missing = [name for name in _COLUMNS if name not in headings]
    if missing:
        raise BankFileError(
            f"the bank file has no column {', '.join(missing)}; its first line must name "
            f"{', '.join(_COLUMNS)}"
        )
    lines: list[BankLine] = []
    for number, row in enumerate(reader, start=2):
        if not any(value for value in row.values()):
            continue
        told = {name: (row.get(headings[name]) or "").strip() for name in _COLUMNS}
        lines.append(_line(number, told["date"], told["amount"], told["currency"].upper(), told["reference"]))
    return lines


def _from_ofx(text: str) -> list[BankLine]:
    lines: list[BankLine] = []
    statements = list(_STATEMENT.finditer(text))
    if not statements:
        raise BankFileError("the OFX file has no bank statement (STMTRS); export the account's transactions")
    for statement in statements:
        body = statement["body"]
        currency = _tag(body, "CURDEF").upper()
        for found in _TRANSACTION.finditer(body):
            own = found[1]
            posted = _tag(own, "DTPOSTED")
            reference = " ".join(filter(None, (_tag(own, name) for name in ("NAME", "MEMO", "FITID"))))
            dated = f"{posted[:4]}-{posted[4:6]}-{posted[6:8]}"
            lines.append(_line(len(lines) + 1, dated, _tag(own, "TRNAMT"), currency, reference))
    return lines


def _tag(body: str, name: str) -> str:
    """The text of a tag, closed or, in version 1, not; empty where there is none."""
    found = re.search(rf"<{name}>([^<\r\n]*)", body, re.IGNORECASE)
    value = found[1].strip() if found else ""
    for entity, character in _ENTITIES.items():
        value = value.replace(entity, character)
    return value


def _line(number: int, dated: str, amount: str, currency: str, reference: str) -> BankLine:
    where = f"line {number} of the bank file"
    try:
        day = date.fromisoformat(dated)
    except ValueError as error:
        raise BankFileError(f"{where} has the date {dated!r}; write it as YYYY-MM-DD") from error
    if not _CURRENCY.fullmatch(currency):
        raise BankFileError(f"{where} has the currency {currency!r}; write its three letters")
    return BankLine(number, day, _amount(amount, where), currency, reference)


def _amount(text: str, where: str) -> Decimal:
    try:
        return exact_decimal(text)
    except MoneyError as error:
        raise BankFileError(
            f"{where} has the amount {text!r}; write it with a point and without separators"
        ) from error
