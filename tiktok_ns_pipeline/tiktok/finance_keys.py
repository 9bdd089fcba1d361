"""The names that TikTok gives to the amounts of a statement, and which of them add up.

A transaction of version 202501 has its amounts in breakdowns (T 7.5), one of 202309 has them flat on
the row (T 7.7). Both lists grow every few months: what is not here is unknown, which is a question for
a person and never an error.

Terms: an amount that *counts* is part of the settlement. A *repeat* shows one that counts once more, a
*memo* is for information, a *total* is the sum of others: none of these is ever added (T 7.4 nos. 6, 7).
Some flat amounts count in some markets only (T 7.7). Amounts are signed from the seller's point of view.
"""

from __future__ import annotations

from typing import Literal

AmountGroup = Literal[
    "sales",
    "refunds",
    "buyer_charges",
    "buyer_shipping",
    "shipping",
    "commission",
    "affiliate",
    "advertising",
    "shipping_programmes",
    "taxes",
]
"""What an accountant books as one."""

TransactionGroup = Literal["platform_adjustments", "logistics_adjustments", "balances", "other_adjustments"]
"""Transactions that are no orders and no reserves, by what they are about (T 7.8)."""

ORDER_TYPE = "ORDER"
"""The type whose amounts are told apart; every other is one amount, its settlement (T 7.5)."""

