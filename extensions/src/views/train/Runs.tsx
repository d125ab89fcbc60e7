/** The runs of a folder: how they stand, and what can be done with them. */

import { useSignal } from "@preact/signals";
import type { ListedRun, SettingApart, TrainAbout, Validation } from "../../generated";
import { factorOf } from "../../measure";
import { aboutAs, type Store } from "../../store";
import { onEnter } from "../../ui/Form";
import { duration, three, withInterval } from "../../ui/format";
import { Marker } from "../../ui/Marker";
import { Code } from "../export";
import { looks } from "./Curves";
import { stateName } from "../../names";
import { trans } from "../../words";

export function Runs({ store }: { store: Store }) {
  const runs = aboutAs<TrainAbout>(store).runs ?? [];
  const line = useSignal("");
  const edited = useSignal("");
  if (!runs.length) return <Trash store={store} />;
  const ask = (command: string, name: string, more = {}) => store.send(command, { name, ...more }).catch(() => {});
  return (
    <section aria-label={trans.__("All runs")} class="wb-wide wb-scrolls">
      <table class="wb-runs wb-stacks">
        <thead>
          <tr>
            <th scope="col">{trans.__("drawn")}</th>
            <th scope="col">{trans.__("run")}</th>
            <th scope="col">{trans.__("state")}</th>
            <th scope="col">{trans.__("outer steps")}</th>
            <th scope="col" class="wb-number">
              {trans.__("rate, time left")}
            </th>
            <th scope="col" class="wb-number">
              {trans.__("last validation (best)")}
            </th>
            <th scope="col">
              <span class="wb-hidden">{trans.__("actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => {
            const { colour, marker } = looks(runs, run.name);
            return [
              <tr key={run.name} data-run={run.name}>
                <td>
                  <label class="wb-row">
                    <input
                      type="checkbox"
                      checked={run.drawn}
                      aria-label={trans.__("Draw %1", run.name)}
                      onChange={(event) => void ask("draw", run.name, { drawn: event.currentTarget.checked })}
                    />
                    <svg width="14" height="14" aria-hidden="true">
                      <Marker x={7} y={7} marker={marker} colour={colour} />
                    </svg>
                  </label>
                </td>
                <td title={trans.__("method %1, tasks %2, seed %3", run.method, run.tasks, run.seed)}>
                  {run.name}
                  {run.note && <div class="wb-reason">{run.note}</div>}
                </td>
                <td>
                  <span class="wb-state" data-state={run.state}>
                    {stateName(run.stopping ? "stopping" : run.state)}
                  </span>
                  {run.reason && <div class="wb-reason">{run.reason}</div>}
                </td>
                <td>
                  <progress value={run.iteration} max={run.iterations || 1} aria-label={trans.__("%1: outer steps", run.name)} />{" "}
                  {trans.__(
                    "%1 of %2",
                    run.iteration.toLocaleString("en"),
                    run.iterations.toLocaleString("en"),
                  )}
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
                        {trans.__("Stop")}
                      </button>
                    )}
                    {run.resumes && (
                      <button type="button" onClick={() => void ask("resume", run.name)}>
                        {trans.__("Resume")}
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
                        {trans.__("Open")}
                      </button>
                    )}
                    {!store.about.value.saved && (
                      <button
                        type="button"
                        aria-expanded={edited.value === run.name}
                        aria-label={trans.__("Edit %1", run.name)}
                        title={trans.__("Rename, note, delete")}
                        onClick={() => (edited.value = edited.value === run.name ? "" : run.name)}
                      >
                        …
                      </button>
                    )}
                  </span>
                </td>
              </tr>,
              edited.value === run.name && (
                <Edit key={`${run.name}, edited`} run={run} ask={ask} done={() => (edited.value = "")} />
              ),
            ];
          })}
        </tbody>
      </table>
      <Trash store={store} />
      {runs.length > 1 && <Apart store={store} runs={runs} />}
      {line.value && (
        <Code
          key={line.value}
          open
          title={trans.__("To see it adapt, run this in a cell")}
          text={`from workbench.widgets import Stage\n\n${line.value}`}
        />
      )}
    </section>
  );
}

