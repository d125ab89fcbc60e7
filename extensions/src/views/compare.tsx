/** Comparison: runs on the same test tasks, and the tasks on which they differ most, opened. */

import { useSignal } from "@preact/signals";
import { scaleLinear } from "d3-scale";
import { useEffect } from "preact/hooks";
import { type Frame } from "../frame";
import { Panel } from "../panel";
import { type Store } from "../store";
import { Chart, type Series } from "../ui/Chart";
import { Form } from "../ui/Form";
import { three } from "../ui/format";
import { useWidth } from "../ui/hooks";
import { useKeys } from "../ui/keys";
import { Marker } from "../ui/Marker";
import { look } from "../ui/palette";
import { Table } from "../ui/Table";
import { askExport } from "./dialogs";
import { Code } from "./export";

const SHOWN = 10; // tasks on which two runs differ most

export function Compare({ store }: { store: Store }) {
  const about = store.about.value;
  const frames = store.frames.value;
  const pair = useSignal(0);
  const table = useSignal(false);
  const line = useSignal("");
  const { groups, pairs, steps, tasks } = frames;
  useKeys(tasks ? [{ key: "t", help: "the table of all tasks", run: () => (table.value = !table.value) }] : []);
  const open = (task: number) =>
    void store.send("pick", { task }).then(
      (found) => (line.value = found),
      () => {},
    );
  return (
    <div class="wb-compare">
      <Choice store={store} />
      {about.stale && (
        <p class="wb-limited" role="status">
          The choice changed since this was computed: compare again.
        </p>
      )}
      {!groups || !pairs || !steps || !tasks ? (
        <p class="wb-empty">
          {about.working ? "Adapting to the first tasks …" : "Choose two runs or more on the same tasks, and compare."}
        </p>
      ) : (
        <>
          <p class="wb-quiet">
            {about.metric} on {about.tasks}, {about.split} split, {about.episodes} tasks, the same for all (
            {String(about.sha256).slice(0, 8)}…). {about.lower ? "Lower" : "Higher"} is better. Bars are 95% intervals
            over tasks.
            {about.transductive?.length > 0 && ` Transductive: ${about.transductive.join(", ")}.`}
          </p>
          <div class="wb-columns">
            <Means groups={groups} metric={about.metric} />
            <Pairs pairs={pairs} metric={about.metric} chosen={pair.value} onChoose={(row) => (pair.value = row)} />
            <Chart
              title="By inner step"
              description="mean over tasks, band: 95% interval over tasks"
              series={byStep(groups, steps, about.metric)}
              x={{ label: about.metric === "reward" ? "pull" : "inner step", integer: true }}
              y={{
                label: about.metric,
                unit: unitOf(about.metric),
                scale: about.metric === "mse" ? "log" : "linear",
                switchable: true,
              }}
            />
            <Differing
              tasks={tasks}
              pairs={pairs}
              pair={Math.min(pair.value, pairs.rows - 1)}
              metric={about.metric}
              onOpen={open}
            />
          </div>
          <div class="wb-row">
            <button type="button" class="wb-end" title="Export the comparison (E)" onClick={(event) => askExport(event.currentTarget, store)}>
              Export
            </button>
            <button type="button" aria-expanded={table.value} onClick={() => (table.value = !table.value)}>
              Table (T)
            </button>
          </div>
          {table.value && (
            <Table frame={tasks} title="every task" onPick={(of, row) => open(of.at("task", row) as number)} />
          )}
        </>
      )}
      {about.code && <Code title="The same as code" text={`${about.code}\n\n# on the command line:\n${about.shell}`} />}
      {line.value && <Opened key={line.value} store={store} line={line.value} />}
    </div>
  );
}

