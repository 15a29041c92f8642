"""Names of traits that no sender may use."""

from typing import Final

RESERVED: Final = ("consent.", "rating.")
"""Beginnings of the traits that the profile service makes of consents and ratings.

The door refuses them in operations on profiles: accepted, they would come to nothing.
"""
