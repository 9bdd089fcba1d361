"""The proof of the clearing accounts: read everything on them, and what TikTok settled, and explain the rest.

An account may serve several shops; it is proved as a whole. An old mistake stays in a balance for ever, so
no window can be drawn. What a proof reads is kept, and the next one reads what changed since: documents by
their last change, statements where their list tells otherwise or an order of theirs was billed. Whether
that is all is asked of NetSuite: every month's balance, and how many documents it is made of, must be those
that are known. Where they are not, where the mapping changed, and once a week, all is read from the
beginning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import CLEARING_RECONCILIATION, SETTLEMENT_PROOFS
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof, Entry, Item, items_of
from tiktok_ns_pipeline.reconciliation.payouts.clearing_history import (
    Balance,
    ClearingHistory,
    Month,
    watermark,
)
from tiktok_ns_pipeline.reconciliation.payouts.clearing_reading import read_balances, read_documents
from tiktok_ns_pipeline.reconciliation.payouts.proof import statement_row
from tiktok_ns_pipeline.reconciliation.payouts.reading import CARRIED, list_statements, read_settlements
from tiktok_ns_pipeline.reconciliation.payouts.sides import accounts_of
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources
from tiktok_ns_pipeline.reconciliation.results import NotRun
from tiktok_ns_pipeline.tiktok.finance_models import ListedStatement

WHOLE_EVERY = timedelta(days=7)
"""So often an account is read from the beginning: not every change of a document shows as one of it, such
as that of the Sales Order which names its order."""

_OVERLAP = timedelta(hours=2)
"""An account's own time goes back an hour once a year, and a save may show late (N 3.5)."""
_WATCHED = timedelta(days=10)
"""Statements of so many days are listed at least, beside those that may be carried: they come late."""


async def prove_clearing(
    sources: Sequence[Sources], lake: Lake, run_id: str, *, whole: bool = False
) -> ClearingProof:
    """Prove the clearing account that these shops share, and land what it is made of.

    `whole` reads it from the beginning. Raises ValueError for shops that share no account.
    """
    accounts = {found.clearing for one in sources if (found := accounts_of(one.shop)) is not None}
    if len(accounts) != 1:
        raise ValueError("a clearing account is proved for the shops that share it")
    account, first = accounts.pop(), sources[0]
    shops = tuple(one.shop.code for one in sources)
    day = first.clock.now().astimezone(UTC).date()
    try:
        proof = await _Prover(account, sources, lake, run_id).proved(whole=whole)
    except SideUnread as unread:
        at = first.clock.now()
        proof = ClearingProof(account, shops, {}, (), at, at, NotRun(unread.side, unread.reason))
    else:
        rows = [_row(item, proof) for item in proof.items]
        lake.land(CLEARING_RECONCILIATION, rows, shop=first.shop.code, day=day, run_id=run_id)
    told = statement_row(
        first, "clearing", proof.statement, proof.not_run, len(proof.items), len(proof.wrong)
    )
    lake.land(SETTLEMENT_PROOFS, [told], shop=first.shop.code, day=day, run_id=run_id)
    return proof


def by_account(sources: Iterable[Sources]) -> list[list[Sources]]:
    """The shops that post payouts, those with the same clearing account together."""
    found: defaultdict[str, list[Sources]] = defaultdict(list)
    for one in sources:
        accounts = accounts_of(one.shop)
        if accounts is not None:
            found[accounts.clearing].append(one)
    return list(found.values())


