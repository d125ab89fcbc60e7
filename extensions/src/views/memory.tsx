/** The memory of a method: its slots, what is read of them, and what changes when one is changed. */

import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import type { Columns } from "../generated";
import type { Frame } from "../frame";
import type { Store } from "../store";
import { three } from "../ui/format";
import { useKeys } from "../ui/keys";
import { Inspected, useInspection } from "./Inspected";
import {
  cameFrom,
  changesOf,
  memoryAfter,
  readReads,
  type Slot,
  worthShowing,
} from "./memory/data";
import { Shares } from "./memory/Examples";
import { ReadsMap } from "./memory/Reads";
import { Rewritten } from "./memory/Rewritten";
import { Slots } from "./memory/Slots";
import { Column } from "./stage/Columns";
import { Choices, Drawer } from "./stage/Controls";
import { classNames, frameOf, readExamples } from "./stage/data";
import { Stepper } from "./stage/stepper";
import { Timeline } from "./stage/Timeline";
import "./stage/stage.css";
import "./memory/memory.css";
import { trans } from "../words";

const ROWS = 32; // slots that are shown at first, of a memory with more

export function Memory({ store }: { store: Store }) {
  const stepper = useMemo(() => new Stepper(store), [store]);
  const drawer = useSignal(false);
  useKeys([{ key: "s", help: trans.__("settings"), run: () => (drawer.value = !drawer.value) }]);
  return (
    <div class="wb-stage wb-memory">
      <Choices store={store} open={drawer} />
      <div class="wb-beside" data-open={drawer.value}>
        {drawer.value && <Drawer store={store} onClose={() => (drawer.value = false)} />}
        <Inspected store={store} kind="memory" what={trans.__("what queries read")} keen>
          {(frame) => <Whole store={store} frame={frame} />}
        </Inspected>
      </div>
      <Rewritten store={store} />
      <Timeline store={store} stepper={stepper} />
    </div>
  );
}

