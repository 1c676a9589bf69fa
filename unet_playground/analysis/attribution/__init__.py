"""Which input pixels a decision rests on: methods through Captum, each with its checks."""

# isort: off
from unet_playground.analysis.attribution.checks import Curves, deletion_insertion, randomisation, rank_correlation
from unet_playground.analysis.attribution.result import Attribution, Question
from unet_playground.analysis.attribution.integrated import integrated_gradients
from unet_playground.analysis.attribution.gradients import gradient_shap, input_x_gradient, saliency, smooth_grad
from unet_playground.analysis.attribution.ablation import feature_ablation, occlusion
from unet_playground.analysis.attribution.layers import class_activation, deep_lift, grad_cam, guided_grad_cam
# isort: on

__all__ = [
    "Attribution",
    "Curves",
    "Question",
    "class_activation",
    "deep_lift",
    "deletion_insertion",
    "feature_ablation",
    "grad_cam",
    "gradient_shap",
    "guided_grad_cam",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "randomisation",
    "rank_correlation",
    "saliency",
    "smooth_grad",
]
