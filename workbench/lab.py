"""`workbench lab`: the notebooks beside you, JupyterLab open at the first of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from workbench.errors import UserError
from workbench.resources import resources

FIRST = "00-start.ipynb"


def copy_notebooks(folder: Path) -> list[Path]:
    """Copies each notebook that is not in `folder` yet; one that is there is left as it is."""
    made = []
    try:
        folder.mkdir(exist_ok=True)
        for notebook in sorted(resources("notebooks").glob("*.ipynb")):
            target = folder / notebook.name
            if not target.exists():
                shutil.copyfile(notebook, target)
                made.append(target)
    except OSError as error:
        raise UserError(
            f"the notebooks cannot be copied to {folder} ({error.strerror}): "
            "run `workbench lab` in a folder that you can write to"
        ) from error
    return made


def lab_arguments(folder: Path, arguments: list[str]) -> list[str]:
    """JupyterLab's command line: the user's arguments come last and win.

    A checkout has the extension where it was built; a wheel has put it where JupyterLab looks.

    >>> lab_arguments(Path("/home/me"), ["--no-browser"])[1:3]
    ['--LabApp.default_url=/lab/tree/notebooks/00-start.ipynb', \
'--ServerApp.jpserver_extensions=workbench.server=True']
    """
    built = Path(__file__).parent.parent / "extensions" / "labextensions"
    return [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/notebooks/{FIRST}",
        "--ServerApp.jpserver_extensions=workbench.server=True",
        *([f"--LabApp.extra_labextensions_path={built}"] if built.is_dir() else []),
        *arguments,
    ]


def main(arguments: list[str]) -> int:
    """Copies the notebooks into ./notebooks where there are none and runs JupyterLab."""
    folder = Path.cwd()
    made = copy_notebooks(folder / "notebooks")
    if made:
        print(f"copied {len(made)} notebooks to {folder / 'notebooks'}", file=sys.stderr)

    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(argv=lab_arguments(folder, arguments))
    return 0
