/** What a settings field is, and how its control moves. */

import type { Field } from "../generated";
import { trans } from "../words";

export type Value = Field["value"];

const EXPONENTS = [-6, 1] as const; // of a rate without limits of its own

/** A rate's place on its slider, 0 to 1; the slider is logarithmic. */
export function ratePlace(field: Field, value: number): number {
  const [low, high] = rateRange(field);
  if (!(value > 0)) return 0;
  return Math.min(Math.max((Math.log10(value) - low) / (high - low), 0), 1);
}

/** The rate at a place of the slider, with two significant digits. */
export function rateAt(field: Field, place: number): number {
  const [low, high] = rateRange(field);
  return Number((10 ** (low + place * (high - low))).toPrecision(2));
}

function rateRange(field: Field): [number, number] {
  const [least, most] = field.span ?? [field.minimum, field.maximum];
  const low = least ? Math.log10(least) : EXPONENTS[0];
  const high = most ? Math.log10(most) : EXPONENTS[1];
  return low < high ? [low, high] : [...EXPONENTS];
}

/** The ends of an integer's or number's slider: its own, or some room around its default. */
export function range(field: Field): [number, number] {
  const usual = typeof field.default === "number" ? field.default : 1;
  const low = field.span?.[0] ?? field.minimum ?? Math.min(0, usual);
  const high = field.span?.[1] ?? field.maximum ?? Math.max(4 * Math.abs(usual), low + 10);
  const value = typeof field.value === "number" ? field.value : usual;
  return [Math.min(low, value), Math.max(high, value)];
}

/** The fields that are not as they come. */
export function differing(fields: Field[]): Field[] {
  return fields.filter((field) => field.value !== field.default);
}

/** What a value is called: a missing one is 'none'. */
export function said(value: Value): string {
  if (value === null) return trans.__("none");
  if (typeof value === "boolean") return value ? trans.__("on") : trans.__("off");
  return String(value);
}

/** What somebody typed as a number; null when it is none. Whether it is allowed, Python says. */
export function parsed(text: string): number | null {
  const value = Number(text.trim().replace("−", "-").replace(",", "."));
  return text.trim() === "" || !Number.isFinite(value) ? null : value;
}
