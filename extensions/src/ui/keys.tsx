/** The keys of a panel: what is on screen says which it answers, and '?' lists them. */

import { createContext } from "preact";
import { signal } from "@preact/signals";
import { useContext, useEffect, useRef } from "preact/hooks";
import { isTyping } from "./hooks";
import { trans } from "../words";

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
};

/** How a key is called on a keyboard. */
export function keyName(key: string): string {
  return key
    .split("+")
    .map((part) => (part === " " ? trans.__("Space") : NAMES[part]) ?? (part.length === 1 ? part.toUpperCase() : part))
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

/** The panel that had the keyboard last, and has not been left for something else. */
let owner: HTMLElement | null = null;

/** Follows whether a panel has the keyboard, and keeps it there where what had the focus is gone:
 * a button that was pressed and went away would leave the next key to the page. */
export function keepKeyboard(panel: HTMLElement, tell: (has: boolean) => void): () => void {
  const ended = new AbortController();
  const options = { signal: ended.signal, capture: true };
  const look = () => tell(panel.contains(document.activeElement));
  const focused = (event: FocusEvent) => {
    const inside = panel.contains(event.target as Node);
    if (inside) owner = panel;
    else if (owner === panel) owner = null;
    tell(inside);
  };
  const pressed = (event: KeyboardEvent) => {
    if (owner !== panel || event.target !== document.body) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    panel.focus({ preventScroll: true });
    panel.dispatchEvent(new KeyboardEvent(event.type, event));
  };
  const pointed = (event: Event) => {
    if (owner === panel && !panel.contains(event.target as Node)) owner = null;
  };
  document.addEventListener("focusin", focused, options);
  document.addEventListener("focusout", () => setTimeout(look), options);
  document.addEventListener("pointerdown", pointed, options);
  window.addEventListener("keydown", pressed, options);
  look();
  return () => {
    ended.abort();
    if (owner === panel) owner = null;
  };
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
