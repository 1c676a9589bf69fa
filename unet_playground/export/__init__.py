"""Taking a design home, and bringing its weights back: a PyTorch file, ONNX, JSON, safetensors."""

from unet_playground.export.exchange import onnx
from unet_playground.export.own import load_own
from unet_playground.export.package import design_json, standalone

__all__ = ["design_json", "load_own", "onnx", "standalone"]
