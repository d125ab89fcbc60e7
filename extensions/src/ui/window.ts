/** A part of the x axis that is looked at more closely. */

import { type Series } from "./Series";

export type Window = [number, number];

/** The series where they lie within a window. */
export function within(series: Series[], window: Window | null | undefined): Series[] {
  if (!window) return series;
  return series.map((one) => {
    const kept: number[] = [];
    for (let k = 0; k < one.x.length; k++)
      if (one.x[k]! >= window[0] && one.x[k]! <= window[1]) kept.push(k);
    const pick = (values: ArrayLike<number>) => kept.map((k) => values[k]!);
    return {
      ...one,
      x: pick(one.x),
      y: pick(one.y),
      low: one.low && pick(one.low),
      high: one.high && pick(one.high),
      describe: one.describe && ((k) => one.describe!(kept[k]!)),
    };
  });
}

/** A window moved or changed by a key; null is all there is. */
export function turned(key: string, [low, high]: Window): Window | null | undefined {
  const width = high - low;
  switch (key) {
    case "+":
    case "=":
      return [low + width / 4, high - width / 4];
    case "-":
      return [low - width / 2, high + width / 2];
    case "ArrowLeft":
      return [low - width / 4, high - width / 4];
    case "ArrowRight":
      return [low + width / 4, high + width / 4];
    case "0":
      return null;
    default:
      return undefined;
  }
}
