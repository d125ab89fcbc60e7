"""Sweeps: many trainings, one folder, each unit of it an ordinary run.

sweep      train the units of a file (TOML) or experiments under several seeds, or go on with them
Sweep      a sweep's folder: its units, their runs, and how they stand
read       the units that a file describes: a grid, random draws, a list
gathered   every unit's result on test tasks, as a data frame
by_group   the same by settings, with intervals over tasks and over seeds
"""

from workbench.training.sweeps.described import Unit, read
from workbench.training.sweeps.folder import Sweep, is_sweep, runs_of
from workbench.training.sweeps.results import by_group, gathered
from workbench.training.sweeps.running import sweep

__all__ = ["Sweep", "Unit", "by_group", "gathered", "is_sweep", "read", "runs_of", "sweep"]
