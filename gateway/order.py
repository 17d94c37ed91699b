"""A Submit request, checked against every limit at once, and what is asked for in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from google.protobuf.duration_pb2 import Duration

from dispatch.codec import duration, nanoseconds
from dispatch.media_type import HEAD_BYTES, is_video, media_type
from dispatch.uri import MalformedUri, Uri, read_https_uri, read_uri
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from dispatch.v1.remote_pb2 import Remote
from gateway.errors import InvalidRequest, ModelNotFound, Violation
from gateway.ids import job_id
from gateway.limits import Defaults, Limits
from gateway.upload_target import malformed_id
from gateway.upload_whole import Whole
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.detection_service_pb2 import SubmitRequest
from myeye.v1.job_pb2 import PRIORITY_NORMAL, PRIORITY_UNSPECIFIED, Input, Priority, VideoOptions

_IN_FOLDER = re.compile(r"jobs/([a-z2-7]{26})/([0-9a-f]+)\.([0-9a-f]+)/")
_LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9_./-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture or video to be stored: its bytes are given (`content`) or lie in the blob store already (`blob`).

    `video` says which frames to look at; None of a picture. `upload_id` names the upload that it was handed in by, if any. What
    a worker is to fetch has a `remote`; then nothing needs to lie at `blob`.
    """

    name: str
    size: int
    sha256: bytes
    content: bytes = b""
    blob: str = ""
    video: VideoOptions | None = None
    upload_id: str = ""
    remote: Remote | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A job that is asked for: valid, with its identifier, but nothing of it stored yet.

    `digest` is equal for equal requests; `spec` has every default filled in and lacks its inputs.
    """

    job_id: str
    request_id: str
    digest: bytes
    pictures: tuple[Picture, ...]
    spec: JobSpec


def check_request(
    request: SubmitRequest, *, limits: Limits, defaults: Defaults, categories: Mapping[str, Collection[str]]
) -> None:
    """Check all of a request that can be checked by itself.

    `categories` names the models there are, each with its categories; none of a model means that they are not known yet.

    Raises:
        InvalidRequest: with every violation.
        ModelNotFound: there is no such model.
    """
    violations = tuple(_violations(request, limits, categories.get(request.model or defaults.model, ())))
    if violations:
        raise InvalidRequest(*violations)
    model = request.model or defaults.model
    if model not in categories:
        raise ModelNotFound(model, sorted(categories))


def read_order(
    request: SubmitRequest, *, principal: str, limits: Limits, defaults: Defaults, uploaded: Mapping[str, Whole]
) -> Order:
    """Read what a checked request asks for; `uploaded` are the uploads that it names, by their ids."""
    model = request.model or defaults.model
    pictures = tuple(_picture(source, defaults, uploaded) for source in request.inputs)
    return Order(
        job_id=job_id(principal, "Submit", request.request_id),
        request_id=request.request_id,
        digest=_digest(request, pictures),
        pictures=pictures,
        spec=_spec(request, principal, model, limits, defaults),
    )


def reserving(order: Order, limits: Limits) -> Order:
    """Let what is to be fetched have a size, of which no more is taken: for whoever may store only so much."""
    return replace(order, pictures=tuple(_reserving(picture, limits) for picture in order.pictures))


def _reserving(picture: Picture, limits: Limits) -> Picture:
    if picture.remote is None:
        return picture
    most = limits.max_upload_bytes if picture.remote.video_meant else limits.max_picture_bytes
    remote = Remote()
    remote.CopyFrom(picture.remote)
    remote.max_bytes = most
    return replace(picture, size=most, remote=remote)


def _picture(source: Input, defaults: Defaults, uploaded: Mapping[str, Whole]) -> Picture:
    if source.blob:
        whole = uploaded[source.blob]
        video = video_options(source, whole.head, defaults)
        return Picture(source.name, whole.size, whole.sha256, blob=whole.blob, video=video, upload_id=source.blob)
    if source.uri:
        options = _with_defaults(source.video, defaults)
        return Picture(source.name, 0, b"", remote=Remote(uri=source.uri, video=options, video_meant=source.HasField("video")))
    content = source.content
    video = video_options(source, content[:HEAD_BYTES], defaults)
    return Picture(source.name, len(content), hashlib.sha256(content).digest(), content, video=video)


def video_options(source: Input, head: bytes, defaults: Defaults) -> VideoOptions | None:
    """Say which frames to look at, every default filled in; None if what begins so is no video."""
    if not is_video(media_type(head)):
        return None
    return _with_defaults(source.video, defaults)


def _with_defaults(asked: VideoOptions, defaults: Defaults) -> VideoOptions:
    options = VideoOptions(max_fps=defaults.max_fps)
    options.MergeFrom(asked)
    return options


def _digest(request: SubmitRequest, pictures: tuple[Picture, ...]) -> bytes:
    """Hash what is asked for, the pictures by their own hashes."""
    asked = SubmitRequest(
        inputs=[_asked_input(source, picture) for source, picture in zip(request.inputs, pictures, strict=True)],
        model=request.model,
        annotate=request.annotate,
        priority=request.priority,
        labels=request.labels,
        max_attempts=request.max_attempts,
        webhook=request.webhook,
        options=request.options if request.HasField("options") else None,
        start_deadline=request.start_deadline if request.HasField("start_deadline") else None,
        execution_timeout=request.execution_timeout if request.HasField("execution_timeout") else None,
        ttl=request.ttl if request.HasField("ttl") else None,
    )
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).digest()


def _asked_input(source: Input, picture: Picture) -> Input:
    video = source.video if source.HasField("video") else None
    if picture.remote:
        return Input(name=picture.name, uri=picture.remote.uri, video=video)
    return Input(name=picture.name, content=picture.sha256, video=video)


def _spec(request: SubmitRequest, principal: str, model: str, limits: Limits, defaults: Defaults) -> JobSpec:
    options = DetectionOptions()
    options.CopyFrom(request.options)
    if not options.HasField("max_results"):
        options.max_results = limits.max_results
    return JobSpec(
        principal=principal,
        model=model,
        options=options,
        annotate=request.annotate,
        priority=PRIORITY_NORMAL if request.priority == PRIORITY_UNSPECIFIED else request.priority,
        labels=request.labels,
        start_deadline=request.start_deadline if request.HasField("start_deadline") else None,
        execution_timeout=_timeout(request, defaults.execution_timeout_ns),
        video_execution_timeout=_timeout(request, defaults.video_execution_timeout_ns),
        max_attempts=request.max_attempts or defaults.max_attempts,
        webhook=request.webhook,
        ttl=request.ttl if request.HasField("ttl") else duration(defaults.ttl_ns),
    )


def _timeout(request: SubmitRequest, default_ns: int) -> Duration:
    return request.execution_timeout if request.HasField("execution_timeout") else duration(default_ns)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one Submit stores the pictures of a job: a folder of its own, marked with the gateway that writes it."""

    job_id: str
    writer: str
    token: str

    @property
    def prefix(self) -> str:
        """The prefix of its blobs."""
        return f"jobs/{self.job_id}/{self.writer}.{self.token}/"


