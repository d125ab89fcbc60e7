/** The keys of a panel: what is on screen says which it answers, and '?' lists them. */

import { createContext } from "preact";
import { signal } from "@preact/signals";
import { useContext, useEffect, useRef } from "preact/hooks";
import { isTyping } from "./hooks";

export interface Key {
  /** As `event.key` has it, with 'Shift+' before where Shift is held: 'ArrowLeft', 'Shift+ArrowLeft', 'b'. */
  key: string;
  /** What it does, for the list. */
  help: string;
  run: () => void;
}

const NAMES: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  " ": "Space",
};

/** How a key is called on a keyboard. */
export function keyName(key: string): string {
  return key
    .split("+")
    .map((part) => NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" ");
}

export class Keys {
  /** All that are answered now; of two with the same key the newer one counts. */
  readonly all = signal<Key[]>([]);

  add(keys: Key[]): () => void {
    this.all.value = [...this.all.peek(), ...keys];
    return () => {
      this.all.value = this.all.peek().filter((key) => !keys.includes(key));
    };
  }

  /** Answers a key press; true when it was one of these. */
  press(event: KeyboardEvent): boolean {
    if (event.defaultPrevented || event.altKey) return false;
    if (isTyping(event.target)) return false;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const shifted = event.shiftKey && event.key.length > 1 ? `Shift+${name}` : name;
    const onButton = event.target instanceof HTMLElement && event.target.tagName === "BUTTON";
    if (onButton && (name === " " || name === "Enter")) return false;
    const whole = event.ctrlKey || event.metaKey ? `Ctrl+${shifted}` : shifted;
    const found = this.all.peek().findLast((key) => key.key === whole);
    if (!found) return false;
    event.preventDefault();
    event.stopPropagation();
    found.run();
    return true;
  }
}

export const KeyContext = createContext(new Keys());

/** Answers these keys while the component is on screen. The same keys in every call, please. */
export function useKeys(keys: Key[]): void {
  const context = useContext(KeyContext);
  const newest = useRef(keys);
  newest.current = keys;
  const names = keys.map((key) => key.key + key.help).join();
  useEffect(
    () =>
      context.add(
        newest.current.map((key, place) => ({ ...key, run: () => newest.current[place]?.run() })),
      ),
    [context, names],
  );
}
