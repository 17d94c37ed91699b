"""A client as it was when v1 was first kept: first_client.py TARGET SCENARIO PICTURE RUN.

It knows the contract by `first-v1.binpb` only, the compiled protos of that day; what came later are unknown fields to it. It
plays the conformance scenario as far as that contract goes: there were no uploads and no downloads.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

CONTRACT = Path(__file__).with_name("first-v1.binpb")
LIMIT_S = 60.0


class Contract:
    """Messages and methods made of descriptors, in a pool of their own: nothing generated since is involved."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(CONTRACT.read_bytes()).file:
            self._pool.Add(file)
        service = self._pool.FindServiceByName("myeye.v1.DetectionService")
        self._calls = {method.name: self._call(channel, method) for method in service.methods}

    def _call(self, channel: grpc.Channel, method: Any) -> Any:
        make = channel.unary_stream if method.server_streaming else channel.unary_unary
        response = message_factory.GetMessageClass(method.output_type)
        path = f"/{method.containing_service.full_name}/{method.name}"
        request = message_factory.GetMessageClass(method.input_type)
        return request, make(path, request_serializer=request.SerializeToString, response_deserializer=response.FromString)

    def new(self, method: str, **fields: Any) -> Any:
        """Make the request of a method."""
        return self._calls[method][0](**fields)

    def call(self, method: str, request: Any = None, timeout: float | None = LIMIT_S, **fields: Any) -> Any:
        return self._calls[method][1](request or self.new(method, **fields), timeout=timeout)

    def name(self, enum: str, number: int) -> str:
        return str(self._pool.FindEnumTypeByName(f"myeye.v1.{enum}").values_by_number[number].name)


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def refusal(call: Callable[[], Any]) -> tuple[dict[str, str], Any, list[Any]]:
    """Give code and reason, the metadata of the reason, and all details."""
    try:
        call()
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        info = detail(status, error_details_pb2.ErrorInfo)
        return {"code": error.code().name, "reason": info.reason}, info, list(status.details)
    raise AssertionError("was not refused")


def detail(status: Any, kind: Any) -> Any:
    found = kind()
    for packed in status.details:
        if packed.type_url.endswith(f"/{kind.DESCRIPTOR.full_name}"):
            found.ParseFromString(packed.value)
    return found


