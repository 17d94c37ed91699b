"""The conformance scenario, with the Python client: conformance.py TARGET SCENARIO PICTURE RUN GUARDED TOKEN."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

import myeye
from myeye.errors import from_rpc_error
from myeye.v1.blob_service_pb2 import UploadRequest
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_service_pb2 import GetCapabilitiesRequest, ListRequest, SubmitRequest, SubmitResponse
from myeye.v1.detection_service_pb2_grpc import DetectionServiceStub
from myeye.v1.upload_pb2 import UploadTarget

LIMIT_S = 60.0


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def refusal_of(call: Callable[[], object]) -> myeye.MyeyeError:
    try:
        call()
    except myeye.MyeyeError as error:
        return error
    except grpc.RpcError as error:  # of the generated stubs
        return from_rpc_error(error)
    raise AssertionError("was not refused")


def told(error: myeye.MyeyeError) -> dict[str, Any]:
    return {"code": error.code.name, "reason": error.reason}


class Resumed(logging.Handler):
    """Knows when the client has met a broken stream and goes on by itself: it says so in its log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.heard = threading.Event()
        logger = logging.getLogger("myeye.backoff")
        logger.setLevel(logging.INFO)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        self.heard.set()


class Scenario:
    """The steps, in order. `run` tells this run from others: in labels, request_ids and the ids of uploads."""

    def __init__(self, target: str, scenario: dict[str, Any], picture: Path, run: str) -> None:
        self.client = myeye.Client(target)
        self.channel = grpc.insecure_channel(target)
        self.stub = DetectionServiceStub(self.channel)
        self.scenario = scenario
        self.picture = picture.read_bytes()
        self.name = run

    def close(self) -> None:
        self.client.close()
        self.channel.close()

    def request(self, key: str, *, step: str = "") -> SubmitRequest:
        request = ParseDict(self.scenario[key], SubmitRequest())
        for item in request.inputs:
            if item.name == "photo.jpg":
                item.content = self.picture
        request.labels["run"] = self.name
        if step:
            request.labels["step"] = step
        return request

    def submit(self, request: SubmitRequest) -> SubmitResponse:
        return self.stub.Submit(request, timeout=LIMIT_S)

    def waiting_job(self, step: str) -> str:
        return self.submit(self.request("waiting", step=step)).job.id

    def capabilities(self) -> None:
        known = self.client.capabilities()
        models = [[model.name, model.is_default, model.live_workers > 0] for model in known.models]
        tell(
            step="capabilities",
            models=sorted(models),
            max_items_per_job=known.limits.max_items_per_job,
            max_wait_s=known.limits.max_wait.seconds,
            looks_at_jpeg="image/jpeg" in known.media_types,
        )

    def health(self) -> None:
        def status(service: str) -> str:
            try:
                answer = HealthStub(self.channel).Check(HealthCheckRequest(service=service), timeout=LIMIT_S)
            except grpc.RpcError as error:
                return error.code().name
            return HealthCheckResponse.ServingStatus.Name(answer.status)

        tell(step="health", server=status(""), service=status("myeye.v1.DetectionService"), unknown=status("nosuch"))

    def submit_twice(self) -> str:
        request = self.request("submit")
        request.request_id = f"{self.name}-submit"
        first, second = self.submit(request), self.submit(request)
        tell(
            step="submit",
            replayed=[first.replayed, second.replayed],
            same_job=first.job.id == second.job.id,
            priority=myeye.Priority.Name(first.job.priority),
            label=first.job.labels["step"],
            threshold=first.job.options.score_threshold,
            denylist=list(first.job.options.category_denylist),
        )
        other = self.request("other")
        other.request_id = request.request_id
        reused = refusal_of(lambda: self.submit(other))
        tell(step="reused", **told(reused), same_job=reused.metadata["job_id"] == first.job.id)
        return first.job.id

    def watch(self, job_id: str) -> None:
        events = [update.event for update in self.client.watch(job_id, after_sequence=0) if update.HasField("event")]
        finished = next(event.item_finished.item for event in events if event.HasField("item_finished"))
        result = finished.result
        tell(
            step="watch",
            sequences=[event.sequence for event in events],
            kinds=[event.WhichOneof("kind") for event in events],
            state=myeye.State.Name(events[-1].job_finished.state),
            size=[result.width_px, result.height_px],
            found=[found.category for found in result.detections],
            boxes_inside=all(inside(found.bounding_box, result) for found in result.detections),
            annotated=result.annotated,
        )
        tell(step="snapshot", messages=[update.WhichOneof("message") for update in self.client.watch(job_id)])

    def resume(self) -> None:
        job_id, resumed = self.waiting_job("resume"), Resumed()
        updates = (update.event for update in self.client.watch(job_id, after_sequence=0) if update.HasField("event"))
        before = [next(updates)]
        tell(ask="cut")
        after = list(self.resumed(updates, job_id, resumed))
        tell(
            step="resume",
            cut=resumed.heard.is_set(),
            before=[event.sequence for event in before],
            after=[event.sequence for event in after],
            kinds=[event.WhichOneof("kind") for event in after],
            state=myeye.State.Name(after[-1].job_finished.state),
            reason=myeye.reason(after[-1].job_finished.error),
        )

    def resumed(self, updates: Iterator[myeye.Event], job_id: str, resumed: Resumed) -> Iterator[myeye.Event]:
        """Yield the events after the cut; the job is cancelled once the client has met it."""

        def cancel() -> None:
            resumed.heard.wait(LIMIT_S)
            self.client.cancel(job_id, "conformance")

        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        yield from updates
        cancelling.join()

    def batch(self) -> None:
        job = self.client.wait(self.submit(self.request("batch")).job.id, LIMIT_S)
        tell(
            step="batch",
            state=myeye.State.Name(job.state),
            items=[[item.name, myeye.State.Name(item.state), myeye.reason(item.error)] for item in job.items],
            progress=[job.progress.items_done, job.progress.items_failed, job.progress.items_total],
        )

    def cancel(self, finished: str) -> None:
        job_id = self.waiting_job("cancel")
        states = [myeye.State.Name(self.client.cancel(job_id, "conformance").state) for _ in range(2)]
        refused = refusal_of(lambda: self.client.cancel(finished))
        tell(step="cancel", states=states, **told(refused), ended=refused.metadata["state"])

    def bad_request(self) -> None:
        refused = refusal_of(lambda: self.submit(self.request("wrong")))
        assert isinstance(refused, myeye.InvalidRequest)
        fields = sorted(violation.field for violation in refused.violations)
        tell(step="bad_request", **told(refused), domain=domain_of(refused), fields=fields, count=refused.metadata["violations"])

    def queue_full(self) -> None:
        request = self.request("full")
        request.inputs.extend([request.inputs[0]] * (self.scenario["full_items"] - 1))
        refused = refusal_of(lambda: self.submit(request))
        subjects = [each.subject for detail in refused.details if isinstance(detail, QuotaFailure) for each in detail.violations]
        tell(step="queue_full", **told(refused), subjects=subjects, retry_later=(refused.retry_after_s or 0) > 0)

    def upload(self) -> str:
        cut, piece, size = self.scenario["upload_cut_bytes"], self.scenario["upload_piece_bytes"], len(self.picture)

        def messages(begin: int, end: int) -> Iterator[UploadRequest]:
            target = UploadTarget(upload_id=f"{self.name}-upload-of-a-photo", size_bytes=size, offset=begin)
            yield UploadRequest(target=target)
            for at in range(begin, end, piece):
                yield UploadRequest(data=self.picture[at : min(at + piece, end)])

        blobs = BlobServiceStub(self.channel)
        first = blobs.Upload(messages(0, cut), timeout=LIMIT_S).upload
        second = blobs.Upload(messages(first.received_bytes, size), timeout=LIMIT_S).upload
        request = self.request("uploaded")
        request.inputs.add(name="photo.jpg", blob=second.id)
        job = self.client.wait(self.submit(request).job.id, LIMIT_S)
        tell(
            step="upload",
            received=[first.received_bytes, second.received_bytes],
            complete=[first.complete, second.complete],
            state=myeye.State.Name(job.state),
        )
        return job.id

    def download(self, drawn: str, uploaded: str) -> None:
        annotated = self.client.download(drawn)
        tell(
            step="download",
            same=self.client.download(uploaded, annotated=False) == self.picture,
            annotated_is_jpeg=annotated.startswith(b"\xff\xd8\xff"),
            missing=told(refusal_of(lambda: self.client.download(uploaded))),
        )

    def deadline(self) -> None:
        job_id = self.waiting_job("deadline")
        try:
            self.client.wait(job_id, self.scenario["deadline_ms"] / 1000)
        except TimeoutError:
            exceeded = True
        else:
            exceeded = False
        tell(step="deadline", exceeded=exceeded, state=myeye.State.Name(self.client.get(job_id).state))
        self.client.cancel(job_id)

    def list(self) -> None:
        request, pages, steps = ListRequest(labels=[f"run={self.name}"], page_size=self.scenario["page_size"]), [], []
        while not pages or request.page_token:
            page = self.stub.List(request, timeout=LIMIT_S)
            pages.append(len(page.jobs))
            steps += [job.labels["step"] for job in page.jobs]
            request.page_token = page.next_page_token
        again = [job.labels["step"] for job in self.client.list(labels=request.labels)]
        assert again == steps
        tell(step="list", pages=pages, steps=steps)

    def delete(self, job_id: str) -> None:
        self.client.delete(job_id)
        tell(step="delete", **told(refusal_of(lambda: self.client.get(job_id))))

    def play(self) -> None:
        """Take all steps."""
        self.capabilities()
        self.health()
        finished = self.submit_twice()
        self.watch(finished)
        self.resume()
        self.batch()
        self.cancel(finished)
        self.bad_request()
        self.queue_full()
        uploaded = self.upload()
        self.download(finished, uploaded)
        self.deadline()
        self.list()
        self.delete(uploaded)


def show_token(guarded: str, token: str) -> None:
    """Call where a token is asked for."""

    def ask(*metadata: tuple[str, str]) -> object:
        return DetectionServiceStub(channel).GetCapabilities(GetCapabilitiesRequest(), metadata=metadata, timeout=LIMIT_S)

    with grpc.insecure_channel(guarded) as channel:
        without = told(refusal_of(lambda: ask()))
        wrong = told(refusal_of(lambda: ask(("authorization", "Bearer nobody"))))
        tell(step="token", without=without, wrong=wrong, right=ask(("authorization", f"Bearer {token}")) is not None)


def domain_of(error: myeye.MyeyeError) -> str:
    return next(detail.domain for detail in error.details if isinstance(detail, ErrorInfo))


def inside(box: myeye.BoundingBox, result: myeye.DetectionResult) -> bool:
    right, bottom = box.x_px + box.width_px, box.y_px + box.height_px
    return box.x_px >= 0 and box.y_px >= 0 and right <= result.width_px and bottom <= result.height_px


if __name__ == "__main__":
    target, scenario, picture, run, guarded, token = sys.argv[1:7]
    with closing(Scenario(target, json.loads(Path(scenario).read_text()), Path(picture), run)) as played:
        played.play()
    show_token(guarded, token)
