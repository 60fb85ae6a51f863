"""Entering a network namespace, for the one thread that asks. Light: a worker that is about to begin imports it."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNET = 0x40000000


def enter(name: str) -> None:
    """Have the sockets of this thread, and of the children that it starts, in that namespace (see `ip netns`)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
    finally:
        os.close(descriptor)
