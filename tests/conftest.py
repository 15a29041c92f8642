"""What every test starts from."""

from hypothesis import settings

# On shared cores a slow example is no failure: pytest-timeout bounds the whole test.
# The blob lets a failure be repeated elsewhere.
settings.register_profile("siyu", deadline=None, print_blob=True)
settings.load_profile("siyu")
