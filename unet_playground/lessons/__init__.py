"""Lessons: walks that drive the page, ask for predictions, and mark the answers by what is measured."""

# Importing a file registers its lesson, so this is their order.
# isort: off
from unet_playground.lessons.measure import Measured, NotMeasured
from unet_playground.lessons.slot import (
    TOPICS,
    Lesson,
    Seen,
    Stand,
    Step,
    ask,
    designs_of_lessons,
    lessons,
    seen,
    stand_of,
    tell,
)
from unet_playground.lessons.going_down import GoingDown
from unet_playground.lessons.holes import HolesInTheGrid
from unet_playground.lessons.bridge import WhatCrosses
from unet_playground.lessons.scales import EveryScale
from unet_playground.lessons.luggage import TooMuchLuggage
from unet_playground.lessons.channels import WhichChannel
from unet_playground.lessons.where import WhereToAttend
from unet_playground.lessons.roads import ShorterRoads
from unet_playground.lessons.coming_up import ComingBackUp
from unet_playground.lessons.heat_maps import HeatMaps
# isort: on

__all__ = [
    "TOPICS",
    "ComingBackUp",
    "EveryScale",
    "GoingDown",
    "HeatMaps",
    "HolesInTheGrid",
    "Lesson",
    "Measured",
    "NotMeasured",
    "Seen",
    "ShorterRoads",
    "Stand",
    "Step",
    "TooMuchLuggage",
    "WhatCrosses",
    "WhereToAttend",
    "WhichChannel",
    "ask",
    "designs_of_lessons",
    "lessons",
    "seen",
    "stand_of",
    "tell",
]
