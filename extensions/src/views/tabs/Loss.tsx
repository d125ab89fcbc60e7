/** Loss, and accuracy or reward, after every inner step: all lanes, the cursor's task strong. */

import { laneName } from "../../facts";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { BEFORE, look } from "../../ui/palette";
import { Inspected } from "../Inspected";

const NAMES: Record<string, { label: string; unit?: string }> = {
  accuracy: { label: "accuracy" },
  mse: { label: "mean squared error" },
  reward: { label: "reward so far" },
};

export function Loss({ store }: { store: Store }) {
  return (
    <Inspected store={store} kind="steps" what="loss by step">
      {(frame) => {
        const measures = ["loss", "accuracy", "mse", "reward"].filter((name) => frame.has(name));
        // For regression the loss is the squared error: one picture says both.
        const shown = measures.filter((name) => name !== "mse" || !measures.includes("loss"));
        const loss = frame.has("accuracy")
          ? { label: "cross-entropy", unit: "nats" }
          : { label: "squared error" };
        return (
          <div class="wb-columns">
            {shown.map((measure) => (
              <Measure
                key={measure}
                store={store}
                measure={measure}
                {...(NAMES[measure] ?? loss)}
              />
            ))}
          </div>
        );
      }}
    </Inspected>
  );
}

interface Props {
  store: Store;
  measure: string;
  label: string;
  unit?: string;
}

function Measure({ store, measure, label, unit }: Props) {
  const { task, step, lane } = store.cursor.value;
  const lanes = store.about.value.lanes ?? [];
  const series: Series[] = [];
  const laneOf: number[] = [];
  lanes.forEach((_, place) => {
    const frame = store.frames.value[`${place}:steps`];
    if (!frame?.has(measure)) return;
    for (const [part, rows] of frame.groups<string>("part")) {
      if (place === lane && part !== "support") {
        for (const [other, ghost] of rows.groups("task")) {
          if (other === task) continue;
          series.push({
            ...line(ghost, measure),
            name: `task ${Number(other) + 1}`,
            thin: true,
            silent: true,
            colour: BEFORE,
          });
          laneOf.push(place);
        }
      }
      const { colour, marker } = look(place);
      const hollow = part === "query";
      const name =
        lanes.length > 1 ? `${part}, ${place === 0 ? "first" : `branch ${place}`}` : part;
      series.push({
        ...line(rows.where({ task }), measure),
        name,
        colour,
        marker,
        hollow,
        dashed: hollow,
        dots: true,
      });
      laneOf.push(place);
    }
  });
  const others = series.some((one) => one.silent);
  const branches = lanes.slice(1).map((_, place) => laneName(lanes, place + 1));
  const says = [
    ...(others ? [`Thin lines: the other tasks' query ${label}`] : []),
    ...branches,
  ].join(" · ");
  return (
    <Chart
      title={`${label[0]!.toUpperCase()}${label.slice(1)} by step`}
      description={says}
      series={series}
      x={{ label: measure === "reward" ? "move" : "inner step", integer: true }}
      y={{
        label,
        unit,
        switchable: measure !== "accuracy",
        domain: measure === "accuracy" ? [0, 1] : undefined,
      }}
      mark={step}
      onPick={({ x, series: found }) =>
        store.move({
          step: Math.max(Math.round(x), 0),
          ...(found >= 0 && !series[found]?.silent ? { lane: laneOf[found] } : {}),
        })
      }
    />
  );
}

const line = (rows: Frame, measure: string) => ({
  x: rows.numbers(rows.has("move") ? "move" : "step"),
  y: rows.numbers(measure),
});
