"""Starts U-Net Playground: `python app.py [--host HOST] [--port PORT]`."""

import os
import sys

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # type: ignore[import-not-found]  # noqa: F401 - before PyTorch, as ZeroGPU demands

from unet_playground.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
