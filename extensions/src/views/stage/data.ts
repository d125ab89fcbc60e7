/** What a stage shows, read from frames once for each of them. Nothing here draws. */

import type { Columns, Measure } from "../../generated";
import { courseOf } from "../../facts";
import type { Frame } from "../../frame";
import type { Store } from "../../store";
import { className } from "../../names";

/** One example of a task, whatever it consists of. */
export interface Example {
  part: "support" | "query";
  /** Its place in its part: what the cursor and edits know it by. */
  place: number;
  /** Its class within the task; null where targets are numbers. */
  label: number | null;
  name: string;
  shot: number;
  image: { pixels: Float32Array; shape: number[] } | null;
  x: number | null;
  y: number | null;
  text: string | null;
  /** Of a table's row: what its columns are called, and what stands in them. */
  header: string[] | null;
  cells: string[] | null;
  /** How it was edited, in words; null where it is as it was drawn. */
  edited: string | null;
}

const kept = new WeakMap<Frame, Map<string, unknown>>();

/** What `make` makes of a frame, made once as long as the frame is the same. */
export function once<T>(frame: Frame, key: string, make: () => T): T {
  let known = kept.get(frame);
  if (!known) kept.set(frame, (known = new Map()));
  if (!known.has(key)) known.set(key, make());
  return known.get(key) as T;
}

/** A lane's frame of a kind; undefined where there is none. */
export function frameOf<Kind extends keyof Columns>(
  store: Store,
  kind: Kind,
  lane = store.cursor.value.lane,
): Frame<Columns[Kind]> | undefined {
  return store.frames.value[`${lane}:${kind}`];
}

/** All examples of a task, support first. */
export function readExamples(frame: Frame<Columns["examples"]> | undefined): Example[] {
  if (!frame) return [];
  return once(frame, "examples", () => {
    const number = (name: Columns["examples"], row: number) =>
      frame.has(name) ? (frame.at(name, row) as number | null) : null;
    const word = (name: Columns["examples"], row: number) =>
      frame.has(name) ? (frame.at(name, row) as string | null) : null;
    return Array.from({ length: frame.rows }, (_, row) => {
      const label = number("label", row);
      return {
        part: word("part", row) === "query" ? "query" : "support",
        place: number("example", row) ?? row,
        label,
        name: word("name", row) ?? (label === null ? "" : className(label)),
        shot: number("shot", row) ?? 0,
        image: frame.has("image")
          ? { pixels: frame.array("image", row), shape: frame.shape("image") }
          : null,
        x: number("x", row),
        y: number("y", row),
        text: word("text", row),
        header: word("header", row)?.split("\t") ?? null,
        cells: word("cells", row)?.split("\t") ?? null,
        edited: word("edited", row) || null,
      } satisfies Example;
    });
  });
}

/** The classes of a task by number, with what each is called. */
export function classNames(examples: Example[]): string[] {
  const names: string[] = [];
  for (const { label, name } of examples) if (label !== null) names[label] ??= name;
  return Array.from(names, (name, label) => name ?? className(label));
}

/** Which class an example is given after a step, and how surely. */
export interface Judged {
  prediction: number;
  confidence: number;
}

/** What is predicted of queries after a step, by the example's place. */
export function readPredictions(
  frame: Frame<Columns["predictions"]> | undefined,
  step: number,
): Map<number, Judged> {
  if (!frame) return new Map();
  const steps = once(frame, "predictions", () => {
    const found = new Map<number, Map<number, Judged>>();
    for (let row = 0; row < frame.rows; row++) {
      const after = frame.at("step", row) as number;
      const prediction = frame.at("prediction", row) as number | null;
      if (prediction === null) continue;
      if (!found.has(after)) found.set(after, new Map());
      found.get(after)!.set(frame.at("example", row) as number, {
        prediction,
        confidence: (frame.at("confidence", row) as number | null) ?? 0,
      });
    }
    return found;
  });
  return steps.get(step) ?? new Map();
}

export interface Curve {
  x: Float64Array;
  y: Float64Array;
}

/** The curves of a regression task with one input. */
export interface Curves {
  truth: Curve | null;
  support: Curve;
  query: Curve;
  /** The prediction after each inner step. */
  steps: Curve[];
  /** What the axes hold at every step, so that they stay while one steps. */
  domain: { x: [number, number]; y: [number, number] };
}

export function readCurves(frame: Frame<Columns["curves"]> | undefined): Curves | null {
  if (!frame) return null;
  return once(frame, "curves", () => {
    const of = (part: Frame<Columns["curves"]>): Curve => ({
      x: Float64Array.from(part.numbers("x")),
      y: Float64Array.from(part.numbers("y")),
    });
    const kinds = new Map(frame.groups<string>("kind"));
    const none: Curve = { x: new Float64Array(), y: new Float64Array() };
    const read = (kind: string) => (kinds.has(kind) ? of(kinds.get(kind)!) : none);
    const truth = read("truth");
    const [support, query] = [read("support"), read("query")];
    const steps = (kinds.get("prediction")?.groups<number>("step") ?? []).map(([, rows]) =>
      of(rows),
    );
    return {
      truth: truth.x.length > 0 ? truth : null,
      support,
      query,
      steps,
      domain: domainOf([truth, support, query], steps),
    };
  });
}