def folder_of(blob: str) -> Folder | None:
    """Say in which folder a picture lies; None if its name says none."""
    match = _IN_FOLDER.match(blob)
    return Folder(*match.groups()) if match else None


def stored_inputs(pictures: tuple[Picture, ...], folder: str) -> list[StoredInput]:
    """Say where each picture or video will lie: "<folder><index>/input"."""
    return [
        StoredInput(
            name=picture.name,
            blob=f"{folder}{index}/input",
            size_bytes=picture.size,
            sha256=picture.sha256,
            video=picture.video,
            remote=picture.remote,
        )
        for index, picture in enumerate(pictures)
    ]


def annotated_blob(input_blob: str) -> str:
    """Say where the annotated picture of a stored input lies, or will lie."""
    return input_blob.removesuffix("input") + "annotated"


def _violations(request: SubmitRequest, limits: Limits, categories: Collection[str]) -> Iterator[Violation]:
    yield from _too_long("request_id", request.request_id, limits.max_request_id_length)
    yield from _inputs(request, limits)
    yield from _options(request.options, limits, categories)
    yield from _labels(request.labels, limits)
    if request.webhook:
        yield from _malformed("webhook", request.webhook, read_https_uri)
    if request.priority not in Priority.values():
        yield Violation("priority", f"{request.priority} is not a Priority")
    if not 0 <= request.max_attempts <= limits.max_attempts:
        yield Violation("max_attempts", f"must be from 1 to {limits.max_attempts}, or 0 for the default")
    if request.HasField("start_deadline"):
        yield from out_of_range("start_deadline", request.start_deadline, limits.max_start_deadline_ns)
    if request.HasField("execution_timeout"):
        yield from out_of_range("execution_timeout", request.execution_timeout, limits.max_execution_timeout_ns)
    if request.HasField("ttl"):
        yield from out_of_range("ttl", request.ttl, limits.max_ttl_ns)


