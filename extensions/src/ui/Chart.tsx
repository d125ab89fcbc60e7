/** Lines, points, bands and bars over two axes, with what is under the mouse in words. */

import { type ComponentChildren, type TargetedPointerEvent } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Axes } from "./Axes";
import { three, withUnit } from "./format";
import { useUnique, useWidth } from "./hooks";
import { Drawn, type Held, Legend, type Series } from "./Series";
import { turned, type Window, within } from "./window";
import { asksForLog, type Axis, belowLog, evened, extent, makeScale, nearest, type Scale, tilts } from "./scales";
import { trans } from "../words";

export type { Series } from "./Series";

interface Props {
  title: string;
  description?: string;
  series: Series[];
  x: Axis;
  y: Axis;
  height?: number;
  /** Where the cursor is on the x axis. */
  mark?: number;
  /** A click on a point, or beside all of them: then series and index are -1. */
  onPick?: (at: { x: number; y: number; series: number; index: number }) => void;
  /** A point that is dragged by mouse or arrow keys, and when it is let go. */
  onDrag?: (at: { x: number; y: number; series: number; index: number; done: boolean }) => void;
  /** What guessing reaches: a dotted line, where the axis has it. */
  chance?: number;
  /** What is drawn below the series, given the scales. */
  under?: (x: Scale, y: Scale) => ComponentChildren;
  /** Axes end where the numbers end. */
  tight?: boolean;
  /** A unit is as long on both axes, as in a plane; what they hold is given as their domains. */
  even?: boolean;
  /** Without a legend: the words below say what is what. */
  quietLegend?: boolean;
  /** The part of the x axis that is shown; null is all. It is dragged out, and turned by keys. */
  window?: Window | null;
  onWindow?: (window: Window | null) => void;
  /** Hears on which scale the y axis is now. */
  onLog?: (log: boolean) => void;
  /** Bars of several series stand at the same places and not side by side. */
  overlaid?: boolean;
}

