"""The ground truth: what every number must be, computed plainly from what was sent.

Nothing here shares code with a service. The questions are the ones that the story asks; the
answers name persons by the best identifier that they have.
"""

from siyu_demo.truth.audience import counts, few_views_no_trade
from siyu_demo.truth.backoffice import BackOffice, Standing
from siyu_demo.truth.conversion import Candidate, Conversion, ConversionQuestion
from siyu_demo.truth.effect import Effect, compare
from siyu_demo.truth.funnel import Funnel, FunnelQuestion, funnel
from siyu_demo.truth.gates import CampaignRules, Verdict, decide
from siyu_demo.truth.holdout import holdout_bucket, is_held_out
from siyu_demo.truth.ledger import Fact, Happening, Ledger
from siyu_demo.truth.people import People
from siyu_demo.truth.traits import fold_traits

__all__ = [
    "BackOffice",
    "CampaignRules",
    "Candidate",
    "Conversion",
    "ConversionQuestion",
    "Effect",
    "Fact",
    "Funnel",
    "FunnelQuestion",
    "Happening",
    "Ledger",
    "People",
    "Standing",
    "Verdict",
    "compare",
    "counts",
    "decide",
    "few_views_no_trade",
    "fold_traits",
    "funnel",
    "holdout_bucket",
    "is_held_out",
]
