"""HTTP with an end: a deadline for a whole exchange, an upper bound for what is read of it, and no key for strangers.

httpx2 bounds single reads and writes; one that gets a byte now and then never ends, and what it reads has no limit.
Here one deadline covers connection, headers and every byte, bytes are counted after decompression, and whoever waits
is asked now and then whether the reply is still wanted. What the exchange says is not known here.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import httpcore2
import httpx2

from worker.system.keepalive import CONNECT_S, SOCKET

POLL_S = 0.5  # how often the caller is asked whether it still wants the reply
MOST_BYTES = 8 * 2**20  # of a reply for which nobody said another bound
MAX_REDIRECTS = 3
CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
_PIECE = 64 * 2**10  # decompressed, or written, at once

_thread = threading.local()


class Watch:
    """While the block runs, every exchange of this thread calls `check` twice a second; what it raises ends it."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._before: Callable[[], None] | None = None

    def __enter__(self) -> None:
        self._before = getattr(_thread, "check", None)
        _thread.check = self._check

    def __exit__(self, *_: object) -> None:
        _thread.check = self._before


def check_wanted() -> None:
    """Ask at once whether what this thread waits for is still wanted. Raises what the watch raises."""
    check: Callable[[], None] | None = getattr(_thread, "check", None)
    if check is not None:
        check()


class Bounds:
    """While the block runs, this thread's exchanges together end after `seconds`, and no body exceeds `most_bytes`.

    Afterwards `is_cut` says that there was more than `most_bytes`, `encoding` names a Content-Encoding that could not
    be undone: the body is then what came.
    """

    def __init__(self, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        self.seconds = seconds
        self.most_bytes = most_bytes
        self.is_cut = False
        self.encoding: str | None = None
        self._ends_at = self._poll_at = 0.0

    def __enter__(self) -> Self:
        now = time.monotonic()
        self._ends_at, self._poll_at = now + self.seconds, now + POLL_S
        _thread.bounds = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _thread.bounds = None

    def left_s(self) -> float:
        """Seconds until the deadline, 0 at least. Raises what the watch raises."""
        now = time.monotonic()
        if now >= self._poll_at:
            self._poll_at = now + POLL_S
            check_wanted()
        return max(0.0, self._ends_at - now)


def _bounds() -> Bounds | None:
    return getattr(_thread, "bounds", None)


class BoundedClient(httpx2.Client):
    """A client whose every exchange is within `Bounds`: the thread's own, else `timeout_s` and `MOST_BYTES`.

    It follows a redirect within one origin alone: to another it would carry the key along.
    """

    def __init__(self, timeout_s: float, **options: Any) -> None:
        super().__init__(
            timeout=timeout_s,
            limits=CONNECTIONS,
            follow_redirects=False,
            # A reply is a few kilobytes: compression costs more time than it saves, and hides how large it is.
            headers={"accept-encoding": "identity"},
            **options,
        )
        self._timeout_s = timeout_s
        for transport in (self._transport, *self._mounts.values()):
            if isinstance(transport, httpx2.HTTPTransport):
                # Headers are read out of reach of any public hook, one read after the other.
                transport._pool._network_backend = _Backend(transport._pool._network_backend)

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """See `httpx2.Client.send`. A body that is not streamed is read, as far as it may be."""
        bounds = _bounds()
        if bounds is None:
            with Bounds(self._timeout_s) as bounds:
                return self._exchange(request, bounds, stream=stream, **options)
        return self._exchange(request, bounds, stream=stream, **options)

    def _exchange(self, request: httpx2.Request, bounds: Bounds, *, stream: bool, **options: Any) -> httpx2.Response:
        options["follow_redirects"] = False
        response = super().send(request, stream=True, **options)
        for _ in range(MAX_REDIRECTS):
            following = response.next_request
            if following is None or not _may_follow(response, following):
                break
            response.close()
            response = super().send(following, stream=True, **options)
        response.encoding = "utf-8"  # some name a charset that is none, and reading the text would fail
        response.stream = _Counted(response.stream, bounds, _decoder(response, bounds))
        if not stream:
            try:
                response.read()
            finally:
                response.close()
        return response


def _may_follow(response: httpx2.Response, following: httpx2.Request) -> bool:
    asked = response.request
    is_same = response.status_code in (307, 308) or asked.method in ("GET", "HEAD")
    return is_same and _origin(asked.url) == _origin(following.url)


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


class _Counted(httpx2.SyncByteStream):
    """A body, decompressed, that ends at the bound."""

    def __init__(self, stream: Any, bounds: Bounds, decode: Callable[[bytes], Iterable[bytes]] | None) -> None:
        self._stream = stream
        self._bounds = bounds
        self._decode = decode

    def __iter__(self) -> Iterator[bytes]:
        left = raw_left = self._bounds.most_bytes
        for chunk in self._stream:
            raw_left -= len(chunk)
            for part in (chunk,) if self._decode is None else self._decode(chunk):
                if len(part) > left:
                    self._bounds.is_cut = True
                    yield part[:left]
                    return
                left -= len(part)
                yield part
            if raw_left < 0:
                self._bounds.is_cut = True
                return

    def close(self) -> None:
        self._stream.close()


def _decoder(response: httpx2.Response, bounds: Bounds) -> Callable[[bytes], Iterable[bytes]] | None:
    """What undoes the reply's Content-Encoding piece by piece, although none was asked for; None for a plain one."""
    encoding = response.headers.pop("content-encoding", "identity").strip().casefold()
    if encoding in ("identity", ""):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Inflate(encoding, bounds)
    bounds.encoding = encoding[:40]
    return None


class _Inflate:
    """gzip or deflate, never more than a piece at once."""

    def __init__(self, encoding: str, bounds: Bounds) -> None:
        self._encoding, self._bounds = encoding, bounds
        self._inflate: Any = None

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            # Of deflate there are two kinds: with a head of its own, and without.
            is_raw = self._encoding == "deflate" and chunk[:1] and chunk[0] & 0x0F != 8
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32)
        while chunk and not self._inflate.eof and self._bounds.encoding is None:
            try:
                part = self._inflate.decompress(chunk, _PIECE)
            except zlib.error:
                self._bounds.encoding = self._encoding
                return
            chunk = self._inflate.unconsumed_tail
            yield part


