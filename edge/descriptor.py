"""The contracts as Envoy wants them: descriptors, Google's included, from the generated code itself."""

from __future__ import annotations

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2

from myeye.v1 import blob_service_pb2, detection_service_pb2

# what the details of an error can be: no contract of ours imports it
ROOTS: tuple[FileDescriptor, ...] = (
    detection_service_pb2.DESCRIPTOR,
    blob_service_pb2.DESCRIPTOR,
    error_details_pb2.DESCRIPTOR,
)


def descriptor_set() -> bytes:
    """Give a serialized FileDescriptorSet of the public contract and all that it needs, each file after its imports."""
    found: dict[str, FileDescriptor] = {}
    for root in ROOTS:
        _collect(root, found)
    files = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(files.file.add())
    return files.SerializeToString()


def _collect(file: FileDescriptor, found: dict[str, FileDescriptor]) -> None:
    for imported in file.dependencies:
        _collect(imported, found)
    found.setdefault(file.name, file)
