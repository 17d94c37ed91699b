"""Messages as notebooks show them: what `_repr_html_` of a job, an item, a result and a frame gives, as IPython asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from google.protobuf.message import Message

from myeye.colours import Colour, colour_of
from myeye.errors import reason
from myeye.states import state_name
from myeye.v1.detection_pb2 import Detection, DetectionResult, FrameResult
from myeye.v1.job_pb2 import Item, Job

SKETCH_PX = 240
"""Longest side of a sketch on the screen."""


def job_html(job: Job) -> str:
    """Show a job's state and each of its items. Whatever a caller, a picture or a worker said is escaped, here and below."""
    labels = "".join(f" <code>{escape(key)}={escape(value)}</code>" for key, value in sorted(job.labels.items()))
    progress = f"{job.progress.items_done} of {job.progress.items_total} done"
    failed = f", {job.progress.items_failed} not" if job.progress.items_failed else ""
    why = f"<p>{_failure(job)}</p>" if job.HasField("error") else ""
    head = f"<p>job <code>{escape(job.id)}</code> <b>{escape(state_name(job.state))}</b>, {progress}{failed}{labels}</p>"
    return f"<div>{head}{why}{''.join(map(item_html, job.items))}</div>"


def item_html(item: Item) -> str:
    """Show an item's name and what was found, or why not."""
    name = escape(item.name or f"picture {item.index}")
    if item.HasField("result"):
        return f"<div><b>{name}</b>{result_html(item.result)}</div>"
    told = _failure(item) if item.HasField("error") else escape(state_name(item.state))
    if item.HasField("video"):
        video = item.video
        told += f", {video.width_px}x{video.height_px}, {video.frames_done} of {video.frames_total} frames"
    return f"<div><b>{name}</b> {told}</div>"


def result_html(result: DetectionResult) -> str:
    """Show where the objects are, as a sketch, and list them."""
    size = f"{result.width_px}x{result.height_px}, {len(result.detections)} objects"
    return f"<div>{size}<br>{_sketch(result)}{_table(result.detections)}</div>"


def frame_html(frame: FrameResult) -> str:
    """List the objects of a frame of a video."""
    return f"<div>frame {frame.index}, {frame.time.ToNanoseconds() / 1e9:.2f} s{_table(frame.detections)}</div>"


SHOWN: Mapping[type[Message], Callable[[Any], str]] = {
    Job: job_html,
    Item: item_html,
    DetectionResult: result_html,
    FrameResult: frame_html,
}


def show_in_notebooks() -> None:
    """Let the messages themselves give their HTML: that they are generated leaves no other place."""
    for kind, html in SHOWN.items():
        setattr(kind, "_repr_html_", html)  # noqa: B010 the generated types do not have it


def _failure(of: Job | Item) -> str:
    named = reason(of.error)
    return f"{escape(state_name(of.state))}: {f'<b>{escape(named)}</b> ' if named else ''}{escape(of.error.message)}"


def _sketch(result: DetectionResult) -> str:
    """Draw the boxes in a frame of the picture's shape."""
    longest = max(result.width_px, result.height_px, 1)
    width, height = (round(SKETCH_PX * side / longest) for side in (result.width_px, result.height_px))
    boxes = "".join(map(_rectangle, reversed(result.detections)))
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {result.width_px} {result.height_px}" '
        f'style="border: 1px solid #8888" fill="none" stroke-width="{longest / SKETCH_PX * 2:.1f}">{boxes}</svg>'
    )


def _rectangle(found: Detection) -> str:
    box = found.bounding_box
    place = f'x="{box.x_px}" y="{box.y_px}" width="{box.width_px}" height="{box.height_px}"'
    return f'<rect {place} stroke="{_css(colour_of(found.category))}"><title>{escape(found.category)}</title></rect>'


def _table(detections: Iterable[Detection]) -> str:
    rows = "".join(map(_row, detections))
    head = "".join(f"<th>{name}</th>" for name in ("category", "score", "x", "y", "width", "height"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""


def _row(found: Detection) -> str:
    box = found.bounding_box
    named = f'<span style="color: {_css(colour_of(found.category))}">■</span> {escape(found.category)}'
    cells = (named, f"{found.score:.2f}", box.x_px, box.y_px, box.width_px, box.height_px)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
