"""What can be segmented, one task a file."""

# Importing a file registers its task, so this is the order of the menu.
# isort: off
from unet_playground.tasks.slot import Label, Scan, Task, in_hounsfield, stretch, tasks
from unet_playground.tasks.nuclei import Nuclei
from unet_playground.tasks.vessels import Vessels
from unet_playground.tasks.liver import Liver
from unet_playground.tasks.hippocampus import Hippocampus
# isort: on

__all__ = ["Hippocampus", "Label", "Liver", "Nuclei", "Scan", "Task", "Vessels", "in_hounsfield", "stretch", "tasks"]