function Whole({ store, frame }: { store: Store; frame: Frame<Columns["memory"]> }) {
  const cursor = store.cursor.value;
  const lanes = store.about.value.lanes ?? [];
  const written = useInspection(store, "slots", { keen: true });
  const slotFrame = written.frame;
  const usageFrame = useInspection(store, "usage", { keen: true }).frame;
  const chosen = useSignal<number | null>(null);
  const headChosen = useSignal("");
  const all = useSignal(false);
  // The query whose reads are shown stays while a support example is looked at.
  const asked = useRef(0);
  const reads = readReads(frame, Math.min(cursor.step, lanes[cursor.lane]?.steps ?? 0));
  if (cursor.part === "query") asked.current = cursor.example;
  const query = reads.queries.includes(asked.current) ? asked.current : (reads.queries[0] ?? 0);
  const head = reads.heads.includes(headChosen.value) ? headChosen.value : (reads.heads[0] ?? "");

  const steps = lanes[cursor.lane]?.steps ?? 0;
  const { saved } = store.about.value;
  const changes = changesOf(lanes, cursor.lane);
  const step = Math.min(cursor.step, steps);
  const last = memoryAfter(steps, slotFrame, usageFrame, changes);
  const now = memoryAfter(step, slotFrame, usageFrame, changes);
  const examples = readExamples(frameOf(store, "examples"));
  const support = examples.filter((one) => one.part === "support");
  const queries = examples.filter((one) => one.part === "query");
  const names = classNames(examples);
  const slot = now.some((one) => one.slot === chosen.value) ? chosen.value : null;
  const holding = now.filter((one) => one.writers.length > 0 || one.before > 0).length;
  // A memory that was filled before these steps: what is read of it is all that there is to see.
  const writes = last.some((one) => one.writers.length > 0 || one.rewritten);
  const listed = writes ? last : last.filter((one) => reads.entries(head).includes(one.slot));
  const shown = worthShowing(listed, all.value ? Infinity : ROWS, slot === null ? [] : [slot]);
  const near = reads.kind === "distance";
  const sources = cameFrom(reads, head, query, reads.step === step ? now : last);
  const what = near ? trans.__("nearness") : trans.__("share that is read");
  const how = near ? trans.__("squared distance") : trans.__("reads");

  const pick = (one: Slot) => {
    chosen.value = one.slot;
    const [first] = one.writers;
    if (first) store.move({ part: "support", example: first.example });
  };
  const rewrite = (source?: number) => {
    if (slot === null) return;
    const holds = (number: number) => now.find((one) => one.slot === number)?.writers.length;
    // What is not written yet cannot be changed: then it is after the last step.
    if (step === 0 || !(holds(slot) || (source !== undefined && holds(source))))
      store.move({ step: steps });
    const change = source === undefined ? { slot } : { slot, source };
    void store.send("rewrite", change).catch(() => {});
  };
  useKeys(
    saved
      ? []
      : [
          { key: "Delete", help: trans.__("empty the chosen slot, on a branch"), run: () => rewrite() },
          { key: "Backspace", help: trans.__("the same"), run: () => rewrite() },
        ],
  );

  return (
    <div class="wb-columns">
      <Column
        title={trans.__("The memory after step %1", step)}
        store={store}
        kind={slotFrame ? "slots" : "usage"}
        aside={trans.__("%1 of %2 slots hold something", holding, now.length)}
      >
        {written.refused && <p class="wb-quiet">{written.refused}.</p>}
        {step === 0 && writes && (
          <p class="wb-limited">
            {trans.__("Before the first step nothing is written.")}{" "}
            <button type="button" onClick={() => store.move({ step: steps })}>
              {trans.__("To the last step")}
            </button>
          </p>
        )}
        <Slots
          slots={now.filter((one) => shown.has(one.slot))}
          support={new Map(support.map((one) => [one.place, one]))}
          names={names}
          chosen={slot}
          writer={cursor.part === "support" ? cursor.example : null}
          read={(number) => {
            const value = reads.value(head, query, number);
            const unread = Number.isNaN(value);
            return {
              share: reads.strength(head, query, number),
              said: unread ? "" : trans.__("query %1: %2 %3", query + 1, how, three(value)),
            };
          }}
          readNow={reads.step === null ? step === steps : reads.step === step}
          nothing={writes && step < steps ? trans.__("nothing") : trans.__("not written in these steps")}
          onPick={pick}
        />
        {listed.length > ROWS && (
          <button type="button" aria-pressed={all.value} onClick={() => (all.value = !all.value)}>
            {all.value
              ? trans.__("Only the %1 that hold most", ROWS)
              : trans.__("All %1 slots", now.length)}
          </button>
        )}
        {writes && !saved && <Edit slots={now} slot={slot} onRewrite={rewrite} />}
      </Column>
      <section class="wb-column" aria-label={trans.__("What queries read")}>
        {step < steps && (
          <p class="wb-quiet">
            {trans.__(
              "Queries read after the last step (%1); the slots are as they were after step %2.",
              steps,
              step,
            )}
          </p>
        )}
        <ReadsMap
          reads={reads}
          head={head}
          onHead={(name) => (headChosen.value = name)}
          slot={slot}
          query={query}
          onPick={(of, number) => {
            chosen.value = number;
            store.move({ part: "query", example: of });
          }}
        />
        <Shares
          store={store}
          title={trans.__("Query %1 reads what these wrote", query + 1)}
          examples={last.length && sources.size ? support : []}
          share={(one) => sources.get(one.place) ?? 0}
          what={what}
          chosen={cursor.part === "support" ? cursor.example : null}
        />
        <Shares
          store={store}
          title={slot === null ? trans.__("Queries") : trans.__("Slot %1 is read by these", slot + 1)}
          examples={slot === null ? [] : queries}
          share={(one) => reads.strength(head, one.place, slot ?? 0)}
          what={what}
          chosen={query}
        />
      </section>
    </div>
  );
}

interface EditProps {
  slots: Slot[];
  slot: number | null;
  onRewrite: (source?: number) => void;
}

/** What can be done to the chosen slot. */
function Edit({ slots, slot, onRewrite }: EditProps) {
  if (slot === null)
    return (
      <p class="wb-quiet wb-change-slot">
        {trans.__("Choose a slot, then empty it or fill it with another: a branch shows what that changes.")}
      </p>
    );
  return (
    <div class="wb-row wb-change-slot" role="group" aria-label={trans.__("Change slot %1", slot + 1)}>
      <strong>{trans.__("slot %1", slot + 1)}</strong>
      <button type="button" onClick={() => onRewrite()} title={trans.__("On a branch of its own (Delete)")}>
        {trans.__("Empty it")}
      </button>
      <select
        aria-label={trans.__("Fill it with another slot's content")}
        onChange={(event) => {
          const source = event.currentTarget.value;
          event.currentTarget.value = "";
          if (source !== "") onRewrite(Number(source));
        }}
      >
        <option value="">{trans.__("Fill it with …")}</option>
        {slots
          .filter((one) => one.slot !== slot && one.writers.length > 0)
          .map((one) => (
            <option key={one.slot} value={one.slot}>
              {trans.__("slot %1", one.slot + 1)}
            </option>
          ))}
      </select>
    </div>
  );
}
