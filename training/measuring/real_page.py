"""The page of ``training.evaluate real``: a table and drawings, and, for whoever has the slices, pictures of them.

No licence is stated for the slices, so the page shows outlines over a grey disc in place of the head.
"""

import html
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.models.bundle import Bundle
from training.measuring.real_lesions import DICE, HEAD_WIDTH_MM, MARKED_FROM, PIXELS_OFF, Measured, measure_all, results
from training.measuring.runs import open_models

COLOURS = {"a": "#ee7733", "b": "#0077bb", "network": "#222222"}
"""Of the outlines on white; told apart by the colour-blind, too."""
ON_PICTURE = {"a": "#ee7733", "b": "#33bbee", "network": "#ffffff"}
"""Of the outlines on a slice."""
KINDS = {"t1": "T1", "fat_suppressed": "STIR and fat-suppressed T2"}
SHORT = {"T2 fat-suppressed": "T2 FS"}
RADIUS, PANEL, CAPTION, COLUMNS = 60, 160, 34, 5
"""Of the drawings, in pixels: a head's radius, the side of its panel, the room for its caption; panels in a row."""
PICTURE, REACH = 420, 1.5
"""Side of a picture in pixels, and how many radii of the head it reaches to each side."""

PAGE = """# Real osteonecrosis: single slices against two readers

Written by `python -m training.evaluate real`; measured with the necrosis network {version}. For research use.

The slices show three patients with osteonecrosis of both heads (of one of them the left alone), and two without it: one
has a fracture of the right femoral neck, the other a torn gluteus minimus. No sound head lies beside a diseased one.
They are published pictures of cases (MedPix 2.0; no licence is stated, so none is shown here). They are measured with
only: no network learns from them.

## How to read this

- **It is little.** {heads} heads on {slices} slices of {patients} patients; T1 and fat-suppressed slices show the same
  hips. A median of such numbers is no estimate of how the software does with patients.
- **The readers are laymen.** Both drew by eye, independently of each other, and wrote their outlines down before the
  network was run on the slices for this benchmark ([real_outlines.json](../training/measuring/real_outlines.json), with
  what each found uncertain). On the STIR slice of MPX1962 reader A used the T1 slice as a guide and drew outside of
  what is dark, reader B drew its edge. No physician has looked at the outlines.
- **The slices are single 8-bit pictures**, scaled and windowed by whoever published them. The network, which looks at
  neighbours too, gets the slice itself as its neighbours. Those of MPX1074 do not pass through the middle of the heads.
- **The pixel size is a guess**: the estimate in the folder's table where it has one, otherwise the size with which a
  head is {width:.0f} mm wide; on two slices of one patient they may differ by a fifth. Below stands what becomes of the
  figures if it is {off}.
- **The head is given**: the mean of both readers' circles, taken as the middle section of a sphere. Neither the finder
  nor the outline of the head is measured. The network marks inside this circle, where its probability is above one
  half; specks are dropped in proportion to the area: below 0.6 % of the head, as 0.3 ml of 50 ml are in an analysis.
- **Large lesions are easily hit.** The column "upper half" is the Dice of a mask that knows nothing of the image: the
  upper half of the head, against both readers.
- **An analysis warns** where fat is suppressed: the models were trained on bright marrow.

## Found or not

A head is marked where the network calls at least {marked:.0f} % of its area necrotic.

{summary}

{off_text}

## Head by head

Ratio: part of the head's area. Dice: of the necrosis, as drawn. A second Dice in brackets is against the other outline
that reader A thinks possible.

{table}

## Drawings

Orange: reader A. Blue: reader B. Grey, with a black line: the network. The disc is the head, by the mean of both
circles; the patient's right is at the left.

![Outlines in the heads with osteonecrosis](images/real_onfh.svg)

Heads without osteonecrosis; whatever is marked there is wrong:

![What is marked in the heads without osteonecrosis](images/real_sound.svg)

With the slices at hand, `python -m training.evaluate real --pictures DIR` puts the same outlines onto them.
"""


