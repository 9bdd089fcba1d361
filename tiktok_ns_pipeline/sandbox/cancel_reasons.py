"""Why orders are cancelled and requests rejected: TikTok's names by market, with their texts.

A small part of TikTok's lists, which differ by market and change often (T 6.2).
"""

from __future__ import annotations

# Initiator -> name without the market's ending -> text.
_BUYER = {
    "ecom_order_to_ship_canceled_reason_no_longer_needed": "No longer needed",
    "ecom_order_to_ship_canceled_reason_created_by_mistakes": "Order created by mistake",
    "ecom_order_to_ship_canceled_reason_discount_not_expected": "Discount not as expected",
    "ecom_order_to_ship_canceled_reason_high_delivery_costs": "High delivery costs",
    "ecom_order_to_ship_canceled_reason_better_price": "Better price elsewhere",
}
_SELLER_UNPAID = {"seller_cancel_unpaid_reason_out_of_stock": "Out of stock (not paid yet)"}
_SELLER_PAID = {
    "seller_cancel_reason_out_of_stock": "Out of stock",
    "seller_cancel_reason_wrong_price": "Wrong price",
    "seller_cancel_paid_reason_address_not_deliver": "Cannot deliver to the address",
}
_SYSTEM = {
    "system_cancel_unpaid_time_out": "Unpaid",
    "system_cancel_order_reason_shipping_timeout": "Not shipped in time",
    "returned_to_shipper_refused": "Parcel refused and returned",
    "platform_cancel": "Cancelled by the platform",
}
_ENDINGS = {"GB": "_uk"}

_REJECT: dict[str, dict[str, str]] = {
    "US": {
        "ecom_reverse_reject_cancel_reason_product_packed": "The product is packed",
        "seller_reject_apply_unable_to_change_address": "The address cannot be changed",
    },
    "GB": {
        "seller_reject_apply_product_has_been_packed": "The product is packed",
        "order_manage_list_action_respond_popup_reject_reason_buyer_agree_uk": "The buyer agreed",
    },
    "VN": {
        "seller_reject_apply_product_has_been_packed": "The product is packed",
        "order_manage_list_action_respond_popup_reject_reason_buyer_agree": "The buyer agreed",
    },
}

OUT_OF_STOCK = "seller_cancel_reason_out_of_stock"
_NONE_LEFT = (OUT_OF_STOCK, "seller_cancel_unpaid_reason_out_of_stock")
_COMES_BACK_LATER = "returned_to_shipper_refused"
BY_DEFAULT = "No longer needed"
"""Text of the reason when a buyer gives none."""


def name_of(text: str, region: str) -> str:
    """TikTok's name for a reason in a market; an unknown one is made a name."""
    for names in (_BUYER, _SELLER_UNPAID, _SELLER_PAID, _SYSTEM):
        for name, its_text in names.items():
            if text in {name, its_text}:
                return name + _ENDINGS.get(region, "")
    return text.lower().replace(" ", "_")


def text_of(name: str, region: str) -> str:
    """The text that goes with a name."""
    bare = name.removesuffix(_ENDINGS.get(region, "\0"))
    for names in (_BUYER, _SELLER_UNPAID, _SELLER_PAID, _SYSTEM):
        if bare in names:
            return names[bare]
    return name


def seller_reasons(region: str, *, paid: bool) -> set[str]:
    """Names that a seller may give for cancelling an order that is paid, or is not."""
    return {name + _ENDINGS.get(region, "") for name in (_SELLER_PAID if paid else _SELLER_UNPAID)}


def buyer_reasons(region: str) -> set[str]:
    """Names that only buyers give."""
    return {name + _ENDINGS.get(region, "") for name in _BUYER}


def reject_reasons(region: str) -> dict[str, str]:
    """Name -> text of the reasons for rejecting a buyer's request in a market."""
    return _REJECT[region]


def says_out_of_stock(name: str) -> bool:
    """Whether a seller says by it that nothing is left to sell (T 5.3)."""
    return name.startswith(_NONE_LEFT)


def replenishes(name: str) -> bool:
    """Whether the cancelled units can be sold again (`should_replenish_stock`, T 5.3, 6.3)."""
    return not name.startswith((*_NONE_LEFT, _COMES_BACK_LATER))
