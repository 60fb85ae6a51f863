"""How fast an endpoint may be called, shared by every process of every machine through Redis, on its server's clock.
Nothing waits here: a thread waits for its turn in `dispatcher.Permit`.

GCRA, the generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling): one number per limit, the theoretical
arrival time of the next call, says how long to wait. Nobody holds anything, so a process that dies leaks nothing.
"""

from __future__ import annotations

import hashlib
import os
import random
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis

from worker.llm.calls import Allowance
from worker.logging import get_logger

log = get_logger()

HORIZON_S = 1.0  # a turn is given at most so far ahead, for a pause to reach who waits for one
SHORT_PAUSE_S = 0.5  # after a 429 that names no time
# Additive increase, multiplicative decrease: a stray 429 costs little, and a volley of calls that left together no
# more than `LEAST`.
CUT = 0.93
LEAST = 0.6
VOLLEY_S = 1.0
LEAST_OBSERVED = 60.0  # requests per minute, where a 429 came before anything could be observed
GROWTH_PER_S = 0.01  # of the rate, back towards the limit
TOKEN_BURST_S = 1.0
AWAY_S = 5.0  # so long a Redis that is away is not asked again
CALM_S = 600.0  # a 429 matters for so long; without one, and without limits, a process does not ask for turns
POLL_S = 1.0  # but so often, while it calls, whether another process has met a limit or a 429
PROCESS_S = 60.0  # a process not seen for so long is gone
KEEP_S = 3600  # then the state of an endpoint nobody calls is forgotten

# The state of an endpoint is one hash: `pause` (until when), `r`, `t` (theoretical arrival times of requests, tokens),
# `rpm`, `tpm`, `told` (adopted from headers, and when), `rate`, `at` (what 429s left of the rate, and when),
# `base`, `cut` (the rate before the last volley of 429s, and when it began), `o:…` (what each process observed of its
# own rate when the first 429 came). The last argument of each script is the time, where it is not the server's own.
_RATE = """
local time = redis.call('TIME')
local now = tonumber(ARGV[#ARGV]) or tonumber(time[1]) + tonumber(time[2]) / 1e6
local function least(a, b) if a and b then return math.min(a, b) end return a or b end
local function get(name) return tonumber(redis.call('HGET', KEYS[1], name)) end
local function set(name, value) redis.call('HSET', KEYS[1], name, string.format('%.6f', value)) end
local function configured(index) local value = tonumber(ARGV[index]); if value > 0 then return value end end
local function grown()
  local rate = get('rate')
  return rate and rate * (1 + tonumber(ARGV[3]) * math.max(0, now - get('at')))
end
"""

# rpm, tpm, growth, tokens, horizon, token burst, process, how long a process counts, how long to keep
# → granted, seconds to wait, of which paused, processes
ADMIT = (
    _RATE
    + """
local rpm, tpm = least(configured(1), get('rpm')), least(configured(2), get('tpm'))
local rate = grown()
if rate and rpm and rate >= rpm then redis.call('HDEL', KEYS[1], 'rate', 'at', 'cut'); rate = nil end
rpm = least(rpm, rate)
redis.call('ZADD', KEYS[2], now, ARGV[7])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[8]))
local processes = redis.call('ZCARD', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[9])
local paused = math.max(0, (get('pause') or 0) - now)
local wait, r, t = paused, get('r') or 0, get('t') or 0
if rpm then wait = math.max(wait, r - now) end
if tpm then wait = math.max(wait, t - tonumber(ARGV[6]) - now) end
local granted = 0
if wait <= tonumber(ARGV[5]) then
  granted = 1
  local start = now + wait
  if rpm then set('r', math.max(r, start) + 60 / rpm) end
  if tpm then set('t', math.max(t, start) + 60 * tonumber(ARGV[4]) / tpm) end
  redis.call('EXPIRE', KEYS[1], ARGV[9])
end
return {granted, string.format('%.6f', wait), string.format('%.6f', paused), processes}
"""
)