function Choice({ store }: { store: Store }) {
  const about = store.about.value;
  const chosen: string[] = about.chosen ?? [];
  const known: { name: string; tasks: string }[] = about.known ?? [];
  const tasks = known.find((run) => run.name === chosen[0])?.tasks;
  const toggle = (name: string, on: boolean) =>
    void store
      .send("choose", { names: on ? [...chosen, name] : chosen.filter((one) => one !== name) })
      .catch(() => {});
  return (
    <details open={chosen.length < 2 || about.stale}>
      <summary>
        {chosen.length ? `${chosen.length} runs: ${chosen.join(", ")}` : "Which runs"}
      </summary>
      <div class="wb-columns">
        <fieldset class="wb-group">
          <legend>runs</legend>
          {known.length === 0 && <p class="wb-quiet">No trained runs here yet: train some first.</p>}
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
          <legend>tasks</legend>
          <Form
            title="On which tasks"
            fields={about.form ?? []}
            onChange={(name, value) => void store.send("vary", { [name]: value }).catch(() => {})}
          />
        </fieldset>
      </div>
      <button
        type="button"
        class="wb-primary"
        disabled={chosen.length < 2}
        onClick={() => void store.send("compare").catch(() => {})}
      >
        {about.working ? "Begin anew" : "Compare"}
      </button>
    </details>
  );
}

const factorOf = (metric: string) => (metric === "accuracy" ? 100 : 1);
const unitOf = (metric: string) => (metric === "accuracy" ? "%" : undefined);
const withHalf = (value: number, half: number, metric: string) =>
  `${three(factorOf(metric) * value)} ± ${three(factorOf(metric) * half)}`;

