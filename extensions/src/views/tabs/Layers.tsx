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
import { layerName, upper } from "../../names";
import { trans } from "../../words";

const KINDS = ["gradient", "update", "distance", "weights"] as const;
type Kind = (typeof KINDS)[number];

/** What each is called on its button, in a title, and in a sentence. */
const wordsOf = (kind: Kind): [name: string, title: string, sentence: string] =>
  ({
    gradient: [
      trans.__("gradient"),
      trans.__("norm of the gradient"),
      trans.__("of the support loss, that the step descended"),
    ],
    update: [
      trans.__("update"),
      trans.__("norm of the update"),
      trans.__("the change that the step made"),
    ],
    distance: [
      trans.__("distance"),
      trans.__("norm of the distance"),
      trans.__("from where the adaptation began"),
    ],
    weights: [
      trans.__("weights"),
      trans.__("norm of the weights"),
      trans.__("of the weights themselves"),
    ],
  })[kind] as [string, string, string];

export function Layers({ store }: { store: Store }) {
  const kind = useSignal<Kind>("gradient");
  return (
    <Inspected store={store} kind="norms" what={trans.__("norms by layer")}>
      {(frame) => {
        const kinds = KINDS.filter((name) => frame.distinct("kind").includes(name));
        const chosen = kinds.includes(kind.value) ? kind.value : (kinds[0] ?? "weights");
        return (
          <>
            <div class="wb-row" role="group" aria-label={trans.__("Whose norm")}>
              {kinds.map((name) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={name === chosen}
                  onClick={() => (kind.value = name)}
                >
                  {wordsOf(name)[0]}
                </button>
              ))}
              <span class="wb-quiet">{wordsOf(chosen)[2]}</span>
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

function Norms({ store, rows, kind }: { store: Store; rows: Frame<Columns["norms"]>; kind: Kind }) {
  const cursor = store.cursor.value;
  const layers = layersOf(rows);
  const steps = rows.distinct<number>("step");
  const norm = lookup(rows, ["layer", "step"], "norm");
  const chosen = layerOf(rows, cursor);
  const series: Series[] = [...layers, "all"].map((layer) => {
    const own = rows.where({ layer });
    const strong = layer === chosen;
    return {
      name: layerName(layer),
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
        title={upper(wordsOf(kind)[1])}
        rows={layers}
        columns={steps.map(String)}
        value={(row, column) => norm(layers[row], steps[column])}
        label={trans.__("norm")}
        rowLabel={trans.__("layer")}
        columnLabel={trans.__("inner step")}
        log
        marked={{ row: layers.indexOf(cursor.layer), column: steps.indexOf(cursor.step) }}
        onPick={({ row, column }) => store.move({ layer: layers[row], step: steps[column] })}
      />
      <Chart
        title={chosen === "all" ? trans.__("All layers together") : chosen}
        quietLegend
        series={series}
        x={{ label: trans.__("inner step"), integer: true }}
        y={{ label: wordsOf(kind)[1], scale: "log", switchable: true }}
        mark={cursor.step}
        onLog={logOf(store, "norms")}
        description={trans.__("Grey: the other layers")}
        onPick={({ x, series: found }) => {
          const name = series[found]?.name;
          store.move({
            step: Math.max(Math.round(x), 0),
            ...(name ? { layer: name === layerName("all") ? "all" : name } : {}),
          });
        }}
      />
    </div>
  );
}
