"""Who may pass: the token, the method's permission and the project of each request."""

from siyu_kit.auth.caller import Caller
from siyu_kit.auth.policy import Access
from siyu_kit.auth.tokens import TokenVerifier
from siyu_kit.errors import PermissionDenied, Unauthenticated
from siyu_kit.projects import ALL_PROJECTS, check_project
from siyu_kit.scope import Scope

_BEARER = "Bearer "


class Gate:
    """The access check of one method; deny unless everything is in order."""

    def __init__(self, access: Access, verifier: TokenVerifier) -> None:
        self._permission = access.permission
        self._all_projects = access.all_projects
        self._verify = verifier.verify

    def authenticate(self, authorization: str | None, scope: Scope) -> Caller:
        """The caller, who holds the method's permission; their place in the scope is filled."""
        if authorization is None:
            raise Unauthenticated("TOKEN_INVALID", "a bearer token is required", cause="missing")
        if not authorization.startswith(_BEARER):
            raise Unauthenticated(
                "TOKEN_INVALID", "authorization is not a bearer token", cause="malformed"
            )
        caller = self._verify(authorization[len(_BEARER) :])
        scope.caller = caller
        if self._permission not in caller.permissions:
            raise PermissionDenied(
                "PERMISSION_MISSING",
                f"none of the caller's roles has the permission {self._permission}",
                permission=self._permission,
            )
        return caller

    def admit(self, caller: Caller, project: str, scope: Scope) -> None:
        """Check the project of one request message, once while it stays the same."""
        if project == scope.project and project:
            return
        if project != ALL_PROJECTS or not self._all_projects:
            check_project(project)
        if not caller.may_enter(project):
            raise PermissionDenied(
                "PROJECT_FORBIDDEN",
                "the caller's token does not cover the project",
                project_id=project,
            )
        scope.project = project
