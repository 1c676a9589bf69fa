"""Rooms of the page, one a file."""

# Importing a file registers its rooms, so this is the order of the menu.
# isort: off
from unet_playground.ui.rooms.base import Room, rooms
from unet_playground.ui.rooms import instruments, atlas, claims, train, volume, export
# isort: on

__all__ = ["Room", "atlas", "claims", "export", "instruments", "rooms", "train", "volume"]
