/** The slots of a memory in rows: what was written, by which example, when, and how it is used. */

import type { TargetedKeyboardEvent } from "preact";
import { useRef } from "preact/hooks";
import { three } from "../../ui/format";
import { Stamp } from "../../ui/Images";
import { Marker } from "../../ui/Marker";
import { look } from "../../ui/palette";
import { content } from "../stage/listing";
import type { Example } from "../stage/data";
import type { Slot } from "./data";
import { exampleName, className } from "../../names";
import { trans } from "../../words";

const WRITERS = 3; // that are shown of a slot: the rest is less of it
const PART = 0.2; // of a slot, above which an example counts as having written it

interface Props {
  slots: Slot[];
  /** The support examples, by their place. */
  support: Map<number, Example>;
  /** The names of the classes. */
  names: string[];
  chosen: number | null;
  /** The support example under the cursor, whose slots are marked. */
  writer: number | null;
  /** What the query under the cursor reads of a slot: its length as a bar, and in words. */
  read: (slot: number) => { share: number; said: string };
  /** Whether what is read is of this very step. */
  readNow: boolean;
  /** Said of a slot to which nobody wrote. */
  nothing: string;
  onPick: (slot: Slot) => void;
}

export function Slots(props: Props) {
  const { slots, chosen } = props;
  const list = useRef<HTMLUListElement>(null);
  const evicts = slots.some((one) => one.evictions > 0);
  const uses = slots.some((one) => one.usage !== null);
  const most = Math.max(...slots.map((one) => one.usage ?? one.held), 1e-9);
  const farthest = Math.max(...slots.map((one) => props.read(one.slot).share), 1e-9);
  const here = Math.max(
    slots.findIndex((one) => one.slot === chosen),
    0,
  );
  const keyDown = (event: TargetedKeyboardEvent<HTMLUListElement>) => {
    const by = { ArrowUp: -1, ArrowDown: 1, Home: -slots.length, End: slots.length }[event.key];
    if (by === undefined && event.key !== "Enter" && event.key !== " ") return;
    const next = Math.min(Math.max(here + (by ?? 0), 0), slots.length - 1);
    (list.current?.children[next] as HTMLElement | undefined)?.focus();
    props.onPick(slots[next]!);
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="wb-slots" data-evicts={evicts}>
      <div class="wb-slot wb-quiet" aria-hidden="true">
        <span>{trans.__("slot")}</span>
        <span>{trans.__("holds")}</span>
        <span>{trans.__("since")}</span>
        <span data-greyed={!props.readNow} title={trans.__("By the query under the cursor")}>
          {trans.__("is read")}
        </span>
        <span>{uses ? trans.__("usage") : trans.__("written")}</span>
        {evicts && <span title={trans.__("How often what it held had to go")}>{trans.__("evicted")}</span>}
      </div>
      <ul role="listbox" aria-label={trans.__("Slots")} ref={list} onKeyDown={keyDown}>
        {slots.map((slot, place) => (
          <Row
            key={slot.slot}
            slot={slot}
            most={most}
            farthest={farthest}
            evicts={evicts}
            tab={place === here}
            {...props}
          />
        ))}
      </ul>
    </div>
  );
}

interface RowProps extends Props {
  slot: Slot;
  most: number;
  farthest: number;
  evicts: boolean;
  tab: boolean;
}

function Row({ slot, most, farthest, evicts, tab, ...props }: RowProps) {
  const { support, names, chosen, writer, readNow } = props;
  const read = props.read(slot.slot);
  const used = slot.usage ?? slot.held;
  const whole = slot.writers.reduce((sum, one) => sum + one.weight, 0);
  const wrote = slot.writers.some((one) => one.example === writer && one.weight > PART * whole);
  return (
    <li
      role="option"
      class="wb-slot"
      tabIndex={tab ? 0 : -1}
      aria-selected={slot.slot === chosen}
      aria-label={describeSlot(slot, names, read.said)}
      title={describeSlot(slot, names, read.said)}
      data-wrote={wrote}
      onClick={() => props.onPick(slot)}
    >
      <span class="wb-figure">{slot.slot + 1}</span>
      <span class="wb-holds">
        {slot.label !== null && (
          <svg width="12" height="12" aria-hidden="true">
            <Marker x={6} y={6} {...look(slot.label)} />
          </svg>
        )}
        {slot.writers.slice(0, WRITERS).map(({ example }, place) => {
          const one = support.get(example);
          return one?.image ? (
            <Stamp key={place} {...one.image} size={22} />
          ) : (
            <span key={place} class="wb-badge">
              {one ? content(one) : exampleName("support", example + 1)}
            </span>
          );
        })}
        {slot.writers.length > WRITERS && (
          <span class="wb-quiet">+{slot.writers.length - WRITERS}</span>
        )}
        {slot.rewritten && <span class="wb-badge wb-by-hand">{slot.rewritten}</span>}
        {slot.writers.length === 0 && !slot.rewritten && <span class="wb-quiet">{props.nothing}</span>}
      </span>
      <span class="wb-figure wb-quiet">{slot.since === null ? "" : trans.__("step %1", slot.since)}</span>
      <Bar share={read.share / farthest} greyed={!readNow} />
      <Bar share={used / most} />
      {evicts && (
        <span class="wb-figure wb-quiet">{slot.evictions ? `${slot.evictions} ×` : ""}</span>
      )}
    </li>
  );
}

function Bar({ share, greyed }: { share: number; greyed?: boolean }) {
  const width = 100 * Math.min(Math.max(share, 0), 1);
  return (
    <span class="wb-bar" data-greyed={greyed} aria-hidden="true">
      <span style={{ width: `${width}%` }} />
    </span>
  );
}

/** A slot in words. */
export function describeSlot(slot: Slot, names: string[], read: string): string {
  const whole = slot.writers.reduce((sum, one) => sum + one.weight, 0);
  const parts = slot.writers.slice(0, WRITERS).map(({ example, weight, step }) => {
    const share = slot.writers.length > 1 ? `${three((100 * weight) / whole)}% ` : "";
    return `${share}${exampleName("support", example + 1)} (${trans.__("step %1", step)})`;
  });
  const rest = slot.writers.length - parts.length;
  if (rest > 0) parts.push(trans.__("%1 more", rest));
  return [
    trans.__("slot %1", slot.slot + 1),
    slot.label === null ? "" : (names[slot.label] ?? className(slot.label)),
    slot.rewritten || (parts.length ? "" : trans.__("holds nothing")),
    parts.length ? trans.__("written by %1", parts.join(", ")) : "",
    slot.usage === null ? "" : trans.__("usage %1", three(slot.usage)),
    slot.evictions ? trans._n("evicted %1 time", "evicted %1 times", slot.evictions) : "",
    read,
  ]
    .filter(Boolean)
    .join(", ");
}
