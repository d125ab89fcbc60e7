/** A stage inside a view, which is a panel of its own; and the lines that open it elsewhere. */

import { useSignal } from "@preact/signals";
import { useContext, useEffect, useRef } from "preact/hooks";
import { type Store } from "../store";
import { Nested } from "../ui/nested";
import { Code } from "./export";
import { trans } from "../words";

/** The panel of this id. Given another key it is fetched anew. */
export function Opened({ store, id, line, label }: { store: Store; id: string; line: string; label: string }) {
  const child = useSignal<Store | null>(null);
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!child.value || !place.current) return;
    place.current.scrollIntoView({ block: "start" });
    place.current.querySelector<HTMLElement>("section.wb")?.focus({ preventScroll: true });
  }, [child.value]);
  const Inner = useContext(Nested);
  useEffect(() => {
    let gone = false;
    let made: Store | null = null;
    void store.panel(id).then((found) => {
      made = found;
      if (gone) found.dispose();
      else child.value = found;
    });
    return () => {
      gone = true;
      made?.dispose();
    };
  }, [store]);
  return (
    <section aria-label={label} class="wb-dialog" ref={place}>
      {child.value ? <Inner store={child.value} /> : <p class="wb-empty">{trans.__("Opening …")}</p>}
      <Code title={trans.__("The same in a cell of its own")} text={line} />
    </section>
  );
}
