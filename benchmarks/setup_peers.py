"""Makes `bench-env/`: an environment of its own for the benchmark, with the peers in it.

torch and the package's other requirements go in first, at the versions of `requirements.lock`, so
that no peer brings another. A peer that can't be installed is named, and the benchmark's table
says that it is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "bench-env"
PYTHON = FOLDER / "bin" / "python"
LOCK = ROOT / "requirements.lock"


def ensure() -> None:
    """Make the environment, or bring it up to date after the lock or this file changed."""
    made_from = LOCK.read_text() + Path(__file__).read_text()
    stamp = FOLDER / "made-from"
    if stamp.exists() and stamp.read_text() == made_from:
        return
    print("making bench-env: some minutes", file=sys.stderr)
    if not PYTHON.exists():
        venv.create(FOLDER, with_pip=True)
    pip(next(line for line in LOCK.read_text().splitlines() if line.startswith("torch==")))
    pip("-r", str(LOCK))
    pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    for name, install in PEERS.items():
        try:
            install()
        except (subprocess.CalledProcessError, OSError) as reason:
            print(f"{name} can't be installed here: {reason}", file=sys.stderr)
    stamp.write_text(made_from)


def pip(*what: str) -> None:
    """`pip install` in the environment, holding what the lock names where it is."""
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--constraint", str(LOCK), *what], check=True)


def torchmeta() -> None:
    """Its release asks for torch below 1.10; the parts that are measured run on later ones."""
    pip("ordered-set")
    pip("--no-deps", "torchmeta==1.8.0")


def learn2learn() -> None:
    """Its source package ships C generated for older Pythons: delete it and translate anew."""
    pip("cython<3.1", "setuptools", "wheel")
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [str(PYTHON), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            + ["--no-build-isolation", "--dest", scratch, "learn2learn==0.2.0"],
            check=True,
        )
        with tarfile.open(next(Path(scratch).glob("learn2learn-*.tar.gz"))) as archive:
            archive.extractall(scratch, filter="data")
        source = next(path for path in Path(scratch).glob("learn2learn-*") if path.is_dir())
        for generated in (source / "learn2learn" / "data").glob("*.c"):
            generated.unlink()
        translated = list((source / "learn2learn" / "data").glob("*.pyx"))
        subprocess.run([PYTHON.with_name("cython"), "-3", *translated], check=True)
        pip("--no-deps", "--no-build-isolation", str(source))


PEERS: dict[str, Callable[[], None]] = {
    "TorchOpt": lambda: pip("torchopt==0.7.3"),
    "JAX": lambda: pip("jax[cpu]==0.10.2"),
    "learn2learn": learn2learn,
    "torchmeta": torchmeta,
}


if __name__ == "__main__":
    ensure()
