"""How a document of ours comes to be a NetSuite record, and how we find out whether it is.

A create is guarded by its external id alone, and a transform by nothing: sent twice, it would take what
is left of its source. So each record carries our external id and the fingerprint of what it was made of.
Whatever is unclear, or was tried before, is looked up by the one and recognised by the other before
anything is sent (N 2.6, 2.9).

A refusal is looked at before a person is asked: the month may have closed since staging.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.logins import System
from tiktok_ns_pipeline.engine.outcomes import (
    ENGINE_KINDS,
    Absent,
    Applied,
    NotYet,
    Outcome,
    Park,
    Unclear,
)
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteDuplicate, NetSuiteNotFound, NetSuiteRefused
from tiktok_ns_pipeline.netsuite.periods import Periods

SOON = timedelta(minutes=1)

_LOOKS_BEFORE_GIVING_UP = 5
_REFUSALS_OF_AN_OPEN_DAY = 3
_FRESH = timedelta(seconds=5)
"""Documents that are refused together need one look at the periods."""


class Document(Protocol):
    """What a record is made of."""

    @property
    def external_id(self) -> str:
        """Of the record, as NetSuite is to have it."""
        ...

    @property
    def name(self) -> str:
        """How a message calls it."""
        ...


class PeriodsSource(Protocol):
    """Knows the posting months."""

    async def periods(self, *, not_before: datetime | None = None) -> Periods:
        """As read not before an instant. Raises NetSuiteError's subclasses."""
        ...


Doc = TypeVar("Doc", bound=Document)


class RecordHandler(ABC, Generic[Doc]):
    """Makes the records of one kind of fact, each once."""

    kind: str
    system: System = "netsuite"
    batch_size = 1
    clears: Sequence[str] = ENGINE_KINDS

    def __init__(
        self, netsuite: NetSuiteClient, ledger: Ledger, clock: Clock, periods: PeriodsSource, hash_field: str
    ) -> None:
        """`hash_field` is the account's body field that carries the fingerprint."""
        self.netsuite = netsuite
        self._ledger = ledger
        self._clock = clock
        self._periods = periods
        self._hash_field = hash_field
        self._refused_days: Counter[tuple[FactKey, str]] = Counter()
        self.outdated: set[FactKey] = set()
        """Documents that are to be staged again before they can be sent: their month has closed, or what
        they are made of has changed."""

    # What differs

    @abstractmethod
    def subject(self, intent: Intent) -> str:
        """What an exception about it is about."""

    @abstractmethod
    def document(self, intent: Intent) -> Doc:
        """What the record is to be made of."""

    @abstractmethod
    def record_type(self, document: Doc) -> str:
        """The type of the record."""

    def posted_on(self, document: Doc) -> date | None:
        """The day whose period must be open; None of a record that does not post, or posts today."""
        return None

    @abstractmethod
    async def send(self, document: Doc, payload_hash: str) -> str | NotYet:
        """Make the record and give its id. Raises NetSuiteError's subclasses."""

    def source_gone(self, document: Doc, error: NetSuiteNotFound) -> Outcome:
        """What it means that NetSuite finds nothing to make it of; raises where that means nothing
        special."""
        raise error

    async def refused(self, intent: Intent, document: Doc, refusal: NetSuiteRefused) -> Outcome:
        """What a refusal means, its day being open; raises where it means nothing special."""
        raise refusal

    # What is the same

    async def apply(self, intents: Sequence[Intent]) -> Sequence[Outcome]:
        """Make each record, after looking for it where it was tried before."""
        return [await self.make(intent) for intent in intents]

    async def look_up(self, intent: Intent) -> Outcome:
        """Ask NetSuite for the external id: the one proof of what became of an attempt."""
        document = self.document(intent)
        record = await self.netsuite.get_by_external_id(
            self.record_type(document), document.external_id, expand=False, lane=intent.lane
        )
        return Absent() if record is None else self._recognised(intent, document, record)

    async def make(self, intent: Intent) -> Outcome:
        """Make one record."""
        document = self.document(intent)
        if intent.attempts or intent.revision > 1:
            found = await self.look_up(intent)
            if not isinstance(found, Absent):
                return found
        try:
            sent = await self.send(document, intent.payload_hash)
        except NetSuiteDuplicate:
            return await self._taken(intent, document)
        except NetSuiteNotFound as error:
            return self.source_gone(document, error)
        except NetSuiteRefused as refusal:
            shut = await self._shut(intent, document, refusal)
            return shut or await self.refused(intent, document, refusal)
        return sent if isinstance(sent, NotYet) else self.applied(intent, document, sent)

    def again(self, reason: str, after: timedelta = SOON) -> NotYet:
        """Once more, later."""
        return NotYet(reason, self._clock.now() + after)

    def applied(
        self,
        intent: Intent,
        document: Doc,
        internal_id: str,
        number: str | None = None,
        payload_hash: str | None = None,
        note: str = "",
    ) -> Applied:
        """The record stands for the document."""
        link = Link(
            fact=intent.fact,
            record_type=self.record_type(document),
            external_id=document.external_id,
            internal_id=internal_id,
            document_number=number,
            payload_hash=payload_hash or intent.payload_hash,
            version=intent.revision,
        )
        return Applied(link, note)

    def _recognised(self, intent: Intent, document: Doc, record: Mapping[str, Any]) -> Outcome:
        """Ours, of this revision or an earlier one: applied. Anything else under our id: differs."""
        stored = str(record.get(self._hash_field) or "")
        with self._ledger.read() as tx:
            ours = {intent.payload_hash} | {one.payload_hash for one in tx.intents.history(intent.fact)}
        number = str(record["tranId"]) if record.get("tranId") else None
        if stored in ours:
            return self.applied(intent, document, str(record["id"]), number, stored, "found in NetSuite")
        return Park(
            "netsuite_differs",
            "content",
            f"{document.name}: NetSuite has record {number or record['id']} under this external id, but not "
            "as this pipeline made it.",
        )

    async def _taken(self, intent: Intent, document: Doc) -> Outcome:
        """The external id is taken: by an attempt of ours, or by somebody else's record (N 2.6)."""
        found = await self.look_up(intent)
        if not isinstance(found, Absent):
            return found
        if intent.attempts < _LOOKS_BEFORE_GIVING_UP:
            return Unclear("NetSuite says that the external id exists, but shows no record of it yet")
        return Park(
            "external_id_taken",
            "external_id",
            f"{document.name}: its external id belongs to another NetSuite record.",
        )

    async def _shut(self, intent: Intent, document: Doc, refusal: NetSuiteRefused) -> Outcome | None:
        """Whether NetSuite refuses the day: its month has closed."""
        day = self.posted_on(document)
        if day is None:
            return None
        periods = await self._periods.periods(not_before=self._clock.now() - _FRESH)
        if not periods.is_open(day):
            self.outdated.add(intent.fact)
            return self.again(f"the period of {day} has closed; the document is staged again")
        if "period" in refusal.detail.lower():
            # The list of periods can lag behind a closing.
            attempt = (intent.fact, intent.payload_hash)
            self._refused_days[attempt] += 1
            if self._refused_days[attempt] < _REFUSALS_OF_AN_OPEN_DAY:
                return self.again(f"NetSuite refuses {day}, whose period it shows as open")
        return None
