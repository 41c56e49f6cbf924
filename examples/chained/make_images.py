"""Draws the example's cups on a transparent background; run it to draw them again (needs Pillow)."""

from pathlib import Path

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

FINE = 4  # drawn so many times larger, for smooth edges
SIDE = 320


def box(*corners: float) -> tuple[float, float, float, float]:
    """A box in the finer scale."""
    left, top, right, bottom = (corner * FINE for corner in corners)
    return left, top, right, bottom


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` darker (below 1) or lighter (above)."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


def canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty picture and what draws on it."""
    image = Image.new("RGBA", (SIDE * FINE, SIDE * FINE))
    return image, ImageDraw.Draw(image)


def mug(body: Colour, stripe: Colour) -> Image.Image:
    """A mug with a handle and two stripes."""
    image, draw = canvas()
    draw.arc(box(200, 110, 298, 222), -100, 100, fill=shade(body, 0.85), width=24 * FINE)
    draw.rounded_rectangle(box(50, 70, 240, 270), radius=34 * FINE, fill=body)
    draw.rectangle(box(50, 150, 240, 176), fill=stripe)
    draw.rectangle(box(50, 188, 240, 200), fill=stripe)
    draw.rounded_rectangle(box(64, 100, 78, 246), radius=7 * FINE, fill=shade(body, 1.18))
    draw.ellipse(box(50, 50, 240, 100), fill=shade(body, 0.8))
    draw.ellipse(box(64, 58, 226, 94), fill=(92, 58, 42))
    draw.ellipse(box(96, 66, 176, 82), fill=(126, 84, 60))
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def teapot(body: Colour, dots: Colour) -> Image.Image:
    """A round teapot with a spout, a lid and dots."""
    image, draw = canvas()
    draw.arc(box(6, 120, 112, 232), 80, 280, fill=shade(body, 0.8), width=20 * FINE)
    spout = [(226, 190), (270, 140), (282, 102), (308, 102), (304, 140), (280, 206), (232, 240)]
    draw.polygon([(x * FINE, y * FINE) for x, y in spout], fill=shade(body, 0.88))
    draw.ellipse(box(56, 96, 264, 282), fill=body)
    draw.rounded_rectangle(box(100, 266, 220, 284), radius=8 * FINE, fill=shade(body, 0.75))
    draw.ellipse(box(104, 82, 216, 122), fill=shade(body, 0.86))
    draw.ellipse(box(142, 56, 178, 92), fill=dots)
    for x, y in [
        (96, 170),
        (140, 150),
        (186, 152),
        (228, 176),
        (114, 214),
        (160, 204),
        (208, 220),
        (160, 252),
    ]:
        draw.ellipse(box(x - 9, y - 9, x + 9, y + 9), fill=dots)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw them beside this file."""
    folder = Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    mug((86, 150, 146), (248, 232, 196)).save(folder / "mug.png", optimize=True)
    teapot((214, 122, 92), (252, 240, 220)).save(folder / "teapot.png", optimize=True)


if __name__ == "__main__":
    main()
