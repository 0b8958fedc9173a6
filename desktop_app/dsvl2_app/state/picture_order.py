"""Lists of pictures without some of them, or in another order."""

from __future__ import annotations

from collections.abc import Sequence

from dsvl2_app.state.turn import Attachment


def without(images: Sequence[Attachment], indices: Sequence[int]) -> list[Attachment]:
    """The images that are not at these indices."""
    gone = set(indices)
    return [image for index, image in enumerate(images) if index not in gone]


def ordered(images: Sequence[Attachment], wanted: Sequence[Attachment]) -> list[Attachment]:
    """The images in the order that is wanted; those that came meanwhile are last."""
    place = {image.content.sha256: index for index, image in enumerate(wanted)}
    return sorted(images, key=lambda image: place.get(image.content.sha256, len(place)))
