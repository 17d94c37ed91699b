"""List: a page of the jobs that pass a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from dispatch.lifecycle import Job
from gateway.errors import InvalidRequest, Violation
from gateway.filter import Filter
from gateway.identity.principal import Principal
from gateway.limits import Defaults, Limits
from gateway.page_token import read_token, write_token
from gateway.store import Store
from myeye.v1.detection_service_pb2 import ListRequest


@dataclass(frozen=True, slots=True)
class Listed:
    """A job, and which of its items are told: their indexes."""

    job: Job
    items: Sequence[int]


def page(
    store: Store, principal: Principal, request: ListRequest, limits: Limits, defaults: Defaults
) -> tuple[Sequence[Listed], str]:
    """Give one page of jobs, newest first, and the token of the next ("" on the last).

    Raises:
        InvalidRequest: the page size is negative, the token is not ours or of another question, or a filter is malformed.
    """
    if request.page_size < 0:
        raise InvalidRequest(Violation("page_size", "must not be negative"))
    size = min(request.page_size or defaults.page_size, limits.max_page_size)
    wanted = Filter.of(request, limits)
    digest = wanted.digest("List", principal, request.without_retry)

    def passes(job: Job) -> bool:
        return wanted.passes(job) and not (request.without_retry and store.retries_of(job.id))

    jobs = list(islice(filter(passes, store.newest_first(principal, read_token(request.page_token, digest))), size + 1))
    most_items = limits.max_listed_items if request.with_failed_items else 0
    listed = [Listed(job, _failed_items(job, wanted, most_items)) for job in jobs[:size]]
    if len(jobs) <= size:
        return listed, ""
    last = jobs[size - 1]
    return listed, write_token(digest, (last.accepted_ns, last.id))


def _failed_items(job: Job, wanted: Filter, most: int) -> Sequence[int]:
    return list(islice((index for index, item in enumerate(job.items) if wanted.failed(item)), most))