RESERVE_TYPE = "RESERVE"
"""Money that TikTok withholds or releases: a receivable, no fee (T 7.11)."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BREAKDOWN_AMOUNTS: dict[AmountGroup, tuple[str, ...]] = {
    "sales": _names("subtotal_before_discount_amount seller_discount_amount"),
    "refunds": _names("refund_subtotal_before_discount_amount seller_discount_refund_amount"),
    "buyer_charges": _names("cod_service_fee_amount refund_cod_service_fee_amount distant_item_fee_amount"),
    "buyer_shipping": _names("customer_paid_shipping_fee_amount"),
    "shipping": _names(
        """
        actual_shipping_fee_amount shipping_fee_discount_amount return_shipping_fee_amount
        replacement_shipping_fee_amount exchange_shipping_fee_amount signature_confirmation_fee_amount
        shipping_insurance_fee_amount fbt_fulfillment_fee_reimbursement_amount
        return_shipping_label_fee_amount seller_self_shipping_service_fee_amount
        return_shipping_fee_paid_buyer_amount failed_delivery_subsidy_amount
        shipping_fee_guarantee_reimbursement fbt_free_shipping_fee_amount free_return_subsidy_amount
        distant_shipping_fee_amount shipping_app_service_fee_amount logistics_service_fee
        international_leg_logistics_amount fbt_overall_merchant_subsidy fbt_key_merchant_subsidy
        sfr_reimbursement
        """
    ),
    "commission": _names(
        """
        platform_commission_amount referral_fee_amount refund_administration_fee_amount
        transaction_fee_amount credit_card_handling_fee_amount dynamic_commission_amount
        fee_per_item_sold_amount vn_fix_infrastructure_fee seller_growth_fee_amount
        platform_special_service_fee_amount platform_semi_managed_commission_fee
        platform_semi_managed_commission_fee_tax seller_paylater_handling_fee_amount
        tsp_commission_amount dt_handling_fee_amount installation_service_fee insurance_fee
        epr_pob_service_fee_amount
        """
    ),
    "affiliate": _names(
        """
        affiliate_commission_amount affiliate_partner_commission_amount affiliate_ads_commission_amount
        tap_shop_ads_commission external_affiliate_marketing_fee_amount cofunded_creator_bonus_amount
        cps_shop_ads_commission_tax_amount pit_withheld_from_ads_commission_amount
        """
    ),
    "advertising": _names(
        """
        gmv_max_ad_fee_amount gmv_max_coupon_fee smart_promotion_fee_amount campaign_resource_fee
        campaign_period_fee_cfp_amount campaign_period_fee_cfp_tax_amount
        campaign_period_fee_sp_amount campaign_period_fee_sp_tax_amount
        category_led_campaign_fee_amount category_led_campaign_fee_tax_amount brand_campaign_fee
        brand_campaign_fee_tax brand_amplification_program_commission
        brand_amplification_program_fee_tax live_specials_fee_amount flash_sales_service_fee_amount
        voucher_xtra_service_fee_amount bonus_cashback_service_fee_amount
        cofunded_promotion_service_fee_amount mall_service_fee_amount pre_order_service_fee_amount
        """
    ),
    "shipping_programmes": _names(
        """
        sfp_service_fee_amount shipping_fee_guarantee_service_fee failed_delivery_shipping_fee
        buyer_fault_return_shipping_fee shipping_insurance_fee_tax_amount
        """
    ),
    "taxes": _names(
        """
        vat_amount import_vat_amount customs_duty_amount customs_clearance_amount
        anti_dumping_duty_amount local_vat_amount gst_amount sst_amount iva_amount isr_amount pit_amount
        sales_tax_referral_fee_amount smart_promotion_fee_tax_amount cedular_tax
        """
    ),
}
"""Amounts of version 202501 that count, by group (T 7.5); 202507 has some of its own (T 7.10)."""

BREAKDOWN_REPEATS = frozenset(
    _names(
        """
        affiliate_commission_amount_before_pit affiliate_commission_before_pit_amount
        affiliate_commission_deposit affiliate_commission_release tiktok_shop_shipping_incentive_amount
        """
    )
)
"""Beside the amounts that count, but showing one of them once more (T 7.4 nos. 6, 7)."""

SUPPLEMENTARY = "supplementary_component"
"""Everything below this key is a memo, whatever it is called (T 7.5)."""

FLAT_AMOUNTS: dict[AmountGroup, tuple[str, ...]] = {
    "sales": _names("gross_sales_amount seller_discount_amount"),
    "refunds": _names("gross_sales_refund_amount seller_discount_refund_amount"),
    "commission": _names(
        """
        platform_commission_amount referral_fee_amount transaction_fee_amount
        refund_administration_fee_amount
        """
    ),
    "affiliate": _names(
        "affiliate_commission_amount affiliate_partner_commission_amount affiliate_ads_commission_amount"
    ),
    "taxes": _names("pit_amount iva_vat_amount isr_income_tax_amount"),
    "shipping": _names("signature_confirmation_fee_amount"),
}
"""Amounts of version 202309 that count in every market (T 7.7)."""

FLAT_LOCAL_AMOUNTS: dict[AmountGroup, tuple[str, ...]] = {
    "buyer_shipping": _names("customer_paid_shipping_fee_amount customer_paid_shipping_fee_refund_amount"),
    "shipping": _names(
        """
        fbm_shipping_cost_amount fbt_shipping_cost_amount shipping_cost_discount_amount
        refund_shipping_cost_discount_amount shipping_fee_subsidy_amount return_shipping_fee_amount
        shipping_insurance_fee_amount customer_shipping_fee_offset_amount fbt_fulfillment_fee_amount
        promo_shipping_incentive_amount
        """
    ),
}
"""Those that count besides for local sellers of the UK and the US (T 7.7)."""

FLAT_ELSEWHERE_AMOUNTS: dict[AmountGroup, tuple[str, ...]] = {
    "shipping": _names(
        "actual_shipping_fee_amount platform_shipping_fee_discount_amount actual_return_shipping_fee_amount"
    ),
}
"""Those that count besides in all other markets (T 7.7)."""

SHIPPING_INCOME = frozenset(
    _names(
        """
        customer_paid_shipping_fee_amount customer_paid_shipping_fee_refund_amount
        shipping_fee_discount_amount shipping_cost_discount_amount refund_shipping_cost_discount_amount
        shipping_fee_subsidy_amount
        """
    )
)
"""What buyers and TikTok pay for shipping: the seller's income where the seller ships (T 10.2)."""

FLAT_REPEATS = frozenset(_names("affiliate_commission_before_pit"))
"""Flat amounts that show another once more (T 7.4 no. 7)."""

FLAT_TOTALS = frozenset(
    _names(
        """
        settlement_amount revenue_amount net_sales_amount after_seller_discounts_subtotal_amount
        fee_amount shipping_cost_amount shipping_fee_amount adjustment_amount
        """
    )
)
"""Flat amounts that are the sum of others (T 7.7)."""

