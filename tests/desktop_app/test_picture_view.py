"""The picture that is looked at: levels, zoom, boxes, tiles, parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QGraphicsView
from pytestqt.qtbot import QtBot

from dsvl2_app.state.display import LONGEST_SHOWN, ShownPicture, shown_picture
from dsvl2_app.state.parts import pixels_with_boxes, save_with_boxes, write_part
from dsvl2_app.widgets.picture_items import BoxItem, GridItem, ReadInItem
from dsvl2_app.widgets.picture_view import LARGEST_FIT, PictureView
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.errors import UsageError
from small_models import picture

pytestmark = pytest.mark.gui

SIZE = (800, 600)
SHA = "0" * 64
BOXES = (
    Box("total", 1, (0, 0, 499, 499), (0, 0, 400, 300)),
    Box("date", 1, (500, 500, 999, 999), (400, 300, 800, 600)),
)


@pytest.fixture
def quarters(tmp_path: Path) -> Path:
    """A picture whose four quarters have colours of their own."""
    image = Image.new("RGB", SIZE, "white")
    image.paste((200, 0, 0), (0, 0, 400, 300))
    image.paste((0, 0, 200), (400, 300, 800, 600))
    path = tmp_path / "quarters.png"
    image.save(path)
    return path


@pytest.fixture
def shown(quarters: Path) -> ShownPicture:
    return shown_picture(SHA, quarters)


@pytest.fixture
def view(qtbot: QtBot, shown: ShownPicture) -> PictureView:
    made = PictureView()
    qtbot.addWidget(made)
    made.resize(500, 400)
    made.show()
    made.show_picture(shown, "quarters.png")
    return made


def colour_at(view: QGraphicsView, x: float, y: float) -> QColor:
    """Of what is drawn where a pixel of the picture lies."""
    pixmap = QPixmap(view.viewport().size())
    view.viewport().render(pixmap)
    at = view.mapFromScene(x, y)
    return pixmap.toImage().pixelColor(at)


def drag(qtbot: QtBot, view: PictureView, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one pixel of the picture to another, with Shift."""
    viewport = view.viewport()
    first, last = (view.mapFromScene(*corner) for corner in (start, end))
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, first)
    qtbot.mouseMove(viewport, QPoint((first.x() + last.x()) // 2, (first.y() + last.y()) // 2))
    qtbot.mouseMove(viewport, last)
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, last)


def test_a_huge_picture_is_shown_smaller_and_keeps_its_size(tmp_path: Path) -> None:
    """The window holds a level of at most 4,096 pixels, and coordinates are those of the whole picture."""
    path = tmp_path / "wide.png"
    picture(9000, 500, 1).save(path)
    levels = shown_picture(SHA, path).levels
    assert shown_picture(SHA, path).size == (9000, 500)
    assert levels[0].width == LONGEST_SHOWN
    assert [level.width for level in levels] == sorted((level.width for level in levels), reverse=True)
    assert all(level.pixels.shape == (level.height, level.width, 4) for level in levels)


def test_the_level_has_a_pixel_for_each_of_the_screen(shown: ShownPicture) -> None:
    """Neither a blurred one that is blown up, nor a large one that loses thin strokes."""
    assert shown.level_for(1.0).width == 800
    assert shown.level_for(0.5).width == 400
    assert shown.level_for(0.51).width == 800
    assert shown.level_for(4.0).width == 800


@pytest.mark.parametrize("ratio", [1, 2])
def test_a_screen_of_fine_pixels_shows_those_of_the_picture(
    view: PictureView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: int
) -> None:
    """At half of its size a picture of thin stripes is grey, unless the screen has two pixels for one of the window."""
    stripes = Image.new("RGB", (1600, 1600), "white")
    for left in range(0, 1600, 2):
        stripes.paste("black", (left, 0, left + 1, 1600))
    path = tmp_path / "stripes.png"
    stripes.save(path)
    view.show_picture(shown_picture(SHA, path))
    screen = QImage(800 * ratio, 800 * ratio, QImage.Format.Format_RGB32)
    screen.setDevicePixelRatio(ratio)
    painter = QPainter(screen)
    view.scene().render(painter, QRectF(0, 0, 800, 800), QRectF(0, 0, 1600, 1600))
    painter.end()
    inside = {screen.pixelColor(x, 400 * ratio).lightness() for x in range(4, 790 * ratio)}
    assert inside == {0, 255} if ratio == 2 else inside <= set(range(100, 156))
    monkeypatch.setattr(PictureView, "devicePixelRatioF", lambda view: float(ratio))
    view.show_pixels()
    assert view.zoom == pytest.approx(1 / ratio)


def test_a_picture_is_drawn_whole_and_in_its_colours(view: PictureView) -> None:
    assert view.is_fitted
    assert view.viewport().rect().contains(view.mapFromScene(QRectF(0, 0, *SIZE)).boundingRect())
    assert colour_at(view, 200, 150) == QColor(200, 0, 0)
    assert colour_at(view, 600, 450) == QColor(0, 0, 200)
    assert colour_at(view, 600, 150) == QColor("white")


def test_a_fitted_picture_follows_the_window_and_a_zoomed_one_does_not(view: PictureView, qtbot: QtBot) -> None:
    fitted = view.zoom
    view.resize(300, 300)
    assert view.zoom < fitted
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    zoomed = view.zoom
    assert not view.is_fitted
    view.resize(500, 400)
    assert view.zoom == zoomed
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.zoom == pytest.approx(fitted)


def test_zoom_has_ends(view: PictureView, qtbot: QtBot) -> None:
    for _ in range(60):
        qtbot.keyClick(view, Qt.Key.Key_Plus)
    largest = view.zoom
    for _ in range(120):
        qtbot.keyClick(view, Qt.Key.Key_Minus)
    assert largest == pytest.approx(16)
    assert 0.05 < view.zoom < 1
    qtbot.keyClick(view, Qt.Key.Key_1)
    assert view.zoom == pytest.approx(1)


def test_a_small_picture_is_not_blown_up(view: PictureView, tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    picture(20, 20, 1).save(path)
    view.show_picture(shown_picture(SHA, path))
    assert view.zoom == pytest.approx(LARGEST_FIT)


def boxes_of(view: PictureView) -> list[BoxItem]:
    return [item for item in view.scene().items() if isinstance(item, BoxItem)]


def test_boxes_lie_where_they_are_and_in_different_colours(view: PictureView) -> None:
    view.show_boxes(BOXES)
    first, second = sorted(boxes_of(view), key=lambda item: item.rect().left())
    assert first.rect() == QRectF(0, 0, 400, 300)
    assert second.rect() == QRectF(400, 300, 400, 300)
    assert first.pen().color() != second.pen().color()
    view.show_boxes(())
    assert boxes_of(view) == []


def test_the_part_in_which_an_answer_was_read_is_framed_and_named(view: PictureView) -> None:
    """One at a time; another picture has none."""
    for part, shown in [((0, 0, 500, 400), [QRectF(0, 0, 500, 400)]), ((300, 0, 900, 400), [QRectF(300, 0, 500, 400)])]:
        view.show_boxes(())
        view.show_read_in(part)
        assert [item.rect() for item in view.scene().items() if isinstance(item, ReadInItem)] == shown
        assert view.accessibleDescription() == "read here"
    view.show_boxes(())
    assert not any(isinstance(item, ReadInItem) for item in view.scene().items())
    assert view.accessibleDescription() == ""
    view.show_read_in((0, 0, 500, 400))
    view.show_picture(None)
    view.show_read_in((0, 0, 500, 400))
    assert not view.scene().items()


def test_a_box_tells_that_the_pointer_is_on_it(view: PictureView, qtbot: QtBot) -> None:
    view.show_boxes(BOXES)
    with qtbot.waitSignal(view.box_hovered) as hovered:
        qtbot.mouseMove(view.viewport(), view.mapFromScene(600, 450))
    assert hovered.args == [1]
    with qtbot.waitSignal(view.box_hovered) as left:
        qtbot.mouseMove(view.viewport(), view.mapFromScene(600, 150))
    assert left.args == [None]


def test_a_box_that_is_highlighted_stands_out(view: PictureView) -> None:
    view.show_boxes(BOXES)
    before = colour_at(view, 600, 550)
    view.highlight_box(1)
    assert colour_at(view, 600, 550) != before
    view.highlight_box(None)
    assert colour_at(view, 600, 550) == before


def test_the_tile_grid_covers_the_picture(view: PictureView) -> None:
    """Two tiles beside each other are wider than 800x600, so the grid is as wide as the picture needs."""
    view.show_tiles((2, 1))
    (grid,) = (item for item in view.scene().items() if isinstance(item, GridItem))
    assert grid.boundingRect() == QRectF(-200, 0, 1200, 600)
    view.show_tiles(None)
    assert not any(isinstance(item, GridItem) for item in view.scene().items())


def test_a_rectangle_with_shift_chooses_a_part(view: PictureView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(view.region_chosen) as chosen:
        drag(qtbot, view, (100, 100), (300, 250))
    assert chosen.args is not None
    region: QRect = chosen.args[0]
    error = 2 / view.zoom  # the pointer stands on whole pixels of the screen
    corners = (region.left(), region.top(), region.right(), region.bottom())
    assert corners == pytest.approx((100, 100, 300, 250), abs=error)


def test_a_part_never_reaches_beyond_the_picture(view: PictureView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(view.region_chosen) as chosen:
        drag(qtbot, view, (700, 500), (820, 620))
    assert chosen.args is not None
    assert QRect(0, 0, *SIZE).contains(chosen.args[0])


def test_a_click_is_no_part(view: PictureView, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(view.region_chosen):
        drag(qtbot, view, (100, 100), (102, 101))


def test_escape_gives_up_choosing_a_part(view: PictureView, qtbot: QtBot) -> None:
    view.choose_region(True)
    with qtbot.waitSignal(view.choosing_ended):
        qtbot.keyClick(view, Qt.Key.Key_Escape)
    with qtbot.assertNotEmitted(view.region_chosen):
        qtbot.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=view.mapFromScene(10, 10))
        qtbot.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=view.mapFromScene(200, 200))


def test_a_screen_reader_is_told_the_picture_and_its_boxes(view: PictureView) -> None:
    view.show_boxes(BOXES)
    assert "quarters.png" in view.accessibleName()
    assert "total" in view.accessibleDescription()


def test_a_part_is_written_with_all_of_its_pixels(quarters: Path, tmp_path: Path) -> None:
    out = tmp_path / "part"
    write_part(quarters, (390, 290, 410, 310), out)
    with Image.open(out) as part:
        assert part.size == (20, 20)
        assert part.convert("RGB").getpixel((0, 0)) == (200, 0, 0)
        assert part.convert("RGB").getpixel((19, 19)) == (0, 0, 200)


def test_a_picture_is_saved_with_its_boxes(quarters: Path, tmp_path: Path) -> None:
    """Whole or not at all, in a format that is known."""
    out = save_with_boxes(quarters, BOXES, tmp_path / "drawn.png")
    with Image.open(out) as drawn, Image.open(quarters) as plain:
        assert drawn.size == plain.size
        assert drawn.tobytes() != plain.tobytes()
    with pytest.raises(UsageError, match=r"drawn\.xyz"):
        save_with_boxes(quarters, BOXES, tmp_path / "drawn.xyz")


def test_a_copied_picture_has_the_bytes_of_the_screen(quarters: Path) -> None:
    pixels = pixels_with_boxes(quarters, ())
    height, width, _ = pixels.shape
    image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)
    assert image.pixelColor(10, 10) == QColor(200, 0, 0)


def test_the_label_of_a_small_box_does_not_hide_its_words(view: PictureView) -> None:
    """The number stands beside it; the whole label comes with the pointer, or with more zoom."""
    view.show_boxes([Box("total", 1, (500, 500, 520, 520), (400, 300, 440, 316))])
    (item,) = boxes_of(view)
    label = item.label
    assert label.text == "1"
    assert label.pos().x() < item.rect().left()
    view.highlight_box(0)
    assert label.text == "1 total"
    view.highlight_box(None)
    view.zoom_by(16)
    assert label.text == "1 total"
    assert label.pos().x() == item.rect().left()
