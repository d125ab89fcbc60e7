"""What a notebook shows of a panel where no kernel answers: a picture, and what to do.

JupyterLab shows nothing but 'Loading widget...' or 'model not found' there. So a panel has two
outputs, of which the page's own styles show one: the panel as soon as there is one, and else,
after a while, the picture from when the cell ran.
"""

from __future__ import annotations

import base64

_PAGE = """<style>
@keyframes wb-still {{ from {{ height: 0; overflow: hidden }} }}
.wb-still {{ display: none }}
.jp-OutputArea:not(:has(section.wb)) .wb-still {{
  display: block; animation: wb-still 3s step-end; color: var(--jp-ui-font-color2, #666) }}
.wb-still img {{ display: block; max-width: 100%; opacity: 0.6 }}
.jp-OutputArea:has(section.wb) > .jp-OutputArea-child:has(.wb-still),
.jp-OutputArea:not(:has(section.wb)) > .jp-OutputArea-child:has(.wb-still) + \
.jp-OutputArea-child {{ display: none }}
</style>
<div class="wb-still"><p>No kernel answers this panel{then}. Run the cell again to go on \
(Run → Run All Cells); a session with a name goes on where it was.</p>{picture}</div>"""


def still(picture: bytes | None, words: str = "") -> str:
    """The HTML of a PNG, or of nothing but the sentence.

    >>> "model not found" in still(None), "<img" in still(b"...", "A curve."), "<img" in still(None)
    (False, True, False)
    """
    if picture is None:
        return _PAGE.format(then="", picture="")
    words = words.replace("&", "&amp;").replace('"', "&quot;")
    image = f'<img alt="{words}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
    return _PAGE.format(then=": this is a picture from when the cell ran", picture=image)
