"""Masking of responses by the field options of the contract, compiled once a message type."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from siyu.type.v1 import security_pb2
from siyu_kit.auth.masks import BY_MASK, BY_TYPE, mask_full


class Step(Protocol):
    """Masks one field of a message, in place."""

    def __call__(self, message: Any) -> None: ...


@dataclass(slots=True)
class _Plan:
    """The steps of one message type; recursive types point back to their own plan."""

    steps: list[Step] = field(default_factory=list)

    def apply(self, message: Any) -> None:
        for step in self.steps:
            step(message)


class Masker:
    """Masks messages of one type."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan

    def masked(self, message: Message) -> Message:
        """A masked copy: the handler may keep and reuse what it returned."""
        copy = type(message)()
        copy.CopyFrom(message)
        self._plan.apply(copy)
        return copy


@cache
def masker_of(descriptor: Descriptor) -> Masker | None:
    """The masker of a type, None when nothing in it is ever masked."""
    if not _reaches_mask(descriptor, set()):
        return None
    return Masker(_plan_of(descriptor, {}))


def _reaches_mask(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        _mask_of(item) or (item.message_type is not None and _reaches_mask(item.message_type, seen))
        for item in descriptor.fields
    )


def _mask_of(item: FieldDescriptor) -> int:
    mask: int = item.GetOptions().Extensions[security_pb2.data].mask
    return mask


def _plan_of(descriptor: Descriptor, plans: dict[str, _Plan]) -> _Plan:
    if descriptor.full_name in plans:
        return plans[descriptor.full_name]
    plan = plans[descriptor.full_name] = _Plan()
    for item in descriptor.fields:
        mask, child = _mask_of(item), item.message_type
        if mask:
            plan.steps.append(_leaf(item, mask))
        elif child is not None and _reaches_mask(child, set()):
            plan.steps.append(_branch(item, child, plans))
    return plan


def _leaf(item: FieldDescriptor, mask: int) -> Step:
    name = item.name
    if item.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        raise ValueError(f"{item.full_name}: only strings and bytes can be masked")
    if item.type == FieldDescriptor.TYPE_BYTES:
        return lambda message: message.ClearField(name)
    if mask == security_pb2.MASK_BY_TYPE:
        return _by_type(name)
    function = BY_MASK[mask]
    if item.is_repeated:
        return _each(name, function)
    return _one(name, function)


def _one(name: str, function: Callable[[str], str]) -> Step:
    def step(message: Any) -> None:
        value = getattr(message, name)
        if value:
            setattr(message, name, function(value))

    return step


def _each(name: str, function: Callable[[str], str]) -> Step:
    def step(message: Any) -> None:
        values = getattr(message, name)
        values[:] = [function(value) for value in values]

    return step


def _by_type(name: str) -> Step:
    def step(message: Any) -> None:
        value = getattr(message, name)
        if value:
            setattr(message, name, BY_TYPE.get(message.type, mask_full)(value))

    return step


def _branch(item: FieldDescriptor, child: Descriptor, plans: dict[str, _Plan]) -> Step:
    name = item.name
    if child.GetOptions().map_entry:
        inner = child.fields_by_name["value"].message_type
        if inner is None:
            raise ValueError(f"{item.full_name}: map entries cannot carry masks")
        return _values(name, _plan_of(inner, plans))
    plan = _plan_of(child, plans)
    if item.is_repeated:
        return _elements(name, plan)

    def step(message: Any) -> None:
        if message.HasField(name):
            plan.apply(getattr(message, name))

    return step


def _elements(name: str, plan: _Plan) -> Step:
    def step(message: Any) -> None:
        for element in getattr(message, name):
            plan.apply(element)

    return step


def _values(name: str, plan: _Plan) -> Step:
    def step(message: Any) -> None:
        for value in getattr(message, name).values():
            plan.apply(value)

    return step
