/** The side bar of runs: only those in view are in the page, however many there are. */

import type { TranslationBundle } from "@jupyterlab/translation";
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { ServedRun } from "../../generated";
import { factorOf } from "../../measure";
import { stateName } from "../../names";
import { duration, withInterval } from "../../ui/format";
import { steady } from "../../ui/hooks";
import type { Query, RunsModel } from "./model";
import { Turns, useTurn } from "./turns";

export const HEIGHT = 110; // pixels of a run with a heading
const BEYOND = 3; // runs above and below the view that are drawn too

/** What the side bar asks of JupyterLab. */
export interface Deeds {
  start(): void;
  curves(run: ServedRun): void;
  open(run: ServedRun): void;
  compare(places: readonly string[]): void;
  copy(run: ServedRun): void;
  folder(run: ServedRun): void;
}

interface Props {
  model: RunsModel;
  deeds: Deeds;
  trans: TranslationBundle;
}

const STATES = ["running", "finished", "paused", "interrupted", "failed", "killed", "diverged", "new", "broken"];

export function Sidebar({ model, deeds, trans }: Props) {
  const { query, chosen, deleted } = model;
  const set = (change: Partial<Query>) => model.look(change);
  return (
    <section class="wb wb-sidebar" aria-label={trans.__("Runs of the workbench")}>
      <header>
        <div class="wb-row">
          <button type="button" onClick={deeds.start}>
            {trans.__("New training …")}
          </button>
          <button
            type="button"
            disabled={chosen.value.length < 2}
            onClick={() => deeds.compare(chosen.value)}
          >
            {trans.__("Compare (%1)", chosen.value.length)}
          </button>
          <button type="button" onClick={() => model.refresh()}>
            {trans.__("Refresh")}
          </button>
        </div>
        <input
          type="search"
          aria-label={trans.__("Find runs")}
          placeholder={trans.__("Find by name, method, tasks, note")}
          value={query.value.text}
          onInput={(event) => set({ text: event.currentTarget.value })}
        />
        <div class="wb-row">
          <Pick
            label={trans.__("State")}
            value={query.value.state}
            options={[["", trans.__("all states")], ...STATES.map((s) => [s, stateName(s)] as [string, string])]}
            onPick={(state) => set({ state })}
          />
          <Pick
            label={trans.__("Order")}
            value={query.value.sort}
            options={[
              ["newest", trans.__("newest first")],
              ["name", trans.__("by name")],
              ["state", trans.__("by state")],
              ["value", trans.__("best first")],
            ]}
            onPick={(sort) => set({ sort: sort as Query["sort"] })}
          />
          <Pick
            label={trans.__("Groups")}
            value={query.value.group}
            options={[
              ["none", trans.__("no groups")],
              ["seeds", trans.__("seeds together")],
              ["folder", trans.__("by folder")],
            ]}
            onPick={(group) => set({ group: group as Query["group"] })}
          />
        </div>
        <p class="wb-quiet" role="status">
          {trans._n("%1 run", "%1 runs", model.total.value)}
          {model.alive.value > 0 && `, ${trans.__("%1 training", model.alive.value)}`}
          {model.limited.value && `; ${model.limited.value}`}
        </p>
        {model.problem.value && (
          <p class="wb-problem" role="alert">
            {model.problem.value}
          </p>
        )}
        {deleted.value && (
          <p class="wb-row wb-quiet" role="status">
            {trans.__("Deleted %1.", deleted.value.name)}
            <button
              type="button"
              onClick={() => void model.act("restore", deleted.peek()!.undo)}
            >
              {trans.__("Undo")}
            </button>
          </p>
        )}
      </header>
      <List model={model} deeds={deeds} trans={trans} />
    </section>
  );
}

