/** The tables of a comparison: means, paired differences, and the tasks that differ most. */

import { scaleLinear } from "d3-scale";
import type { Measure } from "../../generated";
import { type Frame } from "../../frame";
import { factorOf, labelOf } from "../../measure";
import { three, withInterval } from "../../ui/format";
import { useWidth } from "../../ui/hooks";
import { Marker } from "../../ui/Marker";
import { look } from "../../ui/palette";
import { trans } from "../../words";

const SHOWN = 10; // tasks on which two runs differ most

const withHalf = (value: number, half: number, measure: Measure) =>
  withInterval(factorOf(measure) * value, factorOf(measure) * half);

/** Each method's mean as a mark with its interval, and as numbers. */
export function Means({ groups, measure }: { groups: Frame; measure: Measure }) {
  const seeds = groups.numbers("seeds").some((count) => count > 1);
  return (
    <figure>
      <figcaption>{trans.__("Means with their 95% intervals over tasks")}</figcaption>
      <table class="wb-runs">
        <tbody>
          {groups.words("method").map((method, row) => {
            const [mean, half] = [groups.at("mean", row) as number, groups.at("ci95", row) as number];
            return (
              <tr key={method}>
                <th scope="row" title={groups.at("runs", row) as string}>
                  {method}
                  {seeds && <span class="wb-quiet"> ({trans._n("%1 seed", "%1 seeds", groups.at("seeds", row) as number)})</span>}
                </th>
                <td class="wb-number">{withHalf(mean, half, measure)}</td>
                <td class="wb-interval">
                  <Interval value={mean} half={half} all={reach(groups, "mean")} {...look(row)} />
                </td>
              </tr>
            );
          })}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={2} class="wb-number wb-quiet">
              {axisOf(measure)}
            </th>
            <td class="wb-interval">
              <Ticks all={reach(groups, "mean")} measure={measure} />
            </td>
          </tr>
        </tfoot>
      </table>
    </figure>
  );
}

const axisOf = (measure: Measure) =>
  labelOf(measure) + (measure.unit === "%" ? " (%)" : measure.unit && ` (${measure.unit})`);

const pointsOf = ({ unit }: Measure) =>
  unit === "%" ? ` (${trans.__("points")})` : unit && ` (${unit})`;

/** From the lowest to the highest end of the intervals in a frame, and to zero, from which they
 * are measured. */
function reach(frame: Frame, column: string): [number, number] {
  const [values, halves] = [frame.numbers(column), frame.numbers("ci95")];
  const ends = Array.from(values, (value, row) => [value - halves[row]!, value + halves[row]!]).flat();
  const good = ends.filter(Number.isFinite);
  return good.length ? [Math.min(...good, 0), Math.max(...good, 0)] : [0, 1];
}

interface IntervalProps {
  value: number;
  half: number;
  all: [number, number];
  colour: string;
  marker: number;
}

/** The scale that all intervals of a table and the axis below them have. */
const along = (all: [number, number], width: number) =>
  scaleLinear().domain(all).range([12, width - 12]);

