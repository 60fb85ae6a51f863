"""One poller for all who watch: how often it asks, and what of it reaches whom."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import pytest

from worker.web.live import AT_ONCE, Live

EVERY_S = 0.01


@dataclass
class Rows:
    """Job id → version; a state is `id@version`. `looks` counts the questions, `reads` those that found something."""

    versions: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    reads: int = 0
    is_away: bool = False

    def look(self, seen: Mapping[str, str | None]) -> dict[str, tuple[str, str | None]]:
        self.looks += 1
        if self.is_away:
            raise OSError("away")
        there = {job_id: self.versions[job_id] for job_id in seen if job_id in self.versions}
        found = {
            job_id: (version, None if seen[job_id] == version else f"{job_id}@{version}")
            for job_id, version in there.items()
        }
        self.reads += any(state is not None for _, state in found.values())
        return found

    def live(self, *, every_s: float = EVERY_S, **more: float) -> Live:
        return Live(self.look, every_s=every_s, **more)


async def states(live: Live, *job_ids: str) -> AsyncIterator[dict[str, str | None]]:
    """What a viewer of these jobs is told."""
    async for news in live.watch(job_ids):
        yield {job_id: one.state for job_id, one in news.items()}


async def until(condition: Callable[[], bool]) -> None:
    """Let the poller look until it is so."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(EVERY_S)


def test_a_hundred_viewers_cost_what_one_does_and_none_costs_nothing() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()
        seen: list[list[str]] = [[] for _ in range(100)]

        async def watch(number: int) -> None:
            async for news in states(live, "a"):
                seen[number].append(str(news["a"]))
                if news["a"] == "a@2":
                    return

        viewers = [asyncio.create_task(watch(number)) for number in range(100)]
        await until(lambda: all(seen))
        assert (rows.reads, {tuple(one) for one in seen}) == (1, {("a@1",)})
        quiet = rows.looks
        await until(lambda: rows.looks >= quiet + 3)
        assert rows.reads == 1
        rows.versions["a"] = "2"
        await asyncio.gather(*viewers)
        assert (rows.reads, {tuple(one) for one in seen}) == (2, {("a@1", "a@2")})
        assert live._poller is not None
        await live._poller
        assert asyncio.all_tasks() == {asyncio.current_task()}  # nothing is left that could look

    asyncio.run(run())


def test_whoever_comes_later_begins_with_what_is_true_now() -> None:
    async def run() -> None:
        rows = Rows({"a": "1", "b": "1"})
        live = rows.live()
        first = states(live, "a")
        assert await anext(first) == {"a": "a@1"}
        reads = rows.reads
        second = states(live, "a", "b")
        assert (await anext(second))["a"] == "a@1"
        await until(lambda: rows.reads == reads + 1)
        rows.versions["b"] = "2"
        assert await anext(second) in ({"b": "b@1"}, {"b": "b@2"})
        live.close()

    asyncio.run(run())


def test_a_slow_viewer_misses_steps_and_not_the_end() -> None:
    async def run() -> None:
        rows = Rows({"a": "0"})
        live = rows.live()
        stream = states(live, "a")
        assert await anext(stream) == {"a": "a@0"}
        for number in range(1, 6):
            rows.versions["a"] = str(number)
            reads = rows.reads
            await until(lambda reads=reads: rows.reads > reads)  # type: ignore[misc]
        looks = rows.looks
        await until(lambda: rows.looks > looks)  # the look that read it has told it
        assert await anext(stream) == {"a": "a@5"}
        live.close()

    asyncio.run(run())


def test_a_deleted_job_is_told_and_a_database_that_is_away_is_asked_again() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()
        stream = states(live, "a")
        await anext(stream)
        rows.is_away = True
        looks = rows.looks
        await until(lambda: rows.looks > looks + 1)
        del rows.versions["a"]
        rows.is_away = False
        assert await anext(stream) == {"a": None}
        live.close()

    asyncio.run(run())


def test_streams_end_when_it_closes() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()

        seen: list[list[object]] = [[] for _ in range(10)]

        async def watch(number: int) -> None:
            async for news in states(live, "a"):
                seen[number].append(news)

        viewers = [asyncio.create_task(watch(number)) for number in range(10)]
        await until(lambda: all(seen))
        live.close()
        await asyncio.wait_for(asyncio.gather(*viewers), 60)
        assert [len(one) for one in seen] == [1] * 10
        assert [news async for news in states(live, "a")] == []

    asyncio.run(run())


def test_a_deleted_job_is_told_once_to_whoever_watches_others_too() -> None:
    async def run() -> None:
        rows = Rows({"a": "1", "b": "1"})
        live = rows.live()
        stream = states(live, "a", "b")
        seen = await anext(stream)
        del rows.versions["a"]
        while seen.get("a", "") is not None:
            seen |= await anext(stream)
        looks = rows.looks
        await until(lambda: rows.looks > looks + 3)
        rows.versions["b"] = "2"
        assert await anext(stream) == {"b": "b@2"}
        live.close()

    asyncio.run(run())


def test_a_stream_ends_after_its_time_and_never_in_the_middle_of_what_its_taker_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live(longest_s=600.0)
        stream = states(live, "a")
        assert await anext(stream) == {"a": "a@1"}
        # Whoever sends it takes longer than the stream may last, and is not disturbed
        loop = asyncio.get_running_loop()
        began = loop.time
        monkeypatch.setattr(loop, "time", lambda: began() + 600.0)
        assert [news async for news in stream] == []
        # Whoever comes back is told what is true now
        rows.versions["a"] = "2"
        assert await anext(states(live, "a")) in ({"a": "a@1"}, {"a": "a@2"})
        live.close()

    asyncio.run(run())


def test_viewers_are_told_a_few_at_a_time_so_that_others_are_served_meanwhile() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live(every_s=1.0)
        turns = Counter[int]()
        turn = 0

        async def watch() -> None:
            async for news in states(live, "a"):
                turns[turn] += 1
                if news["a"] == "a@2":
                    return

        viewers = [asyncio.create_task(watch()) for _ in range(60)]
        # Somebody who wants no more than a turn now and then
        rows.versions["a"] = "2"
        while not all(viewer.done() for viewer in viewers):
            turn += 1
            await asyncio.sleep(0)
        assert max(turns.values()) <= AT_ONCE < sum(turns.values())
        live.close()

    asyncio.run(run())


def test_an_event_is_written_once_for_all_who_see_it_the_same_way() -> None:
    async def run() -> None:
        rows = Rows({"a": "1"})
        live = rows.live()
        written = Counter[str]()

        def write(state: str) -> str:
            written[state] += 1
            return state

        async def follow() -> list[str]:
            return [f"{event.event} {event.raw_data}" async for event in live.stream(["a"], write)]

        viewers = [asyncio.create_task(follow()) for _ in range(50)]
        await until(lambda: written["a@1"] == 1)
        del rows.versions["a"]
        told = await asyncio.wait_for(asyncio.gather(*viewers), 10)
        assert {tuple(one) for one in told} == {("job a@1", 'gone {"id": "a"}')}
        assert written == {"a@1": 1}

    asyncio.run(run())
