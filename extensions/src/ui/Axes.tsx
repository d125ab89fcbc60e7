/** The two axes of a picture: ticks, a faint grid, and what is measured in which unit. */

import { short, three } from "./format";
import { steady } from "./hooks";
import { type Axis, type Scale, tilts } from "./scales";
import { trans } from "../words";

interface Props {
  x: Scale;
  y: Scale;
  axes: { x: Axis; y: Axis };
  box: { left: number; right: number; top: number; bottom: number };
  grid?: boolean;
  /** A line at zero, from which bars rise and fall. */
  zero?: boolean;
}

const named = (axis: Axis) => (axis.unit ? `${axis.label} (${axis.unit})` : axis.label);

/** What an axis measures, and where it does not rise from zero that it does not. */
function measured(axis: Axis, scale: Scale): string {
  const from = Math.min(...scale.domain());
  if (scale.log) return trans.__("%1, log", named(axis));
  return axis.names || axis.limits || from <= 0 ? named(axis) : trans.__("%1, axis from %2", named(axis), three(from));
}

function AxesNow({ x, y, axes, box, grid = true, zero }: Props) {
  const room = axes.x.names ? (box.right - box.left) / axes.x.names.length : 0;
  const tilted = tilts(axes.x, box.right - box.left);
  return (
    <g class="wb-axes" aria-hidden="true">
      {y.ticks.map(({ value, text }) => (
        <g key={value} transform={`translate(0,${y(value)})`}>
          {grid && <line class="wb-grid" x1={box.left} x2={box.right} />}
          <text x={box.left - 6} dy="0.32em" text-anchor="end">
            {axes.y.names ? short(text, 12) : text}
          </text>
        </g>
      ))}
      {x.ticks.map(({ value, text }) => (
        <g key={value} transform={`translate(${x(value)},${box.bottom})`}>
          <line class="wb-tick" y2={4} />
          {tilted ? (
            <text transform="rotate(-30)" x={-2} y={14} text-anchor="end">
              {short(text, 12)}
            </text>
          ) : (
            <text y={16} text-anchor="middle">
              {axes.x.names ? short(text, Math.max(Math.floor(room / 6.5), 6)) : text}
            </text>
          )}
        </g>
      ))}
      {zero && y.domain()[0] < 0 && y.domain()[1] > 0 && (
        <line class="wb-axis" x1={box.left} x2={box.right} y1={y(0)} y2={y(0)} />
      )}
      <line class="wb-axis" x1={box.left} x2={box.right} y1={box.bottom} y2={box.bottom} />
      <text class="wb-label" x={4} y={12}>
        {measured(axes.y, y)}
      </text>
      <text class="wb-label" x={box.right} y={box.bottom + (tilted ? 46 : 32)} text-anchor="end">
        {named(axes.x)}
      </text>
    </g>
  );
}

const said = ({ label, unit, names }: Axis) => [label, unit, names];
const words = ({ axes, box, grid, zero }: Props) =>
  JSON.stringify([said(axes.x), said(axes.y), box, grid, zero]);

export const Axes = steady(
  AxesNow,
  (a, b) => a.x === b.x && a.y === b.y && words(a) === words(b),
);