/** Each method's mean as a mark with its interval, and as numbers. */
function Means({ groups, metric }: { groups: Frame; metric: string }) {
  const seeds = groups.numbers("seeds").some((count) => count > 1);
  return (
    <figure>
      <figcaption>Means{metric === "accuracy" ? " (%)" : ""}</figcaption>
      <table class="wb-runs">
        <tbody>
          {groups.words("method").map((method, row) => {
            const [mean, half] = [groups.at("mean", row) as number, groups.at("ci95", row) as number];
            return (
              <tr key={method}>
                <th scope="row" title={groups.at("runs", row) as string}>
                  {method}
                  {seeds && <span class="wb-quiet"> ({groups.at("seeds", row)} seeds)</span>}
                </th>
                <td class="wb-number">{withHalf(mean, half, metric)}</td>
                <td class="wb-interval">
                  <Interval value={mean} half={half} all={reach(groups, "mean")} {...look(row)} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </figure>
  );
}

/** From the lowest to the highest end of the intervals in a frame. */
function reach(frame: Frame, column: string): [number, number] {
  const [values, halves] = [frame.numbers(column), frame.numbers("ci95")];
  const ends = Array.from(values, (value, row) => [value - halves[row]!, value + halves[row]!]).flat();
  const good = ends.filter(Number.isFinite);
  return good.length ? [Math.min(...good), Math.max(...good)] : [0, 1];
}

interface IntervalProps {
  value: number;
  half: number;
  all: [number, number];
  colour: string;
  marker: number;
  zero?: boolean;
}

function Interval({ value, half, all, colour, marker, zero }: IntervalProps) {
  const [ref, width] = useWidth<HTMLDivElement>(160);
  const domain = zero ? [Math.min(all[0], 0), Math.max(all[1], 0)] : all;
  const x = scaleLinear().domain(domain).range([8, width - 8]);
  return (
    <div ref={ref} aria-hidden="true">
      <svg width={width} height={18}>
        {zero && <line class="wb-tick" x1={x(0)} x2={x(0)} y2={18} />}
        <line x1={x(value - half)} x2={x(value + half)} y1={9} y2={9} style={{ stroke: colour, strokeWidth: 2 }} />
        <Marker x={x(value)} y={9} marker={marker} colour={colour} />
      </svg>
    </div>
  );
}

interface PairsProps {
  pairs: Frame;
  metric: string;
  chosen: number;
  onChoose: (row: number) => void;
}

function Pairs({ pairs, metric, chosen, onChoose }: PairsProps) {
  const rows = [...Array(pairs.rows).keys()];
  return (
    <figure>
      <figcaption>
        Paired differences, task by task{metric === "accuracy" ? " (points)" : ""}
      </figcaption>
      <table class="wb-runs">
        <thead>
          <tr>
            <th scope="col">first − second</th>
            <th scope="col" class="wb-number">
              difference
            </th>
            <th scope="col">
              <span class="wb-hidden">interval</span>
            </th>
            <th scope="col" class="wb-number" title="Tasks on which the first is better, worse, the same">
              better, worse, same
            </th>
            <th scope="col" class="wb-number" title="Two-sided sign test">
              p
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const at = (name: string) => pairs.at(name, row) as number;
            const name = `${pairs.at("first", row)} − ${pairs.at("second", row)}`;
            return (
              <tr key={name} aria-current={row === chosen} class="wb-pick" onClick={() => onChoose(row)}>
                <th scope="row">
                  <label>
                    <input
                      type="radio"
                      name="wb-pair"
                      checked={row === chosen}
                      onChange={() => onChoose(row)}
                      aria-label={`Tasks on which ${name} is largest`}
                    />{" "}
                    {name}
                  </label>
                </th>
                <td class="wb-number">{withHalf(at("difference"), at("ci95"), metric)}</td>
                <td class="wb-interval">
                  <Interval
                    value={at("difference")}
                    half={at("ci95")}
                    all={reach(pairs, "difference")}
                    colour="var(--wb-ink)"
                    marker={0}
                    zero
                  />
                </td>
                <td class="wb-number">
                  {at("wins")}, {at("losses")}, {at("ties")}
                </td>
                <td class="wb-number">{at("sign_p") < 0.001 ? "< 0.001" : three(at("sign_p"))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </figure>
  );
}

function byStep(groups: Frame, steps: Frame, metric: string): Series[] {
  const factor = factorOf(metric);
  return groups.words("method").flatMap((method, row): Series[] => {
    const own = steps.where({ method });
    const [x, mean, half] = [own.numbers("step"), own.numbers("mean"), own.numbers("ci95")];
    const y = Array.from(mean, (value) => factor * value);
    const name = method ?? "";
    return [
      {
        name: `${name}, interval`,
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

interface DifferingProps {
  tasks: Frame;
  pairs: Frame;
  pair: number;
  metric: string;
  onOpen: (task: number) => void;
}

function Differing({ tasks, pairs, pair, metric, onOpen }: DifferingProps) {
  const [first, second] = [pairs.at("first", pair) as string, pairs.at("second", pair) as string];
  const [a, b, numbers] = [tasks.numbers(first), tasks.numbers(second), tasks.numbers("task")];
  const order = Array.from(a, (_, row) => row)
    .sort((i, j) => Math.abs(a[j]! - b[j]!) - Math.abs(a[i]! - b[i]!) || i - j)
    .slice(0, SHOWN);
  const factor = factorOf(metric);
  return (
    <figure>
      <figcaption>Tasks on which they differ most</figcaption>
      <div class="wb-scrolls">
        <table class="wb-runs">
          <thead>
            <tr>
              <th scope="col">task</th>
              <th scope="col" class="wb-number">
                {first}
              </th>
              <th scope="col" class="wb-number">
                {second}
              </th>
              <th scope="col" class="wb-number">
                difference
              </th>
              <th scope="col">
                <span class="wb-hidden">open</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {order.map((row) => (
              <tr key={row}>
                <th scope="row">{numbers[row]}</th>
                <td class="wb-number">{three(factor * a[row]!)}</td>
                <td class="wb-number">{three(factor * b[row]!)}</td>
                <td class="wb-number">{three(factor * (a[row]! - b[row]!))}</td>
                <td>
                  <button type="button" onClick={() => onOpen(numbers[row]!)} aria-label={`Open task ${numbers[row]}`}>
                    Open
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

/** The stage of a task, which is a panel of its own; and the line that opens it elsewhere. */
function Opened({ store, line }: { store: Store; line: string }) {
  const child = useSignal<Store | null>(null);
  useEffect(() => {
    let gone = false;
    let made: Store | null = null;
    void store.panel(store.about.peek().stage as string).then((found) => {
      made = found;
      if (gone) found.dispose();
      else child.value = found;
    });
    return () => {
      gone = true;
      made?.dispose();
    };
  }, [store]);
  return (
    <section aria-label="The task in the stage" class="wb-dialog">
      <Code title="The same in a cell of its own" text={`from workbench.widgets import Stage\n\n${line}`} />
      {child.value ? <Panel store={child.value} /> : <p class="wb-empty">Opening …</p>}
    </section>
  );
}
