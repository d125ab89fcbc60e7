/** A kind of inspection, where it is to be had: otherwise what to do for it, or why it cannot be. */

import { type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { type Frame } from "../frame";
import { type Store } from "../store";
import { useKeys } from "../ui/keys";
import { Table } from "../ui/Table";
import { atCursor, toRow } from "./link";

interface Props {
  store: Store;
  kind: string;
  /** What it is, for the button and the table: 'norms by layer'. */
  what: string;
  /** Waits to be asked for by hand: it takes long. */
  byHand?: boolean;
  /** Whether T shows the table; only one of several on screen can have the key. */
  ownsTable?: boolean;
  children: (frame: Frame) => ComponentChildren;
}

// The last good picture stays, greyed, when what it was computed from has changed.
const LAST = new WeakMap<Store, Map<string, Frame>>();

function lastGood(store: Store, place: string, fresh: Frame | undefined): Frame | undefined {
  const known = LAST.get(store) ?? new Map<string, Frame>();
  LAST.set(store, known);
  if (fresh) known.set(place, fresh);
  return known.get(place);
}

export function Inspected({ store, kind, what, byHand, ownsTable = true, children }: Props) {
  const { lane, task } = store.cursor.value;
  const fresh = store.frames.value[`${lane}:${kind}`];
  const state = store.about.value.kinds?.[kind] ?? (fresh ? "ready" : "open");
  const place = `${lane}:${kind}:${task}`;
  const asked = useSignal({ place: "", failed: false });
  const waiting = asked.value.place === place && !asked.value.failed;
  const table = useSignal(false);
  const ask = () => {
    const now = { place, failed: false };
    asked.value = now;
    const answered = (failed: boolean) => {
      if (asked.peek() === now) asked.value = { place: failed ? place : "", failed };
    };
    store.send("inspect", { kind }).then(
      () => answered(false),
      () => answered(true),
    );
  };
  const missing = !fresh && (state === "open" || state === "ready");
  useEffect(() => {
    if (missing && !byHand) ask();
  }, [missing, place]);
  const stale = state === "stale";
  const frame = fresh ?? (stale ? lastGood(store, place, undefined) : undefined);
  if (fresh) lastGood(store, place, fresh);
  useKeys([
    ...(ownsTable && frame
      ? [
          {
            key: "t",
            help: "the table behind the picture",
            run: () => (table.value = !table.value),
          },
        ]
      : []),
    ...(ownsTable && stale ? [{ key: "r", help: "compute again", run: ask }] : []),
  ]);
  if (!frame) {
    if (waiting) {
      return (
        <p class="wb-empty" role="status">
          Computing {what} …
        </p>
      );
    }
    const refused = state !== "open" && state !== "ready" && !stale;
    return (
      <div class="wb-empty">
        <p>{refused ? `${state}.` : stale ? "Something changed since this was computed." : what}</p>
        {!refused && (
          <button type="button" onClick={ask}>
            {stale ? "Compute again (R)" : "Compute"}
          </button>
        )}
      </div>
    );
  }
  return (
    <div class="wb-inspected" data-stale={stale}>
      {stale && (
        <p class="wb-limited" role="status">
          Settings changed since this was computed.{" "}
          <button type="button" onClick={ask} disabled={waiting}>
            Compute again (R)
          </button>
        </p>
      )}
      {children(frame)}
      <div class="wb-row">
        <button
          type="button"
          class="wb-end"
          aria-expanded={table.value}
          onClick={() => (table.value = !table.value)}
        >
          {ownsTable ? "Table (T)" : "Table"}
        </button>
      </div>
      {table.value && (
        <Table
          frame={frame}
          title={what}
          marked={(of, row) => atCursor(of, row, store.cursor.value)}
          onPick={(of, row) => store.move(toRow(of, row))}
        />
      )}
    </div>
  );
}
