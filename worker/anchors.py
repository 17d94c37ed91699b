"""The metadata in a model's file that says how its raw outputs become boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mediapipe.tasks.metadata.metadata_schema_py_generated import ModelMetadata
from mediapipe.tasks.metadata.object_detector_metadata_schema_py_generated import ObjectDetectorOptions
from mediapipe.tasks.metadata.schema_py_generated import Model
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class UnusableModel(Exception):
    """The model's file does not say what is needed to read its outputs."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxCoding:
    """How a model codes its boxes: as offsets from anchors, each (y, x, height, width), divided by `scales`."""

    anchors: Floats
    """n x 4: centre and size, each (x, y, width, height) in fractions of the model's input."""
    scales: Floats
    """4: of x, y, width, height."""
    exponential: bool
    """Whether sizes are logarithms."""
    logits: bool
    """Whether scores are yet to go through the sigmoid function."""

    def corners(self, raw: Floats, indices: NDArray[np.intp]) -> Floats:
        """Give the boxes of these anchors, m x 4: (left, top, right, bottom) in fractions of the model's input."""
        anchors = self.anchors[indices]
        y, x, height, width = raw[indices, :4].T
        offsets = np.stack((x, y, width, height), axis=1) / self.scales
        centres = offsets[:, :2] * anchors[:, 2:] + anchors[:, :2]
        sizes = (np.exp(offsets[:, 2:]) if self.exponential else offsets[:, 2:]) * anchors[:, 2:]
        return np.concatenate((centres - sizes / 2, centres + sizes / 2), axis=1)


def read_box_coding(path: Path) -> BoxCoding:
    """Read it from a model's file.

    Raises:
        UnusableModel: there is none, or it is of another kind.
        OSError: the file cannot be read.
    """
    options = _detector_options(path.read_bytes())
    decoding = options.TensorsDecodingOptions()
    fixed = options.SsdAnchorsOptions() and options.SsdAnchorsOptions().FixedAnchorsSchema()
    if not decoding or not fixed or decoding.NumKeypoints() or decoding.NumCoords() != 4:
        raise UnusableModel(f"{path} does not say how its outputs become boxes")
    rows = (fixed.Anchors(number) for number in range(fixed.AnchorsLength()))
    return BoxCoding(
        anchors=np.array([(row.XCenter(), row.YCenter(), row.Width(), row.Height()) for row in rows], np.float32),
        scales=np.array([decoding.XScale(), decoding.YScale(), decoding.WScale(), decoding.HScale()], np.float32),
        exponential=decoding.ApplyExponentialOnBoxSize(),
        logits=decoding.SigmoidScore(),
    )


def _detector_options(file: bytes) -> Any:
    model = Model.GetRootAs(file, 0)
    entries = (model.Metadata(number) for number in range(model.MetadataLength()))
    for entry in entries:
        if entry.Name() == b"TFLITE_METADATA":
            whole = ModelMetadata.GetRootAs(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes(), 0)
            graph = whole.SubgraphMetadata(0)
            for number in range(graph.CustomMetadataLength()):
                custom = graph.CustomMetadata(number)
                if custom.Name() == b"DETECTOR_METADATA":
                    return ObjectDetectorOptions.GetRootAs(custom.DataAsNumpy().tobytes(), 0)
    raise UnusableModel("the model's file has no metadata of a detector with anchors")
