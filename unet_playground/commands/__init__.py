"""Compose a U-Net from interchangeable parts, run it, look inside, train it."""
