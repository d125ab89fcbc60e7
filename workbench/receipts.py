"""The note that a figure's file carries: where it is in a PDF, an SVG, a PNG.

For those who write figures, and for those who only look, such as JupyterLab's server, which loads
no Matplotlib.
"""

from __future__ import annotations

import io
import re

FORMATS = ("pdf", "svg", "png")
_SOURCE = "{http://purl.org/dc/elements/1.1/}source"


def note_in(content: bytes, format: str) -> str:
    """What `workbench.figures.save` wrote into a file; a ValueError where it holds nothing.

    >>> note_in(b"<svg/>", "svg")
    Traceback (most recent call last):
    ...
    ValueError: it holds no note
    """
    found = {"pdf": _in_pdf, "svg": _in_svg, "png": _in_png}[format](content)
    if not found:
        raise ValueError("it holds no note")
    return found


def _in_pdf(content: bytes) -> str:
    # A PDF string in brackets; the JSON is ASCII, so only brackets and backslashes are escaped.
    found = re.search(rb"/Keywords \(((?:[^\\()]|\\.)*)\)", content, re.DOTALL)
    return re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL).decode("ascii") if found else ""


def _in_svg(content: bytes) -> str:
    from xml.etree import ElementTree

    try:
        for _, element in ElementTree.iterparse(io.BytesIO(content)):
            if element.tag == _SOURCE:  # before all that is drawn, which nobody reads
                return element.text or ""
    except ElementTree.ParseError as error:
        raise ValueError("it is no XML") from error
    return ""


def _in_png(content: bytes) -> str:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return str(image.info.get("Receipt", ""))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("it is no PNG") from error
