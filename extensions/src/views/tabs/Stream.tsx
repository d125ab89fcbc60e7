/** A stream: what is known of every class after every class, and what was forgotten of each. */

import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart } from "../../ui/Chart";
import { three } from "../../ui/format";
import { HeatMap } from "../../ui/HeatMap";
import { look } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { lookup } from "../link";

export function Stream({ store }: { store: Store }) {
  return (
    <>
      <Inspected store={store} kind="stream" what="accuracy on every class after every class">
        {(frame) => <Matrix store={store} frame={frame} />}
      </Inspected>
      <h3>What was forgotten?</h3>
      <Inspected
        store={store}
        kind="transfer"
        what="what was learned and forgotten of each class"
        ownsTable={false}
      >
        {(frame) => <Transfer frame={frame} />}
      </Inspected>
    </>
  );
}

/** The mean accuracy on what has come by a step, in words. */
export function known(frame: Frame, step: number): string {
  const rows = frame.where({ step, met: 1 });
  const values = Array.from(rows.numbers("accuracy")).filter(Number.isFinite);
  if (!values.length) return "Nothing has come yet.";
  const mean = (100 * values.reduce((a, b) => a + b, 0)) / values.length;
  const count = values.length === 1 ? "one class" : `${values.length} classes`;
  return `After step ${step}, ${three(mean)}% is right on the ${count} that came.`;
}

function Matrix({ store, frame }: { store: Store; frame: Frame }) {
  const { step } = store.cursor.value;
  const steps = frame.distinct<number>("step").filter((one) => one > 0);
  const asked = frame.distinct<number>("asked");
  const accuracy = lookup(frame, ["step", "asked"], "accuracy");
  const names = asked.map((one) => String(frame.where({ asked: one }).at("name", 0) || one));
  return (
    <>
      <p class="wb-answer">{known(frame, step)}</p>
      <HeatMap
        title="Accuracy on each class after each class"
        rows={steps.map(String)}
        columns={names}
        value={(row, column) =>
          asked[column]! <= steps[row]! ? 100 * accuracy(steps[row], asked[column]) : null
        }
        label="accuracy"
        unit="%"
        rowLabel="after inner step"
        columnLabel="asked about"
        bound={100}
        marked={{ row: steps.indexOf(step), column: -1 }}
        onPick={({ row }) => store.move({ step: steps[row]! })}
      />
    </>
  );
}

function Transfer({ frame }: { frame: Frame }) {
  const x = frame.numbers("stage");
  const percent = (name: string) => Array.from(frame.numbers(name), (value) => 100 * value);
  const lines = (names: [string, string][]) =>
    names.map(([name, said], place) => ({
      name: said,
      x,
      y: percent(name),
      dots: true,
      ...look(place),
    }));
  return (
    <div class="wb-columns">
      <Chart
        title="What was learned, and what is left"
        series={lines([
          ["learned", "right after it"],
          ["last", "after the last class"],
        ])}
        x={{ label: "class, in the order of the stream", integer: true }}
        y={{ label: "accuracy (%)", domain: [0, 100] }}
      />
      <Chart
        title="Forgetting and transfer"
        series={lines([
          ["forgetting", "forgetting"],
          ["backward", "backward transfer"],
          ["forward", "forward transfer"],
        ])}
        x={{ label: "class, in the order of the stream", integer: true }}
        y={{ label: "change (points)" }}
      />
    </div>
  );
}
