"""Every service's migrations are one chain: two branches that both added the next step collide."""

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from support.tree import ROOT

FOLDERS = sorted(ROOT.glob("services/*/migrations"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_migrations_have_one_head(folder):
    config = Config()
    config.set_main_option("script_location", str(folder))
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_the_migrations_are_seen():
    assert len(FOLDERS) >= 5
