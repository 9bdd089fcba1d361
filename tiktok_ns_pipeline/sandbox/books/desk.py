"""The bookkeeper's desk: what every rule needs at hand.

Records, stock, the date in the account's zone, numbers for new documents, accounting periods, the
account's settings. Rules are functions that take the desk and return new records; the books commit
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.sandbox.books.catalogue import RecordType, catalogue
from tiktok_ns_pipeline.sandbox.books.errors import closed_period, duplicate_entity, duplicate_record
from tiktok_ns_pipeline.sandbox.books.pricing import Setting, TaxEngineName
from tiktok_ns_pipeline.sandbox.books.reading import instant_text
from tiktok_ns_pipeline.sandbox.books.stock import Stock
from tiktok_ns_pipeline.sandbox.books.store import Record, Store

# Targets of references that mean any type of a group.
_GROUPS = {"item": "item", "entity": "entity", "transaction": "transaction", "customer": "entity"}

# Types that a lock of receivables stops.
RECEIVABLE = {"invoice", "cashSale", "creditMemo", "cashRefund", "customerPayment", "customerRefund"}

PeriodState = Literal["open", "receivables locked", "locked", "closed"]
"""How far a month is shut; locks still let adjusting people in, `closed` nobody."""

_LOCKS = ("arlocked", "aplocked", "alllocked", "closed")
# How many of the locks hold.
_LOCKED: dict[PeriodState, int] = {"open": 0, "receivables locked": 1, "locked": 3, "closed": 4}

# First numbers of new records; seeded reference data lie below.
_FIRST_ID = {"transaction": 70_011, "entity": 1_201, "item": 1_001, "list": 5_001}
_FIRST_DOCUMENT = 10_001


class Desk:
    """Records, stock, dates and numbers for the rules."""

    def __init__(self, store: Store, stock: Stock, clock: Clock, zone: ZoneInfo) -> None:
        self.store = store
        self.stock = stock
        self.zone = zone
        self.tax_engine: TaxEngineName = "suitetax"
        self.routes_journals = True
        """Whether a journal waits for approval unless it is sent as approved."""
        self.refunds_in_advance = True
        """Whether what a return authorization allows may be credited before it is received."""
        self._clock = clock

    def now(self) -> datetime:
        """The current instant."""
        return self._clock.now()

    def now_text(self) -> str:
        """The current instant as records carry it."""
        return instant_text(self.now())

    def today(self) -> str:
        """The current day in the account's zone."""
        return self.now().astimezone(self.zone).date().isoformat()

    def find(self, target: str, identifier: str) -> Record | None:
        """What a reference of that target points to."""
        group = _GROUPS.get(target)
        if group is not None:
            return self.store.in_group(group, identifier)
        return self.store.get(target.lower(), identifier)

    def exists(self, target: str, identifier: str) -> bool:
        """Whether a reference of that target points to something."""
        return self.find(target, identifier) is not None

    def the(self, target: str, identifier: str) -> Record:
        """Like `find`, for what is known to be there."""
        record = self.find(target, identifier)
        if record is None:
            raise LookupError(f"the books have no {target} {identifier}")
        return record

    def new_id(self, kind: RecordType) -> str:
        """Internal id for a new record; transactions share one sequence, so do items."""
        return str(self.store.next_number(kind.group, _FIRST_ID[kind.group]))

    def new_document_number(self, kind: RecordType) -> int:
        """Running number within a type of transaction."""
        return self.store.next_number(kind.name, _FIRST_DOCUMENT)

    def new_line_key(self) -> str:
        """Key of a transaction line, unique in the account."""
        return str(self.store.next_number("lineUniqueKey", 500_001))

    def check_external_id(self, kind: RecordType, external_id: str | None, own_id: str | None) -> None:
        """Refuse an external id that another record of the same namespace has (N 2.6)."""
        if not external_id:
            return
        holder = self.store.by_external_id(kind.namespace, external_id)
        if holder is not None and holder.id != own_id:
            raise duplicate_entity() if kind.group == "entity" else duplicate_record()

    def setting(self, currency: str, subsidiary: str) -> Setting:
        """What prices and taxes of a document depend on."""
        return Setting(
            lists=self,
            tax_engine=self.tax_engine,
            currency=currency,
            precision=int(self.the("currency", currency).get("currencyPrecision")),
            country=self.the("subsidiary", subsidiary).get("country"),
        )

    def exchange_rate(self, currency: str, subsidiary: str) -> Decimal:
        """Units of the subsidiary's base currency for one unit of `currency`.

        The list keeps each currency's price in US dollars.
        """
        base = self.the("subsidiary", subsidiary).get("currency")
        if base == currency:
            return Decimal(1)
        rate: Decimal = self.the("currency", currency).get("exchangeRate")
        return (rate / self.the("currency", base).get("exchangeRate")).quantize(Decimal("0.00000001"))

    def to_base(self, amount: Decimal, rate: Decimal, subsidiary: str) -> Decimal:
        """An amount in the subsidiary's base currency, rounded half up to that currency's precision."""
        base = self.the("currency", self.the("subsidiary", subsidiary).get("currency"))
        unit = Decimal(1).scaleb(-int(base.get("currencyPrecision")))
        return (amount * rate).quantize(unit, rounding=ROUND_HALF_UP)

    def period_of(self, day: str, *, must_be_open: bool, receivable: bool = False) -> str:
        """Id of the month that a day belongs to. Raises BookError when it must be open and is not.

        `receivable` says that the document needs receivables to be unlocked.
        """
        period = self.store.get("accountingperiod", _period_id(date.fromisoformat(day)))
        if period is None or (must_be_open and _is_shut(period, receivable)):
            raise closed_period()
        return period.id

    def posting_period(
        self, body: Mapping[str, Any], given: Mapping[str, Any], *, receivable: bool = False
    ) -> str:
        """The open month that a document posts to: that of its day unless `given` names one.

        Raises BookError.
        """
        named = body.get("postingPeriod") if "tranDate" not in given else given.get("postingPeriod")
        if named is not None:
            return self.open_month(named, receivable=receivable)
        return self.period_of(body["tranDate"], must_be_open=True, receivable=receivable)

    def open_month(self, identifier: str, *, receivable: bool = False) -> str:
        """The id, if it is that of an open month. Raises BookError."""
        period = self.store.get("accountingperiod", identifier)
        if period is None or period.get("isYear") or period.get("isQuarter") or _is_shut(period, receivable):
            raise closed_period()
        return identifier

    def check_open(self, record: Record) -> None:
        """Refuse to undo what a transaction posted to a month that is shut by now."""
        period = record.get("postingPeriod")
        if period is not None:
            self.open_month(period, receivable=record.type.name in RECEIVABLE)

    def set_period(self, name: str, state: PeriodState) -> None:
        """Close, lock or open the month called so (`Jan 2026`). Raises LookupError when there is none."""
        for period in self.store.all("accountingperiod"):
            if period.get("name") == name:
                locks = {lock: index < _LOCKED[state] for index, lock in enumerate(_LOCKS)}
                self.store.commit(self.now(), [period.with_fields(**locks)])
                return
        raise LookupError(f"the books have no accounting period {name!r}; months are called like 'Jan 2026'")


def _is_shut(period: Record, receivable: bool) -> bool:
    locks = ("closed", "alllocked", "arlocked") if receivable else ("closed", "alllocked")
    return any(period.get(lock) for lock in locks)


def _period_id(day: date) -> str:
    """Months are numbered from January 2020, so that an id tells its month."""
    return str((day.year - 2020) * 12 + day.month)


def record_type(name: str) -> RecordType:
    """The record type of that name; for names that the code itself gives."""
    return catalogue().types[name.lower()]
