"""`python -m benchmarks`: makes the benchmark's environment where it is missing, measures in it."""

import os
import sys

from benchmarks.setup_peers import PYTHON, ROOT, ensure

ensure()
os.chdir(ROOT)
os.execv(PYTHON, [str(PYTHON), "-m", "benchmarks.run", *sys.argv[1:]])
