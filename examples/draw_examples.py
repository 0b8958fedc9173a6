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


if __name__ == "__main__":
    receipt()
    settings()
    invoice()
