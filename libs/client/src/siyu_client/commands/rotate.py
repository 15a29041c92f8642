"""`siyu rotate`: a new version of the keys that fields are encrypted with."""

import argparse
import time
from typing import Final

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from siyu_client.commands import asking
from siyu_client.commands.asking import Asker

SERVICES: Final = ("identity", "profile")
"""Those that encrypt fields."""
_LOOK_EVERY_S: Final = 1.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser("rotate", help="change the key that fields are encrypted with")
    parser.add_argument("service", choices=SERVICES)
    asking.add_options(parser)
    parser.add_argument("--wait", action="store_true", help="until every value has the new key")
    parser.add_argument("--destroy", type=int, metavar="VERSION", help="destroy an old key instead")
    parser.set_defaults(run=run, project="*")


def run(options: argparse.Namespace) -> int:
    """Make a new version, or destroy one that nothing is encrypted with any more."""

    def ask() -> int:
        asker = Asker(options, options.service)
        stub = OpsServiceStub(asker.channel)
        if options.destroy is not None:
            gone = pb.DestroyFieldKeyRequest(project_id="*", version=options.destroy)
            print(f"destroyed version {asker(stub.DestroyFieldKey, gone).key.version}")
            return 0
        made = asker(stub.RotateFieldKeys, pb.RotateFieldKeysRequest(project_id="*")).key
        print(f"version {made.version} encrypts from {made.active_time_ms} ms on")
        return _wait(asker, stub, made.version) if options.wait else 0

    return asking.answered(ask)


def _wait(ask: Asker, stub: OpsServiceStub, version: int) -> int:
    while True:
        found = ask(stub.ListFieldKeys, pb.ListFieldKeysRequest(project_id="*"))
        if any(key.version == version and key.swept_time_ms for key in found.keys):
            print(f"every value is encrypted with version {version}")
            return 0
        time.sleep(_LOOK_EVERY_S)
