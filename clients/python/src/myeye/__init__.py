"""Find objects in pictures and videos with a myeye service: submit, watch, get the boxes.

```python
import myeye

with myeye.Client("localhost:50051") as client:
    job = client.detect("photo.jpg", score_threshold=0.4)
    for found in job.items[0].result.detections:
        print(found.category, found.score, found.bounding_box)
```

`Client`, and `AsyncClient` for asyncio, do the same; `Picture` is what they take. What comes back are the messages of the
contract: `Job` and what is in it. Boxes are in pixels of the upright picture, from its top left corner. Lengths of time whose
names end in `_s` are in seconds, and so is every `timeout`. All errors of the service are `MyeyeError`s.
"""

from myeye.aio import AsyncClient
from myeye.annotation import annotate
from myeye.content import Content
from myeye.errors import (
    AccessDenied,
    Conflict,
    FailedPrecondition,
    InvalidRequest,
    MyeyeError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    QueueFull,
    QuotaExceeded,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Violation,
    reason,
)
from myeye.imagery import Array, PillowImage
from myeye.job_filter import JobFilter
from myeye.notebook import show_in_notebooks
from myeye.pictures import Picture, Pictures
from myeye.session import AsyncSession, Detail
from myeye.states import is_terminal, state_name
from myeye.submission import SubmitOptions
from myeye.sync import Client, Session
from myeye.v1.detection_pb2 import BoundingBox, Detection, DetectionResult, FrameResult
from myeye.v1.detection_service_pb2 import GetCapabilitiesResponse, RetryOutcome, SessionUpdate, WatchManyResponse, WatchResponse
from myeye.v1.event_pb2 import Event
from myeye.v1.job_pb2 import Item, Job, Priority, Progress, State, VideoResult
from myeye.v1.upload_pb2 import Upload

__all__ = [
    "AccessDenied",
    "Array",
    "AsyncClient",
    "AsyncSession",
    "BoundingBox",
    "Client",
    "Conflict",
    "Content",
    "Detail",
    "Detection",
    "DetectionResult",
    "Event",
    "FailedPrecondition",
    "FrameResult",
    "GetCapabilitiesResponse",
    "InvalidRequest",
    "Item",
    "Job",
    "JobFilter",
    "MyeyeError",
    "NotFound",
    "PermissionDenied",
    "Picture",
    "Pictures",
    "PillowImage",
    "Priority",
    "Progress",
    "ProtocolError",
    "QueueFull",
    "QuotaExceeded",
    "ResourceExhausted",
    "RetryOutcome",
    "Session",
    "SessionUpdate",
    "State",
    "SubmitOptions",
    "Unauthenticated",
    "Unavailable",
    "Upload",
    "VideoResult",
    "Violation",
    "WatchManyResponse",
    "WatchResponse",
    "annotate",
    "is_terminal",
    "reason",
    "state_name",
]

show_in_notebooks()