function Pick(props: {
  label: string;
  value: string;
  options: [string, string][];
  onPick: (value: string) => void;
}) {
  return (
    <select
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onPick(event.currentTarget.value)}
    >
      {props.options.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

function List({ model, deeds, trans }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const turns = useMemo(() => new Turns(), []);
  const view = useSignal({ top: 0, height: 600 });
  const here = useSignal(0); // the run that has the keyboard
  const range = useComputed(() => {
    const { top, height } = view.value;
    const first = Math.max(Math.floor(top / HEIGHT) - BEYOND, 0);
    const last = Math.min(Math.ceil((top + height) / HEIGHT) + BEYOND, model.total.value - 1);
    return [first, Math.max(last, first)] as const;
  });
  useEffect(() => {
    const element = box.current!;
    const measure = () => {
      const now = { top: element.scrollTop, height: element.clientHeight || 600 };
      const before = view.peek();
      if (now.top !== before.top || now.height !== before.height) view.value = now;
    };
    element.addEventListener("scroll", measure, { passive: true });
    const observer = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(measure);
    observer?.observe(element);
    measure();
    return () => {
      element.removeEventListener("scroll", measure);
      observer?.disconnect();
    };
  }, []);
  const [first, last] = range.value;
  useEffect(() => model.show(first, last), [first, last]);
  const total = model.total.value;
  const move = (to: number) => {
    here.value = Math.min(Math.max(to, 0), total - 1);
    const element = box.current!;
    const top = here.value * HEIGHT;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + HEIGHT > element.scrollTop + element.clientHeight)
      element.scrollTop = top + HEIGHT - element.clientHeight;
    requestAnimationFrame(() =>
      element.querySelector<HTMLElement>(`[aria-posinset="${here.value + 1}"]`)?.focus(),
    );
  };
  const press = (event: KeyboardEvent) => {
    if ((event.target as Element).getAttribute("role") !== "listitem") return;
    const run = model.at(here.peek());
    const keys: Record<string, () => void> = {
      ArrowDown: () => move(here.peek() + 1),
      ArrowUp: () => move(here.peek() - 1),
      Home: () => move(0),
      End: () => move(total - 1),
      " ": () => run && model.choose(run.place),
      Enter: () => run?.opens && deeds.open(run),
      Delete: () => run && void model.act("delete", run.place),
    };
    const found = keys[event.key];
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    found();
  };
  if (model.known.value && total === 0)
    return (
      <div class="wb-runs-view" ref={box}>
        <p class="wb-empty">
          {model.query.value.text || model.query.value.state
            ? trans.__("No run is like that.")
            : trans.__("There is no run below this folder yet: start a training.")}
        </p>
      </div>
    );
  return (
    <div class="wb-runs-view" ref={box} onKeyDown={press}>
      <div role="list" aria-label={trans.__("Runs")} style={{ height: `${total * HEIGHT}px` }}>
        {Array.from({ length: total ? last - first + 1 : 0 }, (_, k) => first + k).map((place) => {
          const run = model.at(place);
          return (
            <div
              key={run?.place ?? place}
              role="listitem"
              class="wb-run"
              tabIndex={place === here.value ? 0 : -1}
              aria-setsize={total}
              aria-posinset={place + 1}
              data-place={run?.place}
              style={{ top: `${place * HEIGHT}px`, height: `${HEIGHT}px` }}
              onFocus={() => (here.value = place)}
            >
              {run ? <Run {...{ run, model, deeds, trans, turns }} /> : "…"}
            </div>
          );
        })}
      </div>
    </div>
  );
}

type RunProps = Props & { run: ServedRun; turns: Turns };

/** A run: its name at once, the rest when it is its turn. */
const Run = steady(
  (props: RunProps) =>
    useTurn(props.turns) ? <Whole {...props} /> : <strong>{props.run.name}</strong>,
  (a, b) => a.run === b.run && a.model === b.model && a.deeds === b.deeds && a.trans === b.trans,
);

function Whole({ run, model, deeds, trans }: RunProps) {
  const doing = model.doing.value.get(run.place);
  const button = (text: string, does: () => void, disabled = false) => (
    <button type="button" disabled={disabled} aria-label={`${text}: ${run.name}`} onClick={does}>
      {text}
    </button>
  );
  const shown = stateName(doing ?? (run.stopping ? "stopping" : run.state));
  return (
    <>
      {run.heading && (
        <div class="wb-run-heading">
          {run.heading}
          {run.seeds > 0 && ` · ${trans._n("%1 seed", "%1 seeds", run.seeds)}`}
        </div>
      )}
      <div class="wb-row wb-tight">
        <input
          type="checkbox"
          aria-label={trans.__("Choose %1", run.name)}
          checked={model.chosen.value.includes(run.place)}
          onChange={(event) => model.choose(run.place, event.currentTarget.checked)}
        />
        <strong title={`${run.place}\n${run.method} · ${run.tasks}${run.note && `\n${run.note}`}`}>
          <button type="button" aria-label={trans.__("Curves of %1", run.name)} onClick={() => deeds.curves(run)}>
            {run.name}
          </button>
        </strong>
        <span class="wb-end">
          {run.state === "running" &&
            button(trans.__("Stop"), () => void model.act("stop", run.place), run.stopping)}
          {run.resumes &&
            button(trans.__("Resume"), () => void model.act("resume", run.place), !!doing)}
        </span>
      </div>
      <div class="wb-row wb-tight wb-run-numbers">
        <progress
          value={run.iteration}
          max={run.iterations || 1}
          aria-label={trans.__("%1: outer steps", run.name)}
        />
        <span>
          {count(run.iteration)}/{count(run.iterations)}
          {run.left !== null && `, ${trans.__("%1 left", duration(run.left))}`}
        </span>
        <span class="wb-state wb-end" data-state={run.state} title={run.reason}>
          {shown}
        </span>
      </div>
      <div class="wb-row wb-tight wb-run-numbers">
        <Spark values={run.recent} />
        <span class="wb-run-last" title={said(run)}>
          {said(run)}
        </span>
      </div>
      <div class="wb-row wb-tight wb-actions">
        {run.opens && button(trans.__("Open"), () => deeds.open(run))}
        {button(trans.__("Command"), () => deeds.copy(run))}
        {button(trans.__("Folder"), () => deeds.folder(run))}
        {run.state !== "running" &&
          button(trans.__("Delete"), () => void model.act("delete", run.place), !!doing)}
      </div>
    </>
  );
}

const NUMBER = new Intl.NumberFormat("en"); // made once: `toLocaleString` makes one for every number
const count = (value: number) => NUMBER.format(value);

function said({ last }: ServedRun): string {
  if (!last) return "";
  const times = factorOf(last.measure);
  const half = last.ci95 === null ? null : times * last.ci95;
  const { unit, name } = last.measure;
  return `${name} ${withInterval(times * last.value, half)}${unit === "%" ? "%" : unit && ` ${unit}`}`;
}

/** The last numbers of a run, as a line without axes. */
function Spark({ values }: { values: number[] }) {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [width, height] = [60, 16];
  const corners = values.map(
    (value, k) =>
      `${((k / (values.length - 1)) * width).toFixed(1)},${(height - 1 - ((value - low) / (high - low || 1)) * (height - 2)).toFixed(1)}`,
  );
  return (
    <svg class="wb-spark" width={width} height={height} aria-hidden="true">
      <polyline points={corners.join(" ")} />
    </svg>
  );
}
