"""Intend: what was decided about a claim becomes intents and exceptions, in one transaction.

Receipt and credit of a return wait for its Return Authorization, whose link they name. What was planned
and is not wanted any more, such as the credit of a refund that was taken back before it was sent, is
withdrawn; what is under way, or done, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, NewIntent, Planned, link_reference
from tiktok_ns_pipeline.refunds.claims import MALFORMED, subject_of
from tiktok_ns_pipeline.refunds.document import CHANNEL, Credit, ItemReceipt, Problem, RefundDocument
from tiktok_ns_pipeline.refunds.reading import KINDS
from tiktok_ns_pipeline.refunds.staging import DIFFERS, EXCEEDS, NEEDS_ANSWER, TWICE, UNBILLED, Decision
from tiktok_ns_pipeline.runtime import Runtime

TOTAL = "total"
DELETED = "deleted"
"""Causes of a document that differs, as the read-back finds it."""

STAGING_KINDS = (
    MALFORMED,
    UNBILLED,
    EXCEEDS,
    TWICE,
    NEEDS_ANSWER,
    "refund_without_goods",
    "goods_without_refund",
    "refund_reversed",
    "no_open_period",
)
"""Exceptions that staging opens, and whose absence from a later staging proves them gone."""


def intent_of(document: RefundDocument) -> NewIntent:
    """The intent that a document should exist."""
    fact = FactKey(document.channel, document.shop, document.kind, document.claim_id)
    is_made_of_return = isinstance(document, ItemReceipt) or (
        isinstance(document, Credit) and document.of_return
    )
    authorization = FactKey(document.channel, document.shop, RETURN_AUTHORIZATION, document.claim_id)
    return NewIntent(
        flow="refunds",
        fact=fact,
        payload={"document": document.model_dump()},
        payload_hash=document.fingerprint(),
        lane="documents",
        depends_on=link_reference(authorization) if is_made_of_return else None,
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of a decision: the documents that are wanted, and how many were withdrawn."""

    planned: Sequence[Planned]
    withdrawn: int


def store(
    runtime: Runtime,
    tx: Transaction,
    shop: str,
    claim_id: str,
    decision: Decision,
    *,
    replay: bool = False,
) -> Stored:
    """Plan the documents of a claim, withdraw what is not wanted any more, open and clear exceptions.

    A person's resolution of a problem stands until a `replay` asks for it again.
    """
    known = tx.intents.newest([FactKey(CHANNEL, shop, kind, claim_id) for kind in KINDS])
    planned = tx.intents.plan(
        [intent_of(document) for document in decision.documents], replay=replay, known=known
    )
    wanted = {document.kind for document in decision.documents}
    unwanted = [fact for fact, one in known.items() if fact.kind not in wanted and one.state in OPEN]
    withdrawn = 0
    if unwanted and not decision.waiting:
        reason = decision.nothing or "the return asks for something else now"
        withdrawn = tx.intents.withdraw(unwanted, reason)
    tell(runtime, tx, shop, subject_of(claim_id), decision.problems, replay=replay)
    return Stored(planned, withdrawn)


def tell(
    runtime: Runtime,
    tx: Transaction,
    shop: str,
    subject: str,
    problems: Sequence[Problem],
    *,
    replay: bool = False,
) -> None:
    """Open what is wrong with a claim now, and clear what is no longer found wrong.

    Of documents that differ only refunds that TikTok changed are staging's: the totals are the read-back's.
    """
    for problem in problems:
        is_settled = tx.exceptions.is_resolved_by_person(
            problem.kind, shop=shop, subject=subject, cause=problem.cause
        )
        if is_settled and not replay:
            continue
        tx.exceptions.open(
            runtime.reporter.exception(
                problem.kind,
                channel=CHANNEL,
                shop=shop,
                subject=subject,
                cause=problem.cause,
                message=problem.message,
                dispatch_by=problem.due_at,
            )
        )
    if not tx.exceptions.unresolved_among(CHANNEL, shop, [subject]):
        return
    found = [(problem.kind, problem.cause) for problem in problems]
    of_read_back = [(DIFFERS, TOTAL), (DIFFERS, DELETED)]
    for kinds, keep in ((STAGING_KINDS, found), ((DIFFERS,), [*found, *of_read_back])):
        tx.exceptions.clear(
            channel=CHANNEL,
            shop=shop,
            subject=subject,
            reason="staging no longer finds this",
            kinds=kinds,
            keep=keep,
        )
