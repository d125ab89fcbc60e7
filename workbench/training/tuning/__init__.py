"""Tuning: settings sought by Optuna's samplers, a study a folder, its trials ordinary runs.

tune       seek settings for an experiment, or go on with a study
Study      a study's folder: its trials, the best of them, and what they say as data frames
begin      a study of which no trial is trained yet, for `start_worker`'s processes to work on
space_of   where each setting is sought: by its own range, or between given bounds

Optuna is imported when a study is opened, and only then.
"""

from workbench.training.tuning.search import begin, start_worker, tune
from workbench.training.tuning.space import Dimension, space_of
from workbench.training.tuning.study import Study, TuningSettings

__all__ = ["Dimension", "Study", "TuningSettings", "begin", "space_of", "start_worker", "tune"]
