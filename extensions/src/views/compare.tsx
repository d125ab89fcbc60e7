/** Comparison: runs on the same test tasks, and the tasks on which they differ most, opened. */

import { useSignal } from "@preact/signals";
import type { CompareAbout, Measure } from "../generated";
import { type Frame } from "../frame";
import { factorOf, labelOf, unitOf } from "../measure";
import { aboutAs, type Store } from "../store";
import { Chart, type Series } from "../ui/Chart";
import { Form } from "../ui/Form";
import { useKeys } from "../ui/keys";
import { look } from "../ui/palette";
import { Table } from "../ui/Table";
import { Differing, Means, Pairs } from "./compare/tables";
import { askExport } from "./dialogs";
import { Code } from "./export";
import { Opened } from "./Opened";
import { trans } from "../words";

export function Compare({ store }: { store: Store }) {
  const about = aboutAs<CompareAbout>(store);
  const frames = store.frames.value;
  const pair = useSignal(0);
  const table = useSignal(false);
  const line = useSignal("");
  const along = about.axis === "move" ? trans.__("move") : trans.__("inner step");
  const { groups, pairs, steps, tasks } = frames;
  const { measure, transductive = [] } = about;
  useKeys(tasks ? [{ key: "t", help: trans.__("the table of all tasks"), run: () => (table.value = !table.value) }] : []);
  const open = (task: number) =>
    void store.send("pick", { task, pair: pair.value }).then(
      (found) => (line.value = found),
      () => {},
    );
  return (
    <div class="wb-compare">
      <Choice store={store} />
      {about.stale && (
        <p class="wb-limited" role="status">
          {trans.__("The choice changed since this was computed: compare again.")}
        </p>
      )}
      {!groups || !pairs || !steps || !tasks || !measure ? (
        <p class="wb-empty">
          {about.working
            ? trans.__("Adapting to the first tasks …")
            : trans.__("Choose two runs or more on the same tasks, and compare.")}
        </p>
      ) : (
        <>
          <p class="wb-quiet">
            {trans.__(
              "%1 on %2, %3 split, %4 tasks, the same for all (%5…).",
              measure.name,
              about.tasks,
              about.split,
              about.episodes,
              about.sha256?.slice(0, 8),
            )}{" "}
            {measure.better === "lower" ? trans.__("Lower is better.") : trans.__("Higher is better.")}{" "}
            {trans.__("Bars are 95% intervals over tasks.")}
            {transductive.length > 0 && ` ${trans.__("Transductive: %1.", transductive.join(", "))}`}
          </p>
          <div class="wb-columns">
            <Means groups={groups} measure={measure} />
            <Chart
              title={trans.__("By %1", along)}
              description={trans.__("mean over tasks, band: 95% interval over tasks")}
              series={byStep(groups, steps, measure)}
              x={{ label: along, integer: true }}
              y={{
                label: labelOf(measure),
                unit: unitOf(measure),
                domain: [0, 0], // from 0: little must not look much
                switchable: measure.unit !== "%",
              }}
            />
            <Pairs pairs={pairs} measure={measure} chosen={pair.value} onChoose={(row) => (pair.value = row)} />
            <Differing
              tasks={tasks}
              pairs={pairs}
              pair={Math.min(pair.value, pairs.rows - 1)}
              measure={measure}
              onOpen={open}
            />
          </div>
          <div class="wb-row">
            <button type="button" class="wb-end" title={trans.__("Export the comparison (E)")} onClick={(event) => askExport(event.currentTarget, store)}>
              {trans.__("Export")}
            </button>
            <button type="button" aria-expanded={table.value} onClick={() => (table.value = !table.value)}>
              {trans.__("Table (T)")}
            </button>
          </div>
          {table.value && (
            <Table frame={tasks} title={trans.__("every task")} onPick={(of, row) => open(of.at("task", row) as number)} />
          )}
        </>
      )}
      {about.code && <Code title={trans.__("The same as code")} text={`${about.code}\n\n# on the command line:\n${about.shell}`} />}
      {line.value && (
        <Opened key={line.value} store={store} id={about.stage ?? ""} line={line.value} label={trans.__("The task in the stage")} />
      )}
    </div>
  );
}

function Choice({ store }: { store: Store }) {
  const about = aboutAs<CompareAbout>(store);
  const chosen = about.chosen ?? [];
  const known = about.known ?? [];
  const tasks = known.find((run) => run.name === chosen[0])?.tasks;
  const toggle = (name: string, on: boolean) =>
    void store
      .send("choose", { names: on ? [...chosen, name] : chosen.filter((one) => one !== name) })
      .catch(() => {});
  return (
    <details open={chosen.length < 2 || about.stale}>
      <summary>
        {chosen.length
          ? trans._n("%1 run: %2", "%1 runs: %2", chosen.length, chosen.join(", "))
          : trans.__("Which runs")}
      </summary>
      <div class="wb-columns">
        <fieldset class="wb-group">
          <legend>{trans.__("runs")}</legend>
          {known.length === 0 && <p class="wb-quiet">{trans.__("No trained runs here yet: train some first.")}</p>}
          {known.map((run) => (
            <label key={run.name} class="wb-row">
              <input
                type="checkbox"
                checked={chosen.includes(run.name)}
                disabled={!!tasks && run.tasks !== tasks}
                onChange={(event) => toggle(run.name, event.currentTarget.checked)}
              />
              {run.name} <span class="wb-quiet">{run.tasks}</span>
            </label>
          ))}
        </fieldset>
        <fieldset class="wb-group">
          <legend>{trans.__("tasks")}</legend>
          <Form
            title={trans.__("On which tasks")}
            fields={about.form ?? []}
            onChange={(name, value) => store.send("vary", { [name]: value })}
          />
        </fieldset>
      </div>
      <button
        type="button"
        class="wb-primary"
        disabled={chosen.length < 2}
        onClick={() => void store.send("compare").catch(() => {})}
      >
        {about.working ? trans.__("Begin anew") : trans.__("Compare")}
      </button>
    </details>
  );
}

function byStep(groups: Frame, steps: Frame, measure: Measure): Series[] {
  const factor = factorOf(measure);
  return groups.words("method").flatMap((method, row): Series[] => {
    const own = steps.where({ method });
    const [x, mean, half] = [own.numbers("step"), own.numbers("mean"), own.numbers("ci95")];
    const y = Array.from(mean, (value) => factor * value);
    const name = method ?? "";
    return [
      {
        name: trans.__("%1, interval", name),
        kind: "band",
        x,
        y,
        low: y.map((value, k) => value - factor * half[k]!),
        high: y.map((value, k) => value + factor * half[k]!),
        colour: look(row).colour,
        silent: true,
      },
      { name, x, y, ...look(row), dots: true },
    ];
  });
}