FLAT_MEMOS = frozenset(
    _names(
        """
        customer_payment_amount customer_refund_amount customer_order_refund_amount
        platform_discount_amount platform_discount_refund_amount platform_refund_subsidy_amount
        customer_shipping_fee_amount fbt_fulfillment_fee_reimbursement_amount sales_tax_amount
        sales_tax_payment_amount sales_tax_refund_amount retail_delivery_fee_amount
        retail_delivery_fee_payment_amount retail_delivery_fee_refund_amount
        """
    )
)
"""Flat amounts for information: between buyer, TikTok and the tax office (T 7.7, 10.2)."""

TRANSACTION_TYPES: dict[TransactionGroup, tuple[str, ...]] = {
    "platform_adjustments": (
        *_names(
            """
            CHARGE_BACK CUSTOMER_SERVICE_COMPENSATION DEDUCTIONS_INCURRED_BY_SELLER GMV_PAYMENT_FOR_ADS
            GMV_PAYMENT_FOR_TIKTOK_ADS PLATFORM_COMMISSION_ADJUSTMENT PLATFORM_COMMISSION_COMPENSATION
            PLATFORM_COMPENSATION PLATFORM_PENALTY PLATFORM_REIMBURSEMENT PROMOTION_ADJUSTMENT REBATE
            COFUNDED_CREATOR_REWARDS STAMP_DUTY
            """
        ),
        # The seller's cost, and not a balance that moves.
        "Violation fee (settlement fee)",
        "Violation fee (credit card)",
    ),
    "logistics_adjustments": _names(
        """
        FBT_WAREHOUSE_SERVICE_FEE LOGISTICS_REIMBURSEMENT SHIPPING_FEE_ADJUSTMENT
        SHIPPING_FEE_COMPENSATION SHIPPING_FEE_REBATE SAMPLE_SHIPPING_FEE
        """
    ),
    "balances": (
        "Bill payment (negative balance)",
        "Sales proceed(negative balance)",
        "Bill deduction for negative balance",
        "NET_EARNINGS_BALANCE",
        "NET_EARNINGS_DEDUCTION",
        "BILL_PAYMENT_(NEGATIVE_BALANCE)",
    ),
    "other_adjustments": _names("SELLER_MISSION_REWARD OTHER_ADJUSTMENT"),
}
"""Types of transactions that are no orders and no reserves (T 7.8); an open set."""


def type_key(text: str) -> str:
    """How types are compared: some are plain English, with full-width brackets (T 7.8)."""
    plain = text.replace("\uff08", "(").replace("\uff09", ")").replace("(", " (").replace("_", " ")
    return " ".join(plain.split()).casefold()


_GROUP_OF_AMOUNT: dict[str, AmountGroup] = {
    name: group
    for table in (FLAT_ELSEWHERE_AMOUNTS, FLAT_LOCAL_AMOUNTS, FLAT_AMOUNTS, BREAKDOWN_AMOUNTS)
    for group, names in table.items()
    for name in names
}
_GROUP_OF_TYPE: dict[str, TransactionGroup] = {
    type_key(name): group for group, names in TRANSACTION_TYPES.items() for name in names
}
NEVER_ADDED = (BREAKDOWN_REPEATS | FLAT_REPEATS | FLAT_TOTALS | FLAT_MEMOS) - set(_GROUP_OF_AMOUNT)
"""Names that count in no version and no market."""


def group_of_amount(name: str) -> AmountGroup | None:
    """The group of an amount that counts somewhere; None for one that never does or is not known."""
    return _GROUP_OF_AMOUNT.get(name)


def group_of_type(name: str) -> TransactionGroup | None:
    """The group of a type; None for orders, reserves and types that are not known."""
    return _GROUP_OF_TYPE.get(type_key(name))


def counts_flat(name: str, *, local: bool) -> bool:
    """Whether a flat amount is part of the settlement; `local` for sellers of the UK and the US (T 7.7)."""
    tables = (FLAT_AMOUNTS, FLAT_LOCAL_AMOUNTS if local else FLAT_ELSEWHERE_AMOUNTS)
    return any(name in names for table in tables for names in table.values())


def counts_in_breakdown(name: str) -> bool:
    """Whether an amount of a breakdown of version 202501 is known to be part of the settlement."""
    return any(name in names for names in BREAKDOWN_AMOUNTS.values())
