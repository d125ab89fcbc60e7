/** What noise hides: the same mean as `workbench.figures.summary.smoothed`. */

/** The exponential mean of what came so far, begun without bias; missing values are passed over. */
export function smoothed(values: ArrayLike<number>, weight: number): number[] {
  let total = 0;
  let weights = 0;
  return Array.from(values, (value) => {
    if (!Number.isFinite(value)) return value;
    total = weight * total + (1 - weight) * value;
    weights = weight * weights + (1 - weight);
    return total / weights;
  });
}
