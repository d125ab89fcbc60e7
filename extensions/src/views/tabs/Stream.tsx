/** A stream: what is known of every class after every class, and what was forgotten of each. */

import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart } from "../../ui/Chart";
import { three } from "../../ui/format";
import { HeatMap } from "../../ui/HeatMap";
import { look } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { lookup } from "../link";
import { trans } from "../../words";

export function Stream({ store }: { store: Store }) {
  return (
    <>
      <Inspected store={store} kind="stream" what={trans.__("accuracy on every class after every class")}>
        {(frame) => <Matrix store={store} frame={frame} />}
      </Inspected>
      <h3>{trans.__("What was forgotten?")}</h3>
      <Inspected
        store={store}
        kind="transfer"
        what={trans.__("what was learned and forgotten of each class")}
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
  if (!values.length) return trans.__("Nothing has come yet.");
  const mean = (100 * values.reduce((a, b) => a + b, 0)) / values.length;
  return trans._n(
    "After step %2, %3% is right on the one class that came.",
    "After step %2, %3% is right on the %1 classes that came.",
    values.length,
    step,
    three(mean),
  );
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
        title={trans.__("Accuracy on each class after each class")}
        rows={steps.map(String)}
        columns={names}
        value={(row, column) =>
          asked[column]! <= steps[row]! ? 100 * accuracy(steps[row], asked[column]) : null
        }
        label={trans.__("accuracy")}
        unit="%"
        rowLabel={trans.__("after inner step")}
        columnLabel={trans.__("asked about")}
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
        title={trans.__("What was learned, and what is left")}
        series={lines([
          ["learned", trans.__("right after it")],
          ["last", trans.__("after the last class")],
        ])}
        x={{ label: trans.__("class, in the order of the stream"), integer: true }}
        y={{ label: trans.__("accuracy (%)"), domain: [0, 100] }}
      />
      <Chart
        title={trans.__("Forgetting and transfer")}
        series={lines([
          ["forgetting", trans.__("forgetting")],
          ["backward", trans.__("backward transfer")],
          ["forward", trans.__("forward transfer")],
        ])}
        x={{ label: trans.__("class, in the order of the stream"), integer: true }}
        y={{ label: trans.__("change (points)") }}
      />
    </div>
  );
}
