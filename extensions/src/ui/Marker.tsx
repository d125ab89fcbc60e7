/** Markers, so that nothing is told by colour alone. */

import {
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  symbolWye,
  type SymbolType,
} from "d3-shape";
import { type ComponentChildren } from "preact";

const SHAPES: [SymbolType, number][] = [
  [symbolCircle, 0],
  [symbolSquare, 0],
  [symbolTriangle, 0],
  [symbolDiamond, 0],
  [symbolTriangle, 180],
  [symbolCross, 0],
  [symbolStar, 0],
  [symbolWye, 0],
];

interface Props {
  x: number;
  y: number;
  marker?: number;
  colour?: string;
  /** Query examples are hollow, support solid. */
  hollow?: boolean;
  size?: number;
  children?: ComponentChildren;
  [attribute: string]: unknown;
}

export function Marker({
  x,
  y,
  marker = 0,
  colour = "var(--wb-ink)",
  hollow,
  size = 42,
  children,
  ...rest
}: Props) {
  const [shape, turn] = SHAPES[marker % SHAPES.length]!;
  return (
    <path
      d={symbol(shape, size)() ?? ""}
      transform={`translate(${x},${y}) rotate(${turn})`}
      style={{ fill: hollow ? "var(--wb-ground)" : colour, stroke: colour }}
      stroke-width={1.5}
      {...rest}
    >
      {children}
    </path>
  );
}
