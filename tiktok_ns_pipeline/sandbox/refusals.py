"""What TikTok Shop refuses, and the code with which it says so.

The rules of the world (`parcels`, `cancelling`) raise a `Refusal` as well as the gates of the server:
the seller's staff meets the same rules as the API. The table holds the codes of T 2.3, of T 4 and of
the documentation's lists per endpoint; texts are ours, since nobody may rely on them (T 1.6).
"""

from __future__ import annotations


class Refusal(ValueError):
    """Something that TikTok Shop refuses: its code, a message, and the HTTP status that goes with it."""

    def __init__(self, code: int, message: str, http_status: int = 200) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


def refused(code: int) -> Refusal:
    """The refusal with that code of the table."""
    return Refusal(code, _TABLE[code])


# code: message
_TABLE: dict[int, str] = {
    # Orders and packages
    21001001: "Parameters are invalid.",
    21008025: "The platform fulfils this order; the seller cannot.",
    21008106: "This call does not exist in this region.",
    21008111: "That order is not one of this shop's.",
    21008116: "There is no such delivery option.",
    21008117: "TikTok delivers this option itself; it has no providers to choose from.",
    21011001: "There is no such package.",
    21011003: "That is not allowed for this package.",
    21011004: "The seller does not ship this package, so its shipping information stays.",
    21011005: "Parameters are invalid.",
    21011007: "A unit of the package has a pending request; answer that first.",
    21011020: "This is already shipped.",
    21011022: "The tracking number or the provider id is not valid.",
    21011025: "The tracking number is a duplicate.",
    21011026: "The tracking number is used for too many orders.",
    21011027: "The package is already delivered.",
    21011028: "The package is not one of this shop's.",
    21011029: "The order or line is not part of this.",
    21011030: "The tracking number cannot be updated any more.",
    21011031: "The order cannot be combined in this package.",
    21011035: "The order cannot be split.",
    21011041: "The order is cancelled.",
    21011043: "The package is not shipped yet.",
    21011044: "The order is still on hold and cannot be shipped.",
    21011048: "Several packages could be meant; name the lines.",
    21011049: "The tracking number may not be updated in this way.",
    21011050: "The time in which the tracking number may be updated is over.",
    21011052: "The tracking number was updated too often.",
    21011053: "The pick-up is not at one of the time slots.",
    21011054: "A pick-up needs a time slot.",
    21034012: "The tracking number was used before.",
    21042057: "The order does not wait for shipment.",
    # Products and stock
    12019015: "A search takes at most 600 SKUs.",
    12019027: "A search takes at most 10 seller SKUs.",
    12019028: "The SKU has several warehouses; name each of them.",
    12019087: "A search takes at most 10 SKUs.",
    12019109: "The page_size is out of its range.",
    12019118: "The bounds of create_time are not valid.",
    12019119: "The bounds of update_time are not valid.",
    12019120: "A search takes at most 100 products.",
    12052032: "There is no such product.",
    12052037: "The stock of this warehouse cannot be edited.",
    12052050: "A product has at most 100 SKUs.",
    12052055: "The quantity is not within its limits.",
    12052097: "There is no such warehouse.",
    12052393: "A campaign has reserved stock, which cannot be lowered below that.",
    12052533: "Warehouses of a SKU cannot be added, removed or changed.",
    12052553: "A SKU is named twice.",
    12052556: "There is no such SKU.",
    12052850: "The stock of a bundle is that of its parts and cannot be edited.",
    12052901: "The status of the product does not allow that.",
    12052902: "No SKU is named.",
    12052990: "The check failed.",
    # Cancellations and returns
    25001001: "A parameter is invalid.",
    25001011: "A request is under way already.",
    25001003: "The order is not in a state for this.",
    25001014: "There is no such reason.",
    25001015: "Sellers cannot use this reason.",
    25001021: "The reason does not go with the order's status.",
    25001045: "The order is shipped and the parcel cannot be stopped.",
    25001051: "The order is completed or cancelled.",
    25005005: "The amount is more than can be refunded.",
    25005010: "Single lines cannot be cancelled in this way.",
    25005011: "The lines are more than can be cancelled.",
    25007006: "There is no such order.",
    25007007: "The buyer has an offer to answer.",
    25011010: "The platform decides this request.",
    25011011: "The request is closed and cannot be rejected.",
    25011012: "The request is closed and cannot be approved.",
    25011025: "A quick refund was paid; the parcel cannot be refused.",
    25011026: "The platform fulfils this order and answers itself.",
    25011032: "No part can be offered in this state.",
    25020004: "The decision does not go with the type of return.",
    25020005: "That cancellation is not one of this shop's.",
    25020009: "The request was withdrawn.",
    25020010: "The request was approved and cannot be rejected.",
    98001004: "The page_size is out of its range.",
}