# rpm, tpm, growth, tokens used beyond the reserved ones, adopted rpm, adopted tpm, how long to keep
SETTLE = (
    _RATE
    + """
if tonumber(ARGV[5]) > 0 then
  set('rpm', ARGV[5])
  set('told', now)
  redis.call('HDEL', KEYS[1], 'rate', 'at', 'cut')  -- what 429s left of a limit that was wrong
end
if tonumber(ARGV[6]) > 0 then set('tpm', ARGV[6]) end
local tpm, t = least(configured(2), get('tpm')), get('t')
if tpm and t then set('t', t + 60 * tonumber(ARGV[4]) / tpm) end
redis.call('EXPIRE', KEYS[1], ARGV[7])
"""
)

# rpm, tpm, growth, seconds to pause, cut, least, volley, horizon, observed rate, process, how long to keep
SLOW = (
    _RATE
    + """
set('pause', math.max(get('pause') or 0, now + tonumber(ARGV[4])))
local known = least(configured(1), get('rpm'))
redis.call('EXPIRE', KEYS[1], ARGV[11])
-- A call that left before the true limit was known says nothing of the rate that is kept by now.
if now - (get('told') or 0) < tonumber(ARGV[8]) then return end
local rate, base, observed = grown(), get('base'), 0
if not known and redis.call('HSETNX', KEYS[1], 'o:' .. ARGV[10], ARGV[9]) == 1 then observed = tonumber(ARGV[9]) end
if not (rate and base) or now - (get('cut') or 0) > tonumber(ARGV[7]) then
  base = rate or known or 0
  set('cut', now)
end
base = math.max(1, base + observed)
set('base', base)
set('rate', math.max(tonumber(ARGV[6]) * base, tonumber(ARGV[5]) * ((rate or known or 0) + observed)))
set('at', now)
"""
)


# rpm, tpm, growth, seconds that a 429 matters, cut, observed rate, process
# → whether there is a limit or a pause to keep. A process that joins a limit inferred from a 429 adds its own observed
# rate to it.
KNOWN = (
    _RATE
    + """
local at, paused = get('at'), (get('pause') or 0) > now
local is_felt = at and now - at < tonumber(ARGV[4])
if is_felt and not get('rpm') and redis.call('HSETNX', KEYS[1], 'o:' .. ARGV[7], ARGV[6]) == 1 then
  set('base', (get('base') or 0) + tonumber(ARGV[6]))
  set('rate', grown() + tonumber(ARGV[5]) * tonumber(ARGV[6]))
  set('at', now)
end
if paused or is_felt or get('rpm') or get('tpm') then return 1 end
return 0
"""
)


@dataclass(frozen=True, slots=True)
class Admission:
    """`granted`: send after `wait_s`; else ask again after it. `paused_s` of the wait are the provider's own wish."""

    granted: bool
    wait_s: float
    paused_s: float = 0.0
    tokens: int = 0  # reserved


@dataclass
class Pacer:
    """The same arithmetic as the scripts', for one process alone: its share of the limits while Redis is away."""

    pause: float = 0.0
    requests_at: float = 0.0
    tokens_at: float = 0.0
    rate: float | None = None
    at: float = 0.0
    base: float = 0.0
    cut_at: float = 0.0

    def admit(self, now: float, tokens: int, rpm: float | None, tpm: float | None) -> Admission:
        """A turn at most `HORIZON_S` ahead, or when to ask again. `rpm`, `tpm`: this process's share."""
        if self.rate is not None:
            rate = self._grown(now)
            rpm = rate if rpm is None else min(rpm, rate)
        paused_s = max(0.0, self.pause - now)
        wait_s = paused_s
        if rpm:
            wait_s = max(wait_s, self.requests_at - now)
        if tpm:
            wait_s = max(wait_s, self.tokens_at - TOKEN_BURST_S - now)
        if wait_s > HORIZON_S:
            return Admission(False, wait_s, paused_s)
        if rpm:
            self.requests_at = max(self.requests_at, now + wait_s) + 60 / rpm
        if tpm:
            self.tokens_at = max(self.tokens_at, now + wait_s) + 60 * tokens / tpm
        return Admission(True, wait_s, paused_s, tokens)

    def slow_down(self, now: float, pause_s: float, base: float) -> None:
        """A 429: nobody calls for `pause_s`, and the rate is cut. `base`: requests per minute until now."""
        self.pause = max(self.pause, now + pause_s)
        rate = base if self.rate is None else self._grown(now)
        if self.rate is None or now - self.cut_at > VOLLEY_S:
            self.base, self.cut_at = rate, now
        self.rate, self.at = max(1.0, LEAST * self.base, CUT * rate), now

    def _grown(self, now: float) -> float:
        return (self.rate or 0.0) * (1 + GROWTH_PER_S * max(0.0, now - self.at))


