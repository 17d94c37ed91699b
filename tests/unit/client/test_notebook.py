"""Messages in notebooks, as IPython itself shows them."""

from html.parser import HTMLParser

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from IPython.core.formatters import DisplayFormatter

from myeye import BoundingBox, Detection, DetectionResult, FrameResult, Item, Job, Progress, State, VideoResult

EVIL = "<script>alert('&')</script>"
RESULT = DetectionResult(
    width_px=800,
    height_px=600,
    detections=[Detection(category="dog", score=0.875, bounding_box=BoundingBox(x_px=20, y_px=10, width_px=300, height_px=400))],
)


def shown(message):
    data, _ = DisplayFormatter().format(message)
    return data["text/html"]


class Tags(HTMLParser):
    """Knows which tags there are, and that each is closed."""

    def __init__(self, html):
        super().__init__()
        self.seen, self._open = set(), []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def failure(message):
    detail = Any()
    detail.Pack(ErrorInfo(reason="IMAGE_INVALID", domain="myeye"))
    return Status(code=3, message=message, details=[detail])


def test_a_job_is_shown_with_what_was_found_where_and_what_failed_why():
    job = Job(
        id="job0",
        state=State.STATE_PARTIALLY_SUCCEEDED,
        labels={"shelf": "3"},
        progress=Progress(items_done=1, items_failed=1, items_total=3),
        items=[
            Item(name="yard.jpg", state=State.STATE_SUCCEEDED, result=RESULT),
            Item(index=1, state=State.STATE_FAILED, error=failure("it ends too early")),
            Item(
                index=2,
                name="a.mp4",
                state=State.STATE_RUNNING,
                video=VideoResult(width_px=8, height_px=6, frames_done=2, frames_total=9),
            ),
        ],
    )
    html = shown(job)
    for told in (
        "job0",
        "PARTIALLY_SUCCEEDED",
        "1 of 3 done, 1 not",
        "shelf=3",
        "yard.jpg",
        "dog",
        "0.88",
        'viewBox="0 0 800 600"',
    ):
        assert told in html
    for told in ('x="20" y="10" width="300" height="400"', "picture 1", "IMAGE_INVALID", "it ends too early", "2 of 9 frames"):
        assert told in html
    Tags(html)


@pytest.mark.parametrize(
    "message",
    [
        Job(id=EVIL, state=State.STATE_FAILED, labels={EVIL: EVIL}, error=failure(EVIL)),
        Item(name=EVIL, state=State.STATE_FAILED, error=failure(EVIL)),
        Item(name=EVIL, result=DetectionResult(width_px=1, height_px=1, detections=[Detection(category=EVIL)])),
        FrameResult(detections=[Detection(category=EVIL)]),
    ],
    ids=["job", "failure", "result", "frame"],
)
def test_what_others_have_written_is_text(message):
    html = shown(message)
    assert "&lt;script&gt;alert(" in html
    assert "script" not in Tags(html).seen


@pytest.mark.parametrize("message", [Job(), Item(), DetectionResult(), FrameResult()], ids=lambda message: type(message).__name__)
def test_an_empty_message_is_shown_too(message):
    Tags(shown(message))
