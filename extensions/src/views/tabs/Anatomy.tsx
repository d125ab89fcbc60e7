/** What the meta-gradient is made of: is this really second order? */

import type { Columns } from "../../generated";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { HeatMap } from "../../ui/HeatMap";
import { FIRST_ORDER, SECOND_ORDER } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { isOffered, layerOf, layersOf, lookup } from "../link";

const FEW = 12; // steps beside whose corrections the first order can stand on one axis

export function Anatomy({ store }: { store: Store }) {
  const inParts = isOffered(store.about.value, "anatomy");
  return (
    <>
      {inParts && (
        <Inspected store={store} kind="anatomy" what="anatomy of the meta-gradient">
          {(frame) => <Parts store={store} frame={frame} />}
        </Inspected>
      )}
      <h3>Does the learner's own meta-gradient hold against finite differences?</h3>
      <Inspected
        store={store}
        kind="certificate"
        what="The certificate"
        byHand
        ownsTable={!inParts}
      >
        {(frame) => <Certificate frame={frame} />}
      </Inspected>
    </>
  );
}

/** How much of the meta-gradient is second order, as one number in words. */
export function answer(
  second: number,
  full: number,
  cosine: number,
  first = NaN,
): { number: string; words: string } {
  const part = second / full;
  const angle = (Math.acos(Math.min(Math.max(cosine, -1), 1)) * 180) / Math.PI;
  const length = Number.isFinite(first) ? ` and be ${three(first / full)} times as long` : "";
  const turned = `first order alone would point ${three(angle)}° away from the exact meta-gradient${length}`;
  if (!Number.isFinite(part)) return { number: "–", words: "the meta-gradient is zero here" };
  const number = `${three(100 * part)}%`;
  if (part < 0.01) return { number, words: `Hardly second order: ${turned}` };
  if (part < 0.1) return { number, words: `A little: ${turned}` };
  if (part < 0.5) return { number, words: `Yes, it is second order: ${turned}` };
  return { number, words: `Very much so: ${turned}` };
}

function Parts({ store, frame }: { store: Store; frame: Frame<Columns["anatomy"]> }) {
  const cursor = store.cursor.value;
  const layers = layersOf(frame);
  const names = [...layers, "all"];
  const layer = layerOf(frame, cursor);
  const norm = lookup(frame, ["layer", "term"], "norm");
  const cosine = lookup(frame, ["layer", "term"], "cosine");
  const share = lookup(frame, ["layer", "term"], "share");
  const corrections = frame.where({ term: "step" });
  const stepShare = lookup(corrections, ["layer", "step"], "share");
  const steps = corrections.distinct<number>("step").sort((a, b) => a - b);
  const { number, words } = answer(
    norm(layer, "second order"),
    norm(layer, "full"),
    cosine(layer, "first order"),
    norm(layer, "first order"),
  );
  const places = names.map((_, place) => place);
  const ofFirst: Series = {
    name: "first order",
    kind: "bars",
    x: [0],
    y: [share(layer, "first order")],
    colour: FIRST_ORDER,
  };
  const ofSteps: Series = {
    name: "correction of a step",
    kind: "bars",
    x: steps,
    y: steps.map((step) => stepShare(layer, step)),
    colour: SECOND_ORDER,
  };
  return (
    <>
      <p class="wb-answer">
        Is this really second order{layer === "all" ? "" : ` in ${layer}`}?{" "}
        <strong>{number}</strong> {words}.
        <span class="wb-quiet">
          {" "}
          (Norm of the second-order part over that of the whole; mean over the tasks.)
        </span>
      </p>
      <div class="wb-columns">
        <Chart
          title="Norm of the parts by layer"
          series={[
            {
              name: "first order",
              kind: "bars",
              x: places,
              y: names.map((n) => norm(n, "first order")),
              colour: FIRST_ORDER,
            },
            {
              name: "second order",
              kind: "bars",
              x: places,
              y: names.map((n) => norm(n, "second order")),
              colour: SECOND_ORDER,
            },
          ]}
          x={{ label: "layer", names }}
          y={{ label: "norm", switchable: true }}
          mark={names.indexOf(layer)}
          onPick={({ x }) =>
            store.move({ layer: names[Math.min(Math.max(Math.round(x), 0), names.length - 1)] })
          }
        />
        <Chart
          title={`Share of the whole, ${layer === "all" ? "all layers" : layer}`}
          description={`First order ${three(share(layer, "first order"))}: it and all steps sum to 1`}
          series={[...(steps.length > FEW ? [] : [ofFirst]), ofSteps]}
          overlaid
          x={{ label: "correction of inner step", names: ["first", ...steps.map(String)] }}
          y={{ label: "share" }}
          mark={steps.includes(cursor.step) ? cursor.step : undefined}
          onPick={({ x }) => store.move({ step: Math.max(Math.round(x), 0) })}
        />
      </div>
      <HeatMap
        title="Share of each step's correction by layer"
        rows={layers}
        columns={steps.map(String)}
        value={(row, column) => stepShare(layers[row], steps[column])}
        label="share"
        rowLabel="layer"
        columnLabel="inner step"
        signed
        marked={{ row: layers.indexOf(cursor.layer), column: steps.indexOf(cursor.step) }}
        onPick={({ row, column }) => store.move({ layer: layers[row], step: steps[column] })}
      />
    </>
  );
}

function Certificate({ frame }: { frame: Frame<Columns["certificate"]> }) {
  const rows = frame.where((row) => ((frame.at("unsure", row) as number | null) ?? 0) < 1e-2);
  if (rows.rows === 0)
    return <p>The loss has kinks right here, so that finite differences say nothing.</p>;
  const worst = Math.max(...Array.from(rows.numbers("error")));
  return (
    <p>
      Largest relative error over {rows.rows} {rows.rows === 1 ? "direction" : "directions"}:{" "}
      <strong>{three(worst)}</strong>.{" "}
      {worst < 1e-4
        ? "The learner follows the exact gradient of its meta-loss."
        : "The learner leaves out a part of the gradient of its meta-loss: this is how much."}
    </p>
  );
}
