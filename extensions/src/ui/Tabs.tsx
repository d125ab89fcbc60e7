/** Tabs: one of several views at a time. */

import { type ComponentChildren, type TargetedKeyboardEvent } from "preact";
import { useRef } from "preact/hooks";
import { useUnique } from "./hooks";

export interface Tab {
  id: string;
  label: string;
  /** Said when the mouse rests on it. */
  hint?: string;
}

interface Props {
  label: string;
  tabs: Tab[];
  selected: string;
  onSelect: (id: string) => void;
  children: ComponentChildren;
}

export function Tabs({ label, tabs, selected, onSelect, children }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const id = useUnique();
  const place = Math.max(
    tabs.findIndex((tab) => tab.id === selected),
    0,
  );
  const keyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    onSelect(tabs[next]!.id);
    (list.current?.children[next] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class="wb-tabs">
      <div role="tablist" aria-label={label} class="wb-tablist" ref={list} onKeyDown={keyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${id}-${tab.id}`}
            title={tab.hint}
            aria-selected={tab.id === tabs[place]?.id}
            aria-controls={`${id}-panel`}
            tabIndex={tab.id === tabs[place]?.id ? 0 : -1}
            onClick={() => onSelect(tab.id)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        tabIndex={0} // it may scroll, and hold nothing else that takes the keyboard
        id={`${id}-panel`}
        aria-labelledby={`${id}-${tabs[place]?.id}`}
        class="wb-tabpanel"
      >
        {children}
      </div>
    </div>
  );
}
