/** What the runs that are drawn measured: learning curves, diagnostics, adaptations. */

import { type Signal, useSignal } from "@preact/signals";
import type { ListedRun, Measure, TrainAbout } from "../../generated";
import { type Frame } from "../../frame";
import { chanceOf, factorOf, labelOf, scaleOf, unitOf } from "../../measure";
import { aboutAs, type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { Form } from "../../ui/Form";
import { look, stepColour } from "../../ui/palette";
import { smoothed } from "../../ui/smooth";
import { type Axis } from "../../ui/scales";
import { type Window } from "../../ui/window";
import { logOf } from "../dialogs";
import { trans } from "../../words";

const axisOf = (by: View["by"]): Axis =>
  by === "seconds"
    ? { label: trans.__("training time"), unit: "s" }
    : { label: trans.__("outer step"), integer: true };
const MOST = 8; // adaptations that are drawn

/** A run's colour and marker stay with it while newer runs come. */
export const looks = (runs: ListedRun[], name: string) =>
  look(runs.length - 1 - runs.findIndex((run) => run.name === name));

interface View {
  by: "iteration" | "seconds";
  smoothing: number;
  window: Signal<Window | null>;
}

export function Curves({ store }: { store: Store }) {
  const about = aboutAs<TrainAbout>(store);
  const runs = about.runs ?? [];
  const fields = about.looks ?? [];
  const window = useSignal<Window | null>(null);
  const value = (name: string) => fields.find((field) => field.name === name)?.value;
  const view: View = {
    by: value("along") === "time" ? "seconds" : "iteration",
    smoothing: Number(value("smoothing") ?? 0),
    window,
  };
  if (!Object.keys(store.frames.value).some((name) => name.startsWith("run:")))
    return (
      <p class="wb-empty">
        {runs.length
          ? trans.__("Nothing has been measured yet.")
          : trans.__("No runs yet: start one. It trains on when the notebook is closed.")}
      </p>
    );
  return (
    <>
      <div class="wb-looks">
        <Form
          title={trans.__("How curves are drawn")}
          bare
          fields={fields}
          onChange={(name, next) => {
            if (name === "along") window.value = null;
            store.send("show", { [name]: next }, { latest: name }).catch(() => {});
          }}
        />
        {window.value ? (
          <button type="button" onClick={() => (window.value = null)}>
            {trans.__("Show all")}
          </button>
        ) : (
          <span class="wb-quiet">
            {trans.__("Drag over a part to see it closely; or + and - on a chart.")}
          </span>
        )}
      </div>
      <Learning store={store} runs={runs} view={view} />
      <Inside store={store} runs={runs} view={view} />
      <Adaptations store={store} runs={runs} />
    </>
  );
}

interface Shown {
  store: Store;
  runs: ListedRun[];
  view: View;
}

/** Seeds of one experiment are drawn together where Python sends their band. */
function Learning({ store, runs, view }: Shown) {
  const frames = store.frames.value;
  const banded = new Set(runs.map((run) => run.group).filter((group) => frames[`seeds:${group}`]));
  const drawn = runs.flatMap((run): [string, Frame, number][] => {
    if (!banded.has(run.group)) return frames[`run:${run.name}`] ? [[run.name, frames[`run:${run.name}`]!, 1]] : [];
    if (run.group !== run.name) return [];
    const count = runs.filter((one) => one.group === run.group && frames[`run:${one.name}`]).length;
    return [[run.name, frames[`seeds:${run.group}`]!, count]];
  });
  // A band bears the name of its oldest run, which may itself be put away.
  for (const group of banded)
    if (!drawn.some(([name]) => name === group))
      drawn.push([group, frames[`seeds:${group}`]!, runs.filter((one) => one.group === group && one.drawn).length]);
  const measures = new Map(
    drawn.flatMap(([, frame]) =>
      frame.distinct<string>("metric").map((name) => [name, frame.measure(name)] as const),
    ),
  );
  const parts = (metric: string) => {
    const splits = drawn.flatMap(([, frame]) => frame.where({ metric }).distinct<string>("split"));
    const interval = !banded.size
      ? trans.__("validation with markers and its 95% interval over tasks")
      : drawn.some(([, , count]) => count === 1)
        ? trans.__("validation with markers and its 95% interval over seeds or tasks")
        : trans.__("validation with markers and its 95% interval over seeds");
    const training = view.smoothing
      ? trans.__("training thin, smoothed by %1", view.smoothing)
      : trans.__("training thin");
    return [
      splits.includes("train") && training,
      splits.includes("validation") && interval,
    ]
      .filter(Boolean)
      .join(", ");
  };
  return (
    <>
      {[...measures].map(([metric, measure]) => (
        <Chart
          key={metric}
          title={labelOf(measure)}
          description={parts(metric)}
          series={drawn.flatMap(([name, frame, count]) =>
            curves(frame.where({ metric }), count > 1 ? trans.__("%1, mean of %2 seeds", name, count) : name, looks(runs, name), measure, view),
          )}
          x={axisOf(view.by)}
          y={{ label: metric, unit: unitOf(measure), scale: scaleOf(measure), switchable: true }}
          chance={chanceOf(measure)}
          onLog={measure.unit === "%" ? undefined : logOf(store, "training", metric)}
          window={view.window.value}
          onWindow={(next) => (view.window.value = next)}
        />
      ))}
    </>
  );
}

function curves(
  frame: Frame,
  name: string,
  { colour, marker }: ReturnType<typeof look>,
  measure: Measure,
  { by, smoothing }: View,
): Series[] {
  const factor = factorOf(measure);
  const times = (values: ArrayLike<number>) => Array.from(values, (value) => factor * value);
  const train = frame.where({ split: "train" });
  const validation = frame.where({ split: "validation" });
  const found: Series[] = [];
  const seen = validation.rows > 0;
  if (train.rows)
    found.push({
      name: seen ? trans.__("%1, training", name) : name,
      x: train.numbers(by),
      y: smoothed(times(train.numbers("value")), smoothing),
      colour,
      thin: true,
      silent: seen,
    });
  if (seen) {
    const x = validation.numbers(by);
    const y = times(validation.numbers("value"));
    found.push({
      name: trans.__("%1, interval", name),
      kind: "band",
      x,
      y,
      low: times(validation.numbers("low")),
      high: times(validation.numbers("high")),
      colour,
      silent: true,
    });
    found.push({ name, x, y, colour, marker, dots: true });
  }
  return found;
}

/** Gradient diagnostics, a small chart each. */
function Inside({ store, runs, view }: Shown) {
  const frames = store.frames.value;
  const drawn = runs.filter((run) => frames[`inside:${run.name}`]);
  if (!drawn.length) return null;
  const quantities = new Set(drawn.flatMap((run) => frames[`inside:${run.name}`]!.distinct<string>("quantity")));
  return (
    <section aria-label={trans.__("Diagnostics")} data-area="diagnostics">
      <h3>{trans.__("The meta-gradient along the training")}</h3>
      <div class="wb-multiples">
        {[...quantities].map((quantity) => (
          <Chart
            key={quantity}
            title={quantity}
            description={view.smoothing ? trans.__("smoothed by %1", view.smoothing) : undefined}
            height={150}
            quietLegend
            series={drawn.flatMap((run): Series[] => {
              const frame = frames[`inside:${run.name}`]!.where({ quantity });
              if (!frame.rows) return [];
              const { colour } = looks(runs, run.name);
              const one = { name: run.name, x: frame.numbers(view.by), y: frame.numbers("value"), colour };
              if (!view.smoothing) return [{ ...one, dots: frame.rows < 3 }];
              return [
                { ...one, thin: true, silent: true },
                { ...one, y: smoothed(one.y, view.smoothing) },
              ];
            })}
            x={axisOf(view.by)}
            y={{ label: quantity, switchable: true }}
            onLog={logOf(store, "diagnostics", quantity)}
            window={view.window.value}
            onWindow={(next) => (view.window.value = next)}
          />
        ))}
      </div>
    </section>
  );
}

/** How the adaptation from the start got better, of one run: late is dark. */
function Adaptations({ store, runs }: { store: Store; runs: ListedRun[] }) {
  const frames = store.frames.value;
  const known = runs.filter((run) => frames[`adaptation:${run.name}`]);
  const asked = useSignal("");
  const run = known.find((one) => one.name === asked.value) ?? known[0];
  if (!run) return null;
  const frame = frames[`adaptation:${run.name}`]!;
  const [metric] = frame.distinct<string>("metric");
  const measure = frame.measure(metric!);
  const axis = frame.has("move") ? "move" : "step";
  const all = frame.distinct<number>("iteration").sort((a, b) => a - b);
  const chosen = all.filter((_, k) => k === all.length - 1 || k % Math.ceil(all.length / MOST) === 0);
  const factor = factorOf(measure);
  return (
    <section aria-label={trans.__("Adaptations")} data-area="adaptation">
      <div class="wb-row">
        <h3>{trans.__("The adaptation from the start, at each validation")}</h3>
        {known.length > 1 && (
          <select aria-label={trans.__("Adaptation of")} value={run.name} onChange={(event) => (asked.value = event.currentTarget.value)}>
            {known.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        )}
      </div>
      <Chart
        title={`${run.name}: ${labelOf(measure)}`}
        description={trans.__(
          "mean over validation tasks, after outer step %1: late is dark",
          chosen.map((i) => i.toLocaleString("en")).join(", "),
        )}
        quietLegend
        series={chosen.map((iteration, k) => {
          const rows = frame.where({ iteration });
          return {
            name: trans.__("after outer step %1", iteration.toLocaleString("en")),
            x: rows.numbers(axis),
            y: Array.from(rows.numbers("value"), (value) => factor * value),
            colour: stepColour(k + 1, chosen.length),
          };
        })}
        x={{ label: axis === "step" ? trans.__("inner step") : trans.__("move"), integer: true }}
        y={{ label: metric!, unit: unitOf(measure), scale: scaleOf(measure), switchable: true }}
        chance={chanceOf(measure)}
        onLog={measure.unit === "%" ? undefined : logOf(store, "adaptation")}
      />
    </section>
  );
}
