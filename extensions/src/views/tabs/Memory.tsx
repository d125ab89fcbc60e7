/** What queries read of a memory, and where examples lie in the embedding. */

import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { HeatMap } from "../../ui/HeatMap";
import { look } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { lookup } from "../link";

export function Memory({ store }: { store: Store }) {
  return (
    <div class="wb-columns">
      <Inspected store={store} kind="memory" what="what queries read">
        {(frame) => <Reads store={store} frame={frame} />}
      </Inspected>
      <Inspected store={store} kind="embedding" what="examples in the embedding" ownsTable={false}>
        {(frame) => <Cloud store={store} frame={frame} />}
      </Inspected>
    </div>
  );
}

function Reads({ store, frame }: { store: Store; frame: Frame }) {
  const { part, example } = store.cursor.value;
  const queries = frame.distinct<number>("query");
  const entries = frame.distinct<number>("entry");
  const value = lookup(frame, ["query", "entry"], "value");
  const labels = lookup(frame, ["query"], "label");
  const classes = lookup(frame, ["entry"], "class");
  const attention = frame.at("kind", 0) === "attention";
  return (
    <HeatMap
      title={
        attention ? "Attention of each query to each entry" : "Squared distance to each prototype"
      }
      rows={queries.map((query) => `${query + 1}: class ${labels(query) + 1}`)}
      columns={entries.map((entry) =>
        attention ? `${entry + 1}: class ${classes(entry) + 1}` : `class ${classes(entry) + 1}`,
      )}
      value={(row, column) => value(queries[row], entries[column])}
      label={attention ? "attention" : "squared distance"}
      bound={attention ? 1 : undefined}
      rowLabel="query"
      columnLabel="entry"
      size={20}
      marked={{
        row: part === "query" ? queries.indexOf(example) : -1,
        column: part === "support" && attention ? entries.indexOf(example) : -1,
      }}
      onPick={({ row }) => store.move({ part: "query", example: queries[row]! })}
    />
  );
}

function Cloud({ store, frame }: { store: Store; frame: Frame }) {
  const cursor = store.cursor.value;
  const steps = frame.distinct<number>("step");
  const step = steps.includes(cursor.step) ? cursor.step : steps.at(-1);
  const rows = frame.where({ step: step ?? 0 });
  const series: Series[] = [];
  const origin: Frame[] = [];
  for (const label of [...rows.distinct<number>("label").sort((a, b) => a - b), null]) {
    for (const [part, own] of rows.where({ label }).groups<string>("part")) {
      const name = label === null ? part : `class ${label + 1}`;
      series.push({
        name: `${name}${label === null ? "" : `, ${part}`}`,
        kind: "points",
        x: own.numbers("x"),
        y: own.numbers("y"),
        ...look(label ?? 0),
        hollow: part === "query",
        describe: (index) => `${part} ${(own.at("example", index) as number) + 1}, ${name}`,
      });
      origin.push(own);
    }
  }
  const found = rows.where({ part: cursor.part, example: cursor.example });
  if (found.rows) {
    series.push({
      name: "here",
      kind: "points",
      x: found.numbers("x"),
      y: found.numbers("y"),
      colour: "var(--wb-focus)",
      marker: 5,
      silent: true,
    });
  }
  const explained =
    ((frame.at("explained_x", 0) as number) + (frame.at("explained_y", 0) as number)) * 100;
  return (
    <Chart
      title={`Embedding after step ${step}`}
      description={`Solid: support, hollow: query; on two principal directions, which hold ${three(explained)} % of the variance`}
      height={280}
      quietLegend={series.length > 10}
      series={series}
      x={{ label: "first direction", domain: span(frame, "x") }}
      y={{ label: "second direction", domain: span(frame, "y") }}
      onPick={({ series: which, index }) => {
        const own = origin[which];
        if (!own) return;
        store.move({
          part: own.at("part", index) as "support" | "query",
          example: own.at("example", index) as number,
        });
      }}
    />
  );
}

/** The same axes at every step, so that what moves is the examples. */
function span(frame: Frame, name: string): [number, number] {
  const values = Array.from(frame.numbers(name)).filter(Number.isFinite);
  return [Math.min(...values), Math.max(...values)];
}
