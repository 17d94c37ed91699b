"""Real detectors in real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dispatch.errors import ConfigurationError
from worker.detection import Box, DetectorFailed, Engine, PictureRejected, Stage
from worker.models import ModelFile
from worker.pool import Pool
from worker.sandbox import environment

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the tests share one pool, as pictures do

Ask = Callable[..., Any]


def read(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def jpeg(pixels: Any) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def overlap(one: Box, other: Box) -> float:
    """Give the intersection over the union."""
    across = min(one.x_px + one.width_px, other.x_px + other.width_px) - max(one.x_px, other.x_px)
    down = min(one.y_px + one.height_px, other.y_px + other.height_px) - max(one.y_px, other.y_px)
    shared = max(0, across) * max(0, down)
    return shared / (one.width_px * one.height_px + other.width_px * other.height_px - shared)


PLAIN = """
import json, sys
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import ObjectDetector, ObjectDetectorOptions

model, picture, options = sys.argv[1:]
base = BaseOptions(model_asset_path=model)
with ObjectDetector.create_from_options(ObjectDetectorOptions(base_options=base, **json.loads(options))) as detector:
    found = detector.detect(mp.Image.create_from_file(picture)).detections
print(json.dumps([[each.categories[0].category_name, each.categories[0].score] for each in found]))
"""


def plain(model_file: ModelFile, picture: Path, options: dict[str, Any]) -> list[list[Any]]:
    """Do what a user of MediaPipe would, in a process that cannot report it."""
    command = (sys.executable, "-c", PLAIN, str(model_file.path), str(picture), json.dumps(options))
    done = subprocess.run(command, env=environment(os.environ, max_pixels=1_000_000), capture_output=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


async def test_the_person_is_found_with_the_model_s_own_threshold(ask: Ask, pool: Pool, person: bytes) -> None:
    outcome = await ask(pool, person).outcome()
    assert (outcome.width_px, outcome.height_px) == (512, 600)
    assert outcome.boxes[0].category == "person"
    assert outcome.boxes[0].score > 0.9
    assert all(box.score >= pool.model.default_score_threshold for box in outcome.boxes)
    assert outcome.annotated == b""


async def test_stages_come_in_order_and_annotating_only_when_asked_for(ask: Ask, pool: Pool, person: bytes) -> None:
    asked = ask(pool, person, annotate=True)
    outcome = await asked.outcome()
    stages = [asked.stages.get_nowait() for _ in range(asked.stages.qsize())]
    assert stages == [Stage.DECODING, Stage.DETECTING, Stage.ANNOTATING]
    drawn = read(outcome.annotated)
    assert drawn.shape == (600, 512, 3)
    assert (drawn != read(person)).any()


@pytest.mark.parametrize(
    "options",
    [
        {"score_threshold": 0.05},
        {"score_threshold": 0.3, "max_results": 1},
        {"score_threshold": 0.1, "category_denylist": ("person",)},
        {"score_threshold": 0.1, "category_allowlist": ("tie", "person"), "max_results": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("pool", ["efficientdet-lite0"], indirect=True)
async def test_the_answer_is_that_of_mediapipe_with_the_same_options(
    ask: Ask, pool: Pool, model_file: ModelFile, person: bytes, tmp_path: Path, options: dict[str, Any]
) -> None:
    picture = tmp_path / "person.png"  # without loss, so that two JPEG decoders make no difference
    cv2.imwrite(str(picture), read(person))
    outcome = await ask(pool, picture.read_bytes(), **options).outcome()
    assert [[box.category, box.score] for box in outcome.boxes] == plain(model_file, picture, options)
    assert outcome.boxes


@pytest.mark.parametrize("pool", ["efficientdet-lite0-litert"], indirect=True)
async def test_litert_keeps_the_aspect_ratio(ask: Ask, pool: Pool, person: bytes) -> None:
    alone = (await ask(pool, person).outcome()).boxes[0]
    wide = np.full((600, 2400, 3), 127, np.uint8)
    wide[:, 1000:1512] = read(person)
    found = (await ask(pool, jpeg(wide)).outcome()).boxes[0]
    assert (alone.category, found.category) == ("person", "person")
    assert overlap(found, replace(alone, x_px=alone.x_px + 1000)) > 0.8


@pytest.mark.parametrize("pool", ["efficientdet-lite0-litert"], indirect=True)
async def test_litert_finds_only_what_is_wanted(ask: Ask, pool: Pool, person: bytes) -> None:
    wanted: list[dict[str, tuple[str, ...]]] = [{}, {"category_allowlist": ("tie",)}, {"category_denylist": ("tie",)}]
    outcomes = await asyncio.gather(*(ask(pool, person, score_threshold=0.1, **options).outcome() for options in wanted))
    anything, ties, others = ({box.category for box in outcome.boxes} for outcome in outcomes)
    assert {"person", "tie"} <= anything
    assert ties == {"tie"}
    assert "person" in others
    assert "tie" not in others


async def test_a_threshold_below_the_floor_is_raised_to_it(ask: Ask, pool: Pool, person: bytes) -> None:
    lowest, floor = ask(pool, person, score_threshold=0.0), ask(pool, person, score_threshold=0.05)
    assert (await lowest.outcome()).boxes == (await floor.outcome()).boxes


async def test_more_kinds_of_options_than_detectors_are_kept_all_get_their_answer(ask: Ask, pool: Pool, person: bytes) -> None:
    thresholds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.1]
    outcomes = await asyncio.gather(*(ask(pool, person, score_threshold=each).outcome() for each in thresholds))
    counts = [len(outcome.boxes) for outcome in outcomes]
    assert counts[0] == counts[-1]
    assert counts[:-1] == sorted(counts[:-1], reverse=True)


@pytest.mark.parametrize("which", ["category_allowlist", "category_denylist"])
async def test_a_category_that_the_model_lacks_is_named(ask: Ask, pool: Pool, person: bytes, which: str) -> None:
    with pytest.raises(PictureRejected, match="unicorn") as caught:
        await ask(pool, person, **{which: ("person", "unicorn")}).outcome()
    assert caught.value.reason == "CATEGORY_UNKNOWN"


async def test_a_large_jpeg_gives_boxes_in_its_own_pixels(ask: Ask, pool: Pool, person: bytes) -> None:
    large = jpeg(cv2.resize(read(person), (2560, 3000), interpolation=cv2.INTER_CUBIC))
    small_box = (await ask(pool, person).outcome()).boxes[0]
    outcome = await ask(pool, large).outcome()
    assert (outcome.width_px, outcome.height_px) == (2560, 3000)
    scaled = Box("person", 1.0, *(5 * side for side in (small_box.x_px, small_box.y_px, small_box.width_px, small_box.height_px)))
    assert overlap(outcome.boxes[0], scaled) > 0.9


async def test_boxes_stay_inside_the_picture(ask: Ask, pool: Pool, person: bytes) -> None:
    close_up = jpeg(read(person)[100:500, 100:400])
    outcome = await ask(pool, close_up, score_threshold=0.05).outcome()
    assert outcome.boxes
    for box in outcome.boxes:
        assert box.x_px >= 0
        assert box.y_px >= 0
        assert box.x_px + box.width_px <= outcome.width_px
        assert box.y_px + box.height_px <= outcome.height_px


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 2)])
async def test_a_picture_of_an_odd_shape_is_looked_at(ask: Ask, pool: Pool, size: tuple[int, int]) -> None:
    outcome = await ask(pool, jpeg(np.full((*size, 3), 90, np.uint8))).outcome()
    assert (outcome.height_px, outcome.width_px) == size


async def test_a_bad_picture_is_rejected_and_the_one_beside_it_is_not(ask: Ask, pool: Pool, person: bytes) -> None:
    before = pool.pids
    bad, good = ask(pool, person[: len(person) // 2]), ask(pool, person)
    with pytest.raises(PictureRejected) as caught:
        await bad.outcome()
    assert caught.value.reason == "IMAGE_INVALID"
    assert (await good.outcome()).boxes
    assert pool.pids == before


async def test_a_killed_detector_fails_its_picture_and_the_next_is_looked_at(ask: Ask, pool: Pool, person: bytes) -> None:
    (pid,), before = pool.pids, pool.census
    asked = ask(pool, person)
    await asked.came_to(Stage.DECODING)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DetectorFailed, match="SIGKILL") as caught:
        await asked.outcome()
    assert caught.value.reason == "DETECTOR_CRASHED"
    assert (await ask(pool, person).outcome()).boxes
    assert pool.census == replace(before, lost=before.lost + 1)


async def test_a_frozen_detector_fails_its_picture_by_time_and_is_replaced(ask: Ask, pool: Pool, person: bytes) -> None:
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DetectorFailed) as caught:
        await ask(pool, person, timeout_s=0.2).outcome()
    assert caught.value.reason == "EXECUTION_TIMEOUT"
    assert (await ask(pool, person).outcome()).boxes
    assert pool.pids != [pid]


@pytest.mark.parametrize(("engine", "name"), [(Engine.MEDIAPIPE, "MediaPipe"), (Engine.LITERT, "LiteRT")])
async def test_a_model_that_an_engine_cannot_use_is_told_at_the_start(
    model_file: ModelFile, tmp_path: Path, engine: Engine, name: str
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"TFL3" + bytes(100))
    file = replace(model_file, path=broken, model=replace(model_file.model, engine=engine))
    pool = Pool.of(file, detectors=1, max_pixels=1000)
    with pytest.raises(ConfigurationError, match=rf"{name} cannot use model .*broken\.tflite"):
        await pool.start()
    await pool.close()
