/** What is said of a session in words: the line below every panel. */

import type { Cursor } from "./generated";
import { type Frame } from "./frame";
import { type About } from "./store";
import { three } from "./ui/format";

/** The column by which a task's course is told: its loss, or its first metric. */
export const courseOf = (steps: Frame): string | undefined =>
  steps.has("loss") ? "loss" : steps.measures[0]?.name;

/** What that column is called where it stands alone: it is of the query examples. */
export const courseName = (name: string): string => (name === "loss" ? "query loss" : name);

/** How many inner steps the lane under the cursor has. */
export function stepsOf(about: About, cursor: Cursor): number {
  return about.lanes?.[cursor.lane]?.steps ?? 0;
}

/** What a lane is called, everywhere: as Python says. */
export const laneName = (about: About, lane: number): string =>
  about.lanes?.[lane]?.name ?? about.title ?? "adaptation";

/** Where somebody is among inner steps; they count from 1, and the start is none of them. */
export const stepName = (step: number, steps?: number): string =>
  step === 0 ? "before adaptation" : `step ${step}${steps === undefined ? "" : ` of ${steps}`}`;

/** 'MAML · 5-way 1-shot · step 2 of 5 · loss 0.41 · 12 ms · tape 1.3 MB'. */
export function facts(about: About, cursor: Cursor, steps: Frame | undefined): string[] {
  const found: string[] = [];
  const sampling = Object.fromEntries((about.forms?.sampling ?? []).map((f) => [f.name, f.value]));
  if (about.title) found.push(about.title);
  const shots = sampling.shots;
  if (about.ways) found.push(`${about.ways}-way${shots ? ` ${shots}-shot` : ""}`);
  else if (shots && about.kind === "regression")
    found.push(`${shots} ${shots === 1 ? "shot" : "shots"}`);
  if ((about.tasks ?? 0) > 1) found.push(`task ${cursor.task + 1} of ${about.tasks}`);
  if (stepsOf(about, cursor) > 0) found.push(stepName(cursor.step, stepsOf(about, cursor)));
  const measure = steps && courseOf(steps);
  if (steps && measure) {
    const rows = steps.where({ task: cursor.task, step: cursor.step });
    const query = rows.where((row) => rows.at("part", row) !== "support");
    if (query.rows)
      found.push(
        `${courseName(measure)} ${three(query.at(measure, 0) as number)}`,
      );
  }
  if (about.milliseconds) found.push(`${three(Math.round(about.milliseconds))} ms`);
  if (about.megabytes) found.push(`tape ${three(about.megabytes)} MB`);
  return found;
}
