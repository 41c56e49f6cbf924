"""Draws the example's sneakers on a transparent background; run it to draw them again (needs Pillow)."""

from pathlib import Path

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]

FINE = 4  # drawn so many times larger, for smooth edges


def curve(points: Points, steps: int = 16) -> Points:
    """A smooth closed line through `points` (Catmull-Rom)."""
    line: Points = []
    count = len(points)
    for at in range(count):
        a, b, c, d = (points[(at + offset) % count] for offset in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            x, y = (
                0.5
                * (
                    2 * b[i]
                    + (c[i] - a[i]) * t
                    + (2 * a[i] - 5 * b[i] + 4 * c[i] - d[i]) * t**2
                    + (3 * b[i] - a[i] - 3 * c[i] + d[i]) * t**3
                )
                for i in (0, 1)
            )
            line.append((x * FINE, y * FINE))
    return line


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` darker (below 1) or lighter (above)."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


def sneaker(body: Colour, accent: Colour, sole: Colour) -> Image.Image:
    """One shoe, seen from its side."""
    image = Image.new("RGBA", (480 * FINE, 300 * FINE))
    draw = ImageDraw.Draw(image)
    upper: Points = [
        (62, 232),
        (56, 170),
        (66, 96),
        (96, 74),
        (150, 84),
        (176, 120),
        (232, 152),
        (300, 168),
        (372, 180),
        (418, 206),
        (424, 232),
        (240, 236),
    ]
    draw.polygon(curve(upper), fill=body)
    draw.polygon(
        curve([(330, 174), (380, 183), (418, 206), (424, 232), (330, 234), (318, 204)]),
        fill=shade(body, 1.14),
    )
    draw.polygon(
        curve([(60, 228), (56, 172), (64, 128), (92, 140), (108, 180), (104, 230)]), fill=shade(body, 0.82)
    )
    draw.polygon(
        curve([(72, 104), (98, 82), (146, 90), (160, 112), (116, 124), (82, 122)]), fill=shade(body, 0.55)
    )
    draw.polygon(
        curve([(150, 86), (176, 120), (234, 152), (298, 168), (280, 188), (214, 170), (158, 128)]),
        fill=shade(accent, 0.92),
    )
    draw.polygon(curve([(118, 214), (150, 196), (212, 176), (292, 196), (214, 196), (156, 222)]), fill=accent)
    for lace in range(5):
        x, y = 176 + lace * 24, 122 + lace * 11.5
        ends = [((x - 8) * FINE, (y + 26) * FINE), ((x + 14) * FINE, (y - 4) * FINE)]
        draw.line(ends, fill=(250, 248, 242), width=6 * FINE)
        for end_x, end_y in ends:
            draw.ellipse(
                (end_x - 3 * FINE, end_y - 3 * FINE, end_x + 3 * FINE, end_y + 3 * FINE), fill=(250, 248, 242)
            )
    draw.polygon(
        curve([(50, 226), (56, 220), (240, 230), (420, 222), (436, 232), (428, 258), (240, 264), (58, 260)]),
        fill=sole,
    )
    draw.line([(58 * FINE, 246 * FINE), (428 * FINE, 246 * FINE)], fill=shade(sole, 0.88), width=3 * FINE)
    return image.resize((480, 300), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw them beside this file."""
    folder = Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    sneaker((214, 68, 62), (255, 214, 150), (248, 244, 236)).save(folder / "red.png", optimize=True)
    sneaker((58, 110, 178), (240, 244, 250), (236, 238, 242)).save(folder / "blue.png", optimize=True)


if __name__ == "__main__":
    main()
