"""What every test starts from."""

import pytest
from hypothesis import settings

# Before the plugin is loaded: the contract suites in it assert, and are to say what differed.
pytest.register_assert_rewrite("siyu_kit.testing")

# Blocks sockets in the fast tier; starts real servers for who asks.
pytest_plugins = ["siyu_kit.testing.plugin"]

# On shared cores a slow example is no failure: pytest-timeout bounds the whole test.
# The blob lets a failure be repeated elsewhere.
settings.register_profile("siyu", deadline=None, print_blob=True)
settings.load_profile("siyu")
