"""Generates the Python stubs of protos/ with the compiler inside the grpcio-tools wheel.

Usage: gen_protos.py OUT. Existing stubs under OUT that no contract makes any more are removed, so a
renamed contract leaves nothing behind. The google.rpc contracts come from the installed
googleapis-common-protos wheel, so nothing of Google's is kept in this repository.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def generate(out: Path) -> list[Path]:
    """Writes the stubs of every contract below `out` and returns the contracts.

    Raises:
        subprocess.CalledProcessError: a contract does not compile; protoc has said why.
    """
    contracts = sorted(PROTOS.glob("siyu/**/*.proto"))
    services = [
        path for path in contracts if re.search(r"^service ", path.read_text(), re.MULTILINE)
    ]
    out.mkdir(parents=True, exist_ok=True)
    _run_protoc(contracts, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    _run_protoc(services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")
    _remove_orphans(out, _stubs(contracts, "_pb2") | _stubs(services, "_pb2_grpc"))
    (out / "siyu" / "py.typed").touch()
    return contracts


def _run_protoc(contracts: list[Path], *outputs: str) -> None:
    # protoc finds protoc-gen-mypy on PATH: it lies beside this interpreter.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    includes = (f"--proto_path={PROTOS}", f"--proto_path={SITE_PACKAGES}")
    names = (str(contract.relative_to(PROTOS)) for contract in contracts)
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *names],
        check=True,
        env=os.environ | {"PATH": path},
    )


def _stubs(contracts: list[Path], ending: str) -> set[Path]:
    stems = (contract.relative_to(PROTOS).with_suffix("") for contract in contracts)
    return {stem.with_name(stem.name + ending) for stem in stems}


def _remove_orphans(out: Path, stubs: set[Path]) -> None:
    for file in sorted((out / "siyu").rglob("*_pb2*.py*")):
        if file.suffix in {".py", ".pyi"} and file.relative_to(out).with_suffix("") not in stubs:
            file.unlink()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(f"{len(generate(target))} contracts -> {target}")
