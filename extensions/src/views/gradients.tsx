/** The gradient inspector: why an adaptation went as it did, in linked views; the method's own last. */

import { useSignal } from "@preact/signals";
import { type ComponentType } from "preact";
import { useMemo } from "preact/hooks";
import { type Store } from "../store";
import { useKeys } from "../ui/keys";
import { Table } from "../ui/Table";
import { Tabs } from "../ui/Tabs";
import { Inspected } from "./Inspected";
import { atCursor, toRow } from "./link";
import { Agreement } from "./tabs/Agreement";
import { Anatomy } from "./tabs/Anatomy";
import { Flow } from "./tabs/Flow";
import { Landscape } from "./tabs/Landscape";
import { Layers } from "./tabs/Layers";
import { Loss } from "./tabs/Loss";
import { Memory } from "./tabs/Memory";

interface Tab {
  id: string;
  label: string;
  hint: string;
  View: ComponentType<{ store: Store }>;
}

export const TABS: Tab[] = [
  { id: "loss", label: "Loss", hint: "How well every step does", View: Loss },
  { id: "layers", label: "Layers", hint: "Norms of weights, gradients and updates", View: Layers },
  { id: "flow", label: "Flow", hint: "The meta-gradient on its way back", View: Flow },
  { id: "anatomy", label: "Anatomy", hint: "First and second order apart", View: Anatomy },
  {
    id: "agreement",
    label: "Agreement",
    hint: "Do tasks and shots pull one way?",
    View: Agreement,
  },
  { id: "landscape", label: "Landscape", hint: "The loss around the path", View: Landscape },
  { id: "memory", label: "Memory", hint: "What queries read, where examples lie", View: Memory },
];

/** An inspection that has no view of its own: its frame as a table. */
function Own({ store, name, sentence }: { store: Store; name: string; sentence: string }) {
  return (
    <Inspected store={store} kind={name} what={sentence} ownsTable={false} tableOnly>
      {(frame) => (
        <Table
          frame={frame}
          title={sentence}
          marked={(of, row) => atCursor(of, row, store.cursor.value)}
          onPick={(of, row) => store.move(toRow(of, row))}
        />
      )}
    </Inspected>
  );
}

const VIEWS = new Set(["stage", "export", ...TABS.map(({ id }) => id)]);

/** A tab for each inspection that a method brings and that no view shows. */
function ownTabs(store: Store): Tab[] {
  return (store.about.value.inspections ?? [])
    .filter(({ view }) => !VIEWS.has(view ?? ""))
    .map(({ name, sentence }) => ({
      id: `own:${name}`,
      label: name,
      hint: sentence,
      View: (props) => <Own {...props} name={name} sentence={sentence} />,
    }));
}

export function Gradients({ store }: { store: Store }) {
  const chosen = useSignal("loss");
  const names = JSON.stringify(store.about.value.inspections ?? []);
  const all = useMemo(() => [...TABS, ...ownTabs(store)], [names]);
  useKeys(
    all.slice(0, 9).map(({ id, label }, place) => ({
      key: String(place + 1),
      help: label,
      run: () => (chosen.value = id),
    })),
  );
  const { View } = all.find((tab) => tab.id === chosen.value) ?? TABS[0]!;
  const tabs = all.map(({ id, label, hint }, place) => ({
    id,
    label,
    hint: place < 9 ? `${hint} (${place + 1})` : hint,
  }));
  return (
    <Tabs label="Why" tabs={tabs} selected={chosen.value} onSelect={(id) => (chosen.value = id)}>
      <View key={chosen.value} store={store} />
    </Tabs>
  );
}
