"""The description of the REST face, as it is made from the contracts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from scripts.openapi.__main__ import compile_protos
from scripts.openapi.document import document

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """What the contracts of today give."""
    return document(compile_protos([ROOT / "protos"], sorted((ROOT / "protos/myeye/v1").glob("*_service.proto"))), "myeye.v1")


def operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{verb} {path}": operation for path, verbs in described["paths"].items() for verb, operation in verbs.items()}


def check(described: dict[str, Any], name: str, value: Any) -> bool:
    """Say whether the schema of this name takes the value."""
    registry = Registry().with_resource("openapi", Resource.opaque(described))
    schema = {"$ref": f"openapi#/components/schemas/{name}"}
    return bool(Draft202012Validator(schema, registry=registry).is_valid(value))


def test_it_is_openapi_as_an_independent_validator_sees_it(described):
    openapi_spec_validator.validate(described)


def test_the_edge_serves_what_the_contracts_give_today(described):
    assert json.loads((ROOT / "edge/openapi.json").read_text()) == described


def test_every_binding_is_an_operation_with_its_comment(described):
    found = operations(described)
    assert {"post /v1/jobs", "get /v1/jobs:watch", "post /v1/jobs:watch", "delete /v1/jobs/{job_id}"} <= set(found)
    assert found["get /v1/jobs/{job_id}:watch"]["summary"] == "Streams a job's history and progress until its terminal event."
    assert all(operation["description"] and operation["responses"]["default"] for operation in found.values())
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


def test_what_is_neither_in_the_path_nor_in_the_body_is_a_query_parameter(described):
    found = operations(described)
    picture = {parameter["name"]: parameter for parameter in found["post /v1/images"]["parameters"]}
    assert picture["options.score_threshold"]["in"] == "query"
    assert picture["labels"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert picture["ttl"]["schema"] == {"$ref": "#/components/schemas/google.protobuf.Duration"}
    assert "image" not in picture
    assert [parameter["name"] for parameter in found["post /v1/jobs/{job_id}:cancel"]["parameters"]] == ["job_id"]
    assert [parameter["name"] for parameter in found["get /v1/jobs:watch"]["parameters"]] == ["labels"], "no list of messages"


def test_what_is_in_the_path_is_not_in_the_body(described):
    body = operations(described)["post /v1/jobs/{job_id}:cancel"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"reason"}


def test_bytes_and_streams_have_their_own_media_types(described):
    found = operations(described)

    def answer(name: str) -> set[str]:
        return set(found[name]["responses"]["200"]["content"])

    assert set(found["post /v1/images"]["requestBody"]["content"]) == {"*/*"}
    assert answer("get /v1/jobs/{job_id}/items/{item}/annotated") == {"*/*"}
    assert answer("get /v1/jobs/{job_id}:watch") == {"application/x-ndjson"}
    assert answer("get /v1/jobs/{job_id}") == {"application/json"}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Input", [{}, {"content": "aGk="}, {"blob": "a", "name": "b"}], [{"content": "aGk=", "blob": "a"}, {"name": 3}]),
        (
            "Event",
            [{"sequence": "7", "job_accepted": {"items_total": 1}}],
            [{"sequence": 7}, {"job_accepted": {}, "item_started": {}}],
        ),
        ("State", ["STATE_QUEUED"], ["QUEUED", 1]),
        ("google.protobuf.Duration", ["1.5s", "-3s"], ["1.5", "s", "1.0000000001s"]),
        ("Job", [{"labels": {"a": "b"}}], [{"labels": {"a": 1}}, {"attempt": 2**31}]),
        ("google.rpc.Status", [{"code": 5, "details": [{"@type": "a", "b": 1}]}], [{"details": [{"b": 1}]}]),
    ],
)
def test_a_schema_takes_what_the_json_of_protobuf_is(described, name: str, good: list[Any], bad: list[Any]):
    assert [value for value in good if not check(described, name, value)] == []
    assert [value for value in bad if check(described, name, value)] == []


def compiled(folder: Path, rule: str) -> FileDescriptorSet:
    """Compile a contract whose only method has this rule."""
    source = folder / "odd_service.proto"
    source.write_text(
        'syntax = "proto3"; package odd.v1; import "google/api/annotations.proto"; import "google/rpc/status.proto";'
        "message Ask { string name = 1; google.rpc.Status status = 2; }"
        f"service Odd {{ rpc Do(Ask) returns (Ask) {{ option (google.api.http) = {{ {rule} }}; }} }}"
    )
    return compile_protos([folder], [source])


@pytest.mark.parametrize("rule", ['get: "/v1/{name=shelves/*}"', 'custom: {kind: "HEAD" path: "/v1"}', 'get: "/v1/**"'])
def test_a_rule_that_openapi_has_no_words_for_is_refused(tmp_path: Path, rule: str):
    with pytest.raises(ValueError, match="no way to describe"):
        document(compiled(tmp_path, rule), "odd.v1")


def test_one_path_cannot_be_two_operations(tmp_path: Path):
    twice = 'post: "/v1/a" additional_bindings: {post: "/v1/a" body: "*"}'
    with pytest.raises(ValueError, match="is taken"):
        document(compiled(tmp_path, twice), "odd.v1")


def test_what_protoc_refuses_is_an_error(tmp_path: Path):
    broken = tmp_path / "broken_service.proto"
    broken.write_text("no proto")
    with pytest.raises(subprocess.CalledProcessError):
        compile_protos([tmp_path], [broken])