def _inputs(request: SubmitRequest, limits: Limits) -> Iterator[Violation]:
    if not 1 <= len(request.inputs) <= limits.max_items_per_job:
        yield Violation("inputs", f"must be from 1 to {limits.max_items_per_job} pictures or videos, not {len(request.inputs)}")
    for index, source in enumerate(request.inputs):
        yield from _too_long(f"inputs[{index}].name", source.name, limits.max_name_length)
        if source.WhichOneof("source") is None:
            yield Violation(f"inputs[{index}].source", "must be given: set content, blob or uri")
        elif source.HasField("uri"):
            yield from _malformed(f"inputs[{index}].uri", source.uri, read_uri)
        elif source.HasField("blob"):
            yield from malformed_id(f"inputs[{index}].blob", source.blob)
        elif not source.content:
            yield Violation(f"inputs[{index}].content", "must not be empty")
        yield from _video(f"inputs[{index}].video", source.video, limits)


def _malformed(field: str, uri: str, read: Callable[[str], Uri]) -> Iterator[Violation]:
    try:
        read(uri)
    except MalformedUri as error:
        yield Violation(field, str(error))


def _video(field: str, options: VideoOptions, limits: Limits) -> Iterator[Violation]:
    most_s = limits.max_video_time_ns / 1e9
    for name, value in (("start", options.start), ("end", options.end)):
        if not 0 <= nanoseconds(value) <= limits.max_video_time_ns:
            yield Violation(f"{field}.{name}", f"must be from 0 s to {most_s:g} s")
    if options.HasField("end") and nanoseconds(options.end) <= nanoseconds(options.start):
        yield Violation(f"{field}.end", "must be after start")
    if options.HasField("max_fps") and not 0 < options.max_fps <= limits.max_fps:
        yield Violation(f"{field}.max_fps", f"must be more than 0 and at most {limits.max_fps:g}, not {options.max_fps:g}")


def _options(options: DetectionOptions, limits: Limits, categories: Collection[str]) -> Iterator[Violation]:
    if options.HasField("score_threshold") and not 0.0 <= options.score_threshold <= 1.0:
        yield Violation("options.score_threshold", f"must be from 0.0 to 1.0, not {options.score_threshold:g}")
    if options.HasField("max_results") and not 1 <= options.max_results <= limits.max_results:
        yield Violation("options.max_results", f"must be from 1 to {limits.max_results}, not {options.max_results}")
    if options.category_allowlist and options.category_denylist:
        yield Violation("options.category_denylist", "must be empty when category_allowlist is not")
    for field in ("category_allowlist", "category_denylist"):
        names = getattr(options, field)
        if len(names) > limits.max_categories:
            yield Violation(f"options.{field}", f"must have at most {limits.max_categories} entries, not {len(names)}")
        for index, name in enumerate(names):
            yield from _too_long(f"options.{field}[{index}]", name, limits.max_category_length)
            if categories and name not in categories:
                yield Violation(f"options.{field}[{index}]", f"{name!r} is not a category of the model")


def _labels(labels: Mapping[str, str], limits: Limits) -> Iterator[Violation]:
    if len(labels) > limits.max_labels:
        yield Violation("labels", f"must be at most {limits.max_labels}, not {len(labels)}")
        return
    for key, value in sorted(labels.items()):
        if len(key) > limits.max_label_key_length or not _LABEL_KEY.fullmatch(key):
            rule = f"a key must match {_LABEL_KEY.pattern} and have at most {limits.max_label_key_length} characters"
            yield Violation(f"labels[{key!r}]", rule)
        yield from _too_long(f"labels[{key!r}]", value, limits.max_label_value_length)


def _too_long(field: str, text: str, most: int) -> Iterator[Violation]:
    if len(text) > most:
        yield Violation(field, f"must have at most {most} characters, not {len(text)}")


def out_of_range(field: str, value: Duration, most_ns: int) -> Iterator[Violation]:
    """Find fault with a length of time that is not positive or longer than `most_ns`."""
    if not 0 < nanoseconds(value) <= most_ns:
        yield Violation(field, f"must be longer than 0 s and at most {most_ns / 1e9:g} s")
