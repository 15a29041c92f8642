"""What a campaign changed."""

from dataclasses import dataclass

from siyu_demo.records import Identifier
from siyu_demo.truth.intervals import Share, newcombe, wilson


@dataclass(frozen=True, slots=True)
class Effect:
    """Conversion of those who were to be touched and of those held out."""

    treated: Share
    held_out: Share
    uplift: Share
    nobody: bool = False
    """Whether one of the two sides is empty."""

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return not self.nobody and (self.uplift.low > 0 or self.uplift.high < 0)

    @property
    def verdict(self) -> str:
        """The result in words."""
        if self.nobody:
            return "no hold-out, the effect cannot be measured"
        if not self.significant:
            return "no significant difference"
        direction = "more" if self.uplift.value > 0 else "less"
        return f"touched customers convert {direction}"


def compare(
    treated: set[Identifier], held_out: set[Identifier], converted: set[Identifier]
) -> Effect:
    """Compares two groups by those of them who converted.

    Everybody who was not held out counts as treated, whether or not a gate refused them.
    """
    with_it = wilson(len(treated & converted), len(treated))
    without = wilson(len(held_out & converted), len(held_out))
    if not treated or not held_out:
        return Effect(with_it, without, Share(0.0, 0.0, 0.0), nobody=True)
    return Effect(with_it, without, newcombe(with_it, without))