class _Backend(httpcore2.NetworkBackend):
    """Connections whose every wait is within the bounds of the thread that waits."""

    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        # Address after address: each would be given the whole time-out.
        failed: Exception = httpcore2.ConnectError(f"no address for {host}")
        for address in _addresses(host, port):
            left_s = _left_s(timeout, httpcore2.ConnectTimeout)
            wait_s = CONNECT_S if left_s is None else min(left_s, CONNECT_S)
            options = (*SOCKET, *(socket_options or ()))
            try:
                stream = self._backend.connect_tcp(address, port, wait_s, local_address, options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream)
        raise failed

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._backend.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore2.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _left_s(timeout: float | None, late: type[Exception]) -> float | None:
    """The time for one wait: what is left, `timeout` at most. Raises `late` when nothing is left."""
    bounds = _bounds()
    if bounds is None:
        return timeout
    left_s = bounds.left_s()
    if left_s <= 0:
        raise late("the exchange took too long")
    return left_s if timeout is None else min(timeout, left_s)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        bounds = _bounds()
        if bounds is None:
            return self._stream.read(max_bytes, timeout)
        ends_at = None if timeout is None else time.monotonic() + timeout
        while True:
            left_s = _left_s(None if ends_at is None else ends_at - time.monotonic(), httpcore2.ReadTimeout)
            if left_s is not None and left_s <= 0:
                raise httpcore2.ReadTimeout("nothing came")
            try:
                return self._stream.read(max_bytes, POLL_S if left_s is None else min(left_s, POLL_S))
            except httpcore2.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[at : at + _PIECE], _left_s(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left_s = _left_s(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left_s))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
