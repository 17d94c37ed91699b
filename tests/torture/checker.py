"""The promises, held against what the clients wrote down. Pure; gives every breach in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import inf

from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_FAILED, STATE_SUCCEEDED, Item, Job
from tests.torture.calls import PASSING, info_in
from tests.torture.detector import annotated, finding
from tests.torture.records import Method, Picture, Record, Sight, Submission

RETRYABLE = frozenset({"WORKER_LOST", "BLOB_UNAVAILABLE", "EXECUTION_TIMEOUT", "DETECTOR_CRASHED"})
"""What may be told of the last attempt of a picture that nobody can look at, while everything around it is broken."""
ENDS = {"bad": frozenset({"IMAGE_INVALID"}), "poison": RETRYABLE, "hang": RETRYABLE}
"""How pictures that are not good may end."""
GONE = frozenset({"JOB_NOT_FOUND", "JOB_PURGED", "INPUT_MISSING"})
"""Why a job cannot be retried whose beginning the log has dropped."""


def breaches(record: Record) -> list[str]:
    """Name every promise that was broken."""
    return [*_each(record), *_whole(record)]


def _each(record: Record) -> Iterator[str]:
    for submission in record.submissions:
        name = submission.job_id or f"request {submission.request_id}"
        for breach in _of(submission, record):
            yield f"{name}: {breach}"


def _of(submission: Submission, record: Record) -> Iterator[str]:
    yield from _identity(submission, record)
    if submission.job_id in record.cut:
        yield from _remains(submission, record)
    else:
        yield from _story(submission, record)
        yield from _outcome(submission, record)


def _remains(submission: Submission, record: Record) -> Iterator[str]:
    """What was told of a job whose beginning the log has dropped is one story, and it is gone everywhere, or nowhere."""
    after, job_id = record.aftermath, submission.job_id or ""
    seen = max((sight.events for sight in submission.sights), key=len, default=[])
    for number, sight in enumerate(submission.sights):
        yield from _sight(number, sight, seen)
        kinds = [Event.FromString(body).WhichOneof("kind") for _, body in sight.events]
        if "job_finished" in kinds[:-1] or (sight.ended_ok and sight.end is None):
            yield f"watcher {number} was not told of exactly one end: {kinds}"
    told = [job_id in jobs or job_id in listed for jobs, listed in zip(after.jobs, after.listed, strict=True)]
    if job_id in after.gone and any(told):
        yield "its beginning is dropped, and a gateway still tells of it, or again"
    elif any(told) and not all(told):
        yield "some gateways tell of it, and others do not"
    elif any(told):
        yield from _story(submission, record)
        yield from _outcome(submission, record)
    if job_id in after.gone and job_id in after.kept_folders:
        yield "its beginning is dropped, and its blobs stay"


def _identity(submission: Submission, record: Record) -> Iterator[str]:
    if len(set(submission.job_ids)) > 1:
        yield f"one request_id made several jobs: {sorted(set(submission.job_ids))}"
    if submission.job_ids and submission.job_id != submission.derived_id:
        yield f"its id is not the one that its request_id makes, {submission.derived_id}"
    if submission.refused:
        yield from _refusal(submission, record)


def _refusal(submission: Submission, record: Record) -> Iterator[str]:
    told = f"was refused ({submission.refused})"
    expected = submission.refused in PASSING or (submission.refused in GONE and submission.retry_of in record.cut)
    if not expected:
        yield f"{told}, and nothing spoke against it"
    made = submission.doubtful or submission.derived_id in _known(record)
    left = submission.derived_id in record.aftermath.blob_folders
    if left and not made and record.removable(submission.refused_at_s):
        yield f"{told} and left blobs behind"
    if submission.job_ids:
        yield f"{told} and accepted"


def _story(submission: Submission, record: Record) -> Iterator[str]:
    """Every watcher sees a beginning of the same history, which every gateway tells in full."""
    if submission.job_id is None:
        return
    tellings = [histories.get(submission.job_id, []) for histories in record.aftermath.histories]
    truth = tellings[0] if tellings else []
    if not truth:
        yield "an accepted job has no history: it is lost"
        return
    if any(telling != truth for telling in tellings):
        yield "two gateways tell different histories"
    if [sequence for sequence, _ in truth] != list(range(1, len(truth) + 1)):
        yield f"the history is numbered {[sequence for sequence, _ in truth]}"
    events = [Event.FromString(body) for _, body in truth]
    if record.undisturbed and any(info_in(event.item_retrying.error).reason == "WORKER_LOST" for event in events):
        yield "it tells of a worker that was lost, and none was"
    kinds = [event.WhichOneof("kind") for event in events]
    if kinds.count("job_finished") != 1 or kinds[-1] != "job_finished":
        yield f"the history does not end in exactly one terminal event: {kinds}"
    if submission.pictures is not None and kinds.count("item_finished") != len(submission.pictures):
        yield f"{kinds.count('item_finished')} of {len(submission.pictures)} items ended"
    for number, sight in enumerate(submission.sights):
        yield from _sight(number, sight, truth)


def _sight(number: int, sight: Sight, truth: list[tuple[int, bytes]]) -> Iterator[str]:
    sequences = [sequence for sequence, _ in sight.events]
    if sequences != list(range(1, len(sequences) + 1)):
        yield f"watcher {number} was told {sequences}"
    elif sight.events != truth[: len(sight.events)]:
        yield f"watcher {number} was told something else than the history says now"
    if sight.ended_ok and len(sight.events) != len(truth):
        yield f"watcher {number} had its stream ended OK after {len(sight.events)} of {len(truth)} events"


def _outcome(submission: Submission, record: Record) -> Iterator[str]:
    if submission.job_id is None:
        return
    jobs = [jobs[submission.job_id] for jobs in record.aftermath.jobs if submission.job_id in jobs]
    if len(jobs) != len(record.aftermath.jobs):
        yield "a gateway does not know the job"
        return
    if any(job.SerializeToString(deterministic=True) != jobs[0].SerializeToString(deterministic=True) for job in jobs):
        yield "two gateways disagree about the job"
    job = jobs[0]
    if job.retry_of != submission.retry_of:
        yield f"it says that it repeats {job.retry_of or 'nothing'}, not {submission.retry_of or 'nothing'}"
    for number, sight in enumerate(submission.sights):
        if sight.end not in (None, job.state):
            yield f"watcher {number} saw it end in state {sight.end}, and it is in state {job.state}"
    if submission.cancelled and job.state != STATE_CANCELLED:
        yield f"Cancel answered OK, and the job is in state {job.state}"
    for item, picture in zip(job.items, submission.pictures or (), strict=False):  # that they are as many, the history says
        yield from _item(item, picture, job, submission, record)


def _item(item: Item, picture: Picture, job: Job, submission: Submission, record: Record) -> Iterator[str]:
    where = f"item {item.index} ({picture.nature})"
    if item.state == STATE_CANCELLED and job.state == STATE_CANCELLED:
        return
    if item.attempt > submission.max_attempts:
        yield f"{where} had {item.attempt} attempts of {submission.max_attempts}"
    reason = info_in(item.error).reason if item.HasField("error") else ""
    expected = ENDS.get(picture.nature)
    if expected is None:
        if item.state != STATE_SUCCEEDED:
            yield f"{where} ended in state {item.state}, {reason}: {item.error.message}"
        elif [found.category for found in item.result.detections] != [finding(picture.content)]:
            yield f"{where} has the result of another picture"
        elif reason == "DETECTOR_CRASHED" and not record.detector_losses:
            yield f"{where} suffered from the poison of another"
        elif submission.annotate and record.aftermath.annotated.get((job.id, item.index)) != annotated(picture.content):
            yield f"{where} has not the drawing that it was told to have"
    elif item.state != STATE_FAILED or reason not in expected:
        yield f"{where} ended in state {item.state} with reason {reason!r}, not {' or '.join(sorted(expected))}"


def _whole(record: Record) -> Iterator[str]:
    after = record.aftermath
    known = _known(record)
    possible = known | {submission.derived_id for submission in record.submissions if submission.doubtful}
    for number, listed in enumerate(after.listed):
        if strangers := set(listed) - possible:
            yield f"gateway {number} lists jobs that nobody was told of: {sorted(strangers)}"
        if missing := known - set(listed) - record.cut:
            yield f"gateway {number} does not list accepted jobs: {sorted(missing)}"
    if missing := known - after.kept_folders - record.cut:
        yield f"accepted jobs have lost their blobs: {sorted(missing)}"
    if after.waiting_tasks:
        yield f"{after.waiting_tasks} tasks still wait, although every job has ended"
    yield from _retries(record)
    yield from _holdings(record)
    yield from after.unhealed
    yield from after.growth


def _known(record: Record) -> set[str]:
    return {submission.job_id for submission in record.submissions if submission.job_id}


def _retries(record: Record) -> Iterator[str]:
    """Each job that RetryMany was told to retry has one retry of that kind, and was not forgotten."""
    retries = [submission for submission in record.submissions if submission.job_id and submission.origin]
    by_one = {submission.derived_id for submission in record.submissions if submission.method is Method.RETRY}
    for number, listed in enumerate(record.aftermath.listed):
        by_many = Counter(old_id for job_id, old_id in listed.items() if old_id and job_id not in by_one)
        for old_id, count in by_many.items():
            if count > 1:
                yield f"{old_id}: gateway {number} lists {count} jobs that RetryMany made of it"
    repeated = {submission.retry_of for submission in retries}
    for old_id, newest_id in record.told_retried:
        if old_id not in repeated or newest_id not in _known(record):
            yield f"{old_id}: RetryMany said that {newest_id or 'no job'} repeats it, and nobody was told of that"
    for old_id in record.overlooked:
        if old_id not in record.cut:
            yield f"{old_id}: had failed, and RetryMany of all that failed did not speak of it"
    for job_id in record.unknown:
        yield f"{job_id}: RetryMany spoke of it, and nobody was told of it"


def _holdings(record: Record) -> Iterator[str]:
    """When all has ended nobody holds a job or an item, and of stored bytes what the jobs have that are kept."""
    owned: defaultdict[str, list[Submission]] = defaultdict(list)
    for submission in record.submissions:
        if submission.job_id or submission.doubtful:
            owned[submission.principal].append(submission)
    for number, holdings in enumerate(record.aftermath.holdings):
        for principal, held in holdings.items():
            if held.jobs or held.items:
                yield f"gateway {number} says that {principal} has {held.jobs} jobs and {held.items} items, and all have ended"
            sizes = [_size(each, record) for each in owned[principal]]
            if not sum(least for least, _ in sizes) <= held.stored_bytes <= sum(most for _, most in sizes):
                yield f"gateway {number} says that {principal} has {held.stored_bytes} bytes, and there are {sizes}"


def _size(submission: Submission, record: Record) -> tuple[int, float]:
    """Give the least and the most that a job can have stored."""
    if submission.pictures is None:
        return 0, inf
    size = sum(len(picture.content) for picture in submission.pictures)
    return (0 if submission.doubtful or submission.job_id in record.cut else size), size
