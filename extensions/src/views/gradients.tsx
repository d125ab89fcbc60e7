/** The gradient inspector: why an adaptation went as it did, in seven linked views. */

import { useSignal } from "@preact/signals";
import { type ComponentType } from "preact";
import { type Store } from "../store";
import { useKeys } from "../ui/keys";
import { Tabs } from "../ui/Tabs";
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

export function Gradients({ store }: { store: Store }) {
  const chosen = useSignal("loss");
  useKeys(
    TABS.map(({ id, label }, place) => ({
      key: String(place + 1),
      help: label,
      run: () => (chosen.value = id),
    })),
  );
  const { View } = TABS.find((tab) => tab.id === chosen.value) ?? TABS[0]!;
  const tabs = TABS.map(({ id, label, hint }, place) => ({
    id,
    label,
    hint: `${hint} (${place + 1})`,
  }));
  return (
    <Tabs label="Why" tabs={tabs} selected={chosen.value} onSelect={(id) => (chosen.value = id)}>
      <View key={chosen.value} store={store} />
    </Tabs>
  );
}
