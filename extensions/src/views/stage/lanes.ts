/** Where lanes and steps lie on the timeline. Nothing here draws. */

import { laneName } from "../../facts";
import { look } from "../../ui/palette";
import type { About } from "../../store";

export interface Geometry {
  left: number;
  right: number;
  /** Height of the losses' part, above the lanes. */
  curve: number;
  /** Distance from lane to lane. */
  gap: number;
  /** The longest lane's steps. */
  steps: number;
  lanes: number;
}

/** The geometry of a timeline of this width. */
export function geometry(lanes: readonly { steps: number }[], width: number, left = 150): Geometry {
  const steps = Math.max(...lanes.map((lane) => lane.steps), 1);
  return {
    left,
    right: Math.max(width - 20, left + 60),
    curve: 54,
    gap: 22,
    steps,
    lanes: Math.max(lanes.length, 1),
  };
}

/** Steps have their own place, and so has one more: where the adaptation would go on. */
export function placeOf(step: number, g: Geometry): number {
  return g.left + ((g.right - g.left) * step) / (g.steps + 1);
}

export function heightOf(lane: number, g: Geometry): number {
  return g.curve + 16 + lane * g.gap;
}

/** The step that is nearest to a place; of this lane, so never beyond its end. */
export function stepAt(place: number, steps: number, g: Geometry): number {
  const step = Math.round(((place - g.left) * (g.steps + 1)) / (g.right - g.left));
  return Math.min(Math.max(step, 0), steps);
}

/** The lane at a height; null above all of them, among the losses. */
export function laneAt(height: number, g: Geometry): number | null {
  const lane = Math.round((height - heightOf(0, g)) / g.gap);
  return height < heightOf(0, g) - g.gap / 2 ? null : Math.min(Math.max(lane, 0), g.lanes - 1);
}

/** Every how many steps a number stands below the lanes. */
export function every(g: Geometry): number {
  const room = (g.right - g.left) / (g.steps + 1);
  return [1, 2, 5, 10, 20, 50, 100].find((count) => count * room >= 24) ?? 200;
}

const COLOURS = 6; // of classes and methods that are not an order's, blue or orange

/** Colour of a lane; the first one has that of what is after adaptation. */
export function laneColour(lane: number): string {
  return lane === 0 ? "var(--wb-after)" : look((lane - 1) % COLOURS).colour;
}

/** A lane's name for a narrow margin: '1 · inner rate 0.1'. */
export function laneLabel(about: About, lane: number): string {
  const one = about.lanes?.[lane];
  if (!one || one.parent === null) return laneName(about, lane);
  return one.changed ? `${lane} · ${one.changed}` : `branch ${lane}`;
}
