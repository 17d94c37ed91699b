"""How right the answers are: mean average precision on pictures with annotations in COCO's format.

    python -m bench.accuracy ANNOTATIONS.json FOLDER

The bare loop decodes in full and calls MediaPipe with nothing of ours around it; the models are asked through a whole mesh, with
their default settings. The annotations are those of COCO val2017 (instances_val2017.json), or of one's own pictures with the same
labels.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import myeye
from bench.bare_loop import MAX_PIXELS
from bench.table import Table
from harness.mesh import Mesh
from worker.models import EFFICIENTDET_LITE0, REGISTRY
from worker.sandbox import environment

THRESHOLD = 0.05
MAX_RESULTS = 100
AT_ONCE = 16
"""Pictures of one job."""

Found = tuple[str, float, tuple[float, float, float, float]]
"""Category, score and box: left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Photographs:
    """Annotated pictures in a folder."""

    truth: COCO
    paths: Mapping[int, Path]

    @classmethod
    def open(cls, annotations: Path, folder: Path) -> Photographs:
        """Take those pictures of the annotations that the folder has."""
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(annotations)
        paths = {number: folder / image["file_name"] for number, image in sorted(truth.imgs.items())}
        return cls(truth, {number: path for number, path in paths.items() if path.is_file()})

    def precision(self, found: Mapping[int, Sequence[Found]]) -> tuple[float, float]:
        """Give the mean average precision, in points, over IoU 0.5 to 0.95, and at 0.5."""
        numbers = {category["name"]: number for number, category in self.truth.cats.items()}
        rows: list[dict[str, Any]] = [
            {"image_id": image, "category_id": numbers[category], "score": score, "bbox": list(box)}
            for image, boxes in found.items()
            for category, score, box in boxes
            if category in numbers
        ]
        if not rows:
            return 0.0, 0.0
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self.truth, self.truth.loadRes(rows), "bbox")
            evaluation.params.imgIds = sorted(self.paths)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return 100 * evaluation.stats[0], 100 * evaluation.stats[1]


def bare(photographs: Photographs, model: Path) -> dict[int, list[Found]]:
    """Look at every picture with MediaPipe, decoded in full, in a process that cannot report its use."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_look, dict(photographs.paths), model).result()


def _look(paths: Mapping[int, Path], model: Path) -> dict[int, list[Found]]:
    os.environ.update(environment(os.environ, max_pixels=MAX_PIXELS))  # before the import
    import cv2
    import mediapipe as mp
    from mediapipe.tasks.python.core.base_options import BaseOptions
    from mediapipe.tasks.python.vision.object_detector import ObjectDetector, ObjectDetectorOptions

    options = ObjectDetectorOptions(BaseOptions(model_asset_path=str(model)), score_threshold=THRESHOLD, max_results=MAX_RESULTS)
    found: dict[int, list[Found]] = {}
    with ObjectDetector.create_from_options(options) as detector:
        for number, path in paths.items():
            decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
            assert decoded is not None, path
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
            seen = ((each.categories[0], each.bounding_box) for each in detector.detect(image).detections)
            found[number] = [
                (at.category_name, at.score, (box.origin_x, box.origin_y, box.width, box.height)) for at, box in seen
            ]
    return found


def through(client: myeye.Client, photographs: Photographs, model: str) -> dict[int, list[Found]]:
    """Have a running service look at every picture."""
    found: dict[int, list[Found]] = {}
    numbers = list(photographs.paths)
    for begin in range(0, len(numbers), AT_ONCE):
        some = numbers[begin : begin + AT_ONCE]
        pictures = [photographs.paths[number] for number in some]
        job = client.detect(pictures, model=model, score_threshold=THRESHOLD, max_results=MAX_RESULTS)
        found.update((number, list(_boxes(item))) for number, item in zip(some, job.items, strict=True))
    return found


def _boxes(item: myeye.Item) -> Iterator[Found]:
    for each in item.result.detections:
        box = each.bounding_box
        yield each.category, each.score, (box.x_px, box.y_px, box.width_px, box.height_px)


def measure(photographs: Photographs, models: Path) -> Table:
    """Compare the bare loop with every model of the registry."""
    subjects: dict[str, Callable[[], dict[int, list[Found]]]] = {
        "bare loop": lambda: bare(photographs, EFFICIENTDET_LITE0.path(models))
    }
    offered = [flag for name in REGISTRY for flag in ("--model", name)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Mesh(Path(folder), worker_flags=offered) as mesh,
        myeye.Client(mesh.target) as client,
    ):
        for name in REGISTRY:
            subjects[name] = lambda name=name: through(client, photographs, name)  # type: ignore[misc]
        rows = [(name, *photographs.precision(look())) for name, look in subjects.items()]
    title = f"Accuracy on {len(photographs.paths)} pictures, in points"
    return Table(title, ("", "mAP, IoU 0.5 to 0.95", "mAP, IoU 0.5"), rows)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description="Measure the mean average precision.")
    parser.add_argument("annotations", type=Path, help="in COCO's format")
    parser.add_argument("folder", type=Path, help="of the pictures; those that are not there are left out")
    parser.add_argument("--models", type=Path, default=Path("~/.cache/myeye/models").expanduser(), metavar="FOLDER")
    given = parser.parse_args(arguments)
    photographs = Photographs.open(given.annotations, given.folder)
    if not photographs.paths:
        print(f"none of the pictures of {given.annotations} is in {given.folder}", file=sys.stderr)
        return 1
    print(measure(photographs, given.models))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
