"""What a notebook shows of a panel where no kernel answers: what was there when its cell ran.

JupyterLab shows nothing but 'Loading widget...' or 'model not found' there. So a panel has three
outputs: a sentence, what was there, and the panel itself. The page's own styles, which come with
the sentence, show the panel as soon as there is one, and else, after a while, the other two. What
was there is the whole adaptation where JupyterLab has our extension, a picture on any other page
(GitHub, nbconvert), and words where no picture can be.
"""

from __future__ import annotations

_ALIVE = ".jp-OutputArea:has(section.wb:not(.wb-saved *))"
_GONE = ".jp-OutputArea:not(:has(section.wb:not(.wb-saved *)))"
_PART = ".jp-OutputArea-child"

_PAGE = f"""<style>
@keyframes wb-still {{{{ from {{{{ height: 0; overflow: hidden }}}} }}}}
.wb-still {{{{ display: none }}}}
{_GONE} .wb-still {{{{
  display: block; animation: wb-still 3s step-end; color: var(--jp-ui-font-color2, #666) }}}}
{_GONE} > {_PART}:has(.wb-pictured) + {_PART} {{{{ animation: wb-still 3s step-end }}}}
.wb-pictured img, {_PART}:has(.wb-pictured) + {_PART} img {{{{ max-width: 100%; opacity: 0.6 }}}}
{_ALIVE} > {_PART}:has(.wb-still),
{_ALIVE} > {_PART}:has(.wb-pictured) + {_PART},
{_GONE} > {_PART}:has(.wb-still:not(.wb-pictured)) + {_PART},
{_GONE} > {_PART}:has(.wb-pictured) + {_PART} + {_PART} {{{{ display: none }}}}
</style>
<div class="{{classes}}"><p>No kernel answers this panel{{then}}. Run the cell again to go on \
(Run → Run All Cells); a session with a name goes on where it was.</p></div>"""


def sentence(*, pictured: bool) -> str:
    """The HTML that stands before a panel, and before what was there if that is kept.

    >>> "model not found" in sentence(pictured=False), "from when" in sentence(pictured=True)
    (False, True)
    """
    if not pictured:
        return _PAGE.format(classes="wb-still", then="")
    return _PAGE.format(classes="wb-still wb-pictured", then=": this is from when the cell ran")
