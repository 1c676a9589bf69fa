"""What stands on every screen and in every export."""

from unet_playground.errors import Text

NOTICE = Text(
    "Research and teaching only; not a medical device; not for diagnosis", "仅供研究与教学；非医疗器械；不得用于诊断"
)
