"""Choosing a rectangle on a frozen picture of a screen: by dragging, by clicking a window, or with keys alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

CLICK_PIXELS = 4
"""A press that moves less along both sides is a click."""

Point = tuple[int, int]
"""(x, y) in pixels of the picture."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in pixels of the picture."""

    left: int
    top: int
    width: int
    height: int

    def contains(self, point: Point) -> bool:
        """Whether a pixel lies in it."""
        return 0 <= point[0] - self.left < self.width and 0 <= point[1] - self.top < self.height

    def cut_to(self, width: int, height: int) -> Area | None:
        """The part inside a picture of this size; None if there is none."""
        left, top = max(0, self.left), max(0, self.top)
        right, bottom = min(width, self.left + self.width), min(height, self.top + self.height)
        return Area(left, top, right - left, bottom - top) if right > left and bottom > top else None


def area_between(one: Point, other: Point) -> Area:
    """The rectangle of which both are corners; both pixels belong to it."""
    left, right = sorted((one[0], other[0]))
    top, bottom = sorted((one[1], other[1]))
    return Area(left, top, right - left + 1, bottom - top + 1)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is being chosen on one picture. Every change makes a new one."""

    width: int
    height: int
    frames: tuple[Area, ...] = ()
    """Of the windows on this screen, the topmost first; empty where the system does not tell."""
    pointer: Point = (0, 0)
    corner: Point | None = None
    """Where dragging began, or the first corner that was set by a key."""

    @property
    def whole(self) -> Area:
        """The whole picture."""
        return Area(0, 0, self.width, self.height)

    @property
    def frame(self) -> Area | None:
        """The window under the pointer."""
        return next((frame for frame in self.frames if frame.contains(self.pointer)), None)

    @property
    def dragged(self) -> Area | None:
        """The rectangle between corner and pointer, once it is more than a click."""
        if self.corner is None:
            return None
        moved = max(abs(self.pointer[0] - self.corner[0]), abs(self.pointer[1] - self.corner[1]))
        return area_between(self.corner, self.pointer) if moved >= CLICK_PIXELS else None

    @property
    def shown(self) -> Area | None:
        """What would be taken by letting go or clicking now."""
        return self.dragged or (None if self.corner is not None and self.frame is None else self.frame)

    def move_to(self, point: Point) -> Selection:
        """The pointer is elsewhere; outside the picture it stays at the edge."""
        x, y = (min(max(place, 0), side - 1) for place, side in zip(point, (self.width, self.height), strict=True))
        return replace(self, pointer=(x, y))

    def move_by(self, x: int, y: int) -> Selection:
        """The pointer moves by so many pixels."""
        return self.move_to((self.pointer[0] + x, self.pointer[1] + y))

    def set_corner(self) -> Selection:
        """The button goes down, or the first corner is set by a key."""
        return replace(self, corner=self.pointer)

    def without_corner(self) -> Selection:
        """The button is up, and nothing was chosen."""
        return replace(self, corner=None)
