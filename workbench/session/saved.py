"""What a notebook keeps of a session for when no kernel runs: the frames of an adaptation."""

from __future__ import annotations

import base64
import tempfile
import zlib
from pathlib import Path

from workbench.session.messages import SavedTrace
from workbench.session.session import Session

TRACE = "application/vnd.metalearning-workbench.trace+json"
_MOST = 1_000_000  # bytes that a notebook keeps for a panel: a server lets few MB a second pass


def saved_trace(session: Session) -> SavedTrace | None:
    """The adaptation under the cursor as a trace for the eye, with what is quickly computed of it.

    None where there is no adaptation, or where it would be large in every notebook that shows it.

    >>> saved = saved_trace(Session("sinusoid-maml", count=2, queries=5))
    >>> saved["name"], len(saved["content"]) < 100_000
    ('sinusoid-maml', True)
    """
    if not session.sources:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = session.tape.save(Path(folder) / "seen.metatrace", values=False)
        content = zlib.compress(path.read_bytes())
    if len(content) > _MOST:
        return None
    return {
        "name": session.state.name_of(session.cursor.lane),
        "code": session.code(),
        "content": base64.b64encode(content).decode(),
    }
