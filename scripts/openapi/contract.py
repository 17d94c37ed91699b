"""The compiled contracts, with their comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumValueDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """The services of one package, and the comment of everything by its full name."""

    services: tuple[ServiceDescriptor, ...]
    comments: Mapping[str, str]
    pool: DescriptorPool

    @classmethod
    def read(cls, files: FileDescriptorSet, package: str) -> Contract:
        """Take a set with source info, each file after its imports."""
        pool = DescriptorPool()
        comments: dict[str, str] = {}
        services = []
        for file in files.file:
            pool.Add(file)
            comments |= _comments(file)
            if file.package == package:
                services += [pool.FindServiceByName(f"{package}.{service.name}") for service in file.service]
        # the front door first, whatever the names of the files
        return cls(tuple(sorted(services, key=lambda service: -len(service.methods))), comments, pool)

    def methods(self) -> Iterator[MethodDescriptor]:
        for service in self.services:
            yield from service.methods

    def message(self, full_name: str) -> Descriptor:
        """Give any message, one of an import too."""
        return self.pool.FindMessageTypeByName(full_name)

    def comment(self, described: Any) -> str:
        """Give the comment of a descriptor, or nothing."""
        if isinstance(described, EnumValueDescriptor):  # the only one without a full name
            return self.comments.get(f"{described.type.full_name}.{described.name}", "")
        return self.comments.get(described.full_name, "")


def _comments(file: FileDescriptorProto) -> dict[str, str]:
    names = dict(_names(file))
    return {
        names[tuple(place.path)]: _plain(place.leading_comments)
        for place in file.source_code_info.location
        if place.leading_comments and tuple(place.path) in names
    }


def _plain(comment: str) -> str:
    return "\n".join(line.removeprefix(" ") for line in comment.strip("\n").splitlines()).strip()


def _names(file: FileDescriptorProto) -> Iterator[tuple[Path, str]]:
    for i, message in enumerate(file.message_type):
        yield from _of_message((4, i), file.package, message)
    for i, enum in enumerate(file.enum_type):
        yield from _of_enum((5, i), file.package, enum)
    for i, service in enumerate(file.service):
        yield from _of_service((6, i), file.package, service)


def _of_message(path: Path, scope: str, message: DescriptorProto) -> Iterator[tuple[Path, str]]:
    name = f"{scope}.{message.name}"
    yield path, name
    yield from (((*path, 2, i), f"{name}.{field.name}") for i, field in enumerate(message.field))
    for i, nested in enumerate(message.nested_type):
        yield from _of_message((*path, 3, i), name, nested)
    for i, enum in enumerate(message.enum_type):
        yield from _of_enum((*path, 4, i), name, enum)


def _of_enum(path: Path, scope: str, enum: EnumDescriptorProto) -> Iterator[tuple[Path, str]]:
    name = f"{scope}.{enum.name}"
    yield path, name
    yield from (((*path, 2, i), f"{name}.{value.name}") for i, value in enumerate(enum.value))


def _of_service(path: Path, scope: str, service: ServiceDescriptorProto) -> Iterator[tuple[Path, str]]:
    name = f"{scope}.{service.name}"
    yield path, name
    yield from (((*path, 2, i), f"{name}.{method.name}") for i, method in enumerate(service.method))