function measured(found: Validation | null, named = true): string {
  if (!found) return "";
  const { measure } = found;
  const times = factorOf(measure);
  if (!named) return three(times * found.value);
  const half = found.ci95 === null ? null : times * found.ci95;
  const unit = measure.unit === "%" ? "%" : measure.unit && ` ${measure.unit}`;
  return `${measure.name} ${withInterval(times * found.value, half)}${unit}`;
}

type Ask = (command: string, name: string, more?: object) => Promise<unknown>;

/** A run's name and note, and the way to the trash. */
function Edit({ run, ask, done }: { run: ListedRun; ask: Ask; done: () => void }) {
  const rename = (box: HTMLInputElement) => {
    if (box.value !== run.name) void ask("rename", run.name, { to: box.value }).then(done);
  };
  const annotate = (box: HTMLInputElement) => {
    if (box.value !== run.note) void ask("annotate", run.name, { text: box.value });
  };
  return (
    <tr>
      <td colSpan={7}>
        <span class="wb-row">
          <label class="wb-row">
            {trans.__("name")}
            <input type="text" aria-label={trans.__("New name of %1", run.name)} defaultValue={run.name} onKeyDown={onEnter(rename)} onBlur={(event) => rename(event.currentTarget)} />
          </label>
          <label class="wb-row">
            {trans.__("note")}
            <input type="text" size={40} aria-label={trans.__("Note on %1", run.name)} defaultValue={run.note} onKeyDown={onEnter(annotate)} onBlur={(event) => annotate(event.currentTarget)} />
          </label>
          <button type="button" class="wb-end" aria-label={trans.__("Delete %1", run.name)} onClick={() => void ask("delete", run.name).then(done)}>
            {trans.__("Delete")}
          </button>
        </span>
      </td>
    </tr>
  );
}

/** What was deleted, until it is restored. */
function Trash({ store }: { store: Store }) {
  const trash = aboutAs<TrainAbout>(store).trash ?? [];
  if (!trash.length) return null;
  return (
    <p class="wb-row wb-quiet" aria-label={trans.__("Deleted runs")}>
      {trans.__("Deleted:")}
      {trash.map((name) => (
        <span key={name} class="wb-row">
          {name}
          <button type="button" aria-label={trans.__("Restore %1", name)} onClick={() => void store.send("restore", { name }).catch(() => {})}>
            {trans.__("Undo")}
          </button>
        </span>
      ))}
    </p>
  );
}

/** The settings in which two runs differ. */
function Apart({ store, runs }: { store: Store; runs: ListedRun[] }) {
  const chosen = useSignal<[string, string]>(["", ""]);
  const found = useSignal<SettingApart[] | null>(null);
  const [first, second] = chosen.value.map((name, k) => runs.find((run) => run.name === name)?.name ?? runs[1 - k]!.name) as [string, string];
  const choose = (pair: [string, string]) => {
    chosen.value = pair;
    store.send("apart", { first: pair[0], second: pair[1] }, { latest: true }).then(
      (settings) => (found.value = settings),
      () => (found.value = null),
    );
  };
  return (
    <details onToggle={(event) => event.currentTarget.open && choose([first, second])}>
      <summary>{trans.__("In which settings two runs differ")}</summary>
      <div class="wb-row">
        {([first, second] as const).map((name, k) => (
          <select
            key={k}
            aria-label={k ? trans.__("Second run") : trans.__("First run")}
            value={name}
            onChange={(event) => choose(k ? [first, event.currentTarget.value] : [event.currentTarget.value, second])}
          >
            {runs.map((run) => (
              <option key={run.name}>{run.name}</option>
            ))}
          </select>
        ))}
      </div>
      {found.value &&
        (found.value.length ? (
          <table class="wb-apart">
            <thead>
              <tr>
                <th scope="col">{trans.__("setting")}</th>
                <th scope="col">{first}</th>
                <th scope="col">{second}</th>
              </tr>
            </thead>
            <tbody>
              {found.value.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td>{one.first}</td>
                  <td>{one.second}</td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : (
          <p class="wb-quiet">{trans.__("They have the same settings.")}</p>
        ))}
    </details>
  );
}