export function Chart(given: Props) {
  const { window, onWindow } = given;
  const props: Props = window
    ? {
        ...given,
        series: within(given.series, window),
        x: { ...given.x, scale: "linear", domain: window, limits: window },
        tight: true,
      }
    : given;
  const { title, series, height = 220, mark, onPick, onDrag, under, chance } = props;
  const [brush, setBrush] = useState<Window | null>(null); // in pixels, while it is dragged
  const [ref, width] = useWidth<HTMLDivElement>();
  const [logs, setLogs] = useState<{ x?: boolean; y?: boolean }>({});
  const [hover, setHover] = useState<{ series: number; index: number } | null>(null);
  const held = useRef<Held | null>(null);
  const id = useUnique();
  const ys = useMemo(
    () => series.flatMap((one) => [one.y, one.low ?? [], one.high ?? []]),
    [series],
  );
  const mayAsk = props.y.scale === undefined && props.y.switchable;
  const asks = useMemo(
    () => mayAsk && asksForLog(inSight(ys, props.y.limits)),
    [mayAsk, ys, ...(props.y.limits ?? [null, null])],
  );
  const axes = { x: switched(props.x, logs.x), y: switched(props.y, logs.y ?? (asks || undefined)) };
  const log = axes.y.scale === "log";
  useEffect(() => props.onLog?.(log), [log]);
  const hasBars = series.some((one) => one.kind === "bars") && axes.y.scale !== "log";
  const box = {
    left: axes.y.names ? 84 : 50,
    right: Math.max(width - 12, 120),
    top: 22,
    bottom: height - (tilts(axes.x, width - 62) ? 54 : 40),
  };
  if (props.even && axes.x.domain && axes.y.domain) {
    const plane = evened(
      axes.x.domain,
      axes.y.domain,
      box.right - box.left,
      box.bottom - box.top,
    );
    axes.x = { ...axes.x, domain: plane.x, limits: plane.x };
    axes.y = { ...axes.y, domain: plane.y, limits: plane.y };
  }
  const wide = useMemo(
    () => extent(series.map((one) => one.x), axes.x.scale === "log"),
    [series, axes.x.scale],
  );
  const tall = useMemo(
    () => extent(hasBars ? [...ys, [0]] : ys, log),
    [ys, hasBars, log],
  );
  // While a point is dragged the axes stay, so that it stays under the pointer.
  const freshX = useScale(
    axes.x,
    props.tight || props.even || axes.x.scale === "log" ? wide : beside(series, wide),
    [box.left, box.right],
    true,
  );
  const freshY = useScale(axes.y, tall, [box.bottom, box.top], props.tight || props.even);
  const x = held.current?.x ?? freshX;
  const y = held.current?.y ?? freshY;
  const lost = useMemo(
    () => (log ? belowLog(series.filter((s) => !s.silent).map((s) => s.y)) : 0),
    [series, log],
  );
  const found =
    hover && series[hover.series] && hover.index < series[hover.series]!.x.length ? hover : null;

  const place = (event: TargetedPointerEvent<SVGSVGElement>): [number, number] => {
    const frame = event.currentTarget.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const audible = series.map((one) => (one.silent ? { x: [], y: [] } : one));
  const pointerMove = (event: TargetedPointerEvent<SVGSVGElement>) => {
    const at = place(event);
    const grip = held.current;
    if (brush) return setBrush([brush[0], at[0]]);
    if (!grip) return setHover(nearest(audible, x, y, at));
    drag(grip, grip.x.invert(at[0]), grip.y.invert(at[1]), false);
  };
  const drag = (grip: Held, toX: number, toY: number, done: boolean) => {
    const within = (value: number, [a, b]: [number, number]) => Math.min(Math.max(value, a), b);
    onDrag?.({
      x: within(toX, grip.x.domain()),
      y: within(toY, grip.y.domain()),
      series: grip.series,
      index: grip.index,
      done,
    });
  };
  const pointerDown = (event: TargetedPointerEvent<SVGSVGElement>) => {
    const at = place(event);
    const near = nearest(
      series.map((one) => (one.draggable && onDrag ? one : { x: [], y: [] })),
      x,
      y,
      at,
      14,
    );
    if (near) {
      event.currentTarget.setPointerCapture(event.pointerId);
      event.preventDefault();
      held.current = { ...near, x, y };
      setHover(near);
      (
        event.currentTarget.querySelector(
          `[data-point="${near.series}-${near.index}"]`,
        ) as SVGElement | null
      )?.focus();
      return;
    }
    if (onWindow && event.button === 0) {
      event.currentTarget.setPointerCapture(event.pointerId);
      setBrush([at[0], at[0]]);
      return;
    }
    const close = nearest(audible, x, y, at, 14);
    onPick?.({
      x: x.invert(at[0]),
      y: y.invert(at[1]),
      series: close?.series ?? -1,
      index: close?.index ?? -1,
    });
  };
  const pointerUp = (event: TargetedPointerEvent<SVGSVGElement>) => {
    const grip = held.current;
    if (brush) {
      const [low, high] = [...brush].sort((a, b) => a - b) as Window;
      setBrush(null);
      if (high - low > 5) onWindow?.([x.invert(low), x.invert(high)]);
      return;
    }
    if (!grip) return;
    const at = place(event);
    held.current = null;
    drag(grip, grip.x.invert(at[0]), grip.y.invert(at[1]), true);
    setHover(null);
  };
  const keyDown = (event: KeyboardEvent, grip: Held) => {
    const [dx, dy] = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, 1],
      ArrowDown: [0, -1],
    }[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    event.stopPropagation();
    const far = event.shiftKey ? 10 : 2; // pixels hold on linear and log axes alike
    const one = series[grip.series]!;
    drag(
      grip,
      x.invert(x(one.x[grip.index]!) + dx! * far),
      y.invert(y(one.y[grip.index]!) - dy! * far),
      true,
    );
    setHover({ series: grip.series, index: grip.index });
  };

  return (
    <figure class="wb-chart" ref={ref}>
      <div class="wb-row">
        <figcaption id={`${id}-title`}>{title}</figcaption>
        {!props.quietLegend && <Legend series={series} />}
        <span class="wb-end wb-row">
          {(["x", "y"] as const).map(
            (name) =>
              props[name].switchable && (
                <button
                  key={name}
                  type="button"
                  aria-pressed={axes[name].scale === "log"}
                  title={
                    axes[name].scale === "log"
                      ? trans.__("%1 on a linear axis", axes[name].label)
                      : trans.__("%1 on a log axis", axes[name].label)
                  }
                  onClick={() => setLogs({ ...logs, [name]: axes[name].scale !== "log" })}
                >
                  {trans.__("log %1", name)}
                </button>
              ),
          )}
        </span>
      </div>
      <svg
        width={width}
        height={height}
        role="group"
        aria-labelledby={`${id}-title`}
        aria-describedby={`${id}-says`}
        onPointerMove={pointerMove}
        onPointerLeave={() => !held.current && setHover(null)}
        onPointerDown={pointerDown}
        onPointerUp={pointerUp}
        onPointerCancel={() => {
          held.current = null;
          setBrush(null);
        }}
        tabindex={onWindow ? 0 : undefined}
        aria-keyshortcuts={onWindow && "+ - 0 ArrowLeft ArrowRight"}
        onKeyDown={(event) => {
          if (!onWindow || event.target !== event.currentTarget) return;
          const next = turned(event.key, window ?? (x.domain() as Window));
          if (next === undefined) return;
          event.preventDefault();
          event.stopPropagation();
          onWindow(next);
        }}
        style={{ cursor: onWindow ? "crosshair" : onPick ? "pointer" : "default", touchAction: onDrag ? "none" : "auto" }}
      >
        {under?.(x, y)}
        {chance !== undefined && chance >= Math.min(...y.domain()) && chance <= Math.max(...y.domain()) && (
          <line class="wb-chance" x1={box.left} x2={box.right} y1={y(chance)} y2={y(chance)} />
        )}
        {mark !== undefined && mark >= 0 && axes.x.names && (
          <rect
            class="wb-chosen"
            x={x(mark - 0.5)}
            width={x(1) - x(0)}
            y={box.top}
            height={box.bottom - box.top}
          />
        )}
        <Axes x={x} y={y} axes={axes} box={box} grid={!under} zero={hasBars} />
        {mark !== undefined && !axes.x.names && Number.isFinite(x(mark)) && (
          <line class="wb-mark" x1={x(mark)} x2={x(mark)} y1={box.top} y2={box.bottom} />
        )}
        {brush && (
          <rect
            class="wb-chosen"
            x={Math.min(...brush)}
            width={Math.abs(brush[1] - brush[0])}
            y={box.top}
            height={box.bottom - box.top}
          />
        )}
        {props.y.limits && (
          <clipPath id={`${id}-inside`}>
            <rect
              x={box.left - 8}
              y={box.top - 8}
              width={box.right - box.left + 16}
              height={box.bottom - box.top + 8}
            />
          </clipPath>
        )}
        <g clip-path={props.y.limits && `url(#${id}-inside)`}>
          {series.map((one, place) => (
            <Drawn
              key={place}
              one={one}
              place={place}
              all={series}
              x={x}
              y={y}
              base={box.bottom}
              overlaid={props.overlaid}
              onKey={onDrag && keyDown}
            />
          ))}
        </g>
        {found && (
          <circle
            class="wb-ring"
            cx={x(series[found.series]!.x[found.index]!)}
            cy={y(series[found.series]!.y[found.index]!)}
            r={7}
          />
        )}
      </svg>
      <p class="wb-readout" id={`${id}-says`}>
        {found ? reading(series[found.series]!, found.index, props) : resting(series, mark, props)}
        {lost > 0 &&
          ` · ${trans._n("%1 value at or below 0 cannot stand on a log axis", "%1 values at or below 0 cannot stand on a log axis", lost)}`}
      </p>
    </figure>
  );
}

