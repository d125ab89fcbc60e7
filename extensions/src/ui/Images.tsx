/** A grid of small pictures that can be pointed at, by mouse and by keys. */

import { type TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

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
}

interface Props {
  title: string;
  pictures: Picture[];
  /** Pictures in a row; as many as fit unless said otherwise. */
  columns?: number;
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

export function Images({ title, pictures, columns, size = 44, selected, onPick, onKey }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const current = Math.min(Math.max(selected ?? 0, 0), Math.max(pictures.length - 1, 0));
  const across = () => {
    if (columns) return columns;
    const tops = [...(list.current?.children ?? [])].map(
      (child) => (child as HTMLElement).offsetTop,
    );
    return Math.max(tops.filter((top) => top === tops[0]).length, 1);
  };
  const keyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const children = [...(list.current?.children ?? [])];
    const here = children.indexOf(event.target as Element);
    if (here < 0) return;
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(), ArrowDown: across() }[
      event.key
    ];
    if (event.shiftKey && move) return; // Shift and an arrow go to the first or last step
    if (move) {
      const next = here + move;
      if (next >= 0 && next < pictures.length) {
        (children[next] as HTMLElement).focus();
        onPick?.(next);
      }
    } else if (event.key === "Enter" || event.key === " ") onPick?.(here);
    else if (!onKey?.(here, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="wb-images"
      role="listbox"
      aria-label={title}
      ref={list}
      onKeyDown={keyDown}
      style={
        columns
          ? { display: "grid", gridTemplateColumns: `repeat(${columns}, max-content)` }
          : undefined
      }
    >
      {pictures.map((picture, index) => (
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
              <span style={{ width: `${100 * picture.confidence}%`, background: picture.colour }} />
            </span>
          )}
          {picture.caption && <span class="wb-caption">{picture.caption}</span>}
        </div>
      ))}
    </div>
  );
}
