"""The Dramatiq broker: one queue of bells. A message says "look"; what there is to do stands in PostgreSQL."""

from __future__ import annotations

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

QUEUE = "medq"
RING = "ring"


def redis_client(url: str) -> redis.Redis:
    """A client that notices a dead server within seconds and reconnects with backoff."""
    return redis.Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), 3),
        socket_connect_timeout=2,
        socket_timeout=5,
        health_check_interval=15,
        **({} if url.startswith("unix") else {"socket_keepalive": True}),
    )


def make_broker(url: str | None = None, *, client: redis.Redis | None = None) -> RedisBroker:
    """A broker for `url` (or a given client), set as Dramatiq's global one.

    No middleware on purpose: retries, delays, time limits and age limits act on messages, and a message carries no
    work here. A lost, doubled or late bell is mended by the sweep; the lease watches over the work itself.
    """
    middleware: list[Middleware] = []
    broker = RedisBroker(  # type: ignore[no-untyped-call]
        client=client or redis_client(url or ""),
        middleware=middleware,
        maintenance_chance=100_000,
        heartbeat_timeout=60_000,
    )
    dramatiq.set_broker(broker)
    return broker


def ring(broker: dramatiq.Broker, times: int) -> None:
    """Send that many bells. Raises `redis.ConnectionError` while Redis is away: the next sweep rings again."""
    for _ in range(times):
        broker.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=RING, args=(), kwargs={}, options={}))
