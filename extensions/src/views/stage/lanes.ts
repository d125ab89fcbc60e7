/** Where lanes and steps lie on the timeline. Nothing here draws. */

import type { Lane } from "../../generated";
import { look } from "../../ui/palette";
import { trans } from "../../words";

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

const LETTER = 7.1; // pixels of a letter of a lane's name, about: the current one is bold
const LINE = 14;

/** The geometry of a timeline of this width, with room for the lanes' names in full. */
export function geometry(
  lanes: readonly Pick<Lane, "steps" | "name" | "diverged">[],
  width: number,
): Geometry {
  const steps = Math.max(...lanes.map((lane) => lane.steps), 1);
  const longest = Math.max(...lanes.map((lane) => lane.name.length), 12);
  const left = Math.round(Math.min(Math.max(longest * LETTER + 16, 110), 0.4 * width));
  const lines = Math.max(...lanes.map((lane) => linesOf(lane, left).length), 1);
  return {
    left,
    right: Math.max(width - 20, left + 60),
    curve: 54,
    gap: 8 + LINE * lines,
    steps,
    lanes: Math.max(lanes.length, 1),
  };
}

/** What is said of a lane left of its steps, in as many lines as it needs: its name in full, and
 * where it diverged. */
export function linesOf({ name, diverged }: Pick<Lane, "name" | "diverged">, left: number): string[] {
  const room = Math.max(Math.floor((left - 16) / LETTER), 8);
  const lines: string[] = [];
  for (const word of name.split(/(?<=[ -])/)) {
    const last = lines.at(-1);
    if (last !== undefined && (last + word).trimEnd().length <= room) lines[lines.length - 1] += word;
    else lines.push(word);
  }
  if (diverged) lines.push(trans.__("diverged at step %1", diverged.step));
  return lines.map((line) => line.trimEnd());
}

/** The values that axes follow: of a lane that diverged those before it left the others' sight. */
export const followed = (values: readonly number[], lane: Pick<Lane, "diverged"> | undefined) =>
  lane?.diverged ? values.slice(0, lane.diverged.follow + 1) : values;

/** What is said of the lanes that diverged, each by its name; empty where none did. */
export const divergedIn = (lanes: readonly Lane[]): string =>
  lanes
    .filter((lane) => lane.diverged)
    .map((lane) => `${lane.name}: ${lane.diverged!.sentence}`)
    .join(" · ");

/** Whether an edit in one lane is one in the other: lanes that are no branches have one episode. */
export const shareEpisode = (lanes: readonly Lane[], a: number, b: number): boolean =>
  lanes[a]?.parent === null && lanes[b]?.parent === null;

/** Steps have their own place, and so has one more: where the adaptation would go on. */
export function placeOf(step: number, g: Geometry): number {
  return g.left + ((g.right - g.left) * step) / (g.steps + 1);
}

export function heightOf(lane: number, g: Geometry): number {
  return g.curve + 16 + lane * g.gap;
}

/** Room that the last lane's name takes, of several lines, above the numbers of the steps. */
export const below = (g: Geometry): number => Math.max((g.gap - 8 - 2 * LINE) / 2, 0);

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
