/** What several primitives need of the browser. */

import { type ComponentType, h, type RefObject, type VNode } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

/** The width of an element, followed as it changes. */
export function useWidth<T extends Element>(otherwise = 480): [RefObject<T | null>, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(otherwise);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => {
      const found = element.getBoundingClientRect().width;
      if (found > 0) setWidth(Math.round(found));
    };
    measure();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** The value from before as long as the new one says the same. */
export function useSteady<T>(value: T, same: (a: T, b: T) => boolean): T {
  const kept = useRef(value);
  if (!same(kept.current, value)) kept.current = value;
  return kept.current;
}

/** A component that is drawn again only when `same` does not hold of its props from before. */
export function steady<P extends object>(
  Component: ComponentType<P>,
  same: (a: P, b: P) => boolean,
): (props: P) => VNode<P> {
  return (props) => {
    const kept = useRef<{ props: P; drawn: VNode<P> } | null>(null);
    if (kept.current === null || !same(kept.current.props, props))
      kept.current = { props, drawn: h(Component, props) as VNode<P> };
    return kept.current.drawn;
  };
}

/** Whether two lists hold the same, place by place. */
export function sameList(
  a: ArrayLike<unknown> | undefined,
  b: ArrayLike<unknown> | undefined,
): boolean {
  if (a === b) return true;
  if (!a || !b || a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (!Object.is(a[k], b[k])) return false;
  return true;
}

/** Whether the mouse button or a key's text belongs to a control and not to the panel. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName))
  );
}

/** Puts text on the clipboard, also where the page has no permission to ask for it. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/** A word that stands there for a moment, as 'copied'. */
export function useFlash(milliseconds = 1500): [string, (word: string) => void] {
  const [word, setWord] = useState("");
  useEffect(() => {
    if (!word) return;
    const timer = setTimeout(() => setWord(""), milliseconds);
    return () => clearTimeout(timer);
  }, [word]);
  return [word, setWord];
}

/** An id that no other element of the page has, also where several panels stand. */
const PAGE = Math.random().toString(36).slice(2, 7);
export function useUnique(): string {
  return `wb-${PAGE}-${useId()}`;
}
