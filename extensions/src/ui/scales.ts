/** Axes as numbers: domains, scales and ticks. Nothing here draws. */

import { scaleLinear, scaleLog } from "d3-scale";
import { three } from "./format";

export interface Axis {
  label: string;
  /** Of the numbers; counts have none. */
  unit?: string;
  scale?: "linear" | "log";
  /** Whether a button changes between linear and log. */
  switchable?: boolean;
  /** What is shown at least; otherwise what the numbers need. */
  domain?: [number, number];
  /** What is shown at most: what lies beyond is cut off at the edge. */
  limits?: [number, number];
  /** Ticks at whole numbers only. */
  integer?: boolean;
  /** Words that stand at 0, 1, 2, … in place of numbers. */
  names?: string[];
}

export interface Scale {
  (value: number): number;
  invert(place: number): number;
  domain(): [number, number];
  ticks: { value: number; text: string }[];
  log: boolean;
}

/** From the smallest to the largest number that can be shown; null when there is none. */
export function extent(
  columns: Iterable<ArrayLike<number>>,
  log: boolean,
): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const column of columns) {
    for (let k = 0; k < column.length; k++) {
      const value = column[k]!;
      if (!Number.isFinite(value) || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** Whether numbers are all positive and span more than a factor of thirty, as in exported figures. */
export function asksForLog(columns: Iterable<ArrayLike<number>>): boolean {
  const found = extent(columns, false);
  return found !== null && found[0] > 0 && found[1] > 30 * found[0];
}

/** Whether the names of an axis have to be tilted to stand beside each other. */
export function tilts(axis: Axis, room: number): boolean {
  const names = axis.names ?? [];
  return names.some((name) => Math.min(name.length, 18) * 6.5 + 4 > room / names.length);
}

/** How many finite numbers a log axis cannot show. */
export function belowLog(columns: Iterable<ArrayLike<number>>): number {
  let count = 0;
  for (const column of columns) {
    for (let k = 0; k < column.length; k++)
      if (Number.isFinite(column[k]) && column[k]! <= 0) count++;
  }
  return count;
}

/** Two axes on which a unit is as long: what one needs less than it has room for is added to it. */
export function evened(
  x: [number, number],
  y: [number, number],
  wide: number,
  tall: number,
): { x: [number, number]; y: [number, number] } {
  const size = ([low, high]: [number, number]) => 1.1 * (high - low) || 1; // with a little room
  const unit = Math.max(size(x) / wide, size(y) / tall); // of the numbers, for a pixel
  const around = ([low, high]: [number, number], pixels: number): [number, number] => [
    (low + high - unit * pixels) / 2,
    (low + high + unit * pixels) / 2,
  ];
  return { x: around(x, wide), y: around(y, tall) };
}

/** A scale from an axis and the extent of its numbers to pixels. */
export function makeScale(
  axis: Axis,
  found: [number, number] | null,
  range: [number, number],
  tight = false,
): Scale {
  const log = axis.scale === "log" && found !== null && found[1] > 0;
  let [low, high] = found ?? [0, 1];
  if (axis.names) [low, high] = [-0.5, axis.names.length - 0.5];
  else if (axis.domain && !(log && axis.domain[0] <= 0))
    [low, high] = [Math.min(low, axis.domain[0]), Math.max(high, axis.domain[1])];
  if (axis.limits) [low, high] = [Math.max(low, axis.limits[0]), Math.min(high, axis.limits[1])];
  if (low === high)
    [low, high] = log
      ? [low / 2, high * 2]
      : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const room = Math.abs(range[1] - range[0]);
  const scale = log ? scaleLog() : scaleLinear();
  scale.domain([low, high]).range(range);
  const count = Math.max(Math.floor(room / (range[0] > range[1] ? 40 : 70)), 2);
  if (!tight && !axis.names) {
    if (log) scale.domain([low / (high / low) ** 0.04, high * (high / low) ** 0.04]);
    else scale.nice(count);
  }
  const made = ((value: number) => scale(value)) as Scale;
  made.invert = (place) => scale.invert(place);
  made.domain = () => scale.domain() as [number, number];
  made.log = log;
  made.ticks = axis.names
    ? axis.names.map((text, value) => ({ value, text })).filter(thinned(axis.names.length, room))
    : numberTicks(scale.domain() as [number, number], count, log, axis.integer ?? false);
  return made;
}

/** Of many names only as many as can be read. */
function thinned(count: number, room: number): (_: unknown, place: number) => boolean {
  const every = Math.max(Math.ceil((count * 14) / room), 1);
  return (_, place) => place % every === 0;
}

function numberTicks(
  [low, high]: [number, number],
  count: number,
  log: boolean,
  integer: boolean,
): Scale["ticks"] {
  let values: number[];
  if (log) {
    const powers = Math.floor(Math.log10(high) + 1e-9) - Math.ceil(Math.log10(low) - 1e-9) + 1;
    const digits = powers >= 3 ? [1] : powers >= 2 ? [1, 3] : [1, 2, 5];
    const every = Math.max(Math.ceil(powers / count), 1);
    values = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high) + 1e-9; power++) {
      if (powers >= 3 && power % every) continue;
      for (const digit of digits) values.push(Number(`${digit}e${power}`));
    }
    values = values.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
    if (values.length < 2) values = scaleLinear().domain([low, high]).ticks(count);
  } else {
    values = scaleLinear().domain([low, high]).ticks(count);
    if (integer) values = [...new Set(values.map(Math.round))].filter((v) => v >= low && v <= high);
  }
  return values.map((value) => ({ value, text: three(value) }));
}

/** Which series and which of its points is nearest to a place in pixels, at most so far away. */
export function nearest(
  series: { x: ArrayLike<number>; y: ArrayLike<number> }[],
  x: Scale,
  y: Scale,
  at: [number, number],
  reach = 40,
): { series: number; index: number } | null {
  let best = reach * reach;
  let found: { series: number; index: number } | null = null;
  series.forEach((one, place) => {
    for (let k = 0; k < one.x.length; k++) {
      const [dx, dy] = [x(one.x[k]!) - at[0], y(one.y[k]!) - at[1]];
      const distance = dx * dx + dy * dy;
      if (distance < best) {
        best = distance;
        found = { series: place, index: k };
      }
    }
  });
  return found;
}
