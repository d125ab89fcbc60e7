"""`workbench.widgets`: its names lead somewhere, and importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import workbench.widgets as widgets


def test_names_lead_somewhere():
    for name in widgets.__all__:
        assert getattr(widgets, name).__module__ == widgets._HOMES[name]
        assert name in (widgets.__doc__ or "")
    assert dir(widgets) == sorted(widgets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Stges'"):
        assert widgets.Stges


def test_nothing_is_imported_before_it_is_used():
    heavy = ["torch", "anywidget", "pandas", "matplotlib"]
    code = f"import sys, workbench.widgets; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("Stage", "stage"),
        ("EpisodeBuilder", "episode"),
        ("GradientInspector", "gradients"),
        ("MemoryPanel", "memory"),
        ("ExportPanel", "export"),
    ],
)
def test_views_share_a_session(name: str, view: str):
    session = widgets.Session("sinusoid-maml", count=1, queries=2)
    panel = getattr(widgets, name)(session)
    assert (panel.view, panel.session, panel.shown) == (view, session.id, session)
    panel.close()
