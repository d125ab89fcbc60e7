/** One series of a chart: its data, how it is drawn, and its entry in the legend. */

import { area, line } from "d3-shape";
import { three } from "./format";
import { sameList, steady } from "./hooks";
import { Marker } from "./Marker";
import { type Scale } from "./scales";
import { trans } from "../words";

export interface Series {
  name: string;
  x: ArrayLike<number>;
  y: ArrayLike<number>;
  /** A line unless said otherwise. A band lies between `low` and `high`. */
  kind?: "line" | "points" | "bars" | "band";
  low?: ArrayLike<number>;
  high?: ArrayLike<number>;
  colour?: string;
  marker?: number;
  /** Markers on a line. */
  dots?: boolean;
  hollow?: boolean;
  dashed?: boolean;
  /** Thin: the truth, a ghost of an earlier step. */
  thin?: boolean;
  /** Not found by the mouse, and in the legend only as `legend` says. */
  silent?: boolean;
  /** What the legend calls it and others like it, once. */
  legend?: string;
  /** Whether its points can be dragged; `onDrag` of the chart is told. */
  draggable?: boolean;
  /** What a point is called when it is spoken of. */
  describe?: (index: number) => string;
}

/** A point that is being dragged, and the scales from before that. */
export interface Held {
  series: number;
  index: number;
  x: Scale;
  y: Scale;
}

export function Legend({ series }: { series: Series[] }) {
  const named = series.filter((one) => one.legend ?? !one.silent);
  const known = new Map(named.map((one) => [one.legend ?? one.name, one]));
  if (known.size < 2) return null;
  return (
    <ul class="wb-legend">
      {[...known].map(([name, one]) => (
        <li key={name}>
          <svg width="22" height="12" aria-hidden="true">
            {one.kind === "bars" ? (
              <rect
                x="5"
                y="1"
                width="12"
                height="10"
                style={{ fill: one.colour ?? "var(--wb-ink)" }}
              />
            ) : (
              one.kind !== "points" && (
                <line
                  shape-rendering="crispEdges"
                  x1="1"
                  x2="21"
                  y1="6"
                  y2="6"
                  style={stroke(one)}
                  class={one.kind === "band" ? "wb-band-key" : ""}
                />
              )
            )}
            {(one.kind === "points" || one.dots) && (
              <Marker x={11} y={6} marker={one.marker} colour={one.colour} hollow={one.hollow} />
            )}
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

const stroke = (one: Series) => ({
  stroke: one.colour ?? "var(--wb-ink)",
  strokeWidth: one.thin ? 1 : 2,
  strokeDasharray: one.dashed ? "5 4" : undefined,
  fill: "none",
});

interface DrawnProps {
  one: Series;
  place: number;
  all: Series[];
  x: Scale;
  y: Scale;
  base: number;
  overlaid?: boolean;
  onKey?: (event: KeyboardEvent, grip: Held) => void;
}

function DrawnNow({ one, place, all, x, y, base, overlaid, onKey }: DrawnProps) {
  const rows = Array.from(one.x, (_, index) => index);
  const shown = (index: number) =>
    Number.isFinite(x(one.x[index]!)) && Number.isFinite(y(one.y[index]!));
  const colour = one.colour ?? "var(--wb-ink)";
  if (one.kind === "band") {
    const path = area<number>(
      (k) => x(one.x[k]!),
      (k) => y(one.low![k]!),
      (k) => y(one.high![k]!),
    );
    return (
      <path
        d={
          path.defined(
            (k) => Number.isFinite(y(one.low![k]!)) && Number.isFinite(y(one.high![k]!)),
          )(rows) ?? ""
        }
        class="wb-band"
        style={{ fill: colour }}
      />
    );
  }
  if (one.kind === "bars") {
    const bars = overlaid ? [one] : all.filter((other) => other.kind === "bars");
    const slot = (Math.abs(x(1) - x(0)) * 0.8) / bars.length;
    const zero = y.log ? base : y(0);
    return (
      <g style={{ fill: colour }}>
        {rows.filter(shown).map((k) => {
          const [left, top] = [
            x(one.x[k]!) + slot * (bars.indexOf(one) - bars.length / 2),
            y(one.y[k]!),
          ];
          return (
            <rect
              key={k}
              x={left + 0.5}
              y={Math.min(top, zero)}
              width={Math.max(slot - 1, 1)}
              height={Math.abs(zero - top)}
            />
          );
        })}
      </g>
    );
  }
  const path = line<number>(
    (k) => x(one.x[k]!),
    (k) => y(one.y[k]!),
  ).defined(shown);
  // A marker at every so-manieth place of a long line tells it as well.
  const every = one.kind === "points" || one.draggable ? 1 : Math.ceil(rows.length / 26);
  return (
    <g>
      {one.kind !== "points" && <path d={path(rows) ?? ""} style={stroke(one)} />}
      {(one.kind === "points" || one.dots) &&
        rows
          .filter((k) => k % every === 0 && shown(k))
          .map((k) => (
            <Marker
              key={k}
              x={x(one.x[k]!)}
              y={y(one.y[k]!)}
              marker={one.marker}
              colour={colour}
              hollow={one.hollow}
              size={one.draggable ? 80 : undefined}
              {...(one.draggable && onKey
                ? {
                    "data-point": `${place}-${k}`,
                    class: "wb-grip",
                    tabindex: 0,
                    role: "button",
                    "aria-label": trans.__(
                      "%1: %2, %3. Arrow keys move it",
                      one.describe?.(k) ?? `${one.name} ${k + 1}`,
                      three(one.x[k]),
                      three(one.y[k]),
                    ),
                    onKeyDown: (event: KeyboardEvent) =>
                      onKey(event, { series: place, index: k, x, y }),
                  }
                : {})}
            />
          ))}
    </g>
  );
}

const LOOKS = [
  "name",
  "kind",
  "colour",
  "marker",
  "dots",
  "hollow",
  "dashed",
  "thin",
  "draggable",
] as const;

const bars = ({ one, all }: DrawnProps) => {
  const found = all.filter((other) => other.kind === "bars");
  return `${found.indexOf(one)} of ${found.length}`;
};

/** A point that can be dragged answers keys, and how it does so changes with everything else. */
function sameDrawn(a: DrawnProps, b: DrawnProps): boolean {
  return (
    !a.one.draggable &&
    LOOKS.every((name) => a.one[name] === b.one[name]) &&
    (["x", "y", "low", "high"] as const).every((name) => sameList(a.one[name], b.one[name])) &&
    a.x === b.x &&
    a.y === b.y &&
    a.base === b.base &&
    a.place === b.place &&
    (a.one.kind !== "bars" || (a.overlaid === b.overlaid && bars(a) === bars(b)))
  );
}

export const Drawn = steady(DrawnNow, sameDrawn);
