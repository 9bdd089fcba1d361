"""What a refusal says about the record that was asked for, whatever the endpoint.

Most refusals only tell a person that something is wrong (`errors`). Those in this table steer what is
done next, since they say in which state the record is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tiktok_ns_pipeline.tiktok.errors import NOT_YOUR_ORDER

Meaning = Literal[
    "already_shipped",
    "on_hold",
    "not_awaiting_shipment",
    "cancelled",
    "request_pending",
    "tracking_unknown",
    "tracking_duplicate",
    "update_refused",
    "not_shipped_yet",
    "name_the_lines",
    "slot_refused",
    "invoice_missing",
    "label_bought",
    "not_in_market",
    "channel_ships",
    "package_gone",
    "not_yours",
    "already_answered",
    "reason_refused",
    "decision_refused",
    "amount_refused",
    "with_platform",
    "warehouses_differ",
    "stock_locked",
    "not_editable",
    "listing_closed",
    "listing_gone",
    "bundle",
    "level_refused",
    "counted_elsewhere",
]
"""What a refusal says about the record that was asked for, whatever the endpoint."""


@dataclass(frozen=True, slots=True)
class MeaningRow:
    """A row of the table of refusals that decide what is done next."""

    meaning: Meaning
    codes: tuple[int, ...]
    says: str
    source: str


_CODE_LIST = "T 2.3, list of domain codes"
MEANINGS: tuple[MeaningRow, ...] = (
    MeaningRow(
        "already_shipped",
        (21011020, 21011040, 21008099, 11006021, 21042056),
        "the units are shipped already; read the package to see whether as we want it",
        "T 2.3, ship",
    ),
    MeaningRow(
        "already_shipped",
        (21011006, 21011027, 25001045),
        "shipped or even delivered already, also when a cancellation is to be approved",
        _CODE_LIST,
    ),
    MeaningRow("on_hold", (21011044,), "the buyer may still cancel freely; ship later", "T 2.3, 3.2"),
    MeaningRow(
        "not_awaiting_shipment",
        (21042057,),
        "the order is in a state in which nothing is shipped; read it again",
        _CODE_LIST,
    ),
    MeaningRow("cancelled", (21011041, 21011042), "the order is cancelled", "T 2.3, ship"),
    MeaningRow(
        "request_pending",
        (21011007, 21008044),
        "the buyer asked to cancel or return; answer that first",
        "T 2.3, ship",
    ),
    MeaningRow("request_pending", (21021010,), "the same about one package", _CODE_LIST),
    MeaningRow(
        "tracking_unknown",
        (21011022, 11028006, 21022032),
        "no carrier knows the tracking number, or not this one",
        "T 2.3, ship",
    ),
    MeaningRow(
        "tracking_unknown",
        (21004012, 21004015, 21004016),
        "the tracking number is not one of this carrier",
        _CODE_LIST,
    ),
    MeaningRow(
        "tracking_duplicate",
        (21011025, 21034012, 21011026),
        "the tracking number is in use, or was used too often",
        "T 2.3, 4.4",
    ),
    MeaningRow(
        "update_refused",
        (21011049, 21011050, 21011051, 21011052, 21011030),
        "the tracking cannot be changed (any more)",
        "T 2.3, tracking update",
    ),
    MeaningRow(
        "update_refused",
        (21011004, 25001010),
        "the tracking is not the seller's to change, or the goods came back",
        _CODE_LIST,
    ),
    MeaningRow("not_shipped_yet", (21011043,), "nothing to correct: ship it instead", _CODE_LIST),
    MeaningRow("name_the_lines", (21011048,), "several packages are open; name the units", "T 2.3"),
    MeaningRow(
        "slot_refused",
        (21011053, 21011054, 21004017),
        "the pick-up needs a slot, or another one; ask for the slots",
        _CODE_LIST,
    ),
    MeaningRow(
        "invoice_missing",
        (21004006, 21004019, 21004020),
        "the invoice is missing or not accepted (BR)",
        "T 2.3, 4.1",
    ),
    MeaningRow(
        "label_bought",
        (21008042, 21022025),
        "TikTok's label was bought for it, so its carrier takes it",
        _CODE_LIST,
    ),
    MeaningRow("not_in_market", (21008106,), "this market ships by another call", "T 2.3, 4.1"),
    MeaningRow(
        "channel_ships", (21008117, 21008025), "TikTok's own warehouse or carrier does it", "T 2.3, 4.1"
    ),
    MeaningRow(
        "package_gone",
        (21011001,),
        "no such package: split or combined meanwhile; read the order again",
        "T 4.4, list of domain codes",
    ),
    MeaningRow("not_yours", (NOT_YOUR_ORDER,), "it belongs to another shop", "T 2.3"),
    MeaningRow("not_yours", (21011028, 25020005), "it belongs to another shop", _CODE_LIST),
    MeaningRow(
        "already_answered",
        (25001003,),
        "the state of the order or request does not allow the answer (any more)",
        "T 2.3, returns",
    ),
    MeaningRow(
        "already_answered",
        (25011011, 25011012, 25020003, 25020009, 25020010),
        "the request was approved, rejected or withdrawn meanwhile",
        _CODE_LIST,
    ),
    MeaningRow(
        "already_answered",
        (25007007, 25011013, 25011032, 25020011, 25020012),
        "the return is past this step: received, settled, or with the buyer to answer",
        _CODE_LIST,
    ),
    MeaningRow("with_platform", (25011010,), "TikTok decides the dispute", "T 2.3, returns"),
    MeaningRow(
        "decision_refused",
        (25011025,),
        "a quick refund is paid already: the parcel cannot be refused",
        "T 2.3, returns",
    ),
    MeaningRow(
        "decision_refused",
        (25011023, 25011035, 25020004),
        "this kind of return is not answered like that, or not now",
        _CODE_LIST,
    ),
    MeaningRow("amount_refused", (25005005,), "more than can be refunded", "T 2.3, returns"),
    MeaningRow("channel_ships", (25011026,), "TikTok's own warehouse takes it back", "T 2.3, returns"),
    MeaningRow(
        "reason_refused",
        (25001014, 25001020),
        "the reason is unknown or retired; ask for the reasons that hold",
        "T 2.3, returns",
    ),
    MeaningRow("reason_refused", (25001016, 25001057), "the reason does not fit the answer", _CODE_LIST),
    MeaningRow(
        "warehouses_differ",
        (12019028, 12052533),
        "the SKU has other warehouses than those named; read its stock again",
        "T 2.3, 5.3",
    ),
    MeaningRow(
        "warehouses_differ",
        (12019022, 12052097, 12052530, 12052531, 12052532, 12052555),
        "a warehouse is not there, not this shop's, or closed",
        _CODE_LIST,
    ),
    MeaningRow(
        "stock_locked",
        (12052393,),
        "a campaign holds stock; raise it, or wait until the campaign is over",
        "T 5.3",
    ),
    MeaningRow("not_editable", (12052037,), "the stock of this SKU cannot be set", "T 2.3, inventory"),
    MeaningRow(
        "listing_closed",
        (12052901,),
        "the product is frozen, deleted or a draft that takes no stock",
        "T 2.3, 5.3",
    ),
    MeaningRow(
        "listing_closed", (12052308, 12052371), "an appeal or an auction holds the product", _CODE_LIST
    ),
    MeaningRow(
        "listing_gone",
        (12052031, 12052032, 12052048, 12052260, 12052556),
        "no such product or SKU in this shop; read the listings again",
        _CODE_LIST,
    ),
    MeaningRow(
        "bundle", (12052849, 12052850), "a bundle has no stock of its own; set that of its parts", _CODE_LIST
    ),
    MeaningRow("level_refused", (12052055, 12019024), "the level is out of range", "T 2.3, inventory"),
    MeaningRow("level_refused", (12019017, 12052146), "the level is too high or too low", _CODE_LIST),
    MeaningRow("channel_ships", (12052144, 12052382), "TikTok's own warehouse counts it", _CODE_LIST),
    MeaningRow(
        "counted_elsewhere",
        (12052141, 12052921),
        "another shop or the global product keeps this stock; set it there",
        _CODE_LIST,
    ),
)
_MEANING_OF: dict[int, Meaning] = {code: row.meaning for row in MEANINGS for code in row.codes}


def meaning_of(code: int | None) -> Meaning | None:
    """What a refusal's code says about the record; None when it steers nothing."""
    return _MEANING_OF.get(code) if code is not None else None
