/** The gradient inspector: why an adaptation went as it did, in linked views, as Python lists them. */

import { useSignal } from "@preact/signals";
import { type ComponentType } from "preact";
import type { Inspection } from "../generated";
import { type Store } from "../store";
import { useKeys } from "../ui/keys";
import { Table } from "../ui/Table";
import { Tabs } from "../ui/Tabs";
import { Inspected } from "./Inspected";
import { atCursor, toRow } from "./link";
import { Acting } from "./tabs/Acting";
import { Agreement } from "./tabs/Agreement";
import { Anatomy } from "./tabs/Anatomy";
import { Flow } from "./tabs/Flow";
import { Landscape } from "./tabs/Landscape";
import { Layers } from "./tabs/Layers";
import { Loss } from "./tabs/Loss";
import { Memory } from "./tabs/Memory";
import { Stream } from "./tabs/Stream";
import { trans } from "../words";

/** Views in tabs; the others show everything at once, or are files. */
type View = Exclude<NonNullable<Inspection["view"]>, "stage" | "export">;

/** What shows an inspection, by the view that Python names; every other one is a table. */
const VIEWS: Record<View, ComponentType<{ store: Store }>> = {
  loss: Loss,
  acting: Acting,
  layers: Layers,
  flow: Flow,
  anatomy: Anatomy,
  agreement: Agreement,
  landscape: Landscape,
  memory: Memory,
  stream: Stream,
};

/** An inspection that has no view of its own: its frame as a table. */
function Own({ store, name, sentence }: { store: Store; name: string; sentence: string }) {
  return (
    <Inspected store={store} kind={name} what={trans.__(sentence)} ownsTable={false} tableOnly>
      {(frame) => (
        <Table
          frame={frame}
          title={trans.__(sentence)}
          marked={(of, row) => atCursor(of, row, store.cursor.value)}
          onPick={(of, row) => store.move(toRow(of, row))}
        />
      )}
    </Inspected>
  );
}

/** A tab for each view that there is something for, called by the first; others have their own. */
function tabsOf(offered: Inspection[]): Inspection[] {
  const labelled = offered.filter((one) => one.label);
  return labelled.filter(
    ({ view }, place) => view === null || labelled.findIndex((one) => one.view === view) === place,
  );
}

export function Gradients({ store }: { store: Store }) {
  const all = tabsOf(store.about.value.inspections ?? []);
  const chosen = useSignal("");
  useKeys(
    all.slice(0, 9).map(({ name, label }, place) => ({
      key: String(place + 1),
      help: trans.__(label),
      run: () => (chosen.value = name),
    })),
  );
  const shown = all.find((one) => one.name === chosen.value) ?? all[0];
  if (!shown) return null;
  const Shown = VIEWS[shown.view as View];
  const tabs = all.map(({ name, label, sentence }, place) => ({
    id: name,
    label: trans.__(label),
    hint: place < 9 ? `${trans.__(sentence)} (${place + 1})` : trans.__(sentence),
  }));
  return (
    <Tabs label={trans.__("Why")} tabs={tabs} selected={shown.name} onSelect={(name) => (chosen.value = name)}>
      {Shown ? (
        <Shown key={shown.name} store={store} />
      ) : (
        <Own key={shown.name} store={store} name={shown.name} sentence={shown.sentence} />
      )}
    </Tabs>
  );
}
