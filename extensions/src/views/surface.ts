/** A loss on a regular grid, and the same on a finer one. */

import { type Frame } from "../frame";

export interface Surface {
  xs: number[];
  ys: number[];
  /** Row by row: y is slow, x is fast. */
  values: Float64Array;
  dx: number;
  dy: number;
}

/** The grid of a landscape's rows (x, y, loss). */
export function regular(grid: Frame): Surface {
  const up = (a: number, b: number) => a - b;
  const xs = grid.distinct<number>("x").sort(up);
  const ys = grid.distinct<number>("y").sort(up);
  const values = new Float64Array(xs.length * ys.length).fill(NaN);
  const column = new Map(xs.map((x, place) => [x, place]));
  const row = new Map(ys.map((y, place) => [y, place]));
  for (let k = 0; k < grid.rows; k++) {
    const [x, y] = [grid.at("x", k) as number, grid.at("y", k) as number];
    values[row.get(y)! * xs.length + column.get(x)!] = (grid.at("loss", k) as number | null) ?? NaN;
  }
  return { xs, ys, values, dx: spacing(xs), dy: spacing(ys) };
}

const spacing = (places: number[]) =>
  places.length > 1 ? (places.at(-1)! - places[0]!) / (places.length - 1) : 1;

/** Between the places of a surface, linearly: for the eye only. */
export function finer(surface: Surface, times: number): Surface {
  const { xs, ys, values } = surface;
  if (xs.length < 2 || ys.length < 2) return surface;
  const along = (places: number[], step: number) =>
    Array.from(
      { length: (places.length - 1) * times + 1 },
      (_, k) => places[0]! + (k * step) / times,
    );
  const [fx, fy] = [along(xs, surface.dx), along(ys, surface.dy)];
  const made = new Float64Array(fx.length * fy.length);
  for (let r = 0; r < fy.length; r++) {
    const r0 = Math.min(Math.floor(r / times), ys.length - 2);
    const v = r / times - r0;
    for (let c = 0; c < fx.length; c++) {
      const c0 = Math.min(Math.floor(c / times), xs.length - 2);
      const u = c / times - c0;
      const at = (row: number, column: number) => values[row * xs.length + column]!;
      made[r * fx.length + c] =
        (1 - v) * ((1 - u) * at(r0, c0) + u * at(r0, c0 + 1)) +
        v * ((1 - u) * at(r0 + 1, c0) + u * at(r0 + 1, c0 + 1));
    }
  }
  return { xs: fx, ys: fy, values: made, dx: surface.dx / times, dy: surface.dy / times };
}
