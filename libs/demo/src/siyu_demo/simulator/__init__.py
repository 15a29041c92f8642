"""A broker's quarter, made from a seed."""

from siyu_demo.simulator.facts import Consent, ContactPoint, Rating
from siyu_demo.simulator.quarter import Quarter
from siyu_demo.simulator.reactions import Reactions, react
from siyu_demo.simulator.settings import Settings

__all__ = ["Consent", "ContactPoint", "Quarter", "Rating", "Reactions", "Settings", "react"]
