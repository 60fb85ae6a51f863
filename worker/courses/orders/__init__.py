"""Orders in a course: sentences that speak to whoever answers questions, not to whoever learns."""

from worker.courses.orders.sentences import ORDERS_VERSION, find_orders, quote_order

__all__ = ["ORDERS_VERSION", "find_orders", "quote_order"]
