"""`python -m workbench`, which torchrun can start."""

import sys

from workbench.cli import main

sys.exit(main())
