"""Every limit of the product in one typed object, read from the environment.

Two profiles: `public` for a page that stands open to anybody, `local` for one's own machine.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from unet_playground.errors import PlaygroundError, Text, refusal

PROFILE = "UNET_PLAYGROUND_PROFILE"
_MILLION = 1_000_000


def _limit(variable: str, about: str, public: float, local: float | None = None, unit: int = 1) -> Any:
    """A limit: its variable, what it bounds, its value by profile, and how many of its own units one given makes."""
    profiles = {"public": round(public * unit), "local": round((public if local is None else local) * unit)}
    metadata = {"variable": f"UNET_PLAYGROUND_MAX_{variable}", "about": about, "unit": unit, **profiles}
    return field(default=profiles["public"], metadata=metadata)


@dataclass(frozen=True)
class Limits:
    """How much of everything one visitor, one file, one model or the whole server may take.

    Each attribute can be set by its variable; `serve --help` and the README list them. The units are pixels, bytes,
    seconds and plain numbers; the variables count pixels, bytes and parameters in millions.
    """

    pixels: int = _limit("MEGAPIXELS", "megapixels of one image or slice", 16.7, unit=_MILLION)
    file_bytes: int = _limit("FILE_MB", "MB of one file", 25, 500, _MILLION)
    decoded_bytes: int = _limit("DECODED_MB", "MB of one decoded image or volume", 256, 1000, _MILLION)
    frames: int = _limit("FRAMES", "frames, pages or slices of one file", 512, 4096)
    decode_seconds: int = _limit("DECODE_SECONDS", "seconds to decode one file", 5, 60)
    volume_seconds: int = _limit("VOLUME_SECONDS", "seconds to decode one volume", 20, 300)
    decoder_bytes: int = _limit("DECODER_MB", "MB that a decoder may take", 1000, 4000, _MILLION)
    decoders: int = _limit("DECODERS", "files that are decoded at once", 2)
    body_bytes: int = _limit("BODY_MB", "MB of one request", 25, 2000, _MILLION)
    files: int = _limit("FILES", "files in one request", 1, 1000)
    requests: int = _limit("REQUESTS", "computations and uploads a minute from one address", 1200, 100_000)
    queue: int = _limit("QUEUE", "computations that wait", 32)
    sessions: int = _limit("SESSIONS", "visitors whose image is held", 200)
    share: int = _limit("SHARE", "computations and uploads from one address at a time", 12, 1000)
    held_bytes: int = _limit("HELD_MB", "MB of images that are held for visitors", 2000, 8000, _MILLION)
    cache_bytes: int = _limit("CACHE_MB", "MB of uploads and answers on the disk", 500, 8000, _MILLION)
    cache_seconds: int = _limit("CACHE_SECONDS", "seconds that an upload or an answer stays on the disk", 600)
    parameters: int = _limit("MODEL_MILLIONS", "million parameters of a model", 40, unit=_MILLION)
    activation_bytes: int = _limit("ACTIVATION_MB", "MB of activations of one pass", 2000, 8000, _MILLION)
    store_bytes: int = _limit("STORE_MB", "MB of models that are held loaded", 1000, unit=_MILLION)
    training_seconds: int = _limit("TRAINING_SECONDS", "seconds of one training in the page", 120, 3600)

    @classmethod
    def from_environment(cls) -> "Limits":
        """The limits of the profile that `UNET_PLAYGROUND_PROFILE` names, and of every variable that is set.

        Raises:
            PlaygroundError: A variable holds no number above 0, or the profile is none.
        """
        profile = os.environ.get(PROFILE) or "public"
        if profile not in ("public", "local"):
            raise PlaygroundError(
                f"{PROFILE} names no profile; set it to public or local and start again.",
                f"{PROFILE} 不是有效的配置；请设为 public 或 local，然后重新启动。",
            )
        return cls(**{one.name: _value(one, profile) for one in fields(cls)})

    def check_size(self, kind: str, width: int, height: int, bytes_per_pixel: int = 1) -> None:
        """Refuse an image by its declared size, before any pixel is decoded.

        Args:
            kind: Of file, as people call it.
            width: In pixels.
            height: In pixels.
            bytes_per_pixel: Of all channels together, in the source's sample width.

        Raises:
            UnreadableImage: It is too large.
            ValueError: It has no pixels.
        """
        if width < 1 or height < 1:
            raise ValueError("no pixels")
        if width * height > self.pixels:
            size = f"{width} x {height} px ({figure(width * height)} Mpx)"
            limit = f"{figure(self.pixels)} Mpx"
            raise refusal(
                f"This {kind} is {size}; the limit is {limit}. Resize it and try again.",
                f"该 {kind} 为 {size}；上限为 {limit}。请缩小后重试。",
            )
        self.check_decoded(kind, width * height * bytes_per_pixel)

    def check_decoded(self, kind: str, size: int) -> None:
        """Refuse a file by the bytes that it becomes.

        Raises:
            UnreadableImage: They are too many.
        """
        if size > self.decoded_bytes:
            given, limit = f"{figure(size)} MB", f"{figure(self.decoded_bytes)} MB"
            raise refusal(
                f"This {kind} needs {given} when decoded; the limit is {limit}. Resize it and try again.",
                f"该 {kind} 解码后需要 {given}；上限为 {limit}。请缩小后重试。",
            )

    def check_file(self, size: int) -> None:
        """Refuse a file by its size in bytes.

        Raises:
            UnreadableImage: It is too large.
        """
        if size > self.file_bytes:
            given, allowed = f"{figure(size)} MB", f"{figure(self.file_bytes)} MB"
            raise refusal(
                f"This file is {given}; the limit is {allowed}. Make it smaller{_more().en}.",
                f"该文件为 {given}；上限为 {allowed}。请缩小{_more().zh}。",
            )

    def check_files(self, count: int, size: int) -> None:
        """Refuse the files of one volume by their number and their size in bytes together.

        Raises:
            UnreadableImage: They are too large, or there are none.
        """
        if count < 1:
            raise refusal(
                "No file was given; a volume is one NIfTI file or the files of a DICOM series. Choose them.",
                "未给出文件；体数据为一个 NIfTI 文件或一个 DICOM 序列的文件。请选择文件后重试。",
            )
        if size > self.file_bytes:
            given, allowed = f"{figure(size)} MB", f"{figure(self.file_bytes)} MB"
            raise refusal(
                f"The first {count} files are {given} together; the limit is {allowed}. Choose fewer{_more().en}.",
                f"前 {count} 个文件共 {given}；上限为 {allowed}。请减少文件{_more().zh}。",
            )

    def check_frames(self, kind: str, count: int) -> None:
        """Refuse a file by its number of frames, pages or slices.

        Raises:
            UnreadableImage: They are too many.
        """
        if count > self.frames:
            raise refusal(
                f"This {kind} has {count} frames; the limit is {self.frames}. Save fewer of them and try again.",
                f"该 {kind} 有 {count} 帧；上限为 {self.frames}。请减少帧数后重试。",
            )


def listed() -> Iterator[tuple[str, str, str, str]]:
    """Every limit: its variable, what it bounds, and its values in the public and in the local profile."""
    for one in fields(Limits):
        public, local = (f"{one.metadata[profile] / one.metadata['unit']:g}" for profile in ("public", "local"))
        yield one.metadata["variable"], one.metadata["about"], public, local


def figure(value: float) -> str:
    """In millions, as short as a reader needs it."""
    millions = value / _MILLION
    return f"{millions:.0f}" if millions >= 100 else f"{millions:.1f}".removesuffix(".0")


def _more() -> Text:
    """What else than a smaller file helps: who segments a whole series has a machine of his own."""
    if os.environ.get(PROFILE) == "local":
        return Text(" and try again", "后重试")
    own = f"{PROFILE}=local"
    return Text(f", or set {own} on a machine of your own, and try again", f"，或在自己的机器上设置 {own}，然后重试")


def _value(limit: "Field[int]", profile: str) -> int:
    variable, unit, default = limit.metadata["variable"], limit.metadata["unit"], limit.metadata[profile]
    value = os.environ.get(variable)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (0 < number < math.inf):
        raise PlaygroundError(
            f"{variable} is set to something that is no number above 0; set it to one such as "
            f"{default / unit:g}, or unset it, and start again.",
            f"{variable} 的值不是大于 0 的数；请设为例如 {default / unit:g} 的数值或取消设置，然后重新启动。",
        )
    return math.ceil(number * unit)
