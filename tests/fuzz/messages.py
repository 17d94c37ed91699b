"""Protobuf messages with anything in their fields that the wire can carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

M = TypeVar("M", bound=Message)

MAX_REPEATED = 3
MAX_DEPTH = 4
TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["", "efficientdet-lite0", "a", "\x00", "~/../"])

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.sampled_from([0, 1, -1, 2, 100]) | st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from([0, 1, -1]) | st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 4) | st.integers(-(2**31), 2**31 - 1),
}


def messages(kind: type[M], *, given: Callable[[str], st.SearchStrategy[Any] | None] = lambda name: None) -> st.SearchStrategy[M]:
    """Make messages of a kind; `given` has a strategy of its own for some fields, by their full names."""
    return _of(kind.DESCRIPTOR, given, MAX_DEPTH)


@st.composite
def _of(draw: st.DrawFn, descriptor: Descriptor, given: Any, depth: int) -> Any:
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw(st.integers(0, 2)) == 0:
            continue
        _set(draw, message, field, given, depth)
    return message


def _set(draw: st.DrawFn, message: Any, field: FieldDescriptor, given: Any, depth: int) -> None:
    entry = field.message_type if field.message_type and field.message_type.GetOptions().map_entry else None
    if entry:
        for key in draw(st.lists(TEXT, max_size=MAX_REPEATED)):
            getattr(message, field.name)[key] = draw(TEXT)
        return
    value = given(field.full_name)
    if value is None:
        value = _value(field, given, depth)
    if value is None:
        return
    if field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(value, max_size=MAX_REPEATED)))
    elif field.message_type:
        getattr(message, field.name).CopyFrom(draw(value))
    else:
        setattr(message, field.name, draw(value))


def _value(field: FieldDescriptor, given: Any, depth: int) -> st.SearchStrategy[Any] | None:
    if field.message_type:
        return _of(field.message_type, given, depth - 1) if depth else None
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=40)
    return TEXT if field.type == FieldDescriptor.TYPE_STRING else _SCALARS[field.cpp_type]
