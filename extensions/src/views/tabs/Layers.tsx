/** How large weights, gradients and updates are, layer by layer and step by step. */

import { useSignal } from "@preact/signals";
import type { Columns } from "../../generated";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { HeatMap } from "../../ui/HeatMap";
import { AFTER, BEFORE } from "../../ui/palette";
import { logOf } from "../dialogs";
import { Inspected } from "../Inspected";
import { layerOf, layersOf, lookup } from "../link";

const KINDS: Record<string, string> = {
  gradient: "of the support loss, that the step descended",
  update: "the change that the step made",
  distance: "from where the adaptation began",
  weights: "of the weights themselves",
};

export function Layers({ store }: { store: Store }) {
  const kind = useSignal("gradient");
  return (
    <Inspected store={store} kind="norms" what="norms by layer">
      {(frame) => {
        const kinds = Object.keys(KINDS).filter((name) => frame.distinct("kind").includes(name));
        const chosen = kinds.includes(kind.value) ? kind.value : (kinds[0] ?? "weights");
        return (
          <>
            <div class="wb-row" role="group" aria-label="Whose norm">
              {kinds.map((name) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={name === chosen}
                  onClick={() => (kind.value = name)}
                >
                  {name}
                </button>
              ))}
              <span class="wb-quiet">{KINDS[chosen]}</span>
            </div>
            <Norms
              store={store}
              rows={frame.where({ kind: chosen, task: store.cursor.value.task })}
              kind={chosen}
            />
          </>
        );
      }}
    </Inspected>
  );
}

function Norms({ store, rows, kind }: { store: Store; rows: Frame<Columns["norms"]>; kind: string }) {
  const cursor = store.cursor.value;
  const layers = layersOf(rows);
  const steps = rows.distinct<number>("step");
  const norm = lookup(rows, ["layer", "step"], "norm");
  const chosen = layerOf(rows, cursor);
  const series: Series[] = [...layers, "all"].map((layer) => {
    const own = rows.where({ layer });
    const strong = layer === chosen;
    return {
      name: layer === "all" ? "all layers" : layer,
      x: own.numbers("step"),
      y: own.numbers("norm"),
      colour: strong ? AFTER : BEFORE,
      thin: !strong,
      dots: strong,
    };
  });
  // The chosen one is drawn last, above the others.
  series.sort((a, b) => Number(a.dots) - Number(b.dots));
  return (
    <div class="wb-columns">
      <HeatMap
        title={`Norm of the ${kind}`}
        rows={layers}
        columns={steps.map(String)}
        value={(row, column) => norm(layers[row], steps[column])}
        label="norm"
        rowLabel="layer"
        columnLabel="inner step"
        log
        marked={{ row: layers.indexOf(cursor.layer), column: steps.indexOf(cursor.step) }}
        onPick={({ row, column }) => store.move({ layer: layers[row], step: steps[column] })}
      />
      <Chart
        title={chosen === "all" ? "All layers together" : chosen}
        quietLegend
        series={series}
        x={{ label: "inner step", integer: true }}
        y={{ label: `norm of the ${kind}`, scale: "log", switchable: true }}
        mark={cursor.step}
        onLog={logOf(store, "norms")}
        description="Grey: the other layers"
        onPick={({ x, series: found }) => {
          const name = series[found]?.name;
          store.move({
            step: Math.max(Math.round(x), 0),
            ...(name ? { layer: name === "all layers" ? "all" : name } : {}),
          });
        }}
      />
    </div>
  );
}
