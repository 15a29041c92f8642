"""Who is calling."""

from dataclasses import dataclass, field

from siyu_kit.auth.roles import permissions_of
from siyu_kit.errors import Unauthenticated
from siyu_kit.projects import ALL_PROJECTS
from siyu_kit.scope import current_scope


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller: what its token says, and the permissions that follow from its roles."""

    subject: str
    roles: frozenset[str]
    projects: frozenset[str]
    """Project ids, or ``*`` for all."""
    permissions: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if not self.permissions:
            object.__setattr__(self, "permissions", permissions_of(self.roles))

    def may(self, permission: str) -> bool:
        """Whether one of the roles grants the permission."""
        return permission in self.permissions

    def may_enter(self, project_id: str) -> bool:
        """Whether the token is for this project."""
        return project_id in self.projects or ALL_PROJECTS in self.projects


def current_caller() -> Caller:
    """The caller of the call being served; raises Unauthenticated outside of one."""
    scope = current_scope()
    if scope is None or scope.caller is None:
        raise Unauthenticated("NO_CALLER", "no caller is known here")
    return scope.caller