def evaluate_real(docs: Path, pictures: Path | None) -> dict[str, Any]:
    """Real osteonecrosis on single slices; its page goes into ``docs``, pictures of the slices into ``pictures``."""
    network = open_models()["necrosis"]
    measured = measure_all(network)
    section = results(network, measured)
    write_page(docs, section, measured, network.bundle)
    if pictures:
        write_pictures(pictures, measured)
    return section


def write_page(docs: Path, section: dict[str, Any], measured: list[Measured], bundle: Bundle) -> None:
    """Write ``real_onfh.md`` and its drawings.

    Args:
        docs: folder of the page; the drawings go into ``images`` in it.
        section: of ``evaluation.json``.
        measured: the heads of ``section["rows"]``.
        bundle: the network's.
    """
    for name, diseased in (("real_onfh", True), ("real_sound", False)):
        drawn = sheet([one for one in measured if one.hip.diseased == diseased])
        replace_file(docs / "images" / f"{name}.svg", drawn.encode())
    replace_file(docs / "real_onfh.md", page(section, measured, bundle.version).encode())


def page(section: dict[str, Any], measured: list[Measured], version: str) -> str:
    """Return the page as Markdown."""
    pictures = {one.picture.name: one.picture for one in measured}
    return PAGE.format(
        version=version,
        heads=len(measured),
        slices=len(pictures),
        patients=len({picture.patient for picture in pictures.values()}),
        width=HEAD_WIDTH_MM,
        marked=100 * MARKED_FROM,
        off=" or ".join(_off_by(scale) for scale in PIXELS_OFF),
        summary=_summary_table(section),
        off_text=_off_text(section),
        table=_table(measured),
    )


def _off_by(scale: float) -> str:
    return f"{100 * abs(scale - 1):.0f} % {'larger' if scale > 1 else 'smaller'}"


