/** Do tasks and shots pull the same way? And which support examples help? */

import type { Columns, Cursor } from "../../generated";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart } from "../../ui/Chart";
import { three } from "../../ui/format";
import { HeatMap } from "../../ui/HeatMap";
import { AFTER, look } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { isOffered, layerOf, layersOf, lookup } from "../link";
import { layerName, manyName } from "../../names";
import { trans } from "../../words";

interface Between {
  title: string;
  one: string;
  other: string;
  to: (place: number) => Partial<Cursor>;
}

function betweenOf(what: string): Between {
  if (what === "shots")
    return {
      title: trans.__("Between shots, before the first step"),
      one: trans.__("support example"),
      other: trans.__("and support example"),
      to: (example) => ({ part: "support", example }),
    };
  if (what === "trajectories")
    return {
      title: trans.__("Between trajectories, before the first step"),
      one: trans.__("trajectory"),
      other: trans.__("and trajectory"),
      to: (example) => ({ example }),
    };
  return {
    title: trans.__("Between tasks' meta-gradients"),
    one: trans.__("task"),
    other: trans.__("and task"),
    to: (task) => ({ task }),
  };
}

const HUGE = 1e6; // a loss that says "impossible"

export function Agreement({ store }: { store: Store }) {
  return (
    <>
      <Inspected store={store} kind="agreement" what={trans.__("cosines between gradients")}>
        {(frame) => (
          <div class="wb-columns">
            {frame.distinct<string>("between").map((between) => (
              <Cosines key={between} store={store} frame={frame} between={between} />
            ))}
          </div>
        )}
      </Inspected>
      <Inspected store={store} kind="signal" what={trans.__("signal to noise by layer")} ownsTable={false}>
        {(frame) => <Signal store={store} frame={frame} />}
      </Inspected>
      {isOffered(store.about.value, "sampling") && (
        <>
          <h3>{trans.__("How many trajectories does a gradient need?")}</h3>
          <Inspected
            store={store}
            kind="sampling"
            what={trans.__("Gradients of 1 to 40 trajectories, 32 of each number")}
            byHand
            ownsTable={false}
          >
            {(frame) => <Sampling store={store} frame={frame} />}
          </Inspected>
        </>
      )}
      {isOffered(store.about.value, "influence") && (
        <>
          <h3>{trans.__("What does each support example do for the query?")}</h3>
          <Inspected
            store={store}
            kind="influence"
            what={trans.__("Leaving each one out")}
            byHand
            ownsTable={false}
          >
            {(frame) => <Influence store={store} frame={frame} />}
          </Inspected>
        </>
      )}
    </>
  );
}

function Sampling({ store, frame }: { store: Store; frame: Frame<Columns["sampling"]> }) {
  const chosen = layerOf(frame, store.cursor.value);
  const layers = [...layersOf(frame).filter((layer) => layer !== chosen), chosen];
  const column = (layer: string, name: Columns["sampling"]) =>
    frame.where({ layer }).numbers(name);
  const [x, low, high] = (["trajectories", "low", "high"] as const).map((n) => column(chosen, n));
  return (
    <Chart
      title={trans.__("Signal to noise by number of trajectories")}
      description={trans.__("the band: its 95% interval over gradients; signal and noise are equal at 1")}
      series={[
        { name: trans.__("95% interval"), kind: "band", x: x!, y: low!, low, high, colour: AFTER, silent: true },
        ...layers.map((layer, place) => ({
          name: layerName(layer),
          x: column(layer, "trajectories"),
          y: column(layer, "ratio"),
          dots: true,
          ...(layer === chosen ? { colour: AFTER } : { ...look(place), thin: true }),
        })),
      ]}
      x={{ label: trans.__("trajectories"), scale: "log" }}
      y={{ label: trans.__("norm of the mean over spread"), switchable: true }}
      chance={1}
    />
  );
}

