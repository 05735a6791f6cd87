"""The words of the messages."""

from string import Template

ORDER_CONFIRMATION = Template(
    """Dear $name,

thank you for your order $order_id:

$items

Your invoice $invoice_number over $total EUR is attached.

Your shop
"""
)

PAYMENT_RECEIVED = Template(
    """We received $amount EUR for your order $order_id on $day. Thank you.

Your shop
"""
)
