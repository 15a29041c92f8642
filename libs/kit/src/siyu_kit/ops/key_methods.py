"""The data keys by RPC: a new version, how far it is, the end of an old one."""

from typing import Any

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu_kit.errors import NotFound
from siyu_kit.ops.checks import check_all
from siyu_kit.sql.data_keys import KeyKeeper, KeyState


class KeyMethods:
    """The part of OpsService about data keys, of a service that encrypts fields."""

    def __init__(self, keeper: KeyKeeper | None) -> None:
        self._keeper = keeper

    async def RotateFieldKeys(
        self, request: pb.RotateFieldKeysRequest, context: Any
    ) -> pb.RotateFieldKeysResponse:
        check_all(request.project_id)
        return pb.RotateFieldKeysResponse(key=_message(await self._kept().rotate()))

    async def ListFieldKeys(
        self, request: pb.ListFieldKeysRequest, context: Any
    ) -> pb.ListFieldKeysResponse:
        keeper = self._kept()
        return pb.ListFieldKeysResponse(
            keys=[_message(state) for state in await keeper.states()],
            current_version=keeper.keys.current,
        )

    async def DestroyFieldKey(
        self, request: pb.DestroyFieldKeyRequest, context: Any
    ) -> pb.DestroyFieldKeyResponse:
        check_all(request.project_id)
        state = await self._kept().destroy(request.version)
        return pb.DestroyFieldKeyResponse(key=_message(state))

    def _kept(self) -> KeyKeeper:
        if self._keeper is None:
            raise NotFound("KEY_UNKNOWN", "the service encrypts no fields", version="")
        return self._keeper


def _message(state: KeyState) -> pb.FieldKey:
    return pb.FieldKey(
        version=state.version,
        created_time_ms=state.created_ms,
        active_time_ms=state.active_ms,
        swept_time_ms=state.swept_ms,
        destroyed_time_ms=state.destroyed_ms,
    )