/** Room for what is known, and for predictions that do not leave it by far. */
function domainOf(known: Curve[], steps: Curve[]): Curves["domain"] {
  const ends = (columns: Float64Array[]): [number, number] => {
    let [low, high] = [Infinity, -Infinity];
    for (const column of columns)
      for (const value of column)
        if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return low <= high ? [low, high] : [-1, 1];
  };
  const x = ends([...known, ...steps].map((curve) => curve.x));
  const [low, high] = ends(known.map((curve) => curve.y));
  const room = (high - low) / 2 || 1;
  if (steps.length === 0) return { x, y: [low - room / 2, high + room / 2] };
  const [least, most] = ends(steps.map((curve) => curve.y));
  return {
    x,
    y: [Math.max(Math.min(low, least), low - room), Math.min(Math.max(high, most), high + room)],
  };
}

/** What holds all of several domains. */
export function together(domains: Curves["domain"][]): Curves["domain"] {
  const along = (axis: "x" | "y"): [number, number] => [
    Math.min(...domains.map((one) => one[axis][0])),
    Math.max(...domains.map((one) => one[axis][1])),
  ];
  return { x: along("x"), y: along("y") };
}

/** The curves of a task of which no prediction is known: its points alone. */
export function pointsAlone(examples: Example[]): Curves | null {
  const of = (part: Example["part"]): Curve => {
    const own = examples.filter((one) => one.part === part && one.x !== null && one.y !== null);
    return { x: Float64Array.from(own, (one) => one.x!), y: Float64Array.from(own, (one) => one.y!) };
  };
  const [support, query] = [of("support"), of("query")];
  if (support.x.length + query.x.length === 0) return null;
  const { x, y } = domainOf([support, query], []);
  return { truth: null, support, query, steps: [], domain: { x, y } };
}

/** How well a task goes by step: the loss, or the first metric of a control task. */
export interface Course {
  name: string;
  /** Of the query examples; of the trial for control tasks. */
  values: number[];
  support: number[];
  /** The first metric of the query examples that says more than the loss. */
  metric: { measure: Measure; values: number[] } | null;
}

export function readCourse(frame: Frame | undefined, task: number): Course | null {
  if (!frame || frame.rows === 0) return null;
  return once(frame, `course:${task}`, () => {
    const name = courseOf(frame);
    if (!name) return null;
    const read = (part: string, column: string): number[] => {
      const values: number[] = [];
      for (let row = 0; row < frame.rows; row++) {
        if (frame.at("task", row) !== task || frame.at("part", row) !== part) continue;
        values[frame.at("step", row) as number] = (frame.at(column, row) as number | null) ?? NaN;
      }
      return Array.from(values, (value) => value ?? NaN);
    };
    const support = read("support", name);
    const query = read("query", name);
    const trial = read("trial", name);
    const values = trial.length > 0 ? trial : query.length > 0 ? query : support;
    const measure = frame.measures.find((one) => one.name !== name && !one.loss);
    const metric = measure
      ? { measure, values: read(query.length > 0 ? "query" : "support", measure.name) }
      : null;
    return { name, values, support, metric };
  });
}

/** The moves of a trial. */
export interface Pulls {
  arms: number;
  /** What an action is called: arm where it is a bandit's. Of one that is numbers, each of them. */
  what: "arm" | "action" | "number";
  /** By move, from 1: which action, what it paid, what the policy thought, and the step that made it. */
  pulls: {
    step: number;
    move: number;
    arm: number;
    reward: number;
    value: number | null;
    probabilities: number[];
    /** Of an action that is numbers: around what each was drawn, with what deviation, and drawn. */
    drawn: { mean: number; deviation: number; action: number }[];
  }[];
  /** Each arm's own chance to pay, where it is known. */
  chances: number[] | null;
}

export function readPulls(frame: Frame<Columns["pulls"]> | undefined): Pulls | null {
  if (!frame || frame.rows === 0) return null;
  return once(frame, "pulls", () => {
    const arms = Math.max(...frame.numbers("arm")) + 1;
    const numbers = frame.has("mean");
    const chances: number[] = [];
    const pulls: Pulls["pulls"] = [];
    for (let row = 0; row < frame.rows; row++) {
      const step = frame.at("step", row) as number;
      const move = frame.has("move") ? (frame.at("move", row) as number) : step;
      const arm = frame.at("arm", row) as number;
      const pull = (pulls[move - 1] ??= {
        step,
        move,
        arm: -1,
        reward: 0,
        value: null,
        probabilities: [],
        drawn: [],
      });
      const number = (name: Columns["pulls"]) => (frame.at(name, row) as number | null) ?? NaN;
      if (numbers) {
        pull.drawn[arm] = {
          mean: number("mean"),
          deviation: number("deviation"),
          action: number("action"),
        };
        pull.reward = number("reward");
        pull.value = frame.at("value", row) as number | null;
        continue;
      }
      pull.probabilities[arm] = frame.at("probability", row) as number;
      const chance = frame.has("chance") ? frame.at("chance", row) : null;
      if (typeof chance === "number" && Number.isFinite(chance)) chances[arm] = chance;
      if (frame.at("pulled", row)) {
        pull.arm = arm;
        pull.reward = (frame.at("reward", row) as number | null) ?? 0;
        pull.value = frame.has("value") ? (frame.at("value", row) as number | null) : null;
      }
    }
    const known = chances.length > 0;
    return {
      arms,
      what: numbers ? "number" : known ? "arm" : "action",
      pulls: pulls.filter(Boolean),
      chances: known ? chances : null,
    };
  });
}

/** At most so many whole numbers from `first` to before `end`, evenly spaced. */
export function some(first: number, end: number, most: number): number[] {
  const count = Math.max(end - first, 0);
  if (count <= most) return Array.from({ length: count }, (_, k) => first + k);
  return Array.from({ length: most }, (_, k) => first + Math.round((k * (count - 1)) / (most - 1)));
}