class First:
    """The steps."""

    def __init__(self, channel: grpc.Channel, scenario: dict[str, Any], picture: bytes, run: str) -> None:
        self.contract = Contract(channel)
        self.scenario = scenario
        self.picture = picture
        self.run = run

    def request(self, key: str, step: str = "") -> Any:
        request = json_format.ParseDict(self.scenario[key], self.contract.new("Submit"))
        for item in request.inputs:
            if item.name == "photo.jpg":
                item.content = self.picture
        request.labels["run"] = self.run
        if step:
            request.labels["step"] = step
        return request

    def submit(self, request: Any) -> Any:
        return self.contract.call("Submit", request)

    def waiting_job(self, step: str) -> str:
        return str(self.submit(self.request("waiting", step)).job.id)

    def cancelled(self, job_id: str) -> Any:
        return self.contract.call("Cancel", job_id=job_id, reason="conformance").job

    def state(self, number: int) -> str:
        return self.contract.name("State", number)

    def watch(self, job_id: str, **after: int) -> Iterator[Any]:
        yield from self.contract.call("Watch", timeout=None, job_id=job_id, **after)

    def capabilities(self) -> None:
        known = self.contract.call("GetCapabilities")
        tell(
            step="capabilities",
            models=sorted([model.name, model.is_default, model.live_workers > 0] for model in known.models),
            max_items_per_job=known.limits.max_items_per_job,
            max_wait_s=known.limits.max_wait.seconds,
            looks_at_jpeg="image/jpeg" in known.media_types,
        )

    def submit_twice(self) -> str:
        request = self.request("submit")
        request.request_id = f"{self.run}-submit"
        first, second = self.submit(request), self.submit(request)
        tell(
            step="submit",
            replayed=[first.replayed, second.replayed],
            same_job=first.job.id == second.job.id,
            priority=self.contract.name("Priority", first.job.priority),
            label=first.job.labels["step"],
            threshold=first.job.options.score_threshold,
            denylist=list(first.job.options.category_denylist),
        )
        other = self.request("other")
        other.request_id = request.request_id
        told, info, _ = refusal(lambda: self.submit(other))
        tell(step="reused", **told, same_job=info.metadata["job_id"] == first.job.id)
        return str(first.job.id)

    def watch_to_the_end(self, job_id: str) -> None:
        events = [update.event for update in self.watch(job_id, after_sequence=0) if update.HasField("event")]
        result = next(event.item_finished.item.result for event in events if event.HasField("item_finished"))
        boxes = [found.bounding_box for found in result.detections]
        tell(
            step="watch",
            sequences=[event.sequence for event in events],
            kinds=[event.WhichOneof("kind") for event in events],
            state=self.state(events[-1].job_finished.state),
            size=[result.width_px, result.height_px],
            found=[found.category for found in result.detections],
            boxes_inside=all(
                min(box.x_px, box.y_px) >= 0
                and box.x_px + box.width_px <= result.width_px
                and box.y_px + box.height_px <= result.height_px
                for box in boxes
            ),
            annotated=result.annotated,
        )
        tell(step="snapshot", messages=[update.WhichOneof("message") for update in self.watch(job_id)])

    def resume(self) -> None:
        job_id = self.waiting_job("resume")
        before, after, cut = [], [], False
        try:
            for update in self.watch(job_id, after_sequence=0):
                if update.HasField("event"):
                    before.append(update.event)
                    tell(ask="cut")
        except grpc.RpcError:
            cut = True
        while not (after and after[-1].HasField("job_finished")):
            try:
                for update in self.watch(job_id, after_sequence=(after or before)[-1].sequence):
                    if update.HasField("event"):
                        after.append(update.event)
                    else:
                        self.cancelled(job_id)
            except grpc.RpcError:
                time.sleep(0.05)
        finished = after[-1].job_finished
        tell(
            step="resume",
            cut=cut,
            before=[event.sequence for event in before],
            after=[event.sequence for event in after],
            kinds=[event.WhichOneof("kind") for event in after],
            state=self.state(finished.state),
            reason=reason(finished.error),
        )

    def batch(self) -> str:
        job_id = self.submit(self.request("batch")).job.id
        job = self.contract.call("Wait", job_id=job_id).job
        tell(
            step="batch",
            state=self.state(job.state),
            items=[[item.name, self.state(item.state), reason(item.error)] for item in job.items],
            progress=[job.progress.items_done, job.progress.items_failed, job.progress.items_total],
        )
        return str(job_id)

    def cancel(self, finished: str) -> None:
        job_id = self.waiting_job("cancel")
        states = [self.state(self.cancelled(job_id).state) for _ in range(2)]
        told, info, _ = refusal(lambda: self.cancelled(finished))
        tell(step="cancel", states=states, **told, ended=info.metadata["state"])

    def bad_request(self) -> None:
        told, info, details = refusal(lambda: self.submit(self.request("wrong")))
        violations = detail(status_pb2.Status(details=details), error_details_pb2.BadRequest).field_violations
        fields = sorted(violation.field for violation in violations)
        tell(step="bad_request", **told, domain=info.domain, fields=fields, count=info.metadata["violations"])

    def queue_full(self) -> None:
        request = self.request("full")
        request.inputs.extend([request.inputs[0]] * (self.scenario["full_items"] - 1))
        told, _, details = refusal(lambda: self.submit(request))
        status = status_pb2.Status(details=details)
        subjects = [violation.subject for violation in detail(status, error_details_pb2.QuotaFailure).violations]
        later = detail(status, error_details_pb2.RetryInfo).retry_delay.ToNanoseconds() > 0
        tell(step="queue_full", **told, subjects=subjects, retry_later=later)

    def deadline(self) -> None:
        job_id = self.waiting_job("deadline")
        try:
            self.contract.call("Wait", timeout=self.scenario["deadline_ms"] / 1000, job_id=job_id)
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            code = error.code()
        state = self.state(self.contract.call("Get", job_id=job_id).job.state)
        tell(step="deadline", exceeded=code == grpc.StatusCode.DEADLINE_EXCEEDED, state=state)
        self.cancelled(job_id)

    def list(self) -> None:
        request = self.contract.new("List", labels=[f"run={self.run}"], page_size=self.scenario["page_size"])
        pages = [self.contract.call("List", request)]
        while pages[-1].next_page_token:
            request.page_token = pages[-1].next_page_token
            pages.append(self.contract.call("List", request))
        steps = [job.labels["step"] for page in pages for job in page.jobs]
        tell(step="list", pages=[len(page.jobs) for page in pages], steps=steps)

    def delete(self, job_id: str) -> None:
        self.contract.call("Delete", job_id=job_id)
        told, _, _ = refusal(lambda: self.contract.call("Get", job_id=job_id))
        tell(step="delete", **told)

    def play(self) -> None:
        self.capabilities()
        finished = self.submit_twice()
        self.watch_to_the_end(finished)
        self.resume()
        batch = self.batch()
        self.cancel(finished)
        self.bad_request()
        self.queue_full()
        self.deadline()
        self.list()
        self.delete(batch)


def reason(status: Any) -> str:
    return str(detail(status, error_details_pb2.ErrorInfo).reason)


if __name__ == "__main__":
    target, scenario, picture, run = sys.argv[1:5]
    with grpc.insecure_channel(target) as channel:
        First(channel, json.loads(Path(scenario).read_text()), Path(picture).read_bytes(), run).play()
