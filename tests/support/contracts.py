"""The generated contracts, seen through their descriptors."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)

from support.tree import ROOT

STUBS = ROOT / "libs/protos/src"


def contract_files() -> list[FileDescriptor]:
    """Every contract of the product, in the order of their names."""
    return [_load(path).DESCRIPTOR for path in sorted(STUBS.glob("siyu/**/*_pb2.py"))]


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC method of every service."""
    for file in contract_files():
        for service in file.services_by_name.values():
            yield from service.methods


def messages() -> Iterator[Descriptor]:
    """Every message, nested ones too; not the entries that maps are made of."""
    for file in contract_files():
        for message in file.message_types_by_name.values():
            yield from _with_nested(message)


def error_reasons() -> Iterator[EnumDescriptor]:
    """Every enum of error reasons."""
    for file in contract_files():
        yield from (e for name, e in file.enum_types_by_name.items() if name == "ErrorReason")


def holds_text(field: FieldDescriptor) -> bool:
    """Whether a field carries strings or bytes: by itself, repeated, or as a map's key or value."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return any(holds_text(part) for part in entry.fields)
    return field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


def _load(path: Path) -> ModuleType:
    module = path.relative_to(STUBS).with_suffix("")
    return importlib.import_module(".".join(module.parts))


def _with_nested(message: Descriptor) -> Iterator[Descriptor]:
    if message.GetOptions().map_entry:
        return
    yield message
    for nested in message.nested_types:
        yield from _with_nested(nested)
