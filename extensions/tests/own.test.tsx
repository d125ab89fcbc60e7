import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Panel } from "../src/panel";
import { makeStore, type Store } from "../src/store";
import { wire } from "./frames";
import { FakeModel } from "./model";

const about = {
  title: "Mine",
  tasks: 1,
  lanes: [{ learner: "mine", steps: 2, parent: null, at: 0, settings: {}, edits: 0, diverged: null, memory: [] }],
  kinds: { steps: "ready", flow: "open", spread: "open" },
  inspections: [
    { name: "steps", label: "Loss", sentence: "Loss by step", view: "loss" },
    { name: "curves", label: "", sentence: "Curves", view: "stage" },
    { name: "flow", label: "The way", sentence: "The way back", view: "flow" },
    { name: "spread", label: "Spread", sentence: "How far weights are spread", view: null },
  ],
};

let root: HTMLElement;
let model: FakeModel;
let store: Store;
function show(view: string) {
  document.body.append((root = document.createElement("div")));
  model = new FakeModel({ view, about, frames: {} });
  store = makeStore(model);
  act(() => render(<Panel store={store} />, root));
}
beforeEach(() => show("gradients"));
afterEach(() => {
  act(() => render(null, root));
  store.dispose();
  root.remove();
});
const press = (key: string) =>
  act(
    () =>
      void root
        .querySelector("section.wb")!
        .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })),
  );

test("an inspection that a method brings is a tab with a table of its own", async () => {
  const tabs = [...root.querySelectorAll("[role=tab]")].map((tab) => tab.textContent);
  expect(tabs).toEqual(["Loss", "The way", "Spread"]);
  expect(root.querySelectorAll("[role=tab]")[1]!.getAttribute("title")).toBe("The way back (2)");
  await press("3");
  expect(model.sent.at(-1)).toMatchObject({ command: "inspect", args: { kind: "spread" } });
  await act(() => model.python("frames", { "0:spread": wire({ step: [0, 1], spread: [1.5, 2.5] }) }));
  const table = root.querySelector("table")!;
  expect(table.textContent).toContain("spread");
  expect(table.textContent).toContain("2.5");
  expect(root.querySelector("section.wb-table")!.getAttribute("aria-label")).toBe(
    "Table: How far weights are spread",
  );
  expect(root.querySelectorAll("table").length).toBe(1);
});

test("the export dialog calls every inspection what Python calls it", async () => {
  act(() => render(null, root));
  store.dispose();
  root.remove();
  show("export");
  const options = [...root.querySelectorAll("select option")].map((one) => one.textContent);
  expect(options).toEqual(["Loss by step", "The way back", "How far weights are spread"]);
});
