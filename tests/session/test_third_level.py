"""A meta-training is stepped through as any adaptation: a step is an outer step."""

from workbench.widgets import Session, Stage


def test_a_third_level_opens_in_a_session() -> None:
    session = Session("sines-meta-optimised", count=1, shots=8, queries=3)
    stage = Stage(session)
    kinds = stage.about["kinds"]
    assert kinds["steps"] == "ready"
    assert "one input" in kinds["curves"]  # an example is a whole task, and no point of a curve
    names = [control["name"] for control in stage.about["forms"]["settings"]]
    assert {"test_steps", "batch", "proximal"} <= set(names)
    assert "inner_rate" not in names  # it is learned
    frame = stage.shown.frame("steps")
    assert {"loss", "mse"} <= set(frame)
    assert list(frame["step"].unique()) == list(range(len(frame["step"].unique())))
    stage.close()