/** The axis below a column of intervals. */
function Ticks({ all, measure }: { all: [number, number]; measure: Measure }) {
  const [ref, width] = useWidth<HTMLDivElement>(160);
  const factor = factorOf(measure);
  const x = along([factor * all[0], factor * all[1]], width);
  return (
    <div ref={ref}>
      <svg width={width} height={24} role="img" aria-label={trans.__("axis")}>
        <line class="wb-axis" x1={4} x2={width - 4} y1={0.5} y2={0.5} />
        {x.ticks(Math.max(Math.floor(width / 60), 2)).map((value) => (
          <g key={value} transform={`translate(${x(value)},0)`}>
            <line class="wb-tick" y2={5} />
            <text y={17} text-anchor="middle">
              {three(value)}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

function Interval({ value, half, all, colour, marker }: IntervalProps) {
  const [ref, width] = useWidth<HTMLDivElement>(160);
  const x = along(all, width);
  return (
    <div ref={ref} aria-hidden="true">
      <svg width={width} height={18}>
        <line class="wb-tick" x1={x(0)} x2={x(0)} y2={18} />
        <line x1={x(value - half)} x2={x(value + half)} y1={9} y2={9} style={{ stroke: colour, strokeWidth: 2 }} />
        <Marker x={x(value)} y={9} marker={marker} colour={colour} />
      </svg>
    </div>
  );
}

interface PairsProps {
  pairs: Frame;
  measure: Measure;
  chosen: number;
  onChoose: (row: number) => void;
}

export function Pairs({ pairs, measure, chosen, onChoose }: PairsProps) {
  const rows = [...Array(pairs.rows).keys()];
  return (
    <figure class="wb-wide">
      <figcaption>
        {trans.__("Paired differences, task by task")}
        {pointsOf(measure)}
      </figcaption>
      <table class="wb-runs wb-pairs">
        <thead>
          <tr>
            <th scope="col">{trans.__("first − second")}</th>
            <th scope="col" class="wb-number">
              {trans.__("difference")}
            </th>
            <th scope="col" class="wb-interval">
              <span class="wb-hidden">{trans.__("interval")}</span>
            </th>
            <th scope="col" class="wb-number" title={trans.__("Tasks on which the first is better, worse, the same")}>
              {trans.__("better, worse, same")}
            </th>
            <th scope="col" class="wb-number">
              {trans.__("p, two-sided sign test")}
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
                      aria-label={trans.__("Tasks on which %1 is largest", name)}
                    />{" "}
                    {name}
                  </label>
                </th>
                <td class="wb-number">{withHalf(at("difference"), at("ci95"), measure)}</td>
                <td class="wb-interval">
                  <Interval
                    value={at("difference")}
                    half={at("ci95")}
                    all={reach(pairs, "difference")}
                    colour="var(--wb-ink)"
                    marker={0}
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
        <tfoot>
          <tr>
            <th scope="row" colSpan={2} class="wb-number wb-quiet">
              {trans.__("difference")}
              {pointsOf(measure)}
            </th>
            <td class="wb-interval">
              <Ticks all={reach(pairs, "difference")} measure={measure} />
            </td>
            <td colSpan={2} />
          </tr>
        </tfoot>
      </table>
    </figure>
  );
}

interface DifferingProps {
  tasks: Frame;
  pairs: Frame;
  pair: number;
  measure: Measure;
  onOpen: (task: number) => void;
}

export function Differing({ tasks, pairs, pair, measure, onOpen }: DifferingProps) {
  const [first, second] = [pairs.at("first", pair) as string, pairs.at("second", pair) as string];
  const [a, b, numbers] = [tasks.numbers(first), tasks.numbers(second), tasks.numbers("task")];
  const order = Array.from(a, (_, row) => row)
    .sort((i, j) => Math.abs(a[j]! - b[j]!) - Math.abs(a[i]! - b[i]!) || i - j)
    .slice(0, SHOWN);
  const factor = factorOf(measure);
  return (
    <figure class="wb-wide">
      <figcaption>{trans.__("Tasks on which they differ most")}</figcaption>
      <div class="wb-scrolls">
        <table class="wb-runs">
          <thead>
            <tr>
              <th scope="col">{trans.__("task")}</th>
              <th scope="col" class="wb-number">
                {first}
              </th>
              <th scope="col" class="wb-number">
                {second}
              </th>
              <th scope="col" class="wb-number">
                {trans.__("difference")}
              </th>
              <th scope="col">
                <span class="wb-hidden">{trans.__("open")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {order.map((row) => (
              <tr key={row}>
                <th scope="row">{numbers[row]! + 1}</th>
                <td class="wb-number">{three(factor * a[row]!)}</td>
                <td class="wb-number">{three(factor * b[row]!)}</td>
                <td class="wb-number">{three(factor * (a[row]! - b[row]!))}</td>
                <td>
                  <button type="button" onClick={() => onOpen(numbers[row]!)} aria-label={trans.__("Open task %1", numbers[row]! + 1)}>
                    {trans.__("Open")}
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
