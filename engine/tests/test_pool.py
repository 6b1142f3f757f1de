# SPDX-License-Identifier: Apache-2.0
"""The worker processes: who waits for whom, what a death costs, and how their memory is bounded."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from personalize_local.jobs.pool import GIGABYTE, Claim, Workers
from personalize_local.wire.errors import ImportRefused, WorkerLost

SHORT, LONG = Claim(1_000), Claim(1_000, long=True)
_DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
_DIE_ONCE = f"from pathlib import Path; p = Path({{!r}}); there = p.exists(); p.touch(); there or exec({_DIE!r})"
_REFUSE = "from personalize_local.wire.errors import ImportRefused; raise ImportRefused('no rows')"


@asynccontextmanager
async def opened(size: int, memory: int = GIGABYTE) -> AsyncIterator[Workers]:
    workers = Workers(size, memory)
    try:
        yield workers
    finally:
        await workers.close()


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """A pipe that whoever reads it waits at until somebody writes."""
    path = tmp_path / "door"
    os.mkfifo(path)
    return path


async def waiting(door: Path) -> None:
    """Wait until a job reads the pipe."""
    while True:
        try:
            os.close(os.open(door, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            await asyncio.sleep(0)
        else:
            return


def test_a_short_job_never_waits_behind_long_ones(door: Path) -> None:
    async def play() -> None:
        async with opened(2) as workers:
            held = os.open(door, os.O_RDWR)  # so that the reader waits for text, not for a writer
            first = asyncio.create_task(workers.run(LONG, Path.read_bytes, door))
            second = asyncio.create_task(workers.run(LONG, os.getpid))
            assert await workers.run(SHORT, os.getpid) != os.getpid()
            assert not first.done()
            assert not second.done()
            first.cancel()
            assert await second
            os.close(held)

    asyncio.run(play())


def test_a_worker_is_used_again_and_one_more_is_started_only_for_more_work() -> None:
    async def play() -> None:
        async with opened(3) as workers:
            first = await workers.run(SHORT, os.getpid)
            assert await workers.run(LONG, os.getpid) == first
            both = await asyncio.gather(*(workers.run(SHORT, os.getpid) for _ in range(2)))
            assert first in both
            assert len(set(both)) == 2

    asyncio.run(play())


def test_a_job_whose_worker_dies_is_tried_once_more(tmp_path: Path) -> None:
    async def play() -> None:
        async with opened(2) as workers:
            await workers.run(SHORT, exec, _DIE_ONCE.format(str(tmp_path / "died")))
            with pytest.raises(WorkerLost, match="died 2 times"):
                await workers.run(SHORT, exec, _DIE)
            assert await workers.run(SHORT, os.getpid)

    asyncio.run(play())


def test_a_job_raises_what_it_raises_and_its_worker_lives() -> None:
    async def play() -> None:
        async with opened(1) as workers:
            before = await workers.run(SHORT, os.getpid)
            with pytest.raises(ImportRefused, match="no rows"):
                await workers.run(SHORT, exec, _REFUSE)
            assert await workers.run(SHORT, os.getpid) == before

    asyncio.run(play())


def test_a_job_that_takes_more_than_the_bound_fails_with_the_option_that_helps(door: Path) -> None:
    async def play() -> None:
        async with opened(2, GIGABYTE // 10) as workers:
            greedy = f"held = bytes(1) * 2 ** 28; open({str(door)!r}).read()"
            held = os.open(door, os.O_RDWR)
            with pytest.raises(WorkerLost, match=r"takes more memory than all jobs may, 0\.1 GB: .* --memory"):
                await workers.run(LONG, exec, greedy)
            os.close(held)
            assert await workers.run(LONG, os.getpid)

    asyncio.run(play())


@pytest.mark.parametrize(("memory", "stays"), [(16 * GIGABYTE, True), (GIGABYTE, False)])
def test_a_worker_that_takes_a_large_part_of_the_memory_ends_with_its_job(memory: int, stays: bool) -> None:
    # A gigabyte and more is what a training on half a million interactions leaves to the next one.
    lasting = "import builtins, time; builtins.held = b'1' * (GIGABYTE // 3); time.sleep(0.5)"

    async def play() -> None:
        async with opened(1, memory) as workers:
            first = await workers.run(SHORT, os.getpid)
            await workers.run(LONG, exec, lasting.replace("GIGABYTE", str(GIGABYTE)))
            if stays:
                assert await workers.run(LONG, os.getpid) == first
            else:
                while await workers.run(LONG, os.getpid) == first:
                    pass

    asyncio.run(play())


def test_jobs_that_claim_more_than_there_is_run_one_after_the_other(door: Path) -> None:
    async def play() -> None:
        async with opened(4) as workers:
            large = Claim(GIGABYTE * 2)
            held = os.open(door, os.O_RDWR)
            first = asyncio.create_task(workers.run(large, Path.read_bytes, door))
            second = asyncio.create_task(workers.run(large, os.getpid))
            assert await workers.run(LONG, os.getpid)  # of another kind: it waits for none of them
            assert not second.done()
            first.cancel()
            assert await second
            os.close(held)

    asyncio.run(play())


def test_a_cancelled_job_ends_with_its_worker(door: Path) -> None:
    async def play() -> None:
        async with opened(1) as workers:
            pid = await workers.run(SHORT, os.getpid)
            job = asyncio.create_task(workers.run(SHORT, Path.read_bytes, door))
            await waiting(door)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            assert await workers.run(SHORT, os.getpid) != pid

    asyncio.run(play())
