"""The REST face is what its description says, whatever is sent to it.

By hand, with a running installation and as many requests as wanted:

    SCHEMATHESIS_HOOKS=tests.e2e.rest_hooks schemathesis run http://localhost:8080/openapi.json --max-examples 500 --checks …
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.methods import OPENAPI
from harness.mesh import Mesh

ROOT = Path(__file__).resolve().parents[2]
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
LIMIT_S = 300

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
)
"""All but those that take the description for the whole truth of a request: the limits are GetCapabilities' to tell, and the JSON
of protobuf takes more than it gives, an enum by its number for one."""


@pytest.mark.timeout(LIMIT_S + 60)
def test_no_request_brings_a_server_error_or_an_answer_that_contradicts_the_description(tmp_path: Path):
    with Mesh(tmp_path / "mesh", edge=True) as mesh:
        command = [SCHEMATHESIS, "run", f"http://{mesh.edge_target}/openapi.json", "--seed", "1", "--max-examples", "10"]
        quiet = ["--no-color", "--warnings", "off", "--request-timeout", "60", "--continue-on-failure"]
        told = subprocess.run(
            [*command, "--checks", ",".join(CHECKS), *quiet],
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.rest_hooks", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert told.returncode == 0, told.stdout[-8000:] + told.stderr
    count = sum(map(len, json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"].values()))
    assert f"  Selected: {count}/{count}\n  Tested: {count}\n" in told.stdout
