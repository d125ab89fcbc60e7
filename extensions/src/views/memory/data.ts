/** What a memory held after a step, what is read of it, and what a change of it did. No drawing. */

import type { Columns, Lane } from "../../generated";
import type { Frame } from "../../frame";
import { lookup } from "../link";
import { once } from "../stage/data";
import { trans } from "../../words";

/** A support example's part in what a slot holds. */
export interface Writer {
  example: number;
  label: number | null;
  weight: number;
  step: number;
}

/** A slot of the memory, as it was after a step. */
export interface Slot {
  slot: number;
  /** Who wrote what it holds, the largest part first. */
  writers: Writer[];
  /** The class that most of it is of; null for regression, and where it holds nothing. */
  label: number | null;
  /** How much was written to it since it was cleared. */
  held: number;
  /** How much it was used lately, where the method keeps account of that. */
  usage: number | null;
  /** The step in which it was last written to; null where it never was. */
  since: number | null;
  /** How much it held before the first step. */
  before: number;
  /** How often what it held had to go. */
  evictions: number;
  /** What was done to it by hand: 'emptied', 'filled from 2', or nothing. */
  rewritten: string;
}

/** A change of the memory by hand, and the step after which it was made. */
export interface Change {
  at: number;
  slot: number;
  source?: number;
}

/** All changes that a lane has, its own and those that it took over from where it branched off. */
export function changesOf(lanes: Lane[], lane: number): Change[] {
  const one = lanes[lane];
  if (!one || one.parent === null) return [];
  const before = changesOf(lanes, one.parent).filter((change) => change.at <= one.at);
  return [...before, ...one.memory.map((change) => ({ ...change, at: one.at }))];
}

const empty = (slot: number): Slot => ({
  slot,
  writers: [],
  label: null,
  held: 0,
  usage: null,
  since: null,
  before: 0,
  evictions: 0,
  rewritten: "",
});

/** The slots after a step, out of the frames `slots` (what was written) and `usage`. */
export function memoryAfter(
  step: number,
  slots: Frame<Columns["slots"]> | undefined,
  usage: Frame<Columns["usage"]> | undefined,
  changes: Change[] = [],
): Slot[] {
  const frame = slots ?? usage;
  if (!frame) return [];
  const key = `memory:${step}:${usage ? "used" : ""}:${JSON.stringify(changes)}`;
  return once(frame, key, () => {
    const found = new Map<number, Slot>();
    const at = (number: number) => {
      if (!found.has(number)) found.set(number, empty(number));
      return found.get(number)!;
    };
    for (const number of usage?.distinct<number>("slot") ?? []) at(number);
    for (let now = 1; now <= step; now++) {
      const cleared = new Set<number>();
      const clear = (slot: Slot) => {
        if (cleared.has(slot.slot)) return;
        cleared.add(slot.slot);
        Object.assign(slot, { writers: [], held: 0, rewritten: "" });
      };
      const used = usage?.where({ step: now });
      for (let row = 0; row < (used?.rows ?? 0); row++) {
        const slot = at(used!.at("slot", row) as number);
        if (used!.at("erased", row)) clear(slot);
        if (used!.at("evicted", row)) slot.evictions += 1;
        slot.usage = used!.at("usage", row) as number | null;
        if (usage!.has("before")) slot.before = used!.at("before", row) as number;
      }
      const written = slots?.where({ step: now });
      for (let row = 0; row < (written?.rows ?? 0); row++) {
        const slot = at(written!.at("slot", row) as number);
        if (written!.at("erased", row)) clear(slot);
        const weight = written!.at("weight", row) as number;
        const example = written!.at("example", row) as number;
        const label = written!.at("class", row) as number | null;
        slot.writers.push({ example, label, weight, step: now });
        slot.held += weight;
        slot.since = now;
      }
      for (const { slot, source } of changes.filter((change) => change.at === now)) {
        const { writers, held } = source === undefined ? empty(slot) : at(source);
        const rewritten = source === undefined ? trans.__("emptied") : trans.__("filled from %1", source + 1);
        Object.assign(at(slot), { writers: [...writers], held, rewritten });
      }
    }
    for (const slot of found.values()) {
      slot.writers.sort((a, b) => b.weight - a.weight || a.example - b.example);
      slot.label = strongest(slot.writers);
    }
    return [...found.values()].sort((a, b) => a.slot - b.slot);
  });
}

