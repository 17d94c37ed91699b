"""What `google.api.http` says of a method."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call a method. `body` and `response_body` are a field's name, or nothing; "*" is all that is not in the path."""

    verb: str
    path: str
    body: str
    response_body: str

    @property
    def variables(self) -> list[str]:
        """The fields in the path. Each stands for one segment, or what of it is before the last colon."""
        return VARIABLE.findall(self.path)


def bindings(method: MethodDescriptor) -> Iterator[Binding]:
    """Yield a method's bindings, the principal one first.

    Raises:
        ValueError: a rule is of a form that this generator does not know.
    """
    # read anew, for a descriptor outside the default pool knows no extension
    options = MethodOptions.FromString(method.GetOptions().SerializeToString())
    if options.HasExtension(annotations_pb2.http):
        rule = options.Extensions[annotations_pb2.http]
        yield from map(_binding, (rule, *rule.additional_bindings))


def _binding(rule: HttpRule) -> Binding:
    verb = rule.WhichOneof("pattern")
    path = getattr(rule, verb) if verb in {"get", "put", "post", "delete", "patch"} else ""
    if not path or re.search(r"[{}*]", VARIABLE.sub("", path)):
        raise ValueError(f"no way to describe this in OpenAPI: {rule}")
    return Binding(verb, path, rule.body, rule.response_body)