# → seconds of pause left, requests and tokens a minute that hold now (0: no limit is known)
STATE = (
    _RATE
    + """
local rpm, tpm = least(configured(1), get('rpm')), least(configured(2), get('tpm'))
return {tostring(math.max(0, (get('pause') or 0) - now)), tostring(least(rpm, grown()) or 0), tostring(tpm or 0)}
"""
)


class Script(Protocol):
    """A Lua script that Redis keeps."""

    def __call__(self, keys: list[str], args: list[Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class LimitState:
    """Seconds that calls are paused for; requests and tokens a minute that are allowed, 0 where no limit is known."""

    pause_s: float
    requests: float
    tokens: float


@dataclass
class Limits:
    """The limits of one endpoint. Shared by every thread of a process; nothing here waits.

    `rpm`, `tpm`: requests and tokens per minute that the operator configured for all processes together. Until there
    is a limit (configured, told by headers, or felt by a 429) Redis is asked once in `POLL_S` whether somebody else
    knows of one. `clock` in seconds, never backwards; `server_clock` counts instead of the one of Redis.
    """

    client: redis.Redis | None
    endpoint: str
    rpm: int | None = None
    tpm: int | None = None
    processes: int = 1
    clock: Callable[[], float] = time.monotonic
    server_clock: Callable[[], float] | None = None
    process: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}")
    _pacer: Pacer = field(default_factory=Pacer)
    _adopted: Allowance = field(default_factory=Allowance)
    _sent: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _watched_until: float = 0.0
    _poll_at: float = 0.0
    _away_until: float = 0.0
    _paused_until: float = 0.0

    def __post_init__(self) -> None:
        name = hashlib.sha256(self.endpoint.encode()).hexdigest()[:16]
        # One hash slot, so that a Redis cluster takes both keys in one script.
        self._keys = [f"medq:limits:{{{name}}}", f"medq:limits:{{{name}}}:processes"]
        register = self.client.register_script if self.client is not None else None
        self._admit: Script | None = register(ADMIT) if register else None
        self._settle: Script | None = register(SETTLE) if register else None
        self._slow: Script | None = register(SLOW) if register else None
        self._known: Script | None = register(KNOWN) if register else None

    def admit(self, tokens: int) -> Admission:
        """When a call of about `tokens` tokens may go. Counts as sent when granted."""
        now = self.clock()
        if not self._is_watched(now) and not self._poll_others(now):
            self._note_sent(now)
            return Admission(True, 0.0)
        answer = self._ask(self._admit, [tokens, HORIZON_S, TOKEN_BURST_S, self.process, PROCESS_S, KEEP_S])
        if answer is None:
            with self._lock:
                admission = self._pacer.admit(
                    now, tokens, self._share(self.rpm, "requests"), self._share(self.tpm, "tokens")
                )
        else:
            self.processes = max(1, int(answer[3]))
            admission = Admission(bool(answer[0]), float(answer[1]), float(answer[2]), tokens)
        if admission.granted:
            self._note_sent(now + admission.wait_s)
            return admission
        # Not all at once: who asks first when the time has come would else be many.
        jitter = random.uniform(0.3, 1.0)  # noqa: S311 (jitter, not a secret)
        return (
            admission
            if admission.paused_s > HORIZON_S
            else Admission(False, min(admission.wait_s, HORIZON_S) * jitter, admission.paused_s)
        )

    @property
    def reported_rpm(self) -> float | None:
        """The requests a minute that the endpoint's own headers allow; None where it does not say."""
        return self._adopted.requests

    def read_state(self) -> LimitState | None:
        """What holds for every process now; None where Redis does not say."""
        client = self.client
        answer = self._ask(client.register_script(STATE) if client is not None else None, [])
        return None if answer is None else LimitState(*map(float, answer))

    def try_out(self) -> None:
        """Take a turn as any call does, and forget it. Raises `redis.RedisError` where it cannot be shared."""
        if self.client is None or self._admit is None:
            return
        self._run(self._admit, 60_000, 0, [0, HORIZON_S, TOKEN_BURST_S, self.process, PROCESS_S, KEEP_S])
        self.client.delete(*self._keys)

    def is_paused(self) -> bool:
        """Whether a 429 has come since a turn was given: who waited for one asks anew."""
        return self.clock() < self._paused_until

    def settle(self, admission: Admission, used_tokens: int, reported: Allowance | None) -> None:
        """After the reply: what it really took, and what the endpoint says it allows."""
        adopted = reported if reported is not None and reported != self._adopted else None
        if adopted is not None and (adopted.requests or adopted.tokens):
            self._adopted = adopted
        else:
            adopted = None
        is_token_limited = bool(self.tpm or self._adopted.tokens)
        if adopted is None and not (is_token_limited and admission.tokens):
            return
        beyond = used_tokens - admission.tokens if admission.tokens else 0
        reported_requests, reported_tokens = (adopted.requests or 0, adopted.tokens or 0) if adopted else (0, 0)
        self._ask(self._settle, [beyond, reported_requests, reported_tokens, KEEP_S])

    def slow_down(self, retry_after_s: float | None) -> None:
        """After a 429: every process pauses as long as the endpoint wishes, and goes on at a lower rate."""
        now = self.clock()
        pause_s = SHORT_PAUSE_S if retry_after_s is None else retry_after_s
        observed = self._observed(now) or LEAST_OBSERVED
        with self._lock:
            self._watch()
            self._paused_until = max(self._paused_until, now + pause_s)
            self._pacer.slow_down(now, pause_s, self._share(self.rpm, "requests") or observed)
        self._ask(self._slow, [pause_s, CUT, LEAST, VOLLEY_S, HORIZON_S, observed, self.process, KEEP_S])
        log.info("rate_limited", pause_s=round(pause_s, 1))

    def _ask(self, script: Script | None, arguments: list[Any]) -> Any:
        """Run a script; None while Redis is away, which is noticed at once and not tried again for a while."""
        if script is None or self.clock() < self._away_until:
            return None
        try:
            # The provider's answer to this process counts also where Redis has forgotten it.
            rpm, tpm = self._least(self.rpm, "requests"), self._least(self.tpm, "tokens")
            return self._run(script, rpm or 0, tpm or 0, arguments)
        except redis.RedisError as error:
            self._away_until = self.clock() + AWAY_S
            log.warning("limits_alone", error=type(error).__name__, processes=self.processes)
            return None

    def _run(self, script: Script, rpm: float, tpm: float, arguments: list[Any]) -> Any:
        now = "" if self.server_clock is None else self.server_clock()
        return script(keys=self._keys, args=[rpm, tpm, GROWTH_PER_S, *arguments, now])

    def _is_watched(self, now: float) -> bool:
        is_reported = bool(self._adopted.requests or self._adopted.tokens)
        return bool(self.rpm or self.tpm) or is_reported or now < self._watched_until

    def _poll_others(self, now: float) -> bool:
        """Whether Redis holds a limit or a 429 that another process met; asked by one thread at a time."""
        with self._lock:
            if now < self._poll_at:
                return False
            self._poll_at = now + POLL_S
        if not self._ask(self._known, [CALM_S, CUT, self._observed(now), self.process]):
            return False
        self._watch()
        return True

    def _watch(self) -> None:
        self._watched_until = self.clock() + CALM_S

    def _share(self, configured: int | None, name: str) -> float | None:
        least = self._least(configured, name)
        return least / self.processes if least else None

    def _least(self, configured: int | None, name: str) -> float | None:
        reported = self._adopted.requests if name == "requests" else self._adopted.tokens
        return min((limit for limit in (configured, reported) if limit), default=None)

    def _note_sent(self, at: float) -> None:
        with self._lock:
            self._sent.append(at)

    def _observed(self, now: float) -> float:
        """Requests per minute that this process sent of late; 0 when that is not known yet."""
        with self._lock:
            recent = [at for at in self._sent if now - at < 5]
        if len(recent) < 2:
            return 0.0
        return 60 * len(recent) / max(0.1, now - min(recent))
