"""How soon either end of a connection notices that the other is gone, for whatever this project connects to.

A network that drops packets tells nobody: without these, a reply is waited for as long as its reader is patient, and a
server keeps the session of a machine that vanished for two hours.
"""

from __future__ import annotations

import socket

# A silent line is asked after `IDLE_S`, then every `INTERVAL_S`; it is dead after so many questions without an answer,
# or when what was sent is not acknowledged for `UNANSWERED_S`.
IDLE_S, INTERVAL_S, PROBES, UNANSWERED_S = 10, 5, 3, 20
CONNECT_S = 5  # to an address; a name may have several

# libpq's own end.
LIBPQ = {
    "connect_timeout": str(CONNECT_S),
    "keepalives": "1",
    "keepalives_idle": str(IDLE_S),
    "keepalives_interval": str(INTERVAL_S),
    "keepalives_count": str(PROBES),
    "tcp_user_timeout": str(1000 * UNANSWERED_S),
}
# PostgreSQL's end, per session. All are there since version 12, and mean nothing over a Unix socket.
POSTGRESQL = {
    "tcp_keepalives_idle": str(IDLE_S),
    "tcp_keepalives_interval": str(INTERVAL_S),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(1000 * UNANSWERED_S),
}
# Of a TCP socket, by number; as far as the platform has them.
TCP: dict[int, int] = {
    getattr(socket, name): value
    for name, value in {
        "TCP_KEEPIDLE": IDLE_S,
        "TCP_KEEPINTVL": INTERVAL_S,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": 1000 * UNANSWERED_S,
    }.items()
    if hasattr(socket, name)
}
SOCKET: tuple[tuple[int, int, int], ...] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, number, value) for number, value in TCP.items()),
)
