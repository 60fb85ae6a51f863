"""One poller for all who watch: how often it asks, and what of it reaches whom."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from worker.web.live import Live

EVERY_S = 0.01


@dataclass
class Rows:
    """Job id → version; a state is `id@version`."""

    versions: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    reads: int = 0
    is_away: bool = False

    def read_versions(self, job_ids: Collection[str]) -> dict[str, str]:
        self.looks += 1
        if self.is_away:
            raise OSError("away")
        return {job_id: self.versions[job_id] for job_id in job_ids if job_id in self.versions}

    def read_states(self, job_ids: Collection[str]) -> dict[str, str]:
        self.reads += 1
        return {job_id: f"{job_id}@{self.versions[job_id]}" for job_id in job_ids}

    def live(self, **more: float) -> Live:
        return Live(self.read_versions, self.read_states, every_s=EVERY_S, **more)


async def until(condition: object, rows: Rows) -> None:
    """Let the poller look until it is so."""
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(EVERY_S)


def test_a_hundred_viewers_cost_what_one_does_and_none_costs_nothing() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()
        seen: list[list[str]] = [[] for _ in range(100)]

        async def watch(number: int) -> None:
            async for news in live.watch(["a"]):
                seen[number].append(news["a"])
                if news["a"] == "a@2":
                    return

        viewers = [asyncio.create_task(watch(number)) for number in range(100)]
        await until(lambda: all(seen), rows)
        assert (rows.reads, {tuple(one) for one in seen}) == (1, {("a@1",)})
        quiet = rows.looks
        await until(lambda: rows.looks >= quiet + 3, rows)
        assert rows.reads == 1
        rows.versions["a"] = "2"
        await asyncio.gather(*viewers)
        assert (rows.reads, {tuple(one) for one in seen}) == (2, {("a@1", "a@2")})
        assert live._poller is not None
        await live._poller
        looks = rows.looks
        await asyncio.sleep(5 * EVERY_S)
        assert rows.looks == looks

    asyncio.run(run())


def test_whoever_comes_later_begins_with_what_is_true_now() -> None:
    async def run() -> None:
        rows = Rows({"a": "1", "b": "1"})
        live = rows.live()
        first = live.watch(["a"])
        assert await anext(first) == {"a": "a@1"}
        reads = rows.reads
        second = live.watch(["a", "b"])
        assert (await anext(second))["a"] == "a@1"
        await until(lambda: rows.reads == reads + 1, rows)
        rows.versions["b"] = "2"
        assert await anext(second) in ({"b": "b@1"}, {"b": "b@2"})
        live.close()

    asyncio.run(run())


def test_a_slow_viewer_misses_steps_and_not_the_end() -> None:
    async def run() -> None:
        rows = Rows({"a": "0"})
        live = rows.live()
        stream = live.watch(["a"])
        assert await anext(stream) == {"a": "a@0"}
        for number in range(1, 6):
            rows.versions["a"] = str(number)
            reads = rows.reads
            await until(lambda reads=reads: rows.reads > reads, rows)
        await asyncio.sleep(3 * EVERY_S)
        assert await anext(stream) == {"a": "a@5"}
        live.close()

    asyncio.run(run())


def test_a_deleted_job_is_told_and_a_database_that_is_away_is_asked_again() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()
        stream = live.watch(["a"])
        await anext(stream)
        rows.is_away = True
        looks = rows.looks
        await until(lambda: rows.looks > looks + 1, rows)
        del rows.versions["a"]
        rows.is_away = False
        assert await anext(stream) == {"a": None}
        live.close()

    asyncio.run(run())


def test_streams_end_when_it_closes() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()

        async def watch() -> int:
            return len([news async for news in live.watch(["a"])])

        viewers = [asyncio.create_task(watch()) for _ in range(10)]
        await until(lambda: rows.reads == 1, rows)
        await asyncio.sleep(2 * EVERY_S)
        live.close()
        assert await asyncio.wait_for(asyncio.gather(*viewers), 5) == [1] * 10
        assert [news async for news in live.watch(["a"])] == []

    asyncio.run(run())


def test_a_deleted_job_is_told_once_to_whoever_watches_others_too() -> None:
    async def run() -> None:
        rows = Rows({"a": "1", "b": "1"})
        live = rows.live()
        stream = live.watch(["a", "b"])
        seen = await anext(stream)
        del rows.versions["a"]
        while seen.get("a", "") is not None:
            seen |= await anext(stream)
        looks = rows.looks
        await until(lambda: rows.looks > looks + 3, rows)
        rows.versions["b"] = "2"
        assert await anext(stream) == {"b": "b@2"}
        live.close()

    asyncio.run(run())


def test_a_stream_ends_after_its_time_and_never_in_the_middle_of_what_its_taker_does() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live(longest_s=1.0)
        stream = live.watch(["a"])
        assert await anext(stream) == {"a": "a@1"}
        # Whoever sends it takes longer than the stream may last, and is not disturbed
        await asyncio.sleep(1.2)
        assert [news async for news in stream] == []
        # Whoever comes back is told what is true now
        rows.versions["a"] = "2"
        assert await anext(live.watch(["a"])) in ({"a": "a@1"}, {"a": "a@2"})
        live.close()

    asyncio.run(run())
