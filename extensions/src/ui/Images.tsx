/** A grid of small pictures that can be pointed at, by mouse and by keys. */

import { type TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { short } from "./format";
import { Marker } from "./Marker";

export interface Picture {
  /** Ink in 0..1, `[height, width]`; or colour, `[height, width, 3]`. */
  pixels: Float32Array;
  shape: number[];
  /** What it is, in words: it is all that a screen reader says. */
  label: string;
  /** Below the picture. */
  caption?: string;
  /** 0..1: a bar below the picture. */
  confidence?: number | null;
  /** Its outline. */
  state?: "right" | "wrong" | "changed";
  /** Its class's colour, as a line above the picture. */
  colour?: string;
  /** Its class's marker, beside the bar. */
  marker?: number;
  /** Which of the groups it belongs to; pictures of one group stand together. */
  group?: number;
}

/** Pictures that belong together, as those of a class: they stand in a row with a name. */
export interface Group {
  name: string;
  colour: string;
  marker: number;
}

interface Props {
  title: string;
  pictures: Picture[];
  /** Pictures in a row; as many as fit unless said otherwise. */
  columns?: number;
  /** A row each, with its name; otherwise pictures follow each other. */
  groups?: Group[];
  /** Width of one in pixels. */
  size?: number;
  selected?: number | null;
  onPick?: (index: number) => void;
  /** Other keys while a picture has the focus: return true when it was answered. */
  onKey?: (index: number, key: string) => boolean;
}

/** Bytes for a canvas: ink is black of that strength, so that themes can turn it round. */
export function rgba(pixels: Float32Array, shape: number[]): Uint8ClampedArray<ArrayBuffer> {
  const [height = 0, width = 0, channels = 1] = shape;
  const bytes = new Uint8ClampedArray(height * width * 4);
  for (let k = 0; k < height * width; k++) {
    if (channels === 1) bytes[4 * k + 3] = 255 * pixels[k]!;
    else {
      for (let c = 0; c < 3; c++) bytes[4 * k + c] = 255 * pixels[channels * k + c]!;
      bytes[4 * k + 3] = 255;
    }
  }
  return bytes;
}

/** One picture on a canvas. */
export function Ink({
  pixels,
  shape,
  size,
}: {
  pixels: Float32Array;
  shape: number[];
  size: number;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [height = 1, width = 1, channels = 1] = shape;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext?.("2d");
    context?.putImageData(new ImageData(rgba(pixels, shape), width, height), 0, 0);
  }, [pixels, width, height, channels]);
  return (
    <canvas
      ref={canvas}
      width={width}
      height={height}
      class={channels === 1 ? "wb-ink" : undefined}
      style={{ width: `${size}px`, height: `${(size * height) / width}px` }}
      aria-hidden="true"
    />
  );
}

// A picture that stands in many places is drawn once: a canvas for each is slow to follow.
const STAMPS = new WeakMap<Float32Array, string>();

/** One picture, as small as it stands in a row of text. */
export function Stamp({
  pixels,
  shape,
  size,
}: {
  pixels: Float32Array;
  shape: number[];
  size: number;
}) {
  const [height = 1, width = 1, channels = 1] = shape;
  let source = STAMPS.get(pixels);
  if (source === undefined) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext?.("2d");
    context?.putImageData(new ImageData(rgba(pixels, shape), width, height), 0, 0);
    source = context ? canvas.toDataURL() : "";
    STAMPS.set(pixels, source);
  }
  return (
    <img
      src={source}
      alt=""
      class={channels === 1 ? "wb-ink" : undefined}
      style={{ width: `${size}px`, height: `${(size * height) / width}px` }}
    />
  );
}

/** The picture above or below one: of the next line, what is nearest. */
function vertical(options: HTMLElement[], here: number, down: boolean): number {
  const boxes = options.map((option) => option.getBoundingClientRect());
  const from = boxes[here]!;
  const beyond = boxes.map((box, place) => ({
    place,
    rise: (box.top - from.top) * (down ? 1 : -1),
    aside: Math.abs(box.left - from.left),
  }));
  const next = beyond
    .filter((one) => one.rise > 1)
    .sort((a, b) => a.rise - b.rise || a.aside - b.aside);
  return next[0]?.place ?? -1;
}

export function Images({
  title,
  pictures,
  columns,
  groups,
  size = 44,
  selected,
  onPick,
  onKey,
}: Props) {
  const list = useRef<HTMLDivElement>(null);
  const current = Math.min(Math.max(selected ?? 0, 0), Math.max(pictures.length - 1, 0));
  const keyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const options = [...(list.current?.querySelectorAll<HTMLElement>("[role=option]") ?? [])];
    const here = options.indexOf(event.target as HTMLElement);
    const move = /^Arrow/.test(event.key);
    if (here < 0 || (event.shiftKey && move)) return; // Shift and an arrow go to the first or last step
    if (move) {
      const down = event.key === "ArrowDown";
      const next =
        event.key === "ArrowLeft"
          ? here - 1
          : event.key === "ArrowRight"
            ? here + 1
            : columns
              ? here + (down ? columns : -columns)
              : vertical(options, here, down);
      if (options[next]) {
        options[next].focus();
        onPick?.(next);
      }
    } else if (event.key === "Enter" || event.key === " ") onPick?.(here);
    else if (!onKey?.(here, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const tile = (picture: Picture, index: number) => (
    <div
      key={index}
      role="option"
      class="wb-picture"
      data-state={picture.state}
      aria-selected={index === selected}
      aria-label={picture.label}
      title={picture.label}
      tabIndex={index === current ? 0 : -1}
      onClick={() => onPick?.(index)}
      style={{ borderTopColor: picture.colour }}
    >
      <Ink pixels={picture.pixels} shape={picture.shape} size={size} />
      {picture.confidence !== undefined && picture.confidence !== null && (
        <span class="wb-confidence" aria-hidden="true">
          {picture.marker !== undefined && (
            <svg width="8" height="8">
              <Marker
                x={4}
                y={4}
                marker={picture.marker}
                colour={picture.colour}
                size={22}
                stroke-width={0}
              />
            </svg>
          )}
          <span>
            <span style={{ width: `${100 * picture.confidence}%`, background: picture.colour }} />
          </span>
        </span>
      )}
      {picture.caption && <span class="wb-caption">{picture.caption}</span>}
    </div>
  );
  const shared = { role: "listbox", "aria-label": title, ref: list, onKeyDown: keyDown } as const;
  if (groups) {
    return (
      <div class="wb-classes" {...shared}>
        {groups.map((group, number) => (
          <div key={number} role="group" aria-label={group.name} class="wb-class">
            <span class="wb-class-name" title={group.name} aria-hidden="true">
              <svg width="12" height="12">
                <Marker x={6} y={6} marker={group.marker} colour={group.colour} />
              </svg>
              <span>{short(group.name, 13)}</span>
            </span>
            <div class="wb-images">
              {pictures.map((picture, index) =>
                (picture.group ?? 0) === number ? tile(picture, index) : null,
              )}
            </div>
          </div>
        ))}
      </div>
    );
  }
  return (
    <div
      class="wb-images"
      {...shared}
      style={
        columns
          ? { display: "grid", gridTemplateColumns: `repeat(${columns}, max-content)` }
          : undefined
      }
    >
      {pictures.map(tile)}
    </div>
  );
}
