/** Training in the background: settings, live curves of several runs, stop and resume. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ListedRun, Measure, TrainAbout, Validation } from "../generated";
import { type Frame } from "../frame";
import { chanceOf, factorOf, labelOf, scaleOf, unitOf } from "../measure";
import { aboutAs, type Store } from "../store";
import { Chart, type Series } from "../ui/Chart";
import { differing, said, type Value } from "../ui/fields";
import { Form, onEnter } from "../ui/Form";
import { duration, three } from "../ui/format";
import { useUnique } from "../ui/hooks";
import { Marker } from "../ui/Marker";
import { look } from "../ui/palette";
import { askExport } from "./dialogs";
import { Code } from "./export";

const GROUPS = ["Tasks", "Model", "Learner", "Training", "Machine"];

export function Train({ store }: { store: Store }) {
  useEffect(() => {
    // What happened while nobody looked: other notebooks and the command line start runs too.
    const look = () => {
      if (document.visibilityState === "visible") store.send("look", {}, { latest: true }).catch(() => {});
    };
    look();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, [store]);
  return (
    <div class="wb-train wb-columns">
      <Next store={store} />
      <section aria-label="Runs">
        <div class="wb-row">
          <h3>Runs in {aboutAs<TrainAbout>(store).folder}/</h3>
          {Object.keys(store.frames.value).length > 0 && (
            <button type="button" class="wb-end" title="Export the curves (E)" onClick={(event) => askExport(event.currentTarget, store)}>
              Export
            </button>
          )}
        </div>
        <Curves store={store} />
      </section>
      <Runs store={store} />
    </div>
  );
}

function Next({ store }: { store: Store }) {
  const about = aboutAs<TrainAbout>(store);
  const id = useUnique();
  const all = useSignal(false);
  const form = about.form ?? [];
  const change = (name: string, value: Value) => store.send("vary", { [name]: value }).catch(() => {});
  const call = (box: HTMLInputElement) => void store.send("call", { name: box.value }).catch(() => {});
  const groups = GROUPS.filter((group) => form.some((field) => field.group === group));
  const changed = differing(form);
  const line = (about.presets ?? []).find((one) => one.name === about.preset)?.line;
  return (
    <section aria-label="The next run">
      <h3>Next run</h3>
      <div class="wb-field">
        <label for={id}>preset</label>
        <select
          id={id}
          value={about.preset}
          onChange={(event) => void store.send("choose", { preset: event.currentTarget.value }).catch(() => {})}
        >
          {(about.presets ?? []).map((one) => (
            <option key={one.name} value={one.name} title={one.line}>
              {one.name}
            </option>
          ))}
        </select>
      </div>
      <p class="wb-quiet">{line}</p>
      <Form title="What one changes most" bare fields={form.filter((field) => field.first)} onChange={change} />
      <details open={all.value} onToggle={(event) => (all.value = event.currentTarget.open)}>
        <summary>All other settings</summary>
        {all.value &&
          groups.map((group) => (
            <fieldset key={group} class="wb-group">
              <legend>{group}</legend>
              <Form
                title={group}
                bare
                fields={form.filter((field) => field.group === group && !field.first)}
                onChange={change}
              />
            </fieldset>
          ))}
      </details>
      <p class="wb-quiet" aria-label="What differs from the preset">
        {changed.length === 0
          ? "All settings are the preset's."
          : `Differs from the preset: ${changed
              .map((field) => `${field.name} ${said(field.value)} (${said(field.default)})`)
              .join(", ")}`}
      </p>
      <div class="wb-row">
        <label for={`${id}-name`}>name</label>
        <input
          id={`${id}-name`}
          type="text"
          value={about.name}
          onChange={(event) => call(event.currentTarget)}
          onKeyDown={onEnter(call)}
        />
        <button type="button" class="wb-primary" onClick={() => void store.send("start").catch(() => {})}>
          Start
        </button>
      </div>
      <Code title="The same as code" text={`${about.code}\n\n# on the command line:\n${about.shell}`} />
    </section>
  );
}

/** A run's colour and marker stay with it while newer runs come. */
const looks = (runs: ListedRun[], place: number) => look(runs.length - 1 - place);

function Curves({ store }: { store: Store }) {
  const runs = aboutAs<TrainAbout>(store).runs ?? [];
  const frames = store.frames.value;
  const measures = new Map(
    Object.values(frames).flatMap((frame) =>
      frame.distinct<string>("metric").map((name) => [name, frame.measure(name)] as const),
    ),
  );
  const partsOf = (metric: string) => {
    const splits = Object.values(frames).flatMap((frame) => frame.where({ metric }).distinct<string>("split"));
    return [
      splits.includes("train") && "training thin",
      splits.includes("validation") && "validation with markers and its 95% interval over tasks",
    ]
      .filter(Boolean)
      .join(", ");
  };
  if (measures.size === 0)
    return (
      <p class="wb-empty">
        {runs.length ? "Nothing has been measured yet." : "No runs yet: start one. It trains on when the notebook is closed."}
      </p>
    );
  return (
    <>
      {[...measures].map(([metric, measure]) => (
        <Chart
          key={metric}
          title={labelOf(measure)}
          description={partsOf(metric)}
          series={runs.flatMap((run, place) => {
            const frame = frames[`run:${run.name}`];
            return frame ? curves(frame.where({ metric }), run.name, looks(runs, place), measure) : [];
          })}
          x={{ label: "outer step", integer: true }}
          y={{
            label: metric,
            unit: unitOf(measure),
            scale: scaleOf(measure),
            switchable: true,
          }}
          chance={chanceOf(measure)}
        />
      ))}
    </>
  );
}

