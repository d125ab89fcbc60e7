/** Trajectories of a control task, read from their frame. Nothing here draws. */

import type { Columns } from "../../generated";
import type { Frame } from "../../frame";
import { type Curve, type Curves, once } from "./data";

/** One trajectory, or what there is of it so far; by move, its beginning first. */
export interface Trajectory {
  /** Counted from 0; of a trial which episode. */
  number: number;
  /** The inner step that it begins at. */
  begun: number;
  /** The step after which each of its moves was made: the same for all, or one more for each. */
  steps: number[];
  x: number[];
  y: number[];
  /** The rewards so far. */
  soFar: number[];
  /** What the policy expected of the rest before the move; NaN where nobody says. */
  value: number[];
  /** The joints of an arm by move, where there is one. */
  arms: Line[];
}

interface Line {
  x: number[];
  y: number[];
}

export interface Paths {
  /** Whether a step is a move of a trial of episodes, and not the beginning of all anew. */
  trial: boolean;
  /** Whether there are places, and not only rewards. */
  placed: boolean;
  goal: Curve;
  walls: Curve;
  /** The trajectories that there are at a step. */
  at: (step: number) => Trajectory[];
  /** What the axes hold at every step, so that they stay while one steps. */
  domain: Curves["domain"];
}

type Rows = Frame<Columns["trajectories"]>;

export function readPaths(frame: Rows | undefined): Paths | null {
  if (!frame || frame.rows === 0) return null;
  return once(frame, "paths", () => {
    const runs = runsOf(frame);
    const parts = new Map(frame.groups<string>("part"));
    const places = (part: string): Curve => ({
      x: Float64Array.from(parts.get(part)?.numbers("x") ?? []),
      y: Float64Array.from(parts.get(part)?.numbers("y") ?? []),
    });
    const [goal, walls] = [places("goal"), places("walls")];
    const known = new Map<number, Trajectory[]>();
    return {
      trial: runs.every((run) => run.steps[1] !== run.begun),
      placed: frame.numbers("x").some(Number.isFinite),
      goal,
      walls,
      at: (step) => {
        if (!known.has(step)) known.set(step, seenAt(runs, step));
        return known.get(step)!;
      },
      domain: domainOf([goal, places("path"), places("arm"), ...[-0.5, 0.5].map((d) => moved(walls, d))]),
    };
  });
}

/** Every trajectory from its beginning: one that begins anew is another. */
function runsOf(frame: Rows): Trajectory[] {
  const runs: Trajectory[] = [];
  const last = new Map<number, Trajectory>();
  const arms = new Map<string, Line>();
  const part = frame.words("part");
  const column = (name: Columns["trajectories"]) => frame.numbers(name);
  const [step, number, move, x, y] = (["step", "trajectory", "move", "x", "y"] as const).map(column);
  const [reward, value] = [column("reward"), column("value")];
  for (let row = 0; row < frame.rows; row++) {
    if (part[row] !== "path" && part[row] !== "arm") continue;
    const which = number![row]!;
    if (part[row] === "arm") {
      const key = `${step![row]} ${which} ${move![row]}`;
      if (!arms.has(key)) arms.set(key, { x: [], y: [] });
      arms.get(key)!.x.push(x![row]!);
      arms.get(key)!.y.push(y![row]!);
      continue;
    }
    if (move![row] === 0) {
      const begun = step![row]!;
      const fresh = { number: which, begun, steps: [], x: [], y: [], soFar: [], value: [], arms: [] };
      runs.push(fresh);
      last.set(which, fresh);
    }
    const run = last.get(which)!;
    run.steps.push(step![row]!);
    run.x.push(x![row]!);
    run.y.push(y![row]!);
    run.soFar.push((run.soFar.at(-1) ?? 0) + (reward[row] || 0));
    run.value.push(value[row]!);
  }
  for (const run of runs)
    if (arms.size > 0) run.arms = run.steps.map((k, m) => arms.get(`${k} ${run.number} ${m}`)!);
  return runs;
}

/** Of each trajectory the one that began last, as far as it is by then. */
function seenAt(runs: Trajectory[], step: number): Trajectory[] {
  const found = new Map<number, Trajectory>();
  for (const run of runs) if (run.begun <= step) found.set(run.number, run);
  return [...found.values()].map((run) => {
    const count = run.steps.findIndex((one) => one > step);
    return count < 0 ? run : first(run, count);
  });
}

/** The first moves of a trajectory. */
function first(run: Trajectory, count: number): Trajectory {
  const cut = <T>(list: T[]) => list.slice(0, count);
  return {
    ...run,
    steps: cut(run.steps),
    x: cut(run.x),
    y: cut(run.y),
    soFar: cut(run.soFar),
    value: cut(run.value),
    arms: cut(run.arms),
  };
}

/** What a trajectory brought. */
export const returnOf = (run: Trajectory): number => run.soFar.at(-1) ?? 0;

/** Several trajectories as one line with gaps, and which place of it is whose. */
export function joined(runs: Trajectory[]): Curve & { of: (index: number) => [Trajectory, number] } {
  const [x, y]: [number[], number[]] = [[], []];
  const whose: [Trajectory, number][] = [];
  for (const run of runs) {
    run.x.forEach((_, move) => whose.push([run, move]));
    x.push(...run.x, NaN);
    y.push(...run.y, NaN);
    whose.push([run, run.x.length - 1]);
  }
  return { x: Float64Array.from(x), y: Float64Array.from(y), of: (index) => whose[index]! };
}

/** The mean of the rewards so far over trajectories, of which some may have ended. */
export function meanSoFar(runs: Trajectory[]): number[] {
  const longest = Math.max(...runs.map((run) => run.soFar.length));
  return Array.from({ length: longest }, (_, move) => {
    const sum = runs.reduce((all, run) => all + run.soFar[Math.min(move, run.soFar.length - 1)]!, 0);
    return sum / runs.length;
  });
}

function moved({ x, y }: Curve, by: number): Curve {
  return { x: x.map((value) => value + by), y: y.map((value) => value + by) };
}

function domainOf(curves: Curve[]): Curves["domain"] {
  const ends = (axis: "x" | "y"): [number, number] => {
    let [low, high] = [Infinity, -Infinity];
    for (const curve of curves)
      for (const value of curve[axis])
        if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return low <= high ? [low, high] : [-1, 1];
  };
  return { x: ends("x"), y: ends("y") };
}
