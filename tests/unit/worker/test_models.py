"""Model files: whatever the source, the hash decides."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from worker.detection import Engine
from worker.models import Address, Listing, SourceUnavailable, fetch, find, label_list, labels, main


def model_bytes(text: str = "person\n???\ntraffic light\n\n") -> bytes:
    """Make a file as model files are: data, with a zipped label list at its end."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as metadata:
        metadata.writestr("labels.txt", text)
    return b"TFL3 and so on" + archive.getvalue()


RIGHT = model_bytes()


@dataclass
class Shelf:
    """A source that counts who asks."""

    data: bytes | None
    asked: list[str] = field(default_factory=list)

    def read(self) -> bytes:
        self.asked.append("read")
        if self.data is None:
            raise SourceUnavailable("the shelf is empty")
        return self.data


def listing(*sources: Shelf | Address) -> Listing:
    return Listing("toy", hashlib.sha256(RIGHT).hexdigest(), sources, 0.4)


def test_the_first_source_with_the_right_file_is_taken(tmp_path: Path) -> None:
    last = Shelf(RIGHT)
    told = fetch(listing(Shelf(None), Shelf(b"another"), Shelf(RIGHT), last), tmp_path)
    assert (tmp_path / "toy.tflite").read_bytes() == RIGHT
    assert "the shelf is empty" in told
    assert "another file" in told
    assert last.asked == []


def test_a_file_that_is_there_is_not_asked_for(tmp_path: Path) -> None:
    source = Shelf(RIGHT)
    fetch(listing(source), tmp_path)
    assert "is there" in fetch(listing(source), tmp_path)
    assert source.asked == ["read"]


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "toy.tflite").write_bytes(RIGHT[:-1])
    fetch(listing(Shelf(RIGHT)), tmp_path)
    assert (tmp_path / "toy.tflite").read_bytes() == RIGHT


def test_without_a_source_nothing_is_written_and_every_failure_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)the shelf is empty.*another file"):
        fetch(listing(Shelf(None), Shelf(b"another")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_the_whole_file_is_left_behind(tmp_path: Path) -> None:
    fetch(listing(Shelf(RIGHT)), tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["toy.tflite"]


def test_an_address_is_read_and_a_dead_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(RIGHT)
    assert Address((tmp_path / "file").as_uri()).read() == RIGHT
    with pytest.raises(SourceUnavailable, match="nothing"):
        Address((tmp_path / "nothing").as_uri()).read()


def test_a_fetched_model_is_found_with_its_labels(tmp_path: Path) -> None:
    toy = listing(Shelf(RIGHT))
    fetch(toy, tmp_path)
    found = find("toy", None, tmp_path, {"toy": toy})
    assert found.path == tmp_path / "toy.tflite"
    assert found.model.categories == ("person", "traffic light")
    assert (found.model.sha256, found.model.default_score_threshold) == (toy.sha256, 0.4)


def test_a_model_that_was_not_fetched_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"python -m worker\.models"):
        find("toy", None, tmp_path, {"toy": listing()})


def test_a_file_with_the_wrong_hash_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "toy.tflite").write_bytes(model_bytes("cat"))
    with pytest.raises(ConfigurationError, match="is not model toy"):
        find("toy", None, tmp_path, {"toy": listing()})


def test_an_unknown_name_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="efficientdet-lite0"):
        find("yolo", None, tmp_path)


def test_an_operators_own_file_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.tflite").write_bytes(model_bytes("bolt\nnut\n"))
    found = find("parts", tmp_path / "mine.tflite", tmp_path / "elsewhere")
    assert found.model.name == "parts"
    assert found.model.categories == ("bolt", "nut")
    assert found.model.sha256 == hashlib.sha256(model_bytes("bolt\nnut\n")).hexdigest()


def test_one_file_serves_several_engines(tmp_path: Path) -> None:
    toy = listing(Shelf(RIGHT))
    fetch(toy, tmp_path)
    fast = replace(toy, name="toy-litert", engine=Engine.LITERT, file="toy")
    found = find("toy-litert", None, tmp_path, {"toy-litert": fast})
    assert (found.path, found.model.name, found.model.engine) == (tmp_path / "toy.tflite", "toy-litert", Engine.LITERT)


def test_the_labels_of_all_outputs_keep_their_places(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(RIGHT)
    assert label_list(tmp_path / "model.tflite") == ("person", "???", "traffic light")


def test_an_operators_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine\.tflite"):
        find("parts", tmp_path / "mine.tflite", tmp_path)


@pytest.mark.parametrize("data", [b"TFL3 without metadata", b"", RIGHT[:-30]])
def test_a_file_without_labels_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bare.tflite").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"bare\.tflite has no"):
        labels(tmp_path / "bare.tflite")


def test_the_command_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["yolo"], {"MYEYE_MODELS": str(tmp_path)}) == 1
    assert "there is no model yolo" in capsys.readouterr().err
