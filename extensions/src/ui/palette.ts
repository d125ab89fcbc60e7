/** Colours and markers: one language in panels and exported figures (workbench/figures/style.py).
 *
 * Colours that depend on the theme are CSS variables of theme.css, so a picture follows the theme
 * without being drawn again.
 */

// Blue and orange are orders of gradients: only a seventh and an eighth class come to them.
const OKABE_ITO = [
  "#009E73", // green
  "#CC79A7", // purple
  "#D55E00", // vermilion
  "#56B4E9", // sky
  "var(--wb-ink)",
  "#F0E442", // yellow
  "#0072B2", // blue
  "#E69F00", // orange
];

export const FIRST_ORDER = "var(--wb-first-order)";
export const SECOND_ORDER = "var(--wb-second-order)";
export const BEFORE = "var(--wb-before)";
export const AFTER = "var(--wb-after)";
export const INK = "var(--wb-ink)";

/** How many different markers there are. */
export const MARKERS = 8;

/** Colour and marker of the class or method with this number; the first 64 all differ. */
export function look(number: number): { colour: string; marker: number } {
  const place = ((number % 64) + 64) % 64;
  return {
    colour: OKABE_ITO[place % 8]!,
    marker: (Math.floor(place / 8) + place) % MARKERS,
  };
}

const mixed = (from: string, to: string, share: number) =>
  `color-mix(in oklab, ${to} ${(100 * Math.min(Math.max(share, 0), 1)).toFixed(1)}%, ${from})`;

/** Colour of a step out of so many: strong is late. The value before any step is grey. */
export function stepColour(step: number, steps: number): string {
  if (step === 0 && steps > 0) return BEFORE;
  return steps <= 1 ? AFTER : mixed("var(--wb-early)", AFTER, (step - 1) / (steps - 1));
}

/** Colour of a share of the largest value, 0 to 1. */
export function sequential(share: number): string {
  return mixed("var(--wb-low)", "var(--wb-high)", share);
}

/** Colour of a signed share of the largest size, -1 to 1, with nothing at zero. */
export function diverging(share: number): string {
  return mixed(
    "var(--wb-zero)",
    share < 0 ? "var(--wb-below)" : "var(--wb-above)",
    Math.abs(share),
  );
}
