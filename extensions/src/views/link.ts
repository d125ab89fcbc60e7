/** How the rows of frames and the cursor belong together. */

import type { Cursor } from "../generated";
import { type Frame } from "../frame";
import { type About } from "../store";

const LINKED = ["task", "step", "layer", "part", "example"] as const;

/** Whether a row is about what the cursor is at, by the columns that both have. */
export function atCursor(frame: Frame, row: number, cursor: Cursor): boolean {
  const shared = LINKED.filter((name) => frame.has(name));
  return shared.length > 0 && shared.every((name) => frame.at(name, row) === cursor[name]);
}

/** The cursor's change that a row asks for. */
export function toRow(frame: Frame, row: number): Partial<Cursor> {
  const change: Record<string, unknown> = {};
  for (const name of LINKED) {
    const value = frame.has(name) ? frame.at(name, row) : null;
    if (value !== null && (name !== "part" || value === "support" || value === "query")) {
      change[name] = value;
    }
  }
  return change as Partial<Cursor>;
}

/** Whether the frames of a kind are still of another task than the one under the cursor. */
export function isBehind({ task, whole = [] }: About, cursor: Cursor, kind = ""): boolean {
  return task !== undefined && task !== cursor.task && !whole.includes(kind);
}

/** Whether a kind can be of the learner and the tasks under the cursor at all. */
export const isOffered = ({ inspections = [] }: About, kind: string): boolean =>
  inspections.some((one) => one.name === kind);

/** The layers of a frame, without the row over all of them. */
export function layersOf(frame: Frame): string[] {
  return frame.distinct<string>("layer").filter((layer) => layer !== "all");
}

/** The layer under the cursor, where the frame has it. */
export function layerOf(frame: Frame, cursor: Cursor): string {
  return frame.distinct<string>("layer").includes(cursor.layer) ? cursor.layer : "all";
}

/** A number for each key out of the rows of a frame. */
export function lookup<Name extends string>(
  frame: Frame<Name>,
  keys: Name[],
  value: Name,
): Lookup {
  const name = [...keys, value].join();
  const known = LOOKUPS.get(frame) ?? new Map<string, Lookup>();
  LOOKUPS.set(frame, known);
  let made = known.get(name);
  if (!made) known.set(name, (made = makeLookup(frame, keys, value)));
  return made;
}

type Lookup = (...of: unknown[]) => number;

// A frame does not change, so what was looked up in it once holds: scrubbing asks again and again.
const LOOKUPS = new WeakMap<Frame, Map<string, Lookup>>();

function makeLookup<Name extends string>(
  frame: Frame<Name>,
  keys: Name[],
  value: Name,
): Lookup {
  const found = new Map<string, number>();
  for (let row = 0; row < frame.rows; row++) {
    const key = keys.map((name) => frame.at(name, row)).join("\n");
    found.set(key, (frame.at(value, row) as number | null) ?? NaN);
  }
  return (...of) => found.get(of.join("\n")) ?? NaN;
}
