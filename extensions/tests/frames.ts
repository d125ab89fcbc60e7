/** Frames for tests, as Python would send them. */

import type { Measure, WireColumn, WireFrame } from "../src/generated";
import { Frame } from "../src/frame";
import { named } from "../src/measure";

/** A column of words, or of numbers; numbers that are all whole travel as integers. */
export function column(name: string, values: (number | string | null)[]): WireColumn {
  if (values.some((value) => typeof value === "string")) {
    const words = [...new Set(values.filter((value) => value !== null))] as string[];
    const codes = values.map((value) => (value === null ? -1 : words.indexOf(value as string)));
    return { name, type: "words", data: new DataView(Int32Array.from(codes).buffer), words };
  }
  const whole = values.every((value) => Number.isInteger(value));
  const numbers = values.map((value) => (value === null ? NaN : Number(value)));
  const bytes = whole ? Int32Array.from(numbers) : Float64Array.from(numbers);
  return { name, type: whole ? "integer" : "number", data: new DataView(bytes.buffer) };
}

type Columns = Record<string, (number | string | null)[]>;

export function wire(columns: Columns, measures: Partial<Measure>[] = []): WireFrame {
  const rows = Object.values(columns)[0]?.length ?? 0;
  return {
    rows,
    columns: Object.entries(columns).map(([name, values]) => column(name, values)),
    diverged: {},
    measures: Object.fromEntries(
      measures.map((one) => [one.name!, { ...named(one.name!), ...one }]),
    ),
  };
}

export const frame = (columns: Columns, measures: Partial<Measure>[] = []) =>
  Frame.read(wire(columns, measures));
