"""Draws the example pictures, with Pillow and the font it ships: `python examples/draw_examples.py`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
INK, MUTED, LINE, PAPER, ACCENT = "#1b1f24", "#667080", "#d5dae1", "#ffffff", "#2563eb"


class Page:
    """A picture with a cursor that moves down."""

    def __init__(self, width: int, height: int, background: str = PAPER) -> None:
        self.image = Image.new("RGB", (width, height), background)
        self.draw = ImageDraw.Draw(self.image)
        self.width = width

    def text(self, x: float, y: float, text: str, size: int = 20, colour: str = INK, anchor: str = "la") -> None:
        """Text whose anchor stands at a point."""
        self.draw.text((x, y), text, font=ImageFont.load_default(size), fill=colour, anchor=anchor)

    def rule(self, y: float, margin: int) -> None:
        """A thin line from margin to margin."""
        self.draw.line([(margin, y), (self.width - margin, y)], fill=LINE, width=2)

    def pair(self, y: float, label: str, value: str, margin: int, size: int = 20, colour: str = INK) -> None:
        """A label on the left and its value on the right."""
        self.text(margin, y, label, size, colour)
        self.text(self.width - margin, y, value, size, colour, anchor="ra")

    def save(self, name: str) -> None:
        """Write the picture beside this script."""
        self.image.save(HERE / name, optimize=True)


def receipt() -> None:
    """A receipt with items and a total."""
    page = Page(420, 560)
    page.text(210, 34, "Corner Bakery", 30, anchor="ma")
    page.text(210, 76, "18 Mill Lane", 18, MUTED, anchor="ma")
    page.text(210, 102, "Date 2026-05-17", 18, MUTED, anchor="ma")
    page.rule(142, 36)
    items = [("Coffee", "$3.20"), ("Rye bread", "$4.10"), ("Cheese", "$7.85"), ("Apple cake", "$5.25")]
    for row, (label, value) in enumerate(items):
        page.pair(166 + 38 * row, label, value, 36)
    page.rule(326, 36)
    page.pair(346, "Subtotal", "$20.40", 36, colour=MUTED)
    page.pair(382, "Tax", "$1.63", 36, colour=MUTED)
    page.pair(422, "Total", "$22.03", 36, 26)
    page.rule(474, 36)
    page.text(210, 494, "Thank you", 18, MUTED, anchor="ma")
    page.save("receipt.png")


def settings() -> None:
    """A settings dialog with fields and buttons."""
    page = Page(640, 400, "#f3f5f8")
    page.draw.rounded_rectangle([24, 24, 616, 376], 14, fill=PAPER, outline=LINE, width=2)
    page.text(52, 50, "Network settings", 26)
    page.rule(98, 52)
    for row, (label, value) in enumerate(
        [("Host name", "orion-7"), ("Port", "8443"), ("Proxy", "None"), ("Timeout", "30 s")]
    ):
        y = 120 + 44 * row
        page.text(52, y + 6, label, 20, MUTED)
        page.draw.rounded_rectangle([260, y, 588, y + 34], 6, fill="#f8fafc", outline=LINE, width=2)
        page.text(274, y + 6, value, 20)
    for x, label, fill, colour in ((348, "Cancel", "#eef1f5", INK), (472, "Save", ACCENT, "#ffffff")):
        page.draw.rounded_rectangle([x, 318, x + 116, 356], 8, fill=fill)
        page.text(x + 58, 337, label, 20, colour, anchor="mm")
    page.save("settings.png")


def invoice() -> None:
    """An invoice with a table."""
    page = Page(720, 900)
    page.text(56, 56, "INVOICE", 38)
    page.text(664, 62, "No. 2041", 22, MUTED, anchor="ra")
    page.text(664, 92, "2026-03-02", 22, MUTED, anchor="ra")
    page.text(56, 132, "Harbour Tools Ltd", 22)
    page.text(56, 162, "Bill to: Anna Weber", 22, MUTED)
    page.draw.rectangle([56, 226, 664, 270], fill="#eef2f8")
    columns = (("Item", 72, "la"), ("Qty", 430, "ra"), ("Price", 540, "ra"), ("Amount", 648, "ra"))
    for title, x, anchor in columns:
        page.text(x, 236, title, 20, anchor=anchor)
    rows = [
        ("Torque wrench", "2", "$84.00", "$168.00"),
        ("Socket set", "1", "$129.50", "$129.50"),
        ("Work gloves", "6", "$7.25", "$43.50"),
    ]
    for index, row in enumerate(rows):
        y = 288 + 48 * index
        for value, (_, x, anchor) in zip(row, columns, strict=True):
            page.text(x, y, value, 20, anchor=anchor)
        page.rule(y + 36, 56)
    for index, (label, value) in enumerate([("Subtotal", "$341.00"), ("Shipping", "$12.00"), ("Total due", "$353.00")]):
        page.text(520, 470 + 44 * index, label, 22, anchor="ra", colour=MUTED if index < 2 else INK)
        page.text(648, 470 + 44 * index, value, 22, anchor="ra")
    page.text(56, 660, "Payment within 30 days", 20, MUTED)
    page.text(56, 692, "IBAN DE21 3704 0044 0532 0130 00", 20, MUTED)
    page.save("invoice.png")


SMALL = 224
"""The pages that the demonstration model was trained on; enlarged they fill one of its tiles."""


def small_receipt() -> None:
    """A receipt for the demonstration model: large print, one tile."""
    page = Page(SMALL, SMALL)
    page.text(SMALL / 2, 12, "Corner Bakery", 22, anchor="ma")
    page.rule(44, 12)
    for row, (label, value) in enumerate([("Coffee", "$3.20"), ("Bread", "$4.10"), ("Cheese", "$7.85")]):
        page.pair(56 + 30 * row, label, value, 14, 18)
    page.rule(150, 12)
    page.pair(162, "Total", "$15.15", 14, 19)
    page.save("small_receipt.png")


def small_form() -> None:
    """Labels and values on a dark ground."""
    page = Page(SMALL, SMALL, "#16202c")
    page.text(14, 14, "Booking", 22, "#e8eef5")
    entries = [("Name", "Anna Weber"), ("Date", "2026-05-17"), ("Room", "204"), ("City", "Bergen"), ("Guests", "3")]
    for row, (label, value) in enumerate(entries):
        page.text(14, 54 + 31 * row, label, 17, "#9fb1c5")
        page.text(96, 54 + 31 * row, value, 17, "#e8eef5")
    page.save("small_form.png")


def small_dialog() -> None:
    """A dialog window with two buttons, one of them highlighted."""
    page = Page(SMALL, SMALL, "#f3f5f8")
    page.draw.rectangle([0, 0, SMALL, 32], fill=ACCENT)
    page.text(12, 7, "Network", 18, "#ffffff")
    for row, (label, value) in enumerate([("Host", "orion-7"), ("Port", "8443"), ("Timeout", "30 s")]):
        page.text(12, 48 + 34 * row, label, 17, MUTED)
        page.text(98, 48 + 34 * row, value, 17)
    for x, label, fill, colour in ((40, "Cancel", "#e2e7ee", INK), (128, "Save", ACCENT, "#ffffff")):
        page.draw.rounded_rectangle([x, 180, x + 80, 208], 4, fill=fill, outline=LINE)
        page.text(x + 40, 194, label, 17, colour, anchor="mm")
    page.save("small_dialog.png")


def error() -> None:
    """A message of a program with its code."""
    page = Page(460, 220, "#eceff3")
    page.draw.rectangle([0, 0, 460, 38], fill="#3b4252")
    page.text(16, 9, "Backup", 17, "#ffffff")
    page.draw.ellipse([20, 62, 64, 106], fill="#c0392b")
    page.text(42, 84, "!", 26, "#ffffff", anchor="mm")
    page.text(84, 62, "The archive could not be written.", 18)
    page.text(84, 94, "Error code: 0x8007", 18, MUTED)
    for x, label, fill, colour in ((222, "Retry", ACCENT, "#ffffff"), (336, "Close", "#dfe4ea", INK)):
        page.draw.rounded_rectangle([x, 162, x + 104, 198], 6, fill=fill, outline=LINE)
        page.text(x + 52, 180, label, 18, colour, anchor="mm")
    page.save("error.png")


def stock() -> None:
    """A table of four columns."""
    page = Page(600, 330)
    page.text(24, 18, "Stock overview", 24)
    page.draw.rectangle([24, 64, 576, 98], fill="#e6ebf2")
    columns = (("Article", 36, "la"), ("Colour", 220, "la"), ("Stock", 420, "ra"), ("Price", 560, "ra"))
    for title, x, anchor in columns:
        page.text(x, 71, title, 18, anchor=anchor)
    rows = [("Lamp", "green", "14", "$32.50"), ("Chair", "white", "7", "$89.00"), ("Desk", "oak", "3", "$240.00"),
            ("Shelf", "black", "21", "$54.90"), ("Stool", "red", "9", "$41.20")]  # fmt: skip
    for index, row in enumerate(rows):
        y = 106 + 40 * index
        for value, (_, x, anchor) in zip(row, columns, strict=True):
            page.text(x, y, value, 18, anchor=anchor)
        page.rule(y + 32, 24)
    page.save("table.png")


def visit() -> None:
    """A form in two columns, each label above its value."""
    page = Page(640, 360)
    page.text(32, 24, "Visitor pass", 28)
    fields = [("First name", "Jonas"), ("Last name", "Keller"), ("Company", "Nordlicht AG"), ("Arrival", "09:45"),
              ("Badge", "K-318"), ("Host", "Maria Silva")]  # fmt: skip
    for index, (label, value) in enumerate(fields):
        x, y = 32 + 310 * (index % 2), 88 + 84 * (index // 2)
        page.text(x, y, label, 15, MUTED)
        page.draw.rectangle([x, y + 22, x + 270, y + 56], outline=LINE, width=2)
        page.text(x + 10, y + 28, value, 19)
    page.save("visit.png")


def sales() -> None:
    """A bar chart with its values written."""
    page = Page(480, 340)
    page.text(24, 16, "Bikes sold", 24)
    for index, (label, value) in enumerate([("Mon", 12), ("Tue", 31), ("Wed", 24), ("Thu", 47), ("Fri", 38)]):
        x, top = 40 + 86 * index, 290 - 4 * value
        page.draw.rectangle([x, top, x + 56, 290], fill=ACCENT)
        page.text(x + 28, top - 26, str(value), 18, anchor="ma")
        page.text(x + 28, 298, label, 18, MUTED, anchor="ma")
    page.save("chart.png")


if __name__ == "__main__":
    receipt()
    settings()
    invoice()
    small_receipt()
    small_form()
    small_dialog()
    error()
    stock()
    visit()
    sales()
