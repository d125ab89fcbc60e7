/** What queries read of a memory, and where examples lie in the embedding. */

import { useSignal } from "@preact/signals";
import type { Columns } from "../../generated";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import { Inspected, useInspection } from "../Inspected";
import { isOffered } from "../link";
import { memoryAfter, readReads } from "../memory/data";
import { ReadsMap } from "../memory/Reads";
import { partName, exampleName, className } from "../../names";
import { trans } from "../../words";

export function Memory({ store }: { store: Store }) {
  const isRead = isOffered(store.about.value, "memory");
  return (
    <div class="wb-columns">
      {isRead && (
        <Inspected store={store} kind="memory" what={trans.__("what queries read")}>
          {(frame) => <WhatIsRead store={store} frame={frame} />}
        </Inspected>
      )}
      <Inspected
        store={store}
        kind="embedding"
        what={trans.__("examples in the embedding")}
        ownsTable={!isRead}
      >
        {(frame) => <Cloud store={store} frame={frame} />}
      </Inspected>
    </div>
  );
}

function WhatIsRead({ store, frame }: { store: Store; frame: Frame<Columns["memory"]> }) {
  const { part, example, lane } = store.cursor.value;
  const steps = store.about.value.lanes?.[lane]?.steps ?? 0;
  const slots = memoryAfter(steps, useInspection(store, "slots").frame, undefined);
  const written = slots.find((one) => one.writers[0]?.example === example);
  const chosen = useSignal("");
  const reads = readReads(frame);
  const head = reads.heads.includes(chosen.value) ? chosen.value : (reads.heads[0] ?? "");
  return (
    <ReadsMap
      reads={reads}
      head={head}
      onHead={(name) => (chosen.value = name)}
      slot={part === "support" ? (written?.slot ?? null) : null}
      query={part === "query" ? example : -1}
      onPick={(query) => store.move({ part: "query", example: query })}
    />
  );
}

function Cloud({ store, frame }: { store: Store; frame: Frame<Columns["embedding"]> }) {
  const cursor = store.cursor.value;
  const steps = frame.distinct<number>("step");
  const step = steps.includes(cursor.step) ? cursor.step : steps.at(-1);
  const rows = frame.where({ step: step ?? 0 });
  const series: Series[] = [];
  const origin: Frame<Columns["embedding"]>[] = [];
  for (const label of [...rows.distinct<number>("label").sort((a, b) => a - b), null]) {
    for (const [part, own] of rows.where({ label }).groups<string>("part")) {
      const name = label === null ? partName(part) : className(label);
      series.push({
        name: `${name}${label === null ? "" : `, ${partName(part)}`}`,
        kind: "points",
        x: own.numbers("x"),
        y: own.numbers("y"),
        ...look(label ?? 0),
        hollow: part === "query",
        describe: (index) =>
          `${exampleName(part, (own.at("example", index) as number) + 1)}, ${name}`,
      });
      origin.push(own);
    }
  }
  const found = rows.where({ part: cursor.part, example: cursor.example });
  if (found.rows) {
    series.push({
      name: trans.__("here"),
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
      title={trans.__("Embedding after step %1", step)}
      description={trans.__(
        "Solid: support, hollow: query; on two principal directions, which hold %1% of the variance",
        three(explained),
      )}
      height={280}
      quietLegend={series.length > 10}
      series={series}
      x={{ label: trans.__("first direction"), domain: span(frame, "x") }}
      y={{ label: trans.__("second direction"), domain: span(frame, "y") }}
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
function span(frame: Frame<Columns["embedding"]>, name: Columns["embedding"]): [number, number] {
  const values = Array.from(frame.numbers(name)).filter(Number.isFinite);
  return [Math.min(...values), Math.max(...values)];
}
