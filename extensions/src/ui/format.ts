/** Numbers as words, as `workbench/numbers.py` writes them: `tests/numbers.json` holds both to it. */

const DIGITS = 3;
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number to three significant digits; whole ones below a million in full. */
export function three(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const rounded = Number(value.toPrecision(DIGITS));
  const size = Math.abs(rounded);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return grouped(String(value));
  if (size >= 1e-3 && size < 1e6) return grouped(String(rounded));
  const [digits, exponent] = value.toExponential(DIGITS - 1).split("e");
  const head = String(Number(digits));
  const power = powerOfTen(Number(exponent));
  return head === "1" || head === "-1" ? signed(head.slice(0, -1)) + power : `${signed(head)}×${power}`;
}

/** A number with the half width of its interval, both to the same place. */
export function withInterval(value: number, half: number | null | undefined): string {
  if (half === null || half === undefined) return three(value);
  const size = Math.max(Math.abs(value), Math.abs(half));
  if (!Number.isFinite(value) || !Number.isFinite(half) || size === 0) return three(value);
  const power = orderOf(size);
  let place = power - DIGITS + 1;
  if (half !== 0 && Number(at(half, place)) === 0) place = orderOf(Math.abs(half));
  if (size >= 1e-3 && size < 1e6) return `${written(value, place)} ± ${written(half, place)}`;
  const unit = Number(`1e${power}`);
  const scaled = [value, half].map((part) => written(part / unit, place - power));
  return `(${scaled.join(" ± ")})×${powerOfTen(power)}`;
}

/** The power of ten of its first digit, once rounded. */
const orderOf = (size: number) => Number(size.toExponential(DIGITS - 1).split("e")[1]);

/** Rounded at a power of ten. */
function at(value: number, place: number): string {
  if (place <= 0) return value.toFixed(-place);
  const unit = Number(`1e${place}`);
  return String(Math.sign(value) * Math.round(Math.abs(value) / unit) * unit);
}

const written = (value: number, place: number) => {
  const text = at(value, place);
  return grouped(Number(text) === 0 ? text.replace("-", "") : text);
};

/** Thousands apart, and a minus sign in place of a hyphen. */
function grouped(text: string): string {
  const [whole = "", rest] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return signed(rest === undefined ? apart : `${apart}.${rest}`);
}

const signed = (text: string) => text.replace("-", "−");

const powerOfTen = (exponent: number) =>
  `10${[...String(exponent)].map((c) => (c === "-" ? "⁻" : SUPERSCRIPTS[Number(c)])).join("")}`;

/** A number and its unit; words that count things have none. */
export function withUnit(value: number | null | undefined, unit = ""): string {
  return `${three(value)}${unit === "%" || !unit ? "" : " "}${unit}`;
}

/** A name as it reads in a picture: the middle goes where it is long. */
export function short(name: string, letters = 18): string {
  if (name.length <= letters) return name;
  const tail = Math.floor((letters - 1) / 2);
  return `${name.slice(0, letters - 1 - tail)}…${name.slice(-tail)}`;
}

/** How many Latin letters a text is as wide as, about: a Chinese one is as wide as two. */
export const lettersOf = (text: string): number =>
  text.length + (text.match(/[\u2e80-\uffef]/g)?.length ?? 0);

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(Math.round(seconds), 1)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
