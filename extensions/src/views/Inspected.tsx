/** A kind of inspection, where it is to be had: otherwise what to do for it, or why it cannot be. */

import { type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { type Frame } from "../frame";
import type { Columns } from "../generated";
import { type Store } from "../store";
import { useKeys } from "../ui/keys";
import { Table } from "../ui/Table";
import { atCursor, isBehind, toRow } from "./link";
import { trans } from "../words";

interface Props<Kind extends string> {
  store: Store;
  kind: Kind;
  /** What it is, for the button and the table: 'norms by layer'. */
  what: string;
  /** Waits to be asked for by hand: it takes long. */
  byHand?: boolean;
  /** Is asked for again by itself when something changed: it must be quick. */
  keen?: boolean;
  /** What is shown is the table already. */
  tableOnly?: boolean;
  /** Whether T shows the table; only one of several on screen can have the key. */
  ownsTable?: boolean;
  children: (frame: FrameOf<Kind>) => ComponentChildren;
}

/** The frame of a kind: of a method's own, columns of any name. */
type FrameOf<Kind extends string> = Frame<Kind extends keyof Columns ? Columns[Kind] : string>;

// The last good picture stays, greyed, when what it was computed from has changed.
const LAST = new WeakMap<Store, Map<string, Frame>>();

function lastGood(store: Store, place: string, fresh: Frame | undefined): Frame | undefined {
  const known = LAST.get(store) ?? new Map<string, Frame>();
  LAST.set(store, known);
  if (fresh) known.set(place, fresh);
  return known.get(place);
}

/** Said over a picture that is of another task than the cursor. */
export function Behind({ store }: { store: Store }) {
  const [shown, wanted] = [store.about.value.task ?? 0, store.cursor.value.task];
  return (
    <div class="wb-behind">
      <p role="status">
        {trans.__("This is task %1: task %2 is not here yet.", shown + 1, wanted + 1)}
      </p>
    </div>
  );
}

/** What is known of a kind at the cursor. */
export interface Inspection<Kind extends string = string> {
  /** What can be drawn, perhaps of an earlier state (`stale`) or of another task (`behind`). */
  frame: FrameOf<Kind> | undefined;
  /** Something changed since it was computed. */
  stale: boolean;
  /** It is of another task: the cursor's is on its way. */
  behind: boolean;
  /** Why it cannot be had; nothing where it can. */
  refused: string;
  waiting: boolean;
  ask: () => void;
}

/** A kind at the cursor; asked for at once unless by hand, and after a change only where keen. */
export function useInspection<Kind extends string>(
  store: Store,
  kind: Kind,
  { byHand = false, keen = false } = {},
): Inspection<Kind> {
  const { lane, task } = store.cursor.value;
  const found = store.frames.value[`${lane}:${kind}`];
  const behind = isBehind(store.about.value, store.cursor.value, kind);
  const fresh = behind ? undefined : found;
  const state = store.about.value.kinds?.[kind] ?? (fresh ? "ready" : "open");
  const place = `${lane}:${kind}:${task}`;
  const asked = useSignal({ place: "", failed: false });
  const waiting = asked.value.place === place && !asked.value.failed;
  const ask = () => {
    const now = { place, failed: false };
    asked.value = now;
    const answered = (failed: boolean) => {
      if (asked.peek() === now) asked.value = { place: failed ? place : "", failed };
    };
    store.send("inspect", { kind }).then(
      () => answered(false),
      () => {
        answered(true);
        // Where it cannot be had, that is said in its place.
        if (refusal(store.about.peek().kinds?.[kind])) store.dismiss();
      },
    );
  };
  const missing =
    !found && (state === "open" || state === "ready" || (keen && state === "stale"));
  useEffect(() => {
    if (missing && !byHand) ask();
  }, [missing, place]);
  if (fresh) lastGood(store, place, fresh);
  const stale = state === "stale" && !found;
  return {
    frame: found ?? (stale ? lastGood(store, place, undefined) : undefined),
    stale,
    behind: behind && found !== undefined,
    refused: fresh ? "" : refusal(state),
    waiting,
    ask,
  };
}

const refusal = (state: string | undefined) =>
  state === undefined || /^(open|ready|stale)$/.test(state) ? "" : state;

export function Inspected<Kind extends string>(props: Props<Kind>) {
  const { store, kind, what, tableOnly = false, ownsTable = true, children } = props;
  const { frame, stale, behind, refused, waiting, ask } = useInspection(store, kind, props);
  const table = useSignal(false);
  useKeys([
    ...(ownsTable && frame
      ? [
          {
            key: "t",
            help: trans.__("the table behind the picture"),
            run: () => (table.value = !table.value),
          },
        ]
      : []),
    ...(ownsTable && stale ? [{ key: "r", help: trans.__("compute again"), run: ask }] : []),
  ]);
  if (!frame) {
    if (waiting) {
      return (
        <p class="wb-empty" role="status">
          {trans.__("Computing %1 …", what)}
        </p>
      );
    }
    return (
      <div class="wb-empty">
        <p>{refused ? `${refused}.` : stale ? trans.__("Something changed since this was computed.") : what}</p>
        {!refused && (
          <button type="button" onClick={ask}>
            {stale ? trans.__("Compute again (R)") : trans.__("Compute")}
          </button>
        )}
      </div>
    );
  }
  return (
    <div class="wb-inspected" data-stale={stale || behind}>
      {behind && <Behind store={store} />}
      {stale && (
        <p class="wb-limited" role="status">
          {trans.__("Settings changed since this was computed.")}{" "}
          <button type="button" onClick={ask} disabled={waiting}>
            {trans.__("Compute again (R)")}
          </button>
        </p>
      )}
      {children(frame)}
      {!tableOnly && (
        <div class="wb-row">
          <button
            type="button"
            class="wb-end"
            aria-expanded={table.value}
            onClick={() => (table.value = !table.value)}
          >
            {ownsTable ? trans.__("Table (T)") : trans.__("Table")}
          </button>
        </div>
      )}
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
