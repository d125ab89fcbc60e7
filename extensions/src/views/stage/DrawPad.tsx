/** A sheet to draw a character on: by pointer, or by arrow keys with Space to put the pen down. */

import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useRef, useState } from "preact/hooks";
import { CLEAN, lift, moveTo, type Pad, pressed, type Stroke, touch, withoutLast } from "./pen";
import { trans } from "../../words";

interface Props {
  /** Told whenever a stroke is done or taken back. */
  onStrokes: (strokes: Stroke[]) => void;
  onClose: () => void;
  size?: number;
}

export function DrawPad({ onStrokes, onClose, size = 196 }: Props) {
  const [pad, setPad] = useState<Pad>(CLEAN);
  // Pointer events come faster than renderings: the pad as it is now, not as it was drawn last.
  const now = useRef(pad);
  const become = (next: Pad, told = false) => {
    now.current = next;
    setPad(next);
    if (told) onStrokes(next.strokes);
  };
  const place = (event: PointerEvent, sheet: SVGSVGElement): [number, number] => {
    const frame = sheet.getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
  };
  const pointerDown = (event: TargetedPointerEvent<SVGSVGElement>) => {
    event.currentTarget.setPointerCapture?.(event.pointerId);
    become(touch(now.current, ...place(event, event.currentTarget)));
  };
  const pointerMove = (event: TargetedPointerEvent<SVGSVGElement>) => {
    if (!event.buttons || !now.current.down) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    const sheet = event.currentTarget;
    become(
      (passed.length ? passed : [event]).reduce(
        (p, e) => moveTo(p, ...place(e, sheet)),
        now.current,
      ),
    );
  };
  const pointerUp = () => now.current.down && become(lift(now.current), true);
  const keyDown = (event: TargetedKeyboardEvent<SVGSVGElement>) => {
    if (event.key === "Escape") {
      onClose();
    } else {
      const next = pressed(now.current, event.key, event.shiftKey);
      if (!next) return;
      const done =
        (now.current.down && !next.down) || next.strokes.length < now.current.strokes.length;
      become(next, done);
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const drawn = (stroke: Stroke) =>
    stroke.length === 1
      ? `M${stroke[0]![0]},${stroke[0]![1]}h0.001`
      : stroke.map(([x, y], k) => `${k ? "L" : "M"}${x},${y}`).join("");
  return (
    <div class="wb-pad">
      <svg
        viewBox="0 0 1 1"
        width={size}
        height={size}
        tabindex={0}
        role="application"
        aria-label={trans.__("Drawing pad. Arrow keys move the pen, Space puts it down and up, Backspace takes the last stroke back, Escape closes")}
        onPointerDown={pointerDown}
        onPointerMove={pointerMove}
        onPointerUp={pointerUp}
        onPointerCancel={pointerUp}
        onKeyDown={keyDown}
      >
        {pad.strokes.length === 0 && (
          <text x={0.5} y={0.52} text-anchor="middle" font-size={0.075}>
            {trans.__("draw here")}
          </text>
        )}
        {pad.strokes.map((stroke, k) => (
          <path key={k} d={drawn(stroke)} />
        ))}
        <circle class="wb-pen" data-down={pad.down} cx={pad.pen[0]} cy={pad.pen[1]} r={0.025} />
      </svg>
      <div class="wb-row">
        <button
          type="button"
          disabled={pad.strokes.length === 0}
          onClick={() => become(withoutLast(now.current), true)}
        >
          {trans.__("Undo stroke")}
        </button>
        <button
          type="button"
          disabled={pad.strokes.length === 0}
          onClick={() => become(CLEAN, true)}
        >
          {trans.__("Clear")}
        </button>
        <button type="button" onClick={onClose}>
          {trans.__("Done")}
        </button>
      </div>
      <p class="wb-sound" role="status">
        {trans._n("%1 stroke", "%1 strokes", pad.strokes.length)}
        {pad.down ? `, ${trans.__("pen down")}` : ""}
      </p>
    </div>
  );
}
