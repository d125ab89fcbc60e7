/** The frame of every panel: what it is, how far it is, what went wrong; and in it the view. */

import { Component, type ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { stepsOf } from "./facts";
import { Footer } from "./footer";
import { type Store } from "./store";
import { duration } from "./ui/format";
import { KeyContext, Keys, keepKeyboard, useKeys } from "./ui/keys";
import { Nested } from "./ui/nested";
import { VIEWS } from "./views";
import { Exports } from "./views/export";
import { viewName } from "./names";
import { trans } from "./words";

export function Panel({ store }: { store: Store }) {
  const keys = useMemo(() => new Keys(), []);
  const section = useRef<HTMLElement>(null);
  const [has, setHas] = useState(false);
  useEffect(() => keepKeyboard(section.current!, setHas), []);
  return (
    <KeyContext.Provider value={keys}>
      {/* JupyterLab would take B, D, arrows and more for its own while a panel has the focus. */}
      <section
        ref={section}
        class="wb"
        data-view={store.view}
        data-lm-suppress-shortcuts="true"
        tabIndex={0}
        aria-label={trans.__("Workbench: %1", viewName(store.view))}
        aria-busy={store.busy.value}
        onKeyDown={(event) => {
          keys.press(event);
          // Nor may it take the arrows of a slider inside, which the attribute does not prevent.
          if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
        }}
      >
        <p class="wb-hint wb-quiet" data-on={!has}>
          {has
            ? trans.__("The panel has the keyboard: ? lists its keys")
            : trans.__("Click here, then keys work")}
        </p>
        <Lost store={store} />
        <Problem store={store} />
        <Working store={store} />
        <Exports store={store}>
          <div
            class="wb-body"
            data-failed={store.problem.value || store.lost.value ? "true" : undefined}
          >
            <Guard>
              <Nested.Provider value={Panel}>
                <Shown store={store} />
              </Nested.Provider>
            </Guard>
          </div>
          <Footer store={store} keys={keys} />
        </Exports>
      </section>
    </KeyContext.Provider>
  );
}

/** The view that the panel was made for, with the keys that all views answer. */
function Shown({ store }: { store: Store }) {
  const steps = stepsOf(store.about.value, store.cursor.value);
  const to = (step: number) => store.move({ step: Math.min(Math.max(step, 0), steps) });
  useKeys(
    steps > 0 && store.view !== "stage" // which has its own: beyond the last step it goes on
      ? [
          {
            key: "ArrowLeft",
            help: trans.__("one inner step back"),
            run: () => to(store.cursor.peek().step - 1),
          },
          {
            key: "ArrowRight",
            help: trans.__("one inner step on"),
            run: () => to(store.cursor.peek().step + 1),
          },
          { key: "Shift+ArrowLeft", help: trans.__("before the first step"), run: () => to(0) },
          { key: "Shift+ArrowRight", help: trans.__("after the last step"), run: () => to(steps) },
        ]
      : [],
  );
  const View = VIEWS[store.view];
  if (!View)
    return (
      <p class="wb-empty">
        {trans.__("This version of the panels has no view '%1'.", store.view)}
      </p>
    );
  return <View store={store} />;
}

function Lost({ store }: { store: Store }) {
  if (!store.lost.value) return null;
  return (
    <p class="wb-problem wb-lost" role="alert">
      {trans.__(
        "The kernel restarted or ended: this is the last picture, and nothing new can be computed. Run the cell again to go on (Run → Run All Cells); a session with a name goes on where it was.",
      )}
    </p>
  );
}

function Problem({ store }: { store: Store }) {
  const problem = store.problem.value;
  const limited = store.about.value.limited;
  return (
    <>
      <div role="alert">
        {problem && (
          <div class="wb-problem">
            <span>{problem.text}</span>
            <button type="button" onClick={store.dismiss} aria-label={trans.__("Put the message away")}>
              ✕
            </button>
            {problem.details && (
              <details>
                <summary>{trans.__("where")}</summary>
                <pre>{problem.details}</pre>
              </details>
            )}
          </div>
        )}
      </div>
      {limited && <p class="wb-limited">{limited}</p>}
    </>
  );
}

function Working({ store }: { store: Store }) {
  const progress = store.progress.value;
  if (!progress) return <div class="wb-busy" data-on={store.busy.value} aria-hidden="true" />;
  const { what, done, total, left } = progress;
  return (
    <div class="wb-working wb-row" role="status">
      <progress value={done} max={total || 1} aria-label={what} />
      <span>
        {left
          ? trans.__("%1: %2 of %3, %4 left", what, done, total, duration(left))
          : trans.__("%1: %2 of %3", what, done, total)}
      </span>
      <button type="button" onClick={() => void store.send("stop")}>
        {trans.__("Stop")}
      </button>
    </div>
  );
}

/** A fault of the front end is said where it is seen, and the rest of the panel stays. */
class Guard extends Component<{ children: ComponentChildren }, { fault: string }> {
  override state = { fault: "" };

  static override getDerivedStateFromError(fault: unknown) {
    return { fault: String(fault instanceof Error ? fault.message : fault) };
  }

  override render() {
    const { fault } = this.state;
    if (!fault) return this.props.children;
    return (
      <p class="wb-problem" role="alert">
        {trans.__("This view failed: %1", fault)}
        <button type="button" onClick={() => this.setState({ fault: "" })}>
          {trans.__("Try again")}
        </button>
      </p>
    );
  }
}
