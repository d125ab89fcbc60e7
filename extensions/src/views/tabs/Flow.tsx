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
import { layerName } from "../../names";
import { trans } from "../../words";

const orderName = (order: string) =>
  order === "first"
    ? trans.__("first order")
    : order === "second"
      ? trans.__("second order")
      : trans.__("truncated");

const LOOKS: Record<string, Partial<Series>> = {
  first: { colour: FIRST_ORDER, marker: 1, dashed: true },
  truncated: { colour: look(0).colour, marker: 2 },
  second: { colour: SECOND_ORDER, marker: 0 },
};

export function Flow({ store }: { store: Store }) {
  return (
    <Inspected store={store} kind="flow" what={trans.__("flow of the meta-gradient")}>
      {(frame) => <Way store={store} rows={frame.where({ task: store.cursor.value.task })} />}
    </Inspected>
  );
}

/** What became of the gradient's norm, in words. */
export function wayBack(first: number, last: number, steps: number): string {
  if (!(last > 0) || !Number.isFinite(first)) return trans.__("There is no meta-gradient to follow.");
  const factor = first / last;
  const each = factor ** (1 / Math.max(steps, 1));
  const many = trans._n("%1 step", "%1 steps", steps);
  const how = trans.__("(%1 times a step)", three(each));
  if (factor < 0.1)
    return trans.__(
      "It vanishes: %1% of its norm are left after %2 back %3.",
      three(100 * factor),
      many,
      how,
    );
  if (factor > 10)
    return trans.__(
      "It explodes: its norm is %1 times as large after %2 back %3.",
      three(factor),
      many,
      how,
    );
  return trans.__(
    "It comes through: its norm changes by a factor of %1 over %2 back %3.",
    three(factor),
    many,
    how,
  );
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
    name: orderName(order),
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
          title={trans.__("Norm of the meta-gradient, %1", layerName(layer))}
          description={trans.__("It sets out after step %1 and arrives at step 0", last)}
          series={series}
          x={{ label: trans.__("by the weights after inner step"), integer: true }}
          y={{ label: trans.__("norm"), scale: "log", switchable: true }}
          mark={cursor.step}
          onLog={logOf(store, "flow")}
          onPick={({ x }) => store.move({ step: Math.max(Math.round(x), 0) })}
        />
        <HeatMap
          title={trans.__("Second order, by layer")}
          rows={layers}
          columns={steps.map(String)}
          value={(row, column) => norm("second", layers[row], steps[column])}
          label={trans.__("norm")}
          rowLabel={trans.__("layer")}
          columnLabel={trans.__("inner step")}
          log
          marked={{ row: layers.indexOf(cursor.layer), column: steps.indexOf(cursor.step) }}
          onPick={({ row, column }) => store.move({ layer: layers[row], step: steps[column] })}
        />
      </div>
    </>
  );
}
