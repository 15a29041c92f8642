"""The releases before and after this tree, as images for the cluster.

The one before is the newest release's tag, or where none was made yet a commit that stands for it.
The one after is this tree with one more step in each database: a column in every table, and a table
of its own, which this release's code then finds.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from cluster.lab import sh
from support.tree import ROOT, VERSION, WITH_DATABASE

PREVIOUS: Final = "previous"
NEXT: Final = "next"
IMAGES: Final = ROOT / "build/images"
_STANDS_FOR_A_RELEASE: Final = "797a05a"
_STEP: Final = '''"""A step of a release that is not written yet."""

import sqlalchemy as sa
from alembic import op

revision = "{after}"
down_revision = "{before}"


def upgrade() -> None:
    for table in sa.inspect(op.get_bind()).get_table_names():
        if table != "alembic_version":
            op.add_column(table, sa.Column("of_the_next_release", sa.Text))
    op.create_table("next_release", sa.Column("id", sa.BigInteger, primary_key=True))


def downgrade() -> None:
    pass
'''


def previous() -> Path:
    """The checkout of the release before, with its images built: archives by service."""
    tree = ROOT / "build/previous"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    packed = subprocess.run(
        ["git", "-C", ROOT, "archive", _tag()], check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", tree], input=packed, check=True)
    arguments = ("--archive", f"--tree={tree}", f"--tag={PREVIOUS}")
    subprocess.run([ROOT / "scripts/images.sh", *arguments], check=True)
    return tree


def following() -> list[Path]:
    """Archives of the images of the release after this one."""
    folder = IMAGES / NEXT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [*sorted(path.parent.name for path in ROOT.glob("services/*/Dockerfile")), "client"]
    for name in names:
        lines = [f"FROM localhost/siyu/{name}:{VERSION}"]
        if name in WITH_DATABASE:
            step = _step_after(ROOT / f"services/{name}/migrations/versions")
            (folder / f"{name}.py").write_text(step)
            share = f"/opt/siyu/share/siyu/{name}/migrations/versions/9999_next.py"
            lines.append(f"COPY --chmod=0644 {name}.py {share}")
        (folder / f"{name}.Dockerfile").write_text("\n".join(lines) + "\n")
        image = f"localhost/siyu/{name}:{NEXT}"
        _buildah("bud", "-q", "-t", image, "-f", f"{folder}/{name}.Dockerfile", str(folder))
        _buildah("push", "-q", image, f"docker-archive:{folder}/{name}.tar:{image}")
    return sorted(folder.glob("*.tar"))


def _step_after(versions: Path) -> str:
    """One more migration after the last of a folder."""
    last = max(versions.glob("[0-9]*.py")).read_text()
    found = re.search(r'^revision = "(.+)"$', last, re.MULTILINE)
    assert found, versions
    # Numbered, as every step is: by that a release tells that its database is ahead.
    return _STEP.format(before=found[1], after=f"{int(found[1]) + 1:04}")


def _tag() -> str:
    tags = sh("git", "-C", str(ROOT), "tag", "--sort=-version:refname", "--list", "v[0-9]*")
    return (tags.split() or [_STANDS_FOR_A_RELEASE])[0]


def _buildah(*arguments: str) -> None:
    script = f'. {ROOT}/scripts/containers.sh "{IMAGES}"; buildah "$@"'
    sh("bash", "-c", script, "buildah", *arguments)
