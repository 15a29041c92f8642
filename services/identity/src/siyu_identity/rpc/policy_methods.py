"""The methods about policies and runs."""

from typing import Any

from siyu.identity.v1 import policy_pb2 as pb
from siyu_identity.app.policies import preset
from siyu_identity.domain.policy_body import policy_body
from siyu_identity.domain.proposal import Kind
from siyu_identity.domain.run import RunKind
from siyu_identity.rpc.mapping import invalid
from siyu_identity.rpc.policy_mapping import policy_message, policy_of, run_message
from siyu_identity.rpc.proposing import Proposing


class PolicyMethods(Proposing):
    """What a project's policy is, what another would change, and making it hold."""

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:
        if request.WhichOneof("which") == "preset":
            policy = preset(request.preset)
        else:
            policy = await self._use.policies.get(request.project_id, request.version or None)
        return pb.GetPolicyResponse(policy=policy_message(policy))

    async def ActivatePolicy(
        self, request: pb.ActivatePolicyRequest, context: Any
    ) -> pb.ActivatePolicyResponse:
        policy = policy_of(request.policy, "policy")
        if not request.base_version:
            raise invalid("base_version", "must be the version that the policy was made from")
        proposal = await self._propose(
            request, Kind.POLICY, policy=policy, base=request.base_version
        )
        return pb.ActivatePolicyResponse(proposal=proposal)

    async def SimulatePolicy(
        self, request: pb.SimulatePolicyRequest, context: Any
    ) -> pb.SimulatePolicyResponse:
        body = policy_body(policy_of(request.policy, "policy"))
        run = await self._use.runs.start(
            request.project_id, request.request_id, RunKind.SIMULATE, body
        )
        return pb.SimulatePolicyResponse(run=run_message(run, {}))

    async def Restitch(self, request: pb.RestitchRequest, context: Any) -> pb.RestitchResponse:
        run = await self._use.runs.start(request.project_id, request.request_id, RunKind.RESTITCH)
        return pb.RestitchResponse(run=run_message(run, {}))

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        run = await self._use.runs.get(request.project_id, request.run_id)
        numbers = [item[0] for item in run.found["sample"]] if run.found else []
        names = await self._named(request.project_id, numbers)
        return pb.GetRunResponse(run=run_message(run, names))
