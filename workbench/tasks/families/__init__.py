"""Families of tasks, one a file; `workbench.tasks.open_tasks` opens them by name."""
