/** What a number is called, which way is better, its unit, what guessing reaches: as Python says. */

import type { Measure } from "./generated";
import { partName, lossOf } from "./names";
import { trans } from "./words";

/** A measure of which only the name is known. */
export const named = (name: string): Measure => ({
  name,
  better: null,
  unit: "",
  chance: null,
  label: "",
  loss: false,
});

/** A fraction of unit % is shown times 100. */
export const factorOf = ({ unit }: Measure) => (unit === "%" ? 100 : 1);
/** What guessing reaches, as it is shown. */
export const chanceOf = (measure: Measure) =>
  measure.chance === null ? undefined : factorOf(measure) * measure.chance;
export const unitOf = ({ unit }: Measure) => unit || undefined;
export const labelOf = ({ label, name }: Measure) =>
  name === "loss" && label
    ? trans.__("loss: %1", trans.__(label))
    : trans.__(label || name.replaceAll("_", " "));
/** What a line is called that shows it on a part of the tasks, whose axis names it. */
export const ofPart = (name: string, part: string) => (name === "loss" ? lossOf(part) : partName(part));
/** Errors fall by orders of magnitude. */
export const scaleOf = ({ better, unit }: Measure) =>
  better === "lower" && unit !== "%" ? "log" : "linear";
