"""Writes the Dockerfile of every service and of the client: they differ in names alone.

A test holds what is committed to what this writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

TEMPLATE: Final = """\
# The image of {title}. Written by `make dockerfiles`; built from the repository's root:
#   docker build -f {folder}/Dockerfile -t siyu/{name} .
# BASE_IMAGE is any image with Python 3.11 at one place, BUILD_IMAGE one that also has its venv module;
# PIP_INDEX_URL, or PIP_NO_INDEX and PIP_FIND_LINKS, say where the locked packages come from.
ARG BASE_IMAGE=python:3.11-slim
ARG BUILD_IMAGE=${{BASE_IMAGE}}

FROM ${{BUILD_IMAGE}} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
WORKDIR /src
# Tools stay in this stage; /opt/siyu gets no installer.
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/siyu
COPY requirements-build.txt {folder}/requirements.txt ./
RUN /tools/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: -r requirements-build.txt
RUN /tools/bin/pip --python /opt/siyu/bin/python3 install --no-cache-dir --require-hashes --only-binary=:all: -r requirements.txt
COPY libs/protos libs/protos
COPY libs/kit libs/kit
COPY {folder} {folder}
RUN /tools/bin/pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation -w /wheels ./libs/protos ./libs/kit ./{folder} \\
 && /tools/bin/pip --python /opt/siyu/bin/python3 install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM ${{BASE_IMAGE}}
# A base image may bring an installer: nothing in the image needs it.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip
COPY --from=build /opt/siyu /opt/siyu
# Writes nothing but below /tmp{data}; HOME is asked for by drivers that look for files of a user.
ENV PATH=/opt/siyu/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
LABEL org.opencontainers.image.title="siyu/{name}" org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /tmp
{expose}ENTRYPOINT ["{command}"]
"""


def dockerfiles() -> dict[Path, str]:
    """Path and text of each."""
    folders = sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))
    texts = {folder / "Dockerfile": _service(folder) for folder in folders}
    client = ROOT / "libs/client"
    texts[client / "Dockerfile"] = TEMPLATE.format(
        title="the `siyu` command",
        name="client",
        folder="libs/client",
        command="siyu",
        data="",
        expose="",
    )
    return texts


def _service(folder: Path) -> str:
    name = folder.name
    return TEMPLATE.format(
        title=f"the {name} service",
        name=name,
        folder=f"services/{name}",
        command=f"siyu-{name}",
        data=" and SIYU_DATA_DIR",
        expose="EXPOSE 9090\n" if name != "collect" else "EXPOSE 9090 8080\n",
    )


def main() -> int:
    """Writes them all."""
    for path, text in dockerfiles().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
