"""Describe the REST face in OpenAPI, from the contracts in `protos/`.

python -m scripts.openapi           write edge/openapi.json, which the edge serves
python -m scripts.openapi --check   fail when what is committed differs
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import google.rpc.status_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from scripts.openapi.document import document

ROOT = Path(__file__).resolve().parent.parent.parent
PROTOS = ROOT / "protos"
PACKAGE = "myeye.v1"
OUTPUT = ROOT / "edge/openapi.json"


def compile_protos(folders: Sequence[Path], files: Sequence[Path]) -> FileDescriptorSet:
    """Give the files with their imports and comments; Google's protos are found in googleapis-common-protos.

    Raises:
        subprocess.CalledProcessError: protoc does not take them; it has said why.
    """
    includes = [*folders, Path(google.rpc.status_pb2.__file__).parent.parent.parent]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "contract.binpb")
        flags = [f"--descriptor_set_out={out}", "--include_imports", "--include_source_info"]
        command = [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{path}" for path in includes), *flags, *map(str, files)]
        subprocess.run(command, check=True)
        return FileDescriptorSet.FromString(out.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    services = sorted((PROTOS / PACKAGE.replace(".", "/")).glob("*_service.proto"))
    fresh = json.dumps(document(compile_protos([PROTOS], services), PACKAGE), indent=2, ensure_ascii=False) + "\n"
    if not args.check:
        OUTPUT.write_text(fresh, encoding="utf-8")
    elif OUTPUT.read_text(encoding="utf-8") != fresh:
        sys.exit(f"{OUTPUT.relative_to(ROOT)} is not what the protos generate. Run `make proto`.")


if __name__ == "__main__":
    main()
