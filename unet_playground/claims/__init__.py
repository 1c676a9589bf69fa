"""What texts say about U-Nets, each claim with two designs that show it and a verdict computed from the atlas."""

# Importing a file registers its claims, so this is the order of the list.
# isort: off
from unet_playground.claims.slot import (
    Claim,
    Comparison,
    at_most,
    better,
    claims,
    designs_of_claims,
    grows,
    higher,
    less,
    lower,
    more,
    no_worse,
    worse,
)
from unet_playground.claims.verdict import CAVEAT, VERDICTS, Finding, Judgement, judge
from unet_playground.claims.resolution import downsampling_blurs
from unet_playground.claims.crossing import concatenation_is_redundant
from unet_playground.claims.enlarging import bilinear_blurs_edges
# isort: on

__all__ = [
    "CAVEAT",
    "VERDICTS",
    "Claim",
    "Comparison",
    "Finding",
    "Judgement",
    "at_most",
    "better",
    "bilinear_blurs_edges",
    "claims",
    "concatenation_is_redundant",
    "designs_of_claims",
    "downsampling_blurs",
    "grows",
    "higher",
    "judge",
    "less",
    "lower",
    "more",
    "no_worse",
    "worse",
]
