/** Control in the plane: where the policy goes before and after it adapts, and what that brings. */

import { type Signal, useSignal } from "@preact/signals";
import type { Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { useUnique } from "../../ui/hooks";
import { BEFORE, stepColour } from "../../ui/palette";
import type { Scale } from "../../ui/scales";
import { panelOf } from "./CurveView";
import { type Curves, some } from "./data";
import type { Editor } from "./edits";
import { Robot } from "./Robot";
import { joined, meanSoFar, type Paths, returnOf, type Trajectory } from "./paths";
import { trans } from "../../words";
import { stepName } from "../../facts";

const GHOSTS = 6; // earlier steps or episodes that are shown: more hide each other
const STAR = 6;

/** A group of trajectories with its look and name, back to front as they are drawn. */
interface Group {
  name: string;
  runs: Trajectory[];
  colour: string;
  /** What the legend calls it and those like it. */
  legend?: string;
}

/** What is seen at a step: what was before, what lies between, and what is. */
export function groupsOf(paths: Paths, step: number, colour: string): Group[] {
  const now = paths.at(step);
  if (paths.trial) {
    const last = now.length - 1;
    const between = some(Math.max(last - GHOSTS, 0), last, GHOSTS);
    const said =
      between.length > 1
        ? trans.__("episodes %1–%2", between[0]! + 1, last)
        : trans.__("episode %1", last);
    return now
      .filter((_, k) => k === last || between.includes(k))
      .map((run, k, all) => ({
        name: trans.__("episode %1", run.number + 1),
        runs: [run],
        colour: k === all.length - 1 ? colour : stepColour(k + 1, all.length),
        legend: k === all.length - 1 ? undefined : said,
      }));
  }
  const ghosts = some(1, step, GHOSTS).map((k) => ({
    name: stepName(k),
    runs: paths.at(k),
    colour: stepColour(k, step),
    legend: step === 2 ? stepName(1) : trans.__("steps 1–%1", step - 1),
  }));
  const before = { name: trans.__("before"), runs: paths.at(0), colour: BEFORE };
  if (step === 0) return [before];
  return [before, ...ghosts, { name: stepName(step), runs: now, colour }];
}

interface Props {
  store: Store;
  paths: Paths;
  step: number;
  colour: string;
  /** What all lanes' axes hold. */
  domain: Curves["domain"];
  editor?: Editor;
  height?: number;
}

export function PathsView(props: Props) {
  const { store, paths, step } = props;
  const asked = useSignal<number | null>(null); // a move that is looked at; null is the last
  const runs = paths.at(step);
  const run = chosenOf(paths, runs, store.cursor.value.example);
  if (!run) return <p class="wb-empty">{trans.__("no trajectory was made yet")}</p>;
  const last = run.steps.length - 1;
  const move = paths.trial ? last : Math.min(asked.value ?? last, last);
  return (
    <div onPointerUp={(event) => panelOf(event.currentTarget)?.focus({ preventScroll: true })}>
      {paths.placed && <Plane {...props} run={run} move={move} />}
      {!paths.trial && <Moves asked={asked} move={move} last={last} run={run} />}
      {store.about.value.renders && <Robot store={store} step={step} trial={paths.trial} />}
      <Rewards {...props} run={run} move={move} asked={asked} />
    </div>
  );
}

/** The trajectory that is looked at: of a trial the episode that goes on. */
function chosenOf(paths: Paths, runs: Trajectory[], example: number): Trajectory | undefined {
  return paths.trial ? runs.at(-1) : (runs.find((run) => run.number === example) ?? runs[0]);
}

interface Chosen extends Props {
  run: Trajectory;
  move: number;
}

function Plane(props: Chosen) {
  const { paths, step, colour, domain, editor, run, move, store, height = 260 } = props;
  const groups = groupsOf(paths, step, colour);
  const lines = groups.map((group) => joined(group.runs));
  const series: Series[] = groups.map((group, k) => ({
    name: group.name,
    ...lines[k]!,
    thin: true,
    colour: group.colour,
    silent: group.legend !== undefined,
    legend: group.legend,
    describe: (index) => {
      const [whose, at] = lines[k]!.of(index);
      const made = paths.trial ? "" : ` · ${trans.__("trajectory %1", whose.number + 1)}`;
      return `${group.name}${made} · ${trans.__("move %1", at)}`;
    },
  }));
  const upTo = { x: run.x.slice(0, move + 1), y: run.y.slice(0, move + 1) };
  series.push({ name: trans.__("chosen"), ...upTo, colour: groups.at(-1)!.colour, silent: true });
  const arm = run.arms[move];
  if (arm) {
    const joints = trans.__("joints");
    series.push({ name: joints, ...arm, colour: "var(--wb-ink)", dots: true, silent: true, legend: joints });
  };
  series.push({
    name: paths.trial
      ? trans.__("move %1", move)
      : trans.__("trajectory %1, move %2", run.number + 1, move),
    x: [run.x[move]!],
    y: [run.y[move]!],
    kind: "points",
    colour: groups.at(-1)!.colour,
  });
  const goal = goalOf(paths, editor, store.cursor.value.task);
  const which = series.length;
  if (goal)
    series.push({
      name: trans.__("goal"),
      ...goal,
      kind: "points",
      marker: STAR,
      draggable: editor !== undefined,
      describe: () => trans.__("goal"),
    });
  return (
    <Chart
      title={trans.__("Trajectories")}
      description={goal && editor ? trans.__("Drag the goal, and the adaptation follows") : undefined}
      series={series}
      x={{ label: "x", domain: domain.x }}
      y={{ label: "y", domain: domain.y, limits: domain.y }}
      height={height}
      even
      under={paths.walls.x.length > 0 ? (x, y) => <Walls paths={paths} x={x} y={y} /> : undefined}
      onPick={({ series: one, index }) => {
        const found = lines[one]?.of(index);
        if (!found) return;
        if (paths.trial) store.move({ step: found[0].steps[found[1]]! });
        else store.move({ example: found[0].number });
      }}
      onDrag={editor && (({ x, y, series: one }) => one === which && editor.aim(x, y))}
    />
  );
}

/** The goal, where the hand has it. */
function goalOf(paths: Paths, editor: Editor | undefined, task: number) {
  const held = editor?.aimed.value;
  if (held?.task === task) return { x: [held.x], y: [held.y] };
  return paths.goal.x.length === 1 ? paths.goal : null;
}

function Walls({ paths: { walls }, x, y }: { paths: Paths; x: Scale; y: Scale }) {
  return (
    <g class="wb-walls">
      {Array.from(walls.x, (place, k) => (
        <rect
          key={k}
          x={x(place - 0.5)}
          y={y(walls.y[k]! + 0.5)}
          width={x(1) - x(0)}
          height={y(0) - y(1)}
        />
      ))}
    </g>
  );
}

/** Goes through the moves of the trajectory that is looked at. */
function Moves({ asked, move, last, run }: { asked: Signal<number | null>; move: number; last: number; run: Trajectory }) {
  const id = useUnique();
  const said = trans.__("%1 of %2", move, last);
  return (
    <div class="wb-row wb-moves">
      <label for={id}>{trans.__("trajectory %1, move", run.number + 1)}</label>
      <input
        id={id}
        type="range"
        min={0}
        max={last}
        step={1}
        value={move}
        aria-valuetext={said}
        onInput={(event) => {
          const at = event.currentTarget.valueAsNumber;
          asked.value = at === last ? null : at;
        }}
      />
      <span class="wb-figure">{said}</span>
    </div>
  );
}

function Rewards({ store, paths, step, colour, run, move, asked }: Chosen & { asked: Signal<number | null> }) {
  const groups = groupsOf(paths, step, colour);
  const moves = (list: ArrayLike<number>) => Array.from(list, (_, k) => k);
  const series: Series[] = groups.map((group, k) => {
    const y = meanSoFar(group.runs);
    const thin = k < groups.length - 1 && group.legend !== undefined;
    return { name: group.name, x: moves(y), y, colour: group.colour, thin, silent: thin, legend: group.legend };
  });
  if (!paths.trial && groups.at(-1)!.runs.length > 1)
    series.push({
      name: trans.__("trajectory %1", run.number + 1),
      x: moves(run.soFar),
      y: run.soFar,
      colour: groups.at(-1)!.colour,
      thin: true,
    });
  if (run.value.some(Number.isFinite))
    series.push({
      name: trans.__("value expected"),
      x: moves(run.value),
      y: run.value,
      dashed: true,
      colour: "var(--wb-quiet)",
    });
  const said = paths.trial
    ? ""
    : trans._n(
        "the mean of %1 trajectory",
        "the mean of %1 trajectories",
        groups.at(-1)!.runs.length,
      );
  return (
    <Chart
      title={trans.__("Reward so far")}
      description={said}
      series={series}
      x={{ label: trans.__("move"), integer: true }}
      y={{ label: trans.__("reward") }}
      mark={move}
      onPick={({ x }) => {
        const at = Math.min(Math.max(Math.round(x), 0), run.steps.length - 1);
        if (paths.trial) store.move({ step: run.steps[at]! });
        else asked.value = at === run.steps.length - 1 ? null : at;
      }}
      height={160}
      tight
    />
  );
}

/** Every trajectory (of a trial every episode) and its return; the one that is looked at stands out. */
export function PathList({ store, paths, step, last }: { store: Store; paths: Paths; step: number; last: number }) {
  const runs = paths.at(step);
  const chosen = chosenOf(paths, runs, store.cursor.value.example);
  const word = paths.trial ? trans.__("episode") : trans.__("trajectory");
  const listed = paths.trial ? paths.at(last) : runs;
  const many = listed.length > 12;
  const apart = new Set(listed.map((run) => run.steps.length)).size > 1; // some ended earlier
  return (
    <ol class="wb-pulls" tabIndex={0} aria-label={paths.trial ? trans.__("Episodes") : trans.__("Trajectories")} data-many={many}>
      {listed.map((whole) => {
        const run = runs.find((one) => one.number === whole.number);
        const moves = (run ?? whole).steps.length - 1;
        const brought = three(returnOf(run ?? whole));
        const inMoves = trans._n("%1 move", "%1 moves", moves);
        return (
          <li
            key={whole.number}
            aria-current={whole.number === chosen?.number ? "true" : undefined}
            data-later={run === undefined}
          >
            <button
              type="button"
              tabIndex={-1}
              onClick={() =>
                store.move(paths.trial ? { step: whole.steps.at(-1)! } : { example: whole.number })
              }
              title={trans.__("%1 %2: %3 in %4", word, whole.number + 1, brought, inMoves)}
            >
              <span class="wb-quiet">{whole.number + 1}</span>
              {!many && <span>{apart ? inMoves : word}</span>}
              <b>{brought}</b>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
