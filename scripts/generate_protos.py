"""Generate the Python code of the contracts in `protos/`, with types.

    python scripts/generate_protos.py           write it
    python scripts/generate_protos.py --check   fail when what is committed differs
    python scripts/generate_protos.py --imports only copy Google's imported protos to `protos/third_party`, for buf

Public messages go to the client library, the broker's to `dispatch/v1`. Nothing generated is edited by hand.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import google.rpc.status_pb2
import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_health.v1 import health_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = PROTOS / "third_party"
IMPORTED = [
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
    "google/rpc/error_details.proto",  # imported by nothing, but every error carries some of these
    "google/rpc/status.proto",
]
TARGETS = {"myeye/v1": ROOT / "clients/python/src", "dispatch/v1": ROOT}


def copy_imports() -> None:
    """Copy the imported Google protos from the installed googleapis-common-protos, and grpc.health.v1 as a descriptor set."""
    package = Path(google.rpc.status_pb2.__file__).parent.parent.parent
    for name in IMPORTED:
        target = THIRD_PARTY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / name, target)
    health = FileDescriptorSet(file=[FileDescriptorProto.FromString(health_pb2.DESCRIPTOR.serialized_pb)])
    (THIRD_PARTY / "health.binpb").write_bytes(health.SerializeToString())  # there is no package that has it as text


def generate(out: Path) -> None:
    """Run protoc over all our protos, into `out`."""
    files = sorted(str(path.relative_to(PROTOS)) for folder in TARGETS for path in (PROTOS / folder).glob("*.proto"))
    includes = [PROTOS, THIRD_PARTY, Path(grpc_tools.__file__).parent / "_proto"]
    outputs = [f"--{kind}_out={out}" for kind in ("python", "mypy", "grpc_python", "mypy_grpc")]
    services = [name for name in files if name.endswith("_service.proto")]
    common = ["protoc", *(f"-I{path}" for path in includes)]
    if protoc.main([*common, *outputs[:2], *files]) or protoc.main([*common, *outputs[2:], *services]):
        sys.exit("protoc failed")
    for folder in TARGETS:
        (out / folder / "__init__.py").write_text(
            '"""Generated from the contracts in protos/; see scripts/generate_protos.py."""\n'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--imports", action="store_true", help="only copy the imported protos")
    args = parser.parse_args()
    copy_imports()
    if args.imports:
        return
    with tempfile.TemporaryDirectory() as temporary:
        generate(Path(temporary))
        for folder, root in TARGETS.items():
            fresh, kept = Path(temporary, folder), root / folder
            if args.check:
                names = sorted({p.name for p in fresh.iterdir()} | {p.name for p in kept.iterdir() if p.is_file()})
                _, differ, missing = filecmp.cmpfiles(fresh, kept, names, shallow=False)
                if differ or missing:
                    sys.exit(f"{kept.relative_to(ROOT)} is not what the protos generate: {differ + missing}. Run `make proto`.")
            else:
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(fresh, kept)


if __name__ == "__main__":
    main()
