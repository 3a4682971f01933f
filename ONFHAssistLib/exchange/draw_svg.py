"""Drawings as SVG inside a page."""

import base64
import io
from html import escape

import numpy as np

from ONFHAssistLib.exchange.shapes import HALO, Circle, Drawing, Lines, Pixels, Shape, Text


def svg(drawing: Drawing, told: str, kind: str = "") -> str:
    """Return an ``<svg>`` that fills the width it is given.

    Args:
        drawing: what to draw.
        told: what it shows, for who cannot see it.
        kind: class of the element, for the page's style sheet.
    """
    frame = " ".join(map(_number, (drawing.left, drawing.top, drawing.width, drawing.height)))
    about = f'role="img" aria-label="{escape(told)}"'
    inherited = 'fill="none" fill-rule="evenodd" stroke-linejoin="round"'
    content = "".join(map(_element, drawing.shapes))
    return f'<svg class="{escape(kind)}" viewBox="{frame}" {about} {inherited}>{content}</svg>'


def _element(shape: Shape) -> str:
    match shape:
        case Pixels():
            place = _attributes(x=shape.left, y=shape.top, width=shape.width, height=shape.height)
            return f'<image href="{_data_uri(shape.array)}" preserveAspectRatio="none"{place}/>'
        case Lines():
            look = _attributes(
                class_=shape.kind,
                **_pen(shape),
                fill_opacity=shape.opacity if shape.fill and shape.opacity < 1 else "",
            )
            return f'<path d="{_path(shape)}"{look}/>' if shape.parts else ""
        case Circle():
            x, y = shape.centre
            place = _attributes(cx=x, cy=y, r=shape.radius, **_pen(shape))
            title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
            return f"<circle{place}>{title}</circle>"
        case Text():
            return _text(shape)


def _text(shape: Text) -> str:
    x, y = map(_number, shape.at)
    place = (
        f' transform="translate({x} {y}) rotate({_number(shape.turn_deg)})"' if shape.turn_deg else f' x="{x}" y="{y}"'
    )
    look = _attributes(
        font_size=shape.size,
        fill=shape.colour,
        text_anchor="" if shape.anchor == "start" else shape.anchor,
        font_weight="700" if shape.bold else "",
    )
    if shape.halo:
        look += _attributes(stroke=shape.halo, stroke_width=HALO * shape.size, paint_order="stroke")
    return f"<text{place}{look}>{escape(shape.text)}</text>"


def _path(lines: Lines) -> str:
    end = "Z" if lines.closed else ""
    parts = (np.round(part, 2).tolist() for part in lines.parts)
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in part) + end for part in parts)


def _pen(shape: Lines | Circle) -> dict[str, float | str]:
    dash = " ".join(map(_number, shape.dash)) if shape.dash else ""
    width = shape.width if shape.stroke else ""
    return {"stroke": shape.stroke, "stroke_width": width, "stroke_dasharray": dash, "fill": shape.fill}


def _attributes(**values: float | str) -> str:
    """Return attributes, those that are empty left out."""
    known = {name.strip("_").replace("_", "-"): value for name, value in values.items() if value != ""}
    return "".join(f' {name}="{value if isinstance(value, str) else _number(value)}"' for name, value in known.items())


def _number(value: float) -> str:
    return f"{round(float(value), 2):g}"


def _data_uri(pixels: np.ndarray) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
