"""Build the reference of the Python client from its docstrings, into .build/docs: python -m scripts.docs [FOLDER].

Whatever pdoc warns of, an annotation that it cannot read say, is an error.
"""

from __future__ import annotations

import ast
import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pdoc.doc
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from pdoc import render

import myeye
from myeye.v1 import blob_service_pb2_grpc, detection_service_pb2_grpc

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(myeye.__file__).parent
KINDS = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_STRING: "str",
}


def build(folder: Path) -> None:
    """Write the page of `myeye`, and an index that leads to it.

    Raises:
        UserWarning: something cannot be documented.
    """
    render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings(action="error"):
        module = reference()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "myeye.html").write_text(render.html_module(module, {"myeye": module}), encoding="utf-8")
        (folder / "index.html").write_text('<meta http-equiv="refresh" content="0; url=myeye.html">\n', encoding="utf-8")


def reference() -> pdoc.doc.Module:
    """Read what `myeye` gives; where it comes from is of no concern to who uses it."""
    # pdoc looks annotations up in the modules, and these names are only in their stub files
    vars(blob_service_pb2_grpc)["BlobServiceAsyncStub"] = blob_service_pb2_grpc.BlobServiceStub
    vars(detection_service_pb2_grpc)["DetectionServiceAsyncStub"] = detection_service_pb2_grpc.DetectionServiceStub
    module = pdoc.doc.Module(myeye)
    origins = dict(_origins())
    for name, member in module.members.items():
        if (descriptor := getattr(vars(myeye)[name], "DESCRIPTOR", None)) is not None:
            member.docstring = _contract_docs(descriptor)
            if isinstance(member, pdoc.doc.Class):
                member.members.clear()  # they tell nothing that this does not
        elif isinstance(member, pdoc.doc.Variable):
            origin = pdoc.doc.Module(importlib.import_module(origins[name]))
            member.docstring = origin.members[name].docstring
    return module


def _origins() -> Iterator[tuple[str, str]]:
    """Yield the names that `myeye` has from elsewhere, each with its module."""
    for line in ast.parse((SOURCES / "__init__.py").read_text()).body:
        if isinstance(line, ast.ImportFrom):
            yield from ((name.name, line.module or "") for name in line.names)


def _contract_docs(descriptor: Any) -> str:
    """Give what the contract says of a message or an enum, and of each of its fields or values: it is in the stub file."""
    stub = ast.parse((SOURCES.parent / descriptor.file.name.replace(".proto", "_pb2.pyi")).read_text())
    classes = {each.name: each for each in stub.body if isinstance(each, ast.ClassDef)}
    of_class = ast.get_docstring(classes[descriptor.name]) or ""
    if isinstance(descriptor, EnumDescriptor):
        docs = dict(_docs(stub.body))
        told = [f"`{value.name}`: {docs[value.name]}" for value in descriptor.values]
    else:
        docs = dict(_docs(classes[descriptor.name].body))
        told = [f"`{field.name}` ({_type_of(field)}): {docs[field.name]}" for field in descriptor.fields]
    return "\n".join([of_class, "", *(f"- {' '.join(line.split())}" for line in told)])


def _docs(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the names that are declared here with a docstring: in them, or after them."""
    for line, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        match line, following:
            case ast.FunctionDef(), _:
                yield line.name, ast.get_docstring(line) or ""
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                yield name, doc


def _type_of(field: FieldDescriptor) -> str:
    """Name a field's type as Python has it; that of another message by its name in the contract."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return f"map of {_type_of(key)} to {_type_of(value)}"
    named = field.message_type or field.enum_type
    kind = named.name if named else "bytes" if field.type == field.TYPE_BYTES else KINDS.get(field.cpp_type, "int")
    return f"repeated {kind}" if field.is_repeated else kind


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT / ".build/docs"
    build(target)
    print(f"wrote {target / 'index.html'}")
