/** What a drawing pad holds: strokes in places 0..1, drawn by a pointer or by keys. */

export type Place = [number, number];
export type Stroke = Place[];

export interface Pad {
  strokes: Stroke[];
  /** Where the pen is, for those who draw by keys. */
  pen: Place;
  /** Whether it touches the paper. */
  down: boolean;
}

export const CLEAN: Pad = { strokes: [], pen: [0.5, 0.5], down: false };

const CLOSE = 0.012; // points nearer than this to the last one add nothing to see
const inside = (value: number) => Math.min(Math.max(value, 0), 1);
const rounded = (value: number) => Math.round(inside(value) * 1000) / 1000;

function longer(pad: Pad, pen: Place, least: number): Pad {
  const last = pad.strokes.at(-1)!;
  const [x, y] = last.at(-1)!;
  if (Math.hypot(pen[0] - x, pen[1] - y) < least) return { ...pad, pen };
  return { ...pad, pen, strokes: [...pad.strokes.slice(0, -1), [...last, pen]] };
}

/** Puts the pen down: a new stroke. */
export function touch(pad: Pad, x: number, y: number): Pad {
  const pen: Place = [rounded(x), rounded(y)];
  return { strokes: [...pad.strokes, [pen]], pen, down: true };
}

/** Moves the pen; it draws while it is down. */
export function moveTo(pad: Pad, x: number, y: number, least = CLOSE): Pad {
  const pen: Place = [rounded(x), rounded(y)];
  return pad.down ? longer(pad, pen, least) : { ...pad, pen };
}

/** Takes the pen up: the stroke is done. */
export function lift(pad: Pad): Pad {
  return { ...pad, down: false };
}

/** The pad without its last stroke. */
export function withoutLast(pad: Pad): Pad {
  return { ...pad, strokes: pad.strokes.slice(0, -1), down: false };
}

/** What a key does to the pad; null where it is none of the pad's. */
export function pressed(pad: Pad, key: string, far: boolean): Pad | null {
  const by = far ? 0.1 : 0.025;
  const [x, y] = pad.pen;
  switch (key) {
    case "ArrowLeft":
      return moveTo(pad, x - by, y, 0);
    case "ArrowRight":
      return moveTo(pad, x + by, y, 0);
    case "ArrowUp":
      return moveTo(pad, x, y - by, 0);
    case "ArrowDown":
      return moveTo(pad, x, y + by, 0);
    case " ":
      return pad.down ? lift(pad) : touch(pad, x, y);
    case "Backspace":
      return withoutLast(pad);
    default:
      return null;
  }
}
