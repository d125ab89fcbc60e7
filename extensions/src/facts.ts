/** What is said of a session in words: the line below every panel. */

import type { Cursor } from "./generated";
import { type Frame } from "./frame";
import { type About } from "./store";
import { three } from "./ui/format";
import { trans } from "./words";

/** The column by which a task's course is told: its loss, or its first metric. */
export const courseOf = (steps: Frame): string | undefined =>
  steps.has("loss") ? "loss" : steps.measures[0]?.name;

/** What that column is called where it stands alone: it is of the query examples. */
export const courseName = (name: string): string =>
  name === "loss" ? trans.__("query loss") : trans.__(name);

/** How many inner steps the lane under the cursor has. */
export function stepsOf(about: About, cursor: Cursor): number {
  return about.lanes?.[cursor.lane]?.steps ?? 0;
}

/** What a lane is called, everywhere: as Python says. */
export const laneName = (about: About, lane: number): string =>
  about.lanes?.[lane]?.name ?? about.title ?? trans.__("adaptation");

/** Where somebody is among inner steps; they count from 1, and the start is none of them. */
export const stepName = (step: number, steps?: number): string =>
  step === 0
    ? trans.__("before adaptation")
    : steps === undefined
      ? trans.__("step %1", step)
      : trans.__("step %1 of %2", step, steps);

/** 'MAML · 5-way 1-shot · step 2 of 5 · loss 0.41 · 12 ms · tape 1.3 MB'. */
export function facts(about: About, cursor: Cursor, steps: Frame | undefined): string[] {
  const found: string[] = [];
  const sampling = Object.fromEntries((about.forms?.sampling ?? []).map((f) => [f.name, f.value]));
  if (about.title) found.push(about.title);
  const shots = sampling.shots;
  if (about.ways) found.push(
      shots
        ? trans.__("%1-way %2-shot", about.ways, shots)
        : trans.__("%1-way", about.ways),
    );
  else if (shots && about.kind === "regression")
    found.push(trans._n("%1 shot", "%1 shots", Number(shots)));
  if ((about.tasks ?? 0) > 1) found.push(trans.__("task %1 of %2", cursor.task + 1, about.tasks));
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
  if (about.megabytes) found.push(trans.__("tape %1 MB", three(about.megabytes)));
  return found;
}