/** The class that most of a slot is of. */
function strongest(writers: Writer[]): number | null {
  const parts = new Map<number, number>();
  for (const { label, weight } of writers)
    if (label !== null) parts.set(label, (parts.get(label) ?? 0) + weight);
  return [...parts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** What queries read of the memory after a step, by head. */
export interface Reads {
  /** After which step it is, where the frame has several. */
  step: number | null;
  kind: "attention" | "distance";
  heads: string[];
  queries: number[];
  /** The slots that a head has to do with. */
  entries: (head: string) => number[];
  value: (head: string, query: number, slot: number) => number;
  /** 0 to 1: the share that is read, or how near it is to what is nearest and farthest. */
  strength: (head: string, query: number, slot: number) => number;
  /** The class of a query, and what most of a slot is of. */
  label: (query: number) => number | null;
  classOf: (slot: number) => number | null;
}

export function readReads(every: Frame<Columns["memory"]>, step?: number): Reads {
  return once(every, `reads:${step ?? ""}`, () => {
    const steps = every.has("step") ? every.distinct<number>("step") : [];
    const at = step !== undefined && steps.includes(step) ? step : Math.max(...steps);
    const frame = steps.length ? every.where({ step: at }) : every;
    const kind = frame.at("kind", 0) === "distance" ? "distance" : "attention";
    const value = lookup(frame, ["head", "query", "entry"], "value");
    const whole = (found: number) => (Number.isNaN(found) ? null : found);
    const labels = lookup(frame, ["query"], "label");
    const classes = lookup(frame, ["entry"], "class");
    const farthest = Array.from(frame.numbers("value")).reduce((a, b) => Math.max(a, b), 0) || 1;
    return {
      step: steps.length ? at : null,
      kind,
      heads: frame.distinct<string>("head"),
      queries: frame.distinct<number>("query"),
      entries: (head) => frame.where({ head }).distinct<number>("entry"),
      value,
      strength: (head, query, slot) => {
        const found = value(head, query, slot);
        if (Number.isNaN(found)) return 0;
        return kind === "distance" ? 1 - found / farthest : found;
      },
      label: (query) => whole(labels(query)),
      classOf: (slot) => whole(classes(slot)),
    } satisfies Reads;
  });
}

/** How much of what a query read each support example had written. */
export function cameFrom(
  reads: Reads,
  head: string,
  query: number,
  slots: Slot[],
): Map<number, number> {
  const found = new Map<number, number>();
  for (const { slot, writers } of slots) {
    const whole = writers.reduce((sum, writer) => sum + writer.weight, 0);
    if (whole === 0) continue;
    const read = reads.strength(head, query, slot);
    for (const { example, weight } of writers)
      found.set(example, (found.get(example) ?? 0) + (read * weight) / whole);
  }
  return found;
}

/** At most so many slots: those that ever hold most, and those that have to be there. */
export function worthShowing(last: Slot[], most: number, needed: number[] = []): Set<number> {
  const order = [...last].sort((a, b) => b.held - a.held || a.slot - b.slot);
  return new Set([...order.slice(0, most).map((one) => one.slot), ...needed]);
}

/** What a query is given by two lanes. */
export interface Answer {
  example: number;
  label: number | null;
  before: { prediction: number; confidence: number };
  after: { prediction: number; confidence: number };
  /** By how much the probability of its true class changed. */
  change: number;
  turned: boolean;
}

/** What a branch predicts after a step against the lane that it came from; most changed first. */
export function compared(branch: Frame<Columns["predictions"]>, parent: Frame<Columns["predictions"]>, step: number): Answer[] {
  const of = (frame: Frame<Columns["predictions"]>) => {
    const rows = frame.where({ step });
    return new Map(
      Array.from({ length: rows.rows }, (_, row) => [
        rows.at("example", row) as number,
        {
          label: rows.at("label", row) as number | null,
          prediction: rows.at("prediction", row) as number,
          confidence: rows.at("confidence", row) as number,
          truth: rows.at("truth", row) as number,
        },
      ]),
    );
  };
  const old = of(parent);
  const found: Answer[] = [];
  for (const [example, after] of of(branch)) {
    const before = old.get(example);
    if (!before) continue;
    found.push({
      example,
      label: after.label,
      before,
      after,
      change: after.truth - before.truth,
      turned: after.prediction !== before.prediction,
    });
  }
  return found.sort(
    (a, b) => Number(b.turned) - Number(a.turned) || Math.abs(b.change) - Math.abs(a.change),
  );
}

/** The lane with a memory changed by hand: the cursor's, or else the newest branch of it. */
export function rewrittenLane(lanes: Lane[], current: number): number | null {
  if (lanes[current]?.memory.length) return current;
  const found = lanes.findLastIndex((lane) => lane.parent === current && lane.memory.length > 0);
  return found < 0 ? null : found;
}
