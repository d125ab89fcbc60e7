/** What acting brought: returns, what was lost against who knows the task, and a critic held to it. */

import { type Frame } from "../../frame";
import type { Columns } from "../../generated";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { AFTER } from "../../ui/palette";
import { Inspected } from "../Inspected";

export function Acting({ store }: { store: Store }) {
  return (
    <>
      <Inspected store={store} kind="returns" what="returns of whole episodes">
        {(frame) => <Returns store={store} frame={frame} />}
      </Inspected>
      <Inspected store={store} kind="regret" what="regret by move" ownsTable={false}>
        {(frame) => <Regret store={store} frame={frame} />}
      </Inspected>
      <Inspected store={store} kind="expectations" what="expected and came" ownsTable={false}>
        {(frame) => <Expectations store={store} frame={frame} />}
      </Inspected>
    </>
  );
}

/** The mean of a column at each place of another, over all rows that are at it. */
function means<Column extends string>(frame: Frame<Column>, along: Column, of: Column) {
  const [places, values] = [frame.numbers(along), frame.numbers(of)];
  const sums = new Map<number, [sum: number, count: number]>();
  places.forEach((place, row) => {
    const [sum, count] = sums.get(place) ?? [0, 0];
    sums.set(place, [sum + values[row]!, count + 1]);
  });
  const x = [...sums.keys()].sort((a, b) => a - b);
  return { x, y: x.map((place) => sums.get(place)![0] / sums.get(place)![1]) };
}

/** The task under the cursor, and the mean of all where there are several. */
function ofTasks<Column extends string>(
  store: Store,
  frame: Frame<Column | "task">,
  along: Column,
  of: Column,
): Series[] {
  const { task } = store.cursor.value;
  const tasks = frame.distinct("task").length;
  const own = { name: `task ${task + 1}`, ...means(frame.where({ task }), along, of), colour: AFTER };
  const dots = own.x.length <= 30;
  const all = { name: `mean of ${tasks} tasks`, ...means(frame, along, of), dashed: true };
  return tasks > 1 ? [{ ...own, dots }, { ...all, colour: "var(--wb-quiet)" }] : [{ ...own, dots }];
}

function Returns({ store, frame }: { store: Store; frame: Frame<Columns["returns"]> }) {
  const { task, step } = store.cursor.value;
  const trial = frame.has("episode");
  const own = frame.where({ task });
  const steps = own.numbers("step");
  const made = steps.filter((one) => one <= step).length;
  return (
    <Chart
      title={`Return by ${trial ? "episode" : "inner step"}`}
      description={trial ? undefined : "the mean of a task's trajectories"}
      series={ofTasks(store, frame, trial ? "episode" : "step", "return")}
      x={{ label: trial ? "episode" : "inner step", integer: true }}
      y={{ label: "return" }}
      mark={trial ? made : step}
      onPick={({ x }) => {
        const to = trial ? steps[Math.min(Math.max(Math.round(x), 1), steps.length) - 1] : Math.round(x);
        if (to !== undefined) store.move({ step: Math.max(to, 0) });
      }}
      height={180}
    />
  );
}

function Regret({ store, frame }: { store: Store; frame: Frame<Columns["regret"]> }) {
  const { task, step } = store.cursor.value;
  const own = frame.where({ task });
  const [steps, moves] = [own.numbers("step"), own.numbers("move")];
  return (
    <Chart
      title="Regret by move"
      description="what was lost so far against who knows the task, luck apart"
      series={ofTasks(store, frame, "move", "regret")}
      x={{ label: "move", integer: true }}
      y={{ label: "regret" }}
      mark={moves.filter((_, row) => steps[row]! <= step).length}
      onPick={({ x }) => {
        const to = steps[Math.min(Math.max(Math.round(x), 1), steps.length) - 1];
        if (to !== undefined) store.move({ step: to });
      }}
      height={180}
    />
  );
}

function Expectations({ store, frame }: { store: Store; frame: Frame<Columns["expectations"]> }) {
  const { task, step } = store.cursor.value;
  const own = frame.where({ task });
  const played = own.has("trajectory"); // all of a step's moves were then made by one policy
  const rows = played ? own.where({ step }) : own;
  const [x, y, moves] = [rows.numbers("value"), rows.numbers("return"), rows.numbers("move")];
  const ends = [...x, ...y].filter(Number.isFinite);
  const line = ends.length > 0 ? [Math.min(...ends), Math.max(...ends)] : [];
  return (
    <Chart
      title="Expected and came"
      description={`task ${task + 1}${played ? `, after ${step} inner steps` : ""}: a point a move; on the line both are the same`}
      series={[
        { name: "as expected", x: line, y: line, dashed: true, thin: true, silent: true, colour: "var(--wb-quiet)" },
        {
          name: "move",
          kind: "points",
          x,
          y,
          colour: AFTER,
          describe: (row) => `move ${moves[row]}`,
        },
      ]}
      x={{ label: "expected before the move" }}
      y={{ label: "return that came" }}
      height={220}
    />
  );
}