function Cosines({ store, frame, between }: { store: Store; frame: Frame<Columns["agreement"]>; between: string }) {
  const cursor = store.cursor.value;
  const layer = layerOf(frame, cursor);
  const rows = frame.where({ between, layer });
  const cosine = lookup(rows, ["first", "second"], "cosine");
  const places = [
    ...new Set([...rows.distinct<number>("first"), ...rows.distinct<number>("second")]),
  ].sort((a, b) => a - b);
  const { title, one, other, to } = betweenOf(between);
  const here = places.indexOf(
    between === "tasks" ? cursor.task : cursor.part === "support" ? cursor.example : -1,
  );
  return (
    <HeatMap
      title={`${title}, ${layerName(layer)}`}
      rows={places.map((place) => String(place + 1))}
      columns={places.map((place) => String(place + 1))}
      value={(row, column) => {
        if (row === column) return 1;
        const value = cosine(places[row], places[column]);
        return Number.isNaN(value) ? cosine(places[column], places[row]) : value;
      }}
      label={trans.__("cosine")}
      rowLabel={one}
      columnLabel={other}
      signed
      bound={1}
      marked={{ row: here, column: -1 }}
      onPick={({ row }) => store.move(to(places[row]!))}
    />
  );
}

function Signal({ store, frame }: { store: Store; frame: Frame<Columns["signal"]> }) {
  const names = [...layersOf(frame), "all"];
  const kinds = frame.distinct<string>("between");
  const ratio = lookup(frame, ["between", "layer"], "ratio");
  const conflict = lookup(frame, ["between", "layer"], "conflict");
  const places = names.map((_, place) => place);
  const layer = layerOf(frame, store.cursor.value);
  const said = kinds.map((k) =>
    trans.__("%1% of the pairs of %2", three(100 * conflict(k, layer)), manyName(k)),
  );
  const bars = (value: typeof ratio) =>
    kinds.map((kind, place) => ({
      name: trans.__("between %1", manyName(kind)),
      kind: "bars" as const,
      x: places,
      y: names.map((name) => value(kind, name)),
      colour: look(place).colour,
    }));
  const shared = {
    x: { label: trans.__("layer"), names },
    mark: names.indexOf(layer),
    onPick: ({ x }: { x: number }) =>
      store.move({ layer: names[Math.min(Math.max(Math.round(x), 0), names.length - 1)] }),
  };
  return (
    <>
      <p>
        {trans.__(
          "In %1, %2 are in conflict (their cosine is below 0).",
          layer === "all" ? trans.__("all layers together") : layer,
          said.length < 2 ? said.join() : trans.__("%1 and %2", said.slice(0, -1).join(", "), said.at(-1)),
        )}
      </p>
      <div class="wb-columns">
        <Chart
          title={trans.__("Signal to noise of a single gradient")}
          series={bars(ratio)}
          y={{ label: trans.__("norm of the mean over spread") }}
          {...shared}
        />
        <Chart
          title={trans.__("Pairs in conflict")}
          series={bars(conflict)}
          y={{ label: trans.__("share of pairs"), domain: [0, 1] }}
          {...shared}
        />
      </div>
    </>
  );
}

function Influence({ store, frame }: { store: Store; frame: Frame<Columns["influence"]> }) {
  const { task, part, example } = store.cursor.value;
  const rows = frame.where({ task });
  const examples = Array.from(rows.numbers("example"));
  // Without the only example of a class a method that knows it by its examples cannot tell it.
  const needed = Array.from(rows.numbers("influence"), (value) => value > HUGE);
  const without = examples.filter((_, place) => needed[place]).map((place) => place + 1);
  return (
    <Chart
      title={trans.__("Query loss without it, less the loss with it")}
      description={
        without.length
          ? trans.__(
              "No bar: without support example %1 a class cannot be told at all",
              without.join(", "),
            )
          : trans.__("Above 0 the example helped; below 0 the task goes better without it")
      }
      series={[
        {
          name: trans.__("influence"),
          kind: "bars",
          x: examples.map((_, place) => place),
          y: Array.from(rows.numbers("influence"), (v, place) => (needed[place] ? NaN : v)),
          colour: AFTER,
          describe: (place) => trans.__("support example %1", examples[place]! + 1),
        },
      ]}
      x={{ label: trans.__("support example"), names: examples.map((place) => String(place + 1)) }}
      y={{ label: trans.__("influence on the query loss") }}
      mark={part === "support" ? examples.indexOf(example) : undefined}
      onPick={({ x }) => {
        const found = examples[Math.round(x)];
        if (found !== undefined) store.move({ part: "support", example: found });
      }}
    />
  );
}
