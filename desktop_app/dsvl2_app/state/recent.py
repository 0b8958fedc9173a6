"""Pictures that were there before, so that one that was taken away comes back without its file being looked for."""

from __future__ import annotations

from collections.abc import Sequence

from dsvl2_app.state.session import Attachment

MOST = 12


class Recent:
    """The pictures of one start of the program, the newest first; nothing of them outlives it."""

    def __init__(self) -> None:
        self._images: list[Attachment] = []

    def add(self, images: Sequence[Attachment]) -> None:
        """Remember these; one that is known moves to the front."""
        for image in images:
            known = [other for other in self._images if other.content.sha256 != image.content.sha256]
            self._images = [image, *known][:MOST]

    def others(self, present: Sequence[Attachment]) -> tuple[Attachment, ...]:
        """Those that are not present."""
        shown = {image.content.sha256 for image in present}
        return tuple(image for image in self._images if image.content.sha256 not in shown)
