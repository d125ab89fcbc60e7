/** What acting brought: returns, what was lost against who knows the task, and a critic held to it. */

import { type Frame } from "../../frame";
import type { Columns } from "../../generated";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { AFTER } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { trans } from "../../words";

export function Acting({ store }: { store: Store }) {
  return (
    <>
      <Inspected store={store} kind="returns" what={trans.__("returns of whole episodes")}>
        {(frame) => <Returns store={store} frame={frame} />}
      </Inspected>
      <Inspected store={store} kind="regret" what={trans.__("regret by move")} ownsTable={false}>
        {(frame) => <Regret store={store} frame={frame} />}
      </Inspected>
      <Inspected store={store} kind="expectations" what={trans.__("expected and came")} ownsTable={false}>
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
  const own = { name: trans.__("task %1", task + 1), ...means(frame.where({ task }), along, of), colour: AFTER };
  const dots = own.x.length <= 30;
  const all = { name: trans._n("mean of %1 task", "mean of %1 tasks", tasks), ...means(frame, along, of), dashed: true };
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
      title={trial ? trans.__("Return by episode") : trans.__("Return by inner step")}
      description={trial ? undefined : trans.__("the mean of a task's trajectories")}
      series={ofTasks(store, frame, trial ? "episode" : "step", "return")}
      x={{ label: trial ? trans.__("episode") : trans.__("inner step"), integer: true }}
      y={{ label: trans.__("return") }}
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
      title={trans.__("Regret by move")}
      description={trans.__("what was lost so far against who knows the task, luck apart")}
      series={ofTasks(store, frame, "move", "regret")}
      x={{ label: trans.__("move"), integer: true }}
      y={{ label: trans.__("regret") }}
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
      title={trans.__("Expected and came")}
      description={[
        trans.__("task %1", task + 1),
        ...(played ? [trans._n("after %1 inner step", "after %1 inner steps", step)] : []),
        trans.__("a point a move; on the line both are the same"),
      ].join(", ")}
      series={[
        { name: trans.__("as expected"), x: line, y: line, dashed: true, thin: true, silent: true, colour: "var(--wb-quiet)" },
        {
          name: trans.__("move"),
          kind: "points",
          x,
          y,
          colour: AFTER,
          describe: (row) => trans.__("move %1", moves[row]),
        },
      ]}
      x={{ label: trans.__("expected before the move") }}
      y={{ label: trans.__("return that came") }}
      height={220}
    />
  );
}
