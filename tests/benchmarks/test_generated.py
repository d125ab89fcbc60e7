"""What the tables of LEO and of generated parameters say of their rows."""

from __future__ import annotations

import pandas as pd

from benchmarks import generators, leo


def test_leo_is_paired_with_meta_sgd_task_by_task() -> None:
    hits = {"LEO": "60 75 30", "Meta-SGD": "60 60 45", "prototypes": "75 75 75"}
    frame = pd.DataFrame(
        {"method": method, "ways": 5, "seed": seed, "scale": 1.0, "chosen": "rate 1", "hits": found}
        for method, found in hits.items()
        for seed in ((0, 1) if method != "prototypes" else (0,))
    )
    lines = leo.table(frame).splitlines()
    assert lines[2].startswith("| 5 | LEO | 73.33 (73.3 73.3) | +0.00 ± 49.68 (+0.0 +0.0) | 1 / 1")
    assert lines[3].startswith("| 5 | Meta-SGD | 73.33 (73.3 73.3) | — | — |")
    assert "| 5 | prototypes | 100.00 (100.0) | +26.67" in lines[4]


def test_starts_and_curves_stand_side_by_side() -> None:
    rows = []
    for seed in (0, 1):
        one = {"method": "GAIL-Meta", "domain": "sines", "seed": seed, "scale": 1.0}
        rows += [{**one, "what": "curve", "at": at, "value": 8.0 / at} for at in (1, 2, 4)]
        rows += [{**one, "what": "GAIL-Meta", "at": k, "value": seed + k} for k in (0, 1, 5)]
        samples = ("weights", "predictions", "loss")
        rows += [{**one, "what": f"samples: {name}", "at": 0, "value": 0.5} for name in samples]
    text = generators.table(pd.DataFrame(rows))
    assert "| GAIL-Meta | 0.5 (0 1) | 1.5 (1 2) | 5.5 (5 6) |" in text
    assert "| GAIL-Meta | 0.5 | 0.5 | 0.5 | 8.00 8.00 / 4.00 4.00 / 2.00 2.00 |" in text
