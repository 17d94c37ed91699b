"""SubmitImage: one picture as the body of the request, and all else beside it, asked for as Submit would be."""

from __future__ import annotations

from dispatch.lifecycle import Job
from gateway.errors import InvalidRequest, Violation
from gateway.identity.principal import Principal
from gateway.submit import Submitter
from myeye.v1.detection_service_pb2 import SubmitImageRequest, SubmitRequest
from myeye.v1.job_pb2 import Input

_FIELDS = {"inputs[0].name": "name", "inputs[0].content": "image.data"}
"""Where SubmitImage has what Submit calls otherwise."""


async def submit_image(submitter: Submitter, principal: Principal, request: SubmitImageRequest) -> tuple[Job, bool]:
    """Make the job, or find the one that an earlier call made, as `Submitter.submit` does.

    Raises:
        As `Submitter.submit`; InvalidRequest names the fields of this request.
    """
    try:
        return await submitter.submit(principal, _as_submit(request))
    except InvalidRequest as error:
        renamed = (
            Violation(_FIELDS.get(violation.field, violation.field), violation.description) for violation in error.violations
        )
        raise InvalidRequest(*renamed) from error


def _as_submit(request: SubmitImageRequest) -> SubmitRequest:
    return SubmitRequest(
        request_id=request.request_id,
        inputs=[Input(name=request.name, content=request.image.data)],
        model=request.model,
        options=request.options if request.HasField("options") else None,
        annotate=request.annotate,
        priority=request.priority,
        labels={key: value for key, _, value in (label.partition("=") for label in request.labels)},
        start_deadline=request.start_deadline if request.HasField("start_deadline") else None,
        execution_timeout=request.execution_timeout if request.HasField("execution_timeout") else None,
        max_attempts=request.max_attempts,
        ttl=request.ttl if request.HasField("ttl") else None,
    )
