"""Policies and runs: contract <-> domain."""

from collections.abc import Mapping
from typing import Any, Final

from siyu.identity.v1 import policy_pb2 as pb
from siyu.type.v1.identifier_pb2 import Identifier as IdentifierMessage
from siyu_identity.domain.evidence import Identifier
from siyu_identity.domain.policy import ANY_TYPE, IdTypePolicy, Storage, TypeRule
from siyu_identity.domain.presets import BROKER, PRESETS
from siyu_identity.domain.run import Run
from siyu_identity.rpc.mapping import invalid
from siyu_kit.auth.masks import HIDDEN
from siyu_kit.identifiers import NORMALISER_OF

_MAX_BLOCKED: Final = 10_000
_MAX_PERSON: Final = 1_000
_STORAGE: Final = {
    Storage.SEALED: pb.IDENTIFIER_STORAGE_SEALED,
    Storage.INDEX_ONLY: pb.IDENTIFIER_STORAGE_INDEX_ONLY,
}


def policy_of(message: pb.IdTypePolicy, field: str) -> IdTypePolicy:
    """A policy to propose or to try; raises InvalidInput with the field's whole path."""
    if message.preset and message.preset not in PRESETS:
        raise invalid(f"{field}.preset", "is not a preset")
    rules: dict[str, TypeRule] = {}
    for index, item in enumerate(message.types):
        path = f"{field}.types[{index}]"
        if item.type in rules:
            raise invalid(f"{path}.type", "stands there twice")
        rules[item.type] = _rule(item, path)
    if not rules or not any(rule.owner for rule in rules.values()):
        raise invalid(f"{field}.types", "must hold a type that stands for one human")
    largest, near = message.max_person_size, message.max_neighbours
    if not 2 <= largest <= _MAX_PERSON:
        raise invalid(f"{field}.max_person_size", f"must be 2 to {_MAX_PERSON}")
    if not largest <= near <= 10 * _MAX_PERSON:
        raise invalid(f"{field}.max_neighbours", "must be max_person_size to 10 000")
    if len(message.blocked) > _MAX_BLOCKED:
        raise invalid(f"{field}.blocked", f"must hold at most {_MAX_BLOCKED} identifiers")
    return IdTypePolicy(
        version=0,
        name=message.preset or BROKER.name,
        types=rules,
        max_person=largest,
        max_neighbours=near,
        first_link_only=message.first_link_only,
        blocked=frozenset(
            _blocked(item, f"{field}.blocked[{index}]")
            for index, item in enumerate(message.blocked)
        ),
    )


def policy_message(policy: IdTypePolicy) -> pb.IdTypePolicy:
    """The message of a policy."""
    return pb.IdTypePolicy(
        version=policy.version,
        preset=policy.name,
        types=[
            pb.IdTypeRule(
                type=name,
                rank=rule.rank,
                max_per_person=rule.most,
                max_owners=rule.shared_by,
                owner=rule.owner,
                normaliser=rule.normaliser,
                storage=_STORAGE[rule.storage],
            )
            for name, rule in policy.types.items()
        ],
        max_person_size=policy.max_person,
        max_neighbours=policy.max_neighbours,
        first_link_only=policy.first_link_only,
        blocked=[pb.BlockedIdentifier(type=k, value=v) for k, v in sorted(policy.blocked)],
    )


def run_message(run: Run, names: Mapping[int, Identifier]) -> pb.Run:
    """The message of a run; ``names`` of the identifiers in its sample."""
    message = pb.Run(
        run_id=run.run_id,
        kind=run.kind.value,  # type: ignore[arg-type]
        state=run.state.value,  # type: ignore[arg-type]
        done=run.done,
        total=run.total,
        policy_version=run.policy_version,
        start_time_ms=run.started_ms,
        update_time_ms=run.updated_ms,
        error=run.error,
    )
    if run.found is not None:
        found: dict[str, Any] = dict(run.found)
        sample = found.pop("sample")
        message.comparison.CopyFrom(pb.Comparison(**found))
        for number, was, now in sample:
            name = names.get(number, Identifier("", ""))
            message.comparison.sample.append(
                pb.PersonMove(
                    identifier=IdentifierMessage(type=name.type, value=name.value),
                    ident_no=number,
                    from_person_no=was,
                    to_person_no=now,
                )
            )
    return message


def _rule(item: pb.IdTypeRule, path: str) -> TypeRule:
    if item.type not in NORMALISER_OF:
        raise invalid(f"{path}.type", "is not a registered type")
    if item.normaliser not in {"", NORMALISER_OF[item.type]}:
        raise invalid(f"{path}.normaliser", f"must be {NORMALISER_OF[item.type]}")
    most = item.max_per_person
    if most < 1 or (item.owner and most != 1):
        raise invalid(f"{path}.max_per_person", "must be 1 for an owner, else at least 1")
    if item.owner and item.max_owners:
        raise invalid(f"{path}.max_owners", "must be 0 for an owner: it is not shared")
    storage = Storage.INDEX_ONLY if item.storage == pb.IDENTIFIER_STORAGE_INDEX_ONLY else (
        Storage.SEALED if item.storage == pb.IDENTIFIER_STORAGE_SEALED
        else BROKER.types[item.type].storage
    )  # fmt: skip
    return TypeRule(
        rank=item.rank,
        most=most,
        shared_by=item.max_owners,
        owner=item.owner,
        normaliser=NORMALISER_OF[item.type],
        storage=storage,
    )


def _blocked(item: pb.BlockedIdentifier, path: str) -> tuple[str, str]:
    if item.type != ANY_TYPE and item.type not in NORMALISER_OF:
        raise invalid(f"{path}.type", "is not a registered type, nor *")
    if not 0 < len(item.value) <= 256:
        raise invalid(f"{path}.value", "must have 1 to 256 characters")
    if HIDDEN in item.value:
        # What GetPolicy shows to a caller who may not see it, sent back: the value would be lost.
        raise invalid(f"{path}.value", "is a masked value, not the value itself")
    return item.type, item.value.lower()
