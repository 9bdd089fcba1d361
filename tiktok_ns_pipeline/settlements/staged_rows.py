"""What was decided about statements and payouts, as rows of `staged_payout_journals`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.settlements.document import CHANNEL, PayoutJournal
from tiktok_ns_pipeline.settlements.planning import Decided


def staged_rows(
    decided: Iterable[Decided], staged_at: datetime, mapping_fingerprint: str
) -> list[dict[str, Any]]:
    """One row for each document; one for each statement or payout without any."""
    rows: list[dict[str, Any]] = []
    for each in decided:
        common = {
            "channel": CHANNEL,
            "payment_id": each.payment_id,
            "outcome": each.outcome,
            "reason": "; ".join(problem.message for problem in each.problems) or each.reason or None,
            "support_text": "\n\n".join(one.support_text for one in each.unfooted) or None,
            "currency": each.currency,
            "net": each.net,
            "staged_at": staged_at,
            "mapping_fingerprint": mapping_fingerprint,
            "day": each.day,
        }
        without = {**common, "key": each.key, "statements": ",".join(each.statements)}
        rows += [{**common, **_document(one)} for one in each.journals] or [without]
    return rows


def _document(journal: PayoutJournal) -> dict[str, Any]:
    return {
        "key": journal.key,
        "statements": ",".join(journal.statements),
        "record_type": journal.record_type,
        "external_id": journal.external_id,
        "true_date": journal.true_date,
        "tran_date": journal.tran_date,
        "lines": len(journal.lines),
        "document": exact_json.dumps(journal.model_dump()),
        "fingerprint": journal.fingerprint(),
    }
