"""Words of the command line to values. What cannot be understood raises ValueError or ArgumentTypeError, and argparse says so."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from myeye.job_filter import JobFilter
from myeye.pictures import is_uri
from myeye.states import state_name
from myeye.submission import SubmitOptions
from myeye.v1.job_pb2 import Priority, State

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PRIORITIES = {
    "high": Priority.PRIORITY_HIGH,
    "normal": Priority.PRIORITY_NORMAL,
    "low": Priority.PRIORITY_LOW,
}
STATES = {state_name(state).lower(): state for state in State.values() if state != State.STATE_UNSPECIFIED}

UNSUCCESSFUL_STATES = ("failed", "partially_succeeded", "cancelled", "expired")


def seconds(text: str) -> float:
    """Read a length of time, as 30s, 5m, 2h, 1d or 500ms."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of time such as 30s, 5m or 2h")
    return float(match[1]) * UNITS_S[match[2]]


def label(text: str) -> tuple[str, str]:
    """Read KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def categories(text: str) -> list[str]:
    """Read categories with commas between them."""
    return [name.strip() for name in text.split(",")]


def picture(text: str) -> Path | str:
    """Read the path of a file that is there, or an address."""
    if is_uri(text):
        return text
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """Declare what a job can be asked for."""
    parser.add_argument(
        "pictures", nargs="+", type=picture, metavar="PICTURE", help="a file: JPEG, PNG, MP4 …; or https://…, s3://…"
    )
    look = parser.add_argument_group("what to look for")
    look.add_argument("--model", default="", help="one of those that `myeye models` lists")
    look.add_argument("--threshold", type=float, metavar="SCORE", help="least score of a detection, 0 to 1")
    look.add_argument("--max-results", type=int, metavar="N", help="most detections for one picture, best first")
    lists = look.add_mutually_exclusive_group()
    for option, word in (("--only", "only"), ("--except", "all but")):
        lists.add_argument(
            option,
            dest=option.strip("-"),
            action="extend",
            type=categories,
            default=[],
            metavar="CATEGORY[,CATEGORY…]",
            help=f"{word} these; may be given again",
        )
    video = parser.add_argument_group("of videos")
    video.add_argument("--start", type=seconds, metavar="TIME", help="look from here on, as 10s")
    video.add_argument("--end", type=seconds, metavar="TIME", help="look up to here, as 1m")
    video.add_argument("--fps", type=float, metavar="N", help="look at most at N frames of each second")
    run = parser.add_argument_group("how to run")
    run.add_argument("--annotate", action="store_true", help="let the service keep all with the boxes drawn, videos too")
    run.add_argument("--priority", choices=PRIORITIES, default="normal", help="default: normal")
    run.add_argument(
        "--label",
        dest="labels",
        type=label,
        action="append",
        default=[],
        metavar="K=V",
        help="to find the job by; may be given again",
    )
    run.add_argument("--ttl", type=seconds, metavar="TIME", help="how long the finished job is kept, as 2h")
    run.add_argument("--deadline", type=seconds, metavar="TIME", help="pictures not begun by then expire, as 5m")
    run.add_argument("--execution-timeout", type=seconds, metavar="TIME", help="limit of one attempt of one picture, as 30s")
    run.add_argument("--max-attempts", type=int, default=0, metavar="N", help="attempts of one picture before it fails")
    run.add_argument("--webhook", metavar="URL", help="what the service is to call when the job has ended: https://host/path")
    run.add_argument("--request-id", metavar="ID", help="the same id with the same request gives the same job again")


def add_filter(parser: argparse.ArgumentParser, states: Iterable[str]) -> None:
    """Declare which jobs are meant."""
    look = parser.add_argument_group("which jobs", "all that is given must match")
    look.add_argument("--state", dest="states", action="append", choices=states, default=[], help="may be given again")
    look.add_argument(
        "--reason",
        dest="reasons",
        action="append",
        type=str.upper,
        default=[],
        metavar="REASON",
        help="with a picture that failed for this reason, as WORKER_LOST; may be given again",
    )
    look.add_argument("--model", default="")
    look.add_argument("--label", dest="labels", action="append", default=[], metavar="K[=V]", help="may be given again")
    look.add_argument("--created-within", type=seconds, metavar="TIME", help="accepted in the last 2h, 1d …")
    look.add_argument("--ended-within", type=seconds, metavar="TIME", help="ended in the last 2h, 1d …")


def job_filter(arguments: argparse.Namespace) -> JobFilter:
    """Gather what `add_filter` declared."""
    return JobFilter(
        states=[STATES[name] for name in arguments.states],
        reasons=arguments.reasons,
        model=arguments.model,
        labels=arguments.labels,
        created_from=_ago(arguments.created_within),
        ended_from=_ago(arguments.ended_within),
    )


def _ago(length_s: float | None) -> datetime | None:
    return None if length_s is None else datetime.now(UTC) - timedelta(seconds=length_s)


def submit_options(arguments: argparse.Namespace) -> SubmitOptions:
    """Gather what `add_pictures` declared."""
    return SubmitOptions(
        model=arguments.model,
        score_threshold=arguments.threshold,
        video_start=arguments.start,
        video_end=arguments.end,
        max_fps=arguments.fps,
        max_results=arguments.max_results,
        category_allowlist=arguments.only,
        category_denylist=getattr(arguments, "except"),
        annotate=arguments.annotate,
        priority=PRIORITIES[arguments.priority],
        labels=dict(arguments.labels),
        ttl=arguments.ttl,
        start_deadline=arguments.deadline,
        execution_timeout=arguments.execution_timeout,
        max_attempts=arguments.max_attempts,
        webhook=arguments.webhook,
        request_id=arguments.request_id,
    )
