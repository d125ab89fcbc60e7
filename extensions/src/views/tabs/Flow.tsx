/** The meta-gradient on its way back through the inner steps: does it vanish or explode? */

import type { Columns } from "../../generated";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { HeatMap } from "../../ui/HeatMap";
import { FIRST_ORDER, look, SECOND_ORDER } from "../../ui/palette";
import { logOf } from "../dialogs";
import { Inspected } from "../Inspected";
import { layerOf, layersOf, lookup } from "../link";

const LOOKS: Record<string, Partial<Series>> = {
  first: { colour: FIRST_ORDER, marker: 1, dashed: true },
  truncated: { colour: look(0).colour, marker: 2 },
  second: { colour: SECOND_ORDER, marker: 0 },
};

export function Flow({ store }: { store: Store }) {
  return (
    <Inspected store={store} kind="flow" what="flow of the meta-gradient">
      {(frame) => <Way store={store} rows={frame.where({ task: store.cursor.value.task })} />}
    </Inspected>
  );
}

/** What became of the gradient's norm, in words. */
export function wayBack(first: number, last: number, steps: number): string {
  if (!(last > 0) || !Number.isFinite(first)) return "There is no meta-gradient to follow.";
  const factor = first / last;
  const each = factor ** (1 / Math.max(steps, 1));
  const many = steps === 1 ? "1 step" : `${steps} steps`;
  const how = `(${three(each)} times a step)`;
  if (factor < 0.1)
    return `It vanishes: ${three(100 * factor)}% of its norm are left after ${many} back ${how}.`;
  if (factor > 10)
    return `It explodes: its norm is ${three(factor)} times as large after ${many} back ${how}.`;
  return `It comes through: its norm changes by a factor of ${three(factor)} over ${many} back ${how}.`;
}

function Way({ store, rows }: { store: Store; rows: Frame<Columns["flow"]> }) {
  const cursor = store.cursor.value;
  const layers = layersOf(rows);
  const layer = layerOf(rows, cursor);
  const steps = rows.distinct<number>("step").sort((a, b) => a - b);
  const norm = lookup(rows, ["order", "layer", "step"], "norm");
  const last = steps.at(-1) ?? 0;
  const orders = ["first", "truncated", "second"].filter((o) => rows.distinct("order").includes(o));
  const series: Series[] = orders.map((order) => ({
    name: `${order}${order === "truncated" ? "" : " order"}`,
    x: steps,
    y: steps.map((step) => norm(order, layer, step)),
    dots: true,
    ...LOOKS[order],
  }));
  return (
    <>
      <p class="wb-answer">
        {wayBack(norm("second", layer, steps[0]), norm("second", layer, last), last)}
      </p>
      <div class="wb-columns">
        <Chart
          title={`Norm of the meta-gradient, ${layer === "all" ? "all layers" : layer}`}
          description={`It sets out after step ${last} and arrives at step 0`}
          series={series}
          x={{ label: "by the weights after inner step", integer: true }}
          y={{ label: "norm", scale: "log", switchable: true }}
          mark={cursor.step}
          onLog={logOf(store, "flow")}
          onPick={({ x }) => store.move({ step: Math.max(Math.round(x), 0) })}
        />
        <HeatMap
          title="Second order, by layer"
          rows={layers}
          columns={steps.map(String)}
          value={(row, column) => norm("second", layers[row], steps[column])}
          label="norm"
          rowLabel="layer"
          columnLabel="inner step"
          log
          marked={{ row: layers.indexOf(cursor.layer), column: steps.indexOf(cursor.step) }}
          onPick={({ row, column }) => store.move({ layer: layers[row], step: steps[column] })}
        />
      </div>
    </>
  );
}