/** A scale that stays the same object as long as it scales the same: then what it drew stays too. */
function useScale(
  axis: Axis,
  found: [number, number] | null,
  range: [number, number],
  tight?: boolean,
): Scale {
  const { scale, domain, limits, integer, names } = axis;
  const key = JSON.stringify([scale, domain, limits, integer, names, found, range, tight]);
  return useMemo(() => makeScale(axis, found, range, tight), [key]);
}

const switched = (axis: Axis, log: boolean | undefined): Axis =>
  log === undefined ? axis : { ...axis, scale: log ? "log" : "linear" };

/** The numbers that are between limits, where there are any. */
const inSight = (columns: ArrayLike<number>[], limits: Axis["limits"]): ArrayLike<number>[] =>
  limits
    ? columns.map((column) => Array.from(column).filter((v) => v >= limits[0] && v <= limits[1]))
    : columns;

/** Room beside bars, and beside points that no line joins. */
function beside(series: Series[], wide: [number, number] | null): [number, number] | null {
  if (!wide) return null;
  const shown = series.filter((one) => !one.silent);
  const only = (kind: Series["kind"]) =>
    shown.length > 0 && shown.every((one) => one.kind === kind);
  const room = only("bars") ? 0.5 : only("points") ? 0.04 * (wide[1] - wide[0]) : 0;
  return [wide[0] - room, wide[1] + room];
}

function coordinate(axis: Axis, value: number): string {
  return axis.names?.[Math.round(value)] ?? `${axis.label} ${withUnit(value, axis.unit)}`;
}

function reading(one: Series, index: number, axes: { x: Axis; y: Axis }): string {
  const around =
    one.low && one.high ? ` (${trans.__("%1 to %2", three(one.low[index]), three(one.high[index]))})` : "";
  const who = one.describe?.(index) ?? one.name;
  return `${who} · ${coordinate(axes.x, one.x[index]!)} · ${coordinate(axes.y, one.y[index]!)}${around}`;
}

/** What is read when nothing is pointed at: all series at the cursor. */
function resting(series: Series[], mark: number | undefined, props: Props): string {
  const says = props.description ? [props.description] : [];
  if (mark === undefined || mark < 0) return says.join();
  const values = series
    .filter((one) => !one.silent)
    .map((one) => [one.name, one.y[Array.prototype.indexOf.call(one.x, mark)]] as const)
    .filter(([, value]) => value !== undefined)
    .slice(0, 4)
    .map(([name, value]) => `${name} ${withUnit(value, props.y.unit)}`);
  return [coordinate(props.x, mark), ...values, ...says].join(" · ");
}
