/** Where lanes and steps lie on the timeline. Nothing here draws. */

import type { Lane } from "../../generated";
import { rewritten } from "../../facts";
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

/** Colour of a lane; the first one is ink, as there is nothing to tell it from. */
export function laneColour(lane: number): string {
  return lane === 0 ? "var(--wb-after)" : look(lane).colour;
}

/** What a lane is called: the method, or which branch with what differs in it. */
export function laneName(about: About, lane: number): string {
  const one = about.lanes?.[lane];
  if (!one || one.parent === null)
    return about.title ?? one?.learner ?? "adaptation";
  const differs = difference(about.lanes!, one);
  return `branch ${lane}${differs && `: ${differs}`}`;
}

/** The same, for a narrow margin: '1 · inner rate 0.1'. */
export function laneLabel(about: About, lane: number): string {
  return laneName(about, lane)
    .replace(/^branch (\d+):? ?/, (_, number) => `${number} · `)
    .replace(/ · $/, "");
}

/** What is other in a branch than in the lane that it came from, in few words. */
export function difference(lanes: Lane[], one: Lane): string {
  const before: Record<string, unknown> = lanes[one.parent ?? -1]?.settings ?? {};
  const settings: Record<string, unknown> = one.settings;
  const words = Object.keys(settings)
    .filter((name) => settings[name] !== before[name])
    .map((name) => `${name.replaceAll("_", " ")} ${settings[name]}`);
  words.push(...rewritten(one));
  if (one.edits) words.push(`${one.edits} ${one.edits === 1 ? "edit" : "edits"}`);
  return words.join(", ");
}
