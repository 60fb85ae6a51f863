"""Turns: who waits for the same thing waits here, a few at a time go in."""

from __future__ import annotations

import threading
import time

import pytest

from worker.jobs.keyed_semaphore import KeyedSemaphore


def test_as_many_as_there_are_places_are_in_at_once_and_all_come_in() -> None:
    semaphore, inside, most, came = KeyedSemaphore(places=2), [0], [0], [0]
    lock, all_came = threading.Lock(), threading.Event()

    def work() -> None:
        with semaphore.hold("job"):
            with lock:
                inside[0] += 1
                came[0] += 1
                most[0] = max(most[0], inside[0])
            assert all_came.wait(60)
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60
    while semaphore._gates["job"].users < 12 or inside[0] < 2:
        assert time.monotonic() < until
        time.sleep(0.001)
    all_came.set()
    for thread in threads:
        thread.join()
    assert (came, most) == ([12], [2])


def test_one_key_does_not_wait_for_another() -> None:
    semaphore = KeyedSemaphore(places=1)
    with semaphore.hold("a"), semaphore.hold("b"):
        pass


def test_an_error_frees_the_place_and_nothing_is_kept_of_a_key() -> None:
    semaphore = KeyedSemaphore(places=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="x"), semaphore.hold("a"):
            raise ValueError("x")
    assert semaphore == KeyedSemaphore(places=1)
