"""What the contracts say about each method: who may call it, what is audited, how it is shaped."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from siyu.type.v1 import security_pb2
from siyu_kit.limits.priority import Priority

_PRIORITIES: Final = {
    security_pb2.PRIORITY_UNSPECIFIED: Priority.ORDINARY,
    security_pb2.PRIORITY_VITAL: Priority.VITAL,
    security_pb2.PRIORITY_LOW: Priority.LOW,
}


class PolicyMissingError(Exception):
    """A method does not declare who may call it, so it may not be served."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rule of one method."""

    method: str
    """``siyu.identity.v1.IdentityService/Resolve``."""
    permission: str
    reveal: str
    """Permission that shows masked fields; empty: they are always masked."""
    audited: bool
    priority: Priority
    """What happens to calls when not all can be served."""
    retriable: bool
    """Repeating a call has the effect of one."""
    client_streaming: bool
    server_streaming: bool
    has_project: bool
    """The request carries ``project_id``."""
    all_projects: bool
    """``project_id`` may be ``*``."""
    request: Descriptor
    response: Descriptor


@cache
def access_of(method_full_name: str) -> Access:
    """The rule of ``siyu.x.v1.XService/Method``.

    Raises KeyError for an unknown method and PolicyMissingError for one without its option.
    """
    service_name, _, method_name = method_full_name.strip("/").partition("/")
    service = descriptor_pool.Default().FindServiceByName(service_name)
    return _access(method_full_name.strip("/"), service.methods_by_name[method_name])


def _access(full_name: str, method: MethodDescriptor) -> Access:
    options = method.GetOptions()
    rule = options.Extensions[security_pb2.access]
    if not rule.permission:
        raise PolicyMissingError(f"{full_name} has no option siyu.type.v1.access")
    return Access(
        method=full_name,
        permission=rule.permission,
        reveal=rule.reveal,
        priority=_PRIORITIES[rule.priority],
        audited=rule.audit != security_pb2.AUDIT_LEVEL_UNSPECIFIED,
        retriable=options.idempotency_level
        in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
        has_project="project_id" in method.input_type.fields_by_name,
        all_projects=rule.all_projects,
        request=method.input_type,
        response=method.output_type,
    )
