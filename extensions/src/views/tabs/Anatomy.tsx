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
import { layerName } from "../../names";
import { trans } from "../../words";

const FEW = 12; // steps beside whose corrections the first order can stand on one axis

export function Anatomy({ store }: { store: Store }) {
  const inParts = isOffered(store.about.value, "anatomy");
  return (
    <>
      {inParts && (
        <Inspected store={store} kind="anatomy" what={trans.__("anatomy of the meta-gradient")}>
          {(frame) => <Parts store={store} frame={frame} />}
        </Inspected>
      )}
      <h3>{trans.__("Does the learner's own meta-gradient hold against finite differences?")}</h3>
      <Inspected
        store={store}
        kind="certificate"
        what={trans.__("The certificate")}
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
  const turned = Number.isFinite(first)
    ? trans.__(
        "first order alone would point %1° away from the exact meta-gradient and be %2 times as long",
        three(angle),
        three(first / full),
      )
    : trans.__(
        "first order alone would point %1° away from the exact meta-gradient",
        three(angle),
      );
  if (!Number.isFinite(part))
    return { number: "–", words: trans.__("the meta-gradient is zero here") };
  const number = `${three(100 * part)}%`;
  if (part < 0.01) return { number, words: trans.__("Hardly second order: %1", turned) };
  if (part < 0.1) return { number, words: trans.__("A little: %1", turned) };
  if (part < 0.5) return { number, words: trans.__("Yes, it is second order: %1", turned) };
  return { number, words: trans.__("Very much so: %1", turned) };
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
    name: trans.__("first order"),
    kind: "bars",
    x: [0],
    y: [share(layer, "first order")],
    colour: FIRST_ORDER,
  };
  const ofSteps: Series = {
    name: trans.__("correction of a step"),
    kind: "bars",
    x: steps,
    y: steps.map((step) => stepShare(layer, step)),
    colour: SECOND_ORDER,
  };
  return (
    <>
      <p class="wb-answer">
        {layer === "all"
          ? trans.__("Is this really second order?")
          : trans.__("Is this really second order in %1?", layer)}{" "}
        <strong>{number}</strong> {words}.
        <span class="wb-quiet">
          {" "}
          {trans.__("(Norm of the second-order part over that of the whole; mean over the tasks.)")}
        </span>
      </p>
      <div class="wb-columns">
        <Chart
          title={trans.__("Norm of the parts by layer")}
          series={[
            {
              name: trans.__("first order"),
              kind: "bars",
              x: places,
              y: names.map((n) => norm(n, "first order")),
              colour: FIRST_ORDER,
            },
            {
              name: trans.__("second order"),
              kind: "bars",
              x: places,
              y: names.map((n) => norm(n, "second order")),
              colour: SECOND_ORDER,
            },
          ]}
          x={{ label: trans.__("layer"), names }}
          y={{ label: trans.__("norm"), switchable: true }}
          mark={names.indexOf(layer)}
          onPick={({ x }) =>
            store.move({ layer: names[Math.min(Math.max(Math.round(x), 0), names.length - 1)] })
          }
        />
        <Chart
          title={trans.__("Share of the whole, %1", layerName(layer))}
          description={trans.__(
            "First order %1: it and all steps sum to 1",
            three(share(layer, "first order")),
          )}
          series={[...(steps.length > FEW ? [] : [ofFirst]), ofSteps]}
          overlaid
          x={{ label: trans.__("correction of inner step"), names: [trans.__("first"), ...steps.map(String)] }}
          y={{ label: trans.__("share") }}
          mark={steps.includes(cursor.step) ? cursor.step : undefined}
          onPick={({ x }) => store.move({ step: Math.max(Math.round(x), 0) })}
        />
      </div>
      <HeatMap
        title={trans.__("Share of each step's correction by layer")}
        rows={layers}
        columns={steps.map(String)}
        value={(row, column) => stepShare(layers[row], steps[column])}
        label={trans.__("share")}
        rowLabel={trans.__("layer")}
        columnLabel={trans.__("inner step")}
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
    return <p>{trans.__("The loss has kinks right here, so that finite differences say nothing.")}</p>;
  const worst = Math.max(...Array.from(rows.numbers("error")));
  return (
    <p>
      {trans._n(
        "Largest relative error over %1 direction:",
        "Largest relative error over %1 directions:",
        rows.rows,
      )}{" "}
      <strong>{three(worst)}</strong>.{" "}
      {worst < 1e-4
        ? trans.__("The learner follows the exact gradient of its meta-loss.")
        : trans.__(
            "The learner leaves out a part of the gradient of its meta-loss: this is how much.",
          )}
    </p>
  );
}