class _Prover:
    """Proves one account."""

    def __init__(self, account: str, sources: Sequence[Sources], lake: Lake, run_id: str) -> None:
        self._account = account
        self._sources = sources
        self._first = sources[0]
        self._history = ClearingHistory(lake, account, sources[0].shop.code, run_id)
        self._basis = exact_json.fingerprint(
            [sources[0].mapping.fingerprint(), *(one.shop.code for one in sources)]
        )

    async def proved(self, *, whole: bool) -> ClearingProof:
        """The proof. Raises SideUnread."""
        try:
            whole = whole or self._is_due()
            proof, is_all = await self._read(whole=whole)
            if proof.is_explained and is_all:
                return proof
            # The account moves while it is read; what is wrong must stand in a second look.
            return (await self._read(whole=not is_all))[0]
        finally:
            self._history.close()

    def _is_due(self) -> bool:
        begun = self._history.begun()
        if begun is None:
            return True
        at, basis = begun
        return basis != self._basis or self._first.clock.now() - at >= WHOLE_EVERY

    async def _read(self, *, whole: bool) -> tuple[ClearingProof, bool]:
        """Read what changed, or all; what the account is made of with that, and whether that is all there
        is on it."""
        history, at = self._history, self._first.clock.now()
        last = None if whole else history.modified_until()
        since = watermark(last, _OVERLAP) if last else None
        documents = await read_documents(self._sources, self._account, since)
        balances = await read_balances(self._first, self._account)
        known = history.documents([entry.netsuite_id for entry, _ in documents])
        changed = [entry for entry, _ in documents if known.get(entry.netsuite_id) != entry]
        if whole:
            gone = history.document_ids() - {entry.netsuite_id for entry, _ in documents}
            history.keep_gone(gone, at)
        history.keep_documents(changed, {entry.netsuite_id: text for entry, text in documents}, at)
        await self._read_statements(changed, at, whole=whole)
        if whole:
            history.keep_begun(self._basis, at)
        entries, statements = history.open()
        proof = ClearingProof(
            self._account,
            tuple(one.shop.code for one in self._sources),
            _by_currency(balances),
            items_of(entries, statements),
            at,
            at,
        )
        return proof, balances == history.balances()

    async def _read_statements(self, changed: Sequence[Entry], at: datetime, *, whole: bool) -> None:
        """Read the statements that documents name and that are not known as they are."""
        history, today = self._history, at.astimezone(UTC).date()
        naming = history.naming_payouts()
        names = {name for entry in naming for name in entry.payout_names}
        if not names:
            return
        known = history.statements()
        bills = {order_id for entry in changed for order_id, part in entry.order_parts.items() if part > 0}
        doubtful = history.statements_with(bills) if bills else set[str]()
        fresh = naming if whole else [entry for entry in changed if entry.payout_names]
        dated = [entry.dated for entry in fresh if entry.dated is not None]
        begin = min([*dated, today - _WATCHED]) - CARRIED
        for sources in self._sources:
            listed = await list_statements(sources, begin, today)
            wanted = [
                one
                for one in listed
                if (one.id in names or one.payment_id in names)
                and (
                    whole
                    or one.id in doubtful
                    or one.id not in known
                    or known[one.id].basis != _basis_of(one)
                )
            ]
            bases = {one.id: _basis_of(one) for one in wanted}
            read = await read_settlements(sources, wanted)
            # What could not be read is read again the next time.
            told = [(one, "" if one.unreadable else bases[one.id]) for one in read]
            history.keep_statements(sources.shop.code, told, at)


def _basis_of(one: ListedStatement) -> str:
    return exact_json.fingerprint([one.payment_id, one.settlement_amount, one.currency])


def _by_currency(balances: dict[Month, Balance]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (currency, _), (amount, _) in balances.items():
        sums[currency] += amount
    return {currency: amount for currency, amount in sums.items() if amount}


def _row(item: Item, proof: ClearingProof) -> dict[str, Any]:
    return {
        "account": proof.account,
        "subject": item.subject,
        "reason": item.reason.value,
        "is_explained": item.is_explained,
        "currency": item.currency,
        "amount": item.amount,
        "documented": item.documented,
        "settled": item.settled,
        "documents": ", ".join(item.documents) or None,
        "tiktok_read_at": proof.tiktok_read_at,
        "netsuite_read_at": proof.netsuite_read_at,
    }


def not_run_clearing(account: str, shops: Sequence[str], reason: str, at: datetime) -> ClearingProof:
    """The result of a proof that could not take place, which is not a clean one."""
    return ClearingProof(account, tuple(shops), {}, (), at, at, NotRun("tiktok", reason))
