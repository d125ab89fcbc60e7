"""LEO's own inspection: where the codes of a task's classes go, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from pandas import DataFrame


def code_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """Each class's code after each step, in the plane that holds most of their variance."""
    import pandas as pd

    present, classes = episode.present(), torch.arange(episode.ways or 0)
    if present is not None:
        classes = classes[present[task].cpu()]
    codes = torch.cat([a.values["code"][task].detach().double().cpu()[classes] for a in path])
    cloud = codes - codes.mean(dim=0)
    _, lengths, directions = torch.linalg.svd(cloud, full_matrices=False)
    share = lengths.square() / lengths.square().sum().clamp(min=1e-300)
    plane = cloud.new_zeros(2, cloud.shape[1])
    plane[: len(directions[:2])] = directions[:2]
    x, y = (cloud @ plane.T).T.numpy()
    steps = torch.tensor([a.step for a in path])
    return pd.DataFrame(
        {
            "step": steps.repeat_interleave(len(classes)).numpy(),
            "class": classes.repeat(len(path)).numpy(),
            "x": x,
            "y": y,
            "length": codes.norm(dim=1).numpy(),
            "explained": float(share[:2].sum()),
        }
    )


CODES = Inspection(
    "codes",
    code_frame,
    {
        "step": "after how many inner steps",
        "class": "of the task",
        "x": "the code's place along the direction of the greatest variance, over all steps",
        "y": "its place along the second",
        "length": "of the code itself; a standard normal's is about the root of its size",
        "explained": "the fraction of the variance that lies along x and y",
    },
    "Where the code of each class goes in LEO's latent space",
)