def _summary_table(section: dict[str, Any]) -> str:
    lines = [
        "| slices | osteonecrosis: marked | Dice against A | against B | A against B | upper half | sound: marked |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, name in KINDS.items():
        own = section[key]
        found = f"{own['marked']} of {own['hips']}"
        sound = f"**{own['sound_marked']} of {own['sound']}**"
        lines.append(f"| {name} | {found} | " + " | ".join(_median(own.get(k)) for k in DICE) + f" | {sound} |")
    return "\n".join([*lines, "", "Dice: median (smallest–largest)."])


def _median(own: dict[str, float] | None) -> str:
    return "–" if own is None else f"{own['median']:.2f} ({own['min']:.2f}–{own['max']:.2f})"


def _off_text(section: dict[str, Any]) -> str:
    """Say what another pixel size changes."""
    lines = []
    for scale, other in section["pixels_off"].items():
        parts = [f"{name}: {_found(other[key])}" for key, name in KINDS.items()]
        lines.append(f"- Pixels {_off_by(float(scale))}. {'. '.join(parts)}.")
    return "\n".join(lines)


def _found(own: dict[str, Any]) -> str:
    dice = " and ".join(_middle(own, key) for key in ("dice_a", "dice_b"))
    sound = f"{own['sound_marked']} of {own['sound']} sound heads marked"
    return f"{own['marked']} of {own['hips']} marked, median Dice {dice}; {sound}"


def _middle(own: dict[str, Any], key: str) -> str:
    return f"{own[key]['median']:.2f}" if key in own else "–"


def _table(measured: list[Measured]) -> str:
    lines = [
        "| slice | head | pixel, mm | from | ratio A / B / network, % | marked | Dice A | Dice B | A against B "
        "| the readers' confidence |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in measured:
        row = one.row
        ratios = " / ".join(f"{100 * row['ratio'][name]:.1f}" for name in ("a", "b", "network"))
        other = "" if row["dice_alternative"] is None else f" ({row['dice_alternative']:.2f})"
        lines.append(
            f"| {_name(one)} | {row['side']} | {row['pixel_mm']:.2f} | {row['pixel_from']} | {ratios} "
            f"| {'yes' if row['marked'] else 'no'} | {_figure(row, 'dice_a')}{other} | {_figure(row, 'dice_b')} "
            f"| {_figure(row, 'dice_readers')} | {', '.join(row['confidence'])} |"
        )
    return "\n".join(lines)


def _figure(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:.2f}" if row["diseased"] and row[key] is not None else "–"


def _name(one: Measured) -> str:
    plane = "" if one.picture.plane == "coronal" else f", {one.picture.plane}"
    return f"{one.picture.patient}, {SHORT.get(one.picture.sequence, one.picture.sequence)}{plane}"


def sheet(measured: list[Measured]) -> str:
    """Draw heads as an SVG: outlines over a disc, one panel each."""
    rows = -(-len(measured) // COLUMNS)
    width, height = COLUMNS * PANEL, rows * (PANEL + CAPTION)
    panels = []
    for n, one in enumerate(measured):
        row, column = divmod(n, COLUMNS)
        panels.append(f'<g transform="translate({column * PANEL} {row * (PANEL + CAPTION)})">{_panel(one)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="10" text-anchor="middle"><title>Outlines of readers and network</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(one: Measured) -> str:
    circle, middle = one.hip.circle, PANEL / 2
    scale = RADIUS / circle.radius_px
    parts = [f'<circle cx="{middle:g}" cy="{middle:g}" r="{RADIUS}" fill="#eeeeee" stroke="#bbbbbb"/>']
    for name, lines in outlines(one).items():
        fill, opacity = ("#777777", 0.3) if name == "network" else ("none", 1)
        for line in lines:
            points = (line - [circle.x_px, circle.y_px]) * scale + middle
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polygon points="{text}" fill="{fill}" fill-opacity="{opacity}" stroke="{COLOURS[name]}" '
                'stroke-width="1.5"/>'
            )
    ratios = "/".join(f"{100 * x:.0f}" for x in one.row["ratio"].values())
    captions = (f"{_name(one)}, {one.hip.side}", f"A/B/network: {ratios} %")
    for n, text in enumerate(captions):
        parts.append(f'<text x="{middle:g}" y="{PANEL + 8 + 13 * n}">{html.escape(text)}</text>')
    return "".join(parts)


def outlines(one: Measured) -> dict[str, list[np.ndarray]]:
    """Return closed lines, shape (point, 2), as x and y in pixels: the network's first, the readers' over it."""
    padded = np.pad(one.network.astype(float), 1)
    network = [line[:, ::-1] - 1 for line in find_contours(padded, 0.5)]
    readers = {name: [np.array(polygon) for polygon in getattr(one.hip, name).necrosis] for name in ("a", "b")}
    return {"network": network, **readers}


def write_pictures(folder: Path, measured: list[Measured]) -> None:
    """Write a picture of each head, without and with the outlines; for whoever has the slices."""
    for one in measured:
        out = io.BytesIO()
        picture(one).save(out, "PNG")
        replace_file(folder / f"{Path(one.picture.name).stem}_{one.hip.side}.png", out.getvalue())


def picture(one: Measured) -> Image.Image:
    """Return the slice about a head, and beside it the same with the head's circle and all outlines."""
    circle = one.hip.circle
    reach = REACH * circle.radius_px
    corner = np.array([circle.x_px - reach, circle.y_px - reach])
    box = (*(corner + 0.5), *(corner + 0.5 + 2 * reach))  # Pillow counts from the edge of the first pixel
    grey = Image.fromarray(np.clip(one.picture.pixels, 0, 255).astype(np.uint8))
    plain = grey.transform((PICTURE, PICTURE), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC).convert("RGB")
    drawn, scale = plain.copy(), PICTURE / (2 * reach)
    draw = ImageDraw.Draw(drawn)
    draw.circle((PICTURE / 2, PICTURE / 2), circle.radius_px * scale, outline="#888888")
    for name, lines in outlines(one).items():
        for line in lines:
            points = (np.vstack([line, line[:1]]) - corner) * scale
            draw.line([tuple(point) for point in points.tolist()], fill=ON_PICTURE[name], width=2)
    both = Image.new("RGB", (2 * PICTURE, PICTURE))
    both.paste(plain, (0, 0))
    both.paste(drawn, (PICTURE, 0))
    return both
