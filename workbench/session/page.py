"""A session as one HTML file: the stage, to be stepped and inspected with no kernel and no network.

The page holds the panels' own JavaScript and what was computed; it can be sent along with a paper.
"""

from __future__ import annotations

import base64
import html
import json
import math
from pathlib import Path
from typing import Any

from workbench.errors import UserError
from workbench.files import write_safely, writing
from workbench.session.bundle import bundle
from workbench.session.session import Session
from workbench.session.showing import Showing

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:">
<title>{title}</title>
<style>body {{ margin: 1rem; font-family: system-ui, sans-serif }}
{css}</style>
</head>
<body>
<div id="panel"></div>
<script type="application/json" id="state">{state}</script>
<script type="application/json" id="bundle">"{bundle}"</script>
<script type="module">
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const state = read("state");
for (const frame of Object.values(state.frames))
  for (const column of frame.columns) column.data = new DataView(bytes(column.data).buffer);
const heard = {{}};
const model = {{
  get: (name) => state[name],
  set: (name, value) => {{
    state[name] = value;
    (heard["change:" + name] ?? []).forEach((tell) => tell());
  }},
  save_changes: () => {{}},
  on: (name, tell) => (heard[name] ??= []).push(tell),
  off: (name, tell) => {{ heard[name] = (heard[name] ?? []).filter((one) => one !== tell); }},
  send: (message) => setTimeout(() => (heard["msg:custom"] ?? []).forEach((tell) => tell({{
    id: message.id,
    ...(message.command === "code" ? {{ result: state.code }} : {{ error: {refusal} }}),
  }})), 0),
}};
const code = new Blob([bytes(read("bundle"))], {{ type: "text/javascript" }});
const {{ default: panel }} = await import(URL.createObjectURL(code));
panel.render({{ model, el: document.getElementById("panel") }});
</script>
</body>
</html>
"""

_REFUSAL = (
    "this page shows what was recorded and computes nothing: open the session in the workbench "
    "to change it (its code is under 'copy')"
)


def write_page(session: Session, path: Path | str) -> Path:
    """Write the stage of a session, with every kind of inspection that it has, to an HTML file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_page(Session("sinusoid-maml", count=2, queries=5), f"{folder}/sine.html")
    ...     "http" in path.read_text().split("<body>")[0].replace("http-equiv", "")
    False
    """
    path = Path(path)
    if path.suffix != ".html":
        raise UserError(f"a page cannot be written as '{path.name}': end it in .html")
    showing = Showing(session)
    for kind in session.inspections:
        if showing.about()["kinds"].get(kind) == "open":
            showing.ask(kind)
    about = showing.about()
    state: dict[str, Any] = {
        "view": "stage",
        "about": about,
        "frames": showing.frames(),
        "cursor": showing.cursor(),
    }
    state |= {"session": session.id, "problem": {}, "progress": {}, "code": session.code()}
    title = about.get("title", "Episode")
    content = _PAGE.format(
        title=html.escape(f"{title} on {session.state.sampling.tasks}"),
        css=bundle("panel.css"),
        state=json.dumps(_plain(state)).replace("<", "\\u003c"),
        bundle=base64.b64encode(bundle("panel.js").encode()).decode(),
        refusal=json.dumps(_REFUSAL),
    )
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_safely(path, content.encode())
    return path


def _plain(value: Any) -> Any:
    """Bytes as base64, numbers that are none as null."""
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
