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

export function Inspected({ store, kind, what, byHand, ownsTable = true, children }: Props) {
  const cursor = store.cursor.value;
  const frame = store.frames.value[`${cursor.lane}:${kind}`];
  const state = store.about.value.kinds?.[kind] ?? (frame ? "ready" : "open");
  const waiting = useSignal(false);
  const table = useSignal(false);
  const ask = () => {
    if (waiting.peek()) return;
    waiting.value = true;
    const done = () => (waiting.value = false);
    store.send("inspect", { kind }).then(done, done);
  };
  const missing = state === "open" || (state === "ready" && !frame);
  const task = cursor.task;
  useEffect(() => {
    if (missing && !byHand && !frame) ask();
  }, [missing, kind, cursor.lane, task]);
  const stale = frame !== undefined && state === "stale";
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
    ...(ownsTable && (stale || state === "stale")
      ? [{ key: "r", help: "compute again", run: ask }]
      : []),
  ]);
  if (!frame) {
    if (waiting.value || (missing && !byHand))
      return (
        <p class="wb-empty" role="status">
          Computing {what} …
        </p>
      );
    const refused = state !== "open" && state !== "ready" && state !== "stale";
    return (
      <div class="wb-empty">
        {refused ? (
          <p>{state}.</p>
        ) : (
          <p>
            {what} {state === "stale" ? "was computed before something changed" : "takes a moment"}.
          </p>
        )}
        {!refused && (
          <button type="button" onClick={ask}>
            {state === "stale" ? "Compute again (R)" : "Compute"}
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
          <button type="button" onClick={ask} disabled={waiting.value}>
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
          marked={(of, row) => atCursor(of, row, cursor)}
          onPick={(of, row) => store.move(toRow(of, row))}
        />
      )}
    </div>
  );
}
