"""Instruments: a model, an image and a target in, a frozen dataclass of arrays out. They never draw."""

# The order of the menu.
# isort: off
from unet_playground.analysis.base import Analysis, Target, analyses
from unet_playground.analysis.features import FeatureMaps, feature_maps
from unet_playground.analysis.gradient_flow import GradientFlow, gradient_flow
from unet_playground.analysis.effective_field import EffectiveField, effective_field
from unet_playground.analysis.attention import AttentionMaps, attention_maps
from unet_playground.analysis.skips import (
    PassThrough,
    Redundancy,
    SemanticGap,
    Surgery,
    pass_through,
    semantic_gap,
    skip_redundancy,
    skip_surgery,
)
from unet_playground.analysis.operators import NoOperators, Operators, WorkedExample, operators_at, worked_example
from unet_playground.analysis.shift import Shift, shift_equivariance
from unet_playground.analysis.uncertainty import (
    Augmented,
    Calibration,
    Disagreement,
    Entropy,
    augmented,
    calibration,
    calibration_on,
    disagreement,
    entropy,
)
from unet_playground.analysis.attribution import (
    Attribution,
    deep_lift,
    feature_ablation,
    grad_cam,
    gradient_shap,
    guided_grad_cam,
    input_x_gradient,
    integrated_gradients,
    occlusion,
    saliency,
    smooth_grad,
)
# isort: on

__all__ = [
    "Analysis",
    "AttentionMaps",
    "Attribution",
    "Augmented",
    "Calibration",
    "Disagreement",
    "EffectiveField",
    "Entropy",
    "FeatureMaps",
    "GradientFlow",
    "NoOperators",
    "Operators",
    "PassThrough",
    "Redundancy",
    "SemanticGap",
    "Shift",
    "Surgery",
    "Target",
    "WorkedExample",
    "analyses",
    "attention_maps",
    "augmented",
    "calibration",
    "calibration_on",
    "deep_lift",
    "disagreement",
    "effective_field",
    "entropy",
    "feature_ablation",
    "feature_maps",
    "grad_cam",
    "gradient_flow",
    "gradient_shap",
    "guided_grad_cam",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "operators_at",
    "pass_through",
    "saliency",
    "semantic_gap",
    "shift_equivariance",
    "skip_redundancy",
    "skip_surgery",
    "smooth_grad",
    "worked_example",
]
