/** A cell a number: layers by steps, tasks by tasks, queries by memory entries. */

import { type TargetedKeyboardEvent, type TargetedPointerEvent } from "preact";
import { useMemo, useState } from "preact/hooks";
import { banded, isNumber, type Row } from "./bands";
import { lettersOf, short, three, withUnit } from "./format";
import { useSteady, useUnique, useWidth } from "./hooks";
import { Marker } from "./Marker";
import { diverging, sequential } from "./palette";
import { trans } from "../words";

export interface Look {
  colour: string;
  marker: number;
}

export interface Place {
  row: number;
  column: number;
}

interface Props {
  title: string;
  rows: string[];
  columns: string[];
  value: (row: number, column: number) => number | null | undefined;
  /** What the numbers are, and their unit. */
  label: string;
  unit?: string;
  /** What rows and columns are, as 'layer' and 'inner step'. */
  rowLabel: string;
  columnLabel: string;
  /** Numbers below 0 have colours of their own; zero has none. */
  signed?: boolean;
  log?: boolean;
  /** Small numbers have the strong colours: distances. */
  reversed?: boolean;
  /** Classes of rows and columns, as markers beside their names. */
  rowLooks?: (Look | null)[];
  columnLooks?: (Look | null)[];
  /** The number with the strongest colour; the largest one unless said otherwise. */
  bound?: number;
  /** Rows and columns that belong to the cursor; -1 is none. */
  marked?: Place;
  onPick?: (place: Place) => void;
  /** Height of a row in pixels, at most. */
  size?: number;
}

/** Number → share of the colour scale; the ends of the scale, as numbers. */
export function shares(
  values: (number | null | undefined)[],
  { signed = false, log = false, bound }: Pick<Props, "signed" | "log" | "bound">,
): { share: (value: number) => number; low: number; high: number } {
  const finite = values.filter((v): v is number => Number.isFinite(v) && (!log || v! > 0));
  const high =
    bound ?? finite.reduce((a, b) => Math.max(a, signed ? Math.abs(b) : b), log ? 1e-300 : 0);
  if (signed) return { share: (v) => clip(v / (high || 1), -1), low: -high, high };
  const least = finite.reduce((a, b) => Math.min(a, b), high);
  if (!log)
    return {
      share: (v) => clip((v - Math.min(least, 0)) / (high - Math.min(least, 0) || 1)),
      low: Math.min(least, 0),
      high,
    };
  const low = Math.max(least, high * 1e-9); // more than nine decades are zero for the eye
  const span = Math.log(high / low) || 1;
  return { share: (v) => clip(v <= 0 ? 0 : Math.log(v / low) / span), low, high };
}

const FEW = 800; // cells, up to which each is a mark of its own

const sameTable = (a: Row[], b: Row[]) =>
  a.length === b.length &&
  a.every((row, r) => row.length === b[r]!.length && row.every((v, c) => Object.is(v, b[r]![c])));

/** What the colours stand for. */
export function ColourKey(props: {
  low: number;
  high: number;
  unit?: string;
  signed?: boolean;
  log?: boolean;
  reversed?: boolean;
}) {
  const { low, high, unit = "", signed, log, reversed } = props;
  const stops = [0, 0.25, 0.5, 0.75, 1].map((s) => (signed ? diverging(2 * s - 1) : sequential(s)));
  if (reversed) stops.reverse();
  return (
    <span class="wb-end wb-scale">
      {three(low)}
      <span
        aria-hidden="true"
        style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }}
      />
      {three(high)} {unit} {log ? trans.__("(log)") : ""}
      {reversed && trans.__("(reversed: strong is near)")}
    </span>
  );
}

/** A class: its marker where there is room for it, else its colour. */
function Class({ look, x, y, room }: { look: Look; x: number; y: number; room: number }) {
  if (room >= 9) return <Marker x={x} y={y} {...look} size={30} stroke-width={0} />;
  return <rect x={x - room / 2} y={y - 3} width={room} height={6} style={{ fill: look.colour }} />;
}

