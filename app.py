"""Starts U-Net Playground: `python app.py [--host HOST] [--port PORT]`."""

import sys

from unet_playground.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