function curves(frame: Frame, name: string, { colour, marker }: ReturnType<typeof look>, measure: Measure): Series[] {
  const factor = factorOf(measure);
  const times = (values: ArrayLike<number>) => Array.from(values, (value) => factor * value);
  const train = frame.where({ split: "train" });
  const validation = frame.where({ split: "validation" });
  const found: Series[] = [];
  const seen = validation.rows > 0;
  if (train.rows)
    found.push({
      name: seen ? `${name}, training` : name,
      x: train.numbers("iteration"),
      y: times(train.numbers("value")),
      colour,
      thin: true,
      silent: seen,
    });
  if (seen) {
    const x = validation.numbers("iteration");
    const y = times(validation.numbers("value"));
    found.push({
      name: `${name}, interval`,
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

function Runs({ store }: { store: Store }) {
  const runs = aboutAs<TrainAbout>(store).runs ?? [];
  const line = useSignal("");
  if (!runs.length) return null;
  const ask = (command: string, name: string, more = {}) => store.send(command, { name, ...more }).catch(() => {});
  return (
    <section aria-label="All runs" class="wb-wide wb-scrolls">
      <table class="wb-runs">
        <thead>
          <tr>
            <th scope="col">drawn</th>
            <th scope="col">run</th>
            <th scope="col">state</th>
            <th scope="col">outer steps</th>
            <th scope="col" class="wb-number">
              rate, time left
            </th>
            <th scope="col" class="wb-number">
              last validation (best)
            </th>
            <th scope="col">
              <span class="wb-hidden">actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run, place) => {
            const { colour, marker } = looks(runs, place);
            return (
              <tr key={run.name} data-run={run.name}>
                <td>
                  <label class="wb-row">
                    <input
                      type="checkbox"
                      checked={run.drawn}
                      aria-label={`Draw ${run.name}`}
                      onChange={(event) => void ask("draw", run.name, { drawn: event.currentTarget.checked })}
                    />
                    <svg width="14" height="14" aria-hidden="true">
                      <Marker x={7} y={7} marker={marker} colour={colour} />
                    </svg>
                  </label>
                </td>
                <td title={`${run.learner} on ${run.tasks}, seed ${run.seed}`}>{run.name}</td>
                <td>
                  <span class="wb-state" data-state={run.state}>
                    {run.stopping ? "stopping" : run.state}
                  </span>
                  {run.reason && <div class="wb-reason">{run.reason}</div>}
                </td>
                <td>
                  <progress value={run.iteration} max={run.iterations || 1} aria-label={`${run.name}: outer steps`} />{" "}
                  {run.iteration.toLocaleString("en")} of {run.iterations.toLocaleString("en")}
                </td>
                <td class="wb-number">
                  {run.state === "running" && run.rate > 0 && `${three(run.rate)}/s`}
                  {run.left !== null && `, ${duration(run.left)}`}
                </td>
                <td class="wb-number">
                  {measured(run.last)}
                  {run.best && run.best.iteration !== run.last?.iteration && ` (${measured(run.best, false)})`}
                </td>
                <td>
                  <span class="wb-row wb-actions">
                    {run.state === "running" && (
                      <button type="button" disabled={run.stopping} onClick={() => void ask("stop", run.name)}>
                        Stop
                      </button>
                    )}
                    {run.resumes && (
                      <button type="button" onClick={() => void ask("resume", run.name)}>
                        Resume
                      </button>
                    )}
                    {run.opens && (
                      <button
                        type="button"
                        onClick={() =>
                          void store.send("pick", { name: run.name }).then(
                            (found) => (line.value = found),
                            () => {},
                          )
                        }
                      >
                        Open
                      </button>
                    )}
                  </span>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {line.value && (
        <Code
          key={line.value}
          open
          title="To see it adapt, run this in a cell"
          text={`from workbench.widgets import Stage\n\n${line.value}`}
        />
      )}
    </section>
  );
}

function measured(found: Validation | null, named = true): string {
  if (!found) return "";
  const { measure } = found;
  const times = (value: number) => three(factorOf(measure) * value);
  const half = found.ci95 === null ? "" : ` ± ${times(found.ci95)}`;
  return named ? `${measure.name} ${times(found.value)}${half}${measure.unit && ` ${measure.unit}`}` : times(found.value);
}
