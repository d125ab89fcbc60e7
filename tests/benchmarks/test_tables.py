"""What the documents print is what the results say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables import PAGE, page
from benchmarks.units import measure


def test_the_page_of_results_is_made_of_the_files() -> None:
    assert PAGE.read_text() == page()


def _work(method: str, seed: int) -> list[dict[str, float]]:
    if method == "broken":
        raise ValueError("no")
    return [{"step": k, "loss": seed + k} for k in range(2)]


def test_a_measurement_goes_on_with_the_units_that_are_missing(tmp_path: Path) -> None:
    out = tmp_path / "some.csv"
    first = [{"method": "maml", "seed": 0}, {"method": "broken", "seed": 0}]
    assert len(measure(first, _work, out)) == 2  # what failed leaves no row and stops nothing
    more = measure([*first[:1], {"method": "maml", "seed": 1}], _work, out)
    assert more.groupby("seed").size().to_dict() == {0: 2, 1: 2}
    # a part without seeds beside it, which makes the seeds floats in the file
    measure([{"method": "grid"}], _work_without_seed, out)
    again = measure([*first[:1], {"method": "maml", "seed": 1}], _work, out)
    assert len(again) == 6


def _work_without_seed(method: str) -> list[dict[str, float]]:
    return [{"step": k, "loss": 0.0} for k in range(2)]
