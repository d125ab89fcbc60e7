"""`python -m benchmarks`: makes the benchmark's environment where it is missing, measures in it."""

import os
import sys

from benchmarks.setup_peers import PYTHON, ROOT, ensure

os.chdir(ROOT)
if {"-h", "--help"} & set(sys.argv):  # for which nothing has to be made
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks.run", "--help"])
ensure()
os.execv(PYTHON, [str(PYTHON), "-m", "benchmarks.run", *sys.argv[1:]])