const sameLooks = (a: (Look | null)[], b: (Look | null)[]) =>
  a.length === b.length &&
  a.every((look, k) => look?.colour === b[k]?.colour && look?.marker === b[k]?.marker);

const clip = (share: number, low = 0) => Math.min(Math.max(share, low), 1);

export function HeatMap(props: Props) {
  const { title, rows, columns, value, label, unit, marked, onPick, signed } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<Place | null>(null);
  const [focus, setFocus] = useState<Place | null>(null);
  const id = useUnique();
  const letters = rows.reduce((most, name) => Math.max(most, lettersOf(name)), 0);
  const beside = props.rowLooks ? 14 : 0;
  const left = Math.min(Math.max(letters, lettersOf(props.rowLabel), 2) * 6.6 + 10, 120) + beside;
  const cell = Math.max(Math.min((width - left - 4) / Math.max(columns.length, 1), 64), 1);
  const height = Math.max(Math.min(props.size ?? 26, 360 / Math.max(rows.length, 1)), 4);
  const gap = cell > 5 && height > 5 ? 1 : 0;
  const table = useSteady(
    rows.map((_, row) => columns.map((_, column) => value(row, column))),
    sameTable,
  );
  const { share, low, high } = shares(table.flat(), props);
  const colour = signed
    ? diverging
    : props.reversed
      ? (s: number) => sequential(1 - s)
      : sequential;
  const every = Math.ceil((Math.max(...columns.map((c) => Math.min(c.length, 8))) * 7 + 6) / cell);
  const everyRow = Math.ceil(11 / height);
  const head = 16;
  const bottom = head + rows.length * height;
  const below = props.columnLooks ? 14 : 0;
  const classes = useSteady(
    { rows: props.rowLooks ?? [], columns: props.columnLooks ?? [] },
    (a, b) => sameLooks(a.rows, b.rows) && sameLooks(a.columns, b.columns),
  );

  // Cells that are as they were are not compared one by one while somebody scrubs; and of thousands
  // those of a like colour are one path, as every mark is painted again with what moves over it.
  const cells = useMemo(() => {
    const one = (row: number, column: number) => ({
      x: left + column * cell,
      y: head + row * height,
      width: cell - gap,
      height: height - gap,
    });
    if (rows.length * columns.length > FEW) return banded(table, share, colour, one);
    return table.map((line, row) =>
      line.map((number, column) => (
        <rect
          key={`${row},${column}`}
          {...one(row, column)}
          class={isNumber(number) ? undefined : "wb-missing"}
          style={{ fill: isNumber(number) ? colour(share(number)) : undefined }}
        />
      )),
    );
  }, [table, left, cell, height, signed, props.log, props.bound, props.reversed]);

  const said = [props.rowLabel, props.columnLabel, ...rows, "", ...columns].join("\n");
  const names = useMemo(
    () => (
      <g class="wb-axes" aria-hidden="true">
        <text class="wb-label" x={4} y={11}>
          {props.rowLabel}
        </text>
        {rows.map((name, row) =>
          row % everyRow ? null : (
            <text
              key={row}
              x={left - 6 - beside}
              y={head + (row + 0.5) * height}
              dy="0.32em"
              text-anchor="end"
            >
              {short(name, 17)}
            </text>
          ),
        )}
        {columns.map((name, column) =>
          column % every ? null : (
            <text
              key={column}
              x={left + (column + 0.5) * cell}
              y={bottom + below + 13}
              text-anchor="middle"
            >
              {short(name, 8)}
            </text>
          ),
        )}
        {classes.rows.map(
          (look, row) =>
            look && (
              <Class key={row} look={look} x={left - 9} y={head + (row + 0.5) * height} room={height} />
            ),
        )}
        {classes.columns.map(
          (look, column) =>
            look && (
              <Class
                key={column}
                look={look}
                x={left + (column + 0.5) * cell}
                y={bottom + 8}
                room={cell}
              />
            ),
        )}
        <text class="wb-label" x={left} y={11}>
          {props.columnLabel} →
        </text>
      </g>
    ),
    [said, classes, left, cell, height],
  );

  const spot = (event: TargetedPointerEvent<SVGSVGElement>): Place | null => {
    const frame = event.currentTarget.getBoundingClientRect();
    const column = Math.floor((event.clientX - frame.left - left) / cell);
    const row = Math.floor((event.clientY - frame.top - head) / height);
    return row >= 0 && row < rows.length && column >= 0 && column < columns.length
      ? { row, column }
      : null;
  };
  const start = (): Place => ({
    row: Math.min(Math.max(marked?.row ?? 0, 0), rows.length - 1),
    column: Math.min(Math.max(marked?.column ?? 0, 0), columns.length - 1),
  });
  const keyDown = (event: TargetedKeyboardEvent<SVGSVGElement>) => {
    const here = focus ?? start();
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Home: [0, -columns.length],
      End: [0, columns.length],
    };
    const move = moves[event.key];
    if (move && !event.shiftKey) {
      const row = Math.min(Math.max(here.row + move[0], 0), rows.length - 1);
      const column = Math.min(Math.max(here.column + move[1], 0), columns.length - 1);
      setFocus({ row, column });
      onPick?.({ row, column }); // the cursor goes along, as with the arrow keys elsewhere
    } else if (event.key === "Enter" || event.key === " ") onPick?.(here);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const says = (place: Place) =>
    `${props.rowLabel} ${rows[place.row]} · ${props.columnLabel} ${columns[place.column]} · ${label} ${withUnit(table[place.row]?.[place.column], unit)}`;
  const read = at ?? focus;

  return (
    <figure class="wb-heat" ref={ref}>
      <div class="wb-row">
        <figcaption id={`${id}-title`}>{title}</figcaption>
        <ColourKey low={low} high={high} unit={unit} signed={signed}
          log={props.log}
          reversed={props.reversed}
        />
      </div>
      <svg
        width={width}
        height={bottom + below + 18}
        role="application"
        aria-roledescription={trans.__("heat map")}
        aria-labelledby={`${id}-title`}
        aria-describedby={`${id}-says`}
        tabindex={0}
        onPointerMove={(event) => setAt(spot(event))}
        onPointerLeave={() => setAt(null)}
        onClick={(event) => {
          const place = spot(event as unknown as TargetedPointerEvent<SVGSVGElement>);
          if (place) onPick?.(place);
        }}
        onFocus={(event) => event.currentTarget.matches(":focus-visible") && setFocus(start())}
        onBlur={() => setFocus(null)}
        onKeyDown={keyDown}
        style={{ cursor: onPick ? "pointer" : "default" }}
      >
        {names}
        {cells}
        {marked && marked.column >= 0 && marked.column < columns.length && (
          <rect
            class="wb-marked"
            x={left + marked.column * cell - 0.5}
            y={head - 1}
            width={cell}
            height={bottom - head + 1}
          />
        )}
        {marked && marked.row >= 0 && marked.row < rows.length && (
          <rect
            class="wb-marked"
            x={left - 1}
            y={head + marked.row * height - 0.5}
            width={columns.length * cell + 1}
            height={height}
          />
        )}
        {read && (
          <rect
            class="wb-focused"
            x={left + read.column * cell - 1}
            y={head + read.row * height - 1}
            width={cell + 1}
            height={height + 1}
          />
        )}
      </svg>
      <p class="wb-readout" id={`${id}-says`} aria-live="polite">
        {read
          ? says(read)
          : marked && marked.row >= 0 && marked.column >= 0
            ? says({
                row: Math.min(marked.row, rows.length - 1),
                column: Math.min(marked.column, columns.length - 1),
              })
            : unit
              ? trans.__("%1 in %2", label, unit)
              : label}
      </p>
    </figure>
  );
}
