/** Numbers as words: three significant digits everywhere. */

/** A number with three significant digits, `1.23e-5` where it is very small or large. */
export function three(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text: string;
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [head, power] = value.toExponential(2).split("e");
    text = `${Number(head)}e${Number(power)}`;
  } else if (Number.isInteger(value)) text = String(value);
  else text = String(Number(value.toPrecision(3)));
  return text.replace(/-/g, "−"); // a minus sign, not a hyphen
}

/** A number and its unit; words that count things have none. */
export function withUnit(value: number | null | undefined, unit = ""): string {
  return unit ? `${three(value)} ${unit}` : three(value);
}

/** A name as it reads in a picture: the middle goes where it is long. */
export function short(name: string, letters = 18): string {
  if (name.length <= letters) return name;
  const tail = Math.floor((letters - 1) / 2);
  return `${name.slice(0, letters - 1 - tail)}…${name.slice(-tail)}`;
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(Math.round(seconds), 1)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
