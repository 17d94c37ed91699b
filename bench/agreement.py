"""What the processes count, held against what the bench knows it did: figures that disagree with it mean nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from harness.scrape import Scrape, scrape

SETTLE_S = 30.0
LOOK_S = 0.1


class Disagreement(Exception):
    """A process counted more or less than there was."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs and attempts, as gateways and workers have counted them since they began."""

    accepted: int
    """Jobs, by all gateways."""
    succeeded: tuple[int, ...]
    """Jobs, by each gateway: each reads of all."""
    attempts: int
    """That succeeded, of all workers. A job of the bench has one picture."""
    under_way: int
    """Attempts."""

    @classmethod
    def take(cls, gateways: Sequence[str], workers: Sequence[str]) -> Self:
        """Ask all of them; HOST:PORT of their metrics."""
        gates, works = (list(map(scrape, addresses)) for addresses in (gateways, workers))
        return cls(
            _sum(gates, "myeye_jobs_accepted_total"),
            tuple(_sum([gate], "myeye_jobs_finished_total", state="SUCCEEDED") for gate in gates),
            _sum(works, "myeye_attempts_total", outcome="succeeded"),
            _sum(works, "myeye_attempts_in_progress"),
        )

    def after(self, jobs: int) -> Self:
        """Give what it must be when so many more jobs have succeeded, and nothing else has happened."""
        return type(self)(self.accepted + jobs, tuple(each + jobs for each in self.succeeded), self.attempts + jobs, 0)


def _sum(scrapes: Sequence[Scrape], name: str, **labels: str) -> int:
    return int(sum(each.sum(name, **labels) for each in scrapes))


@contextmanager
def agreeing(gateways: Sequence[str], workers: Sequence[str], jobs: int) -> Iterator[None]:
    """Expect that so many jobs are done meanwhile, and that every process has counted them.

    Raises:
        Disagreement: one has not, and does not within some seconds: the last is counted a moment after its client knows of it.
    """
    before = Tally.take(gateways, workers)
    yield
    wanted, end_s = before.after(jobs), time.monotonic() + SETTLE_S
    while (found := Tally.take(gateways, workers)) != wanted:
        if time.monotonic() > end_s:
            raise Disagreement(f"after {jobs} jobs the metrics are {found}, and should be {wanted}; before, they were {before}")
        time.sleep(LOOK_S)
