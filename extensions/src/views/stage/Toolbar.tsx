/** What can be done to the example under the cursor. */

import { useSignal } from "@preact/signals";
import type { Store } from "../../store";
import { three } from "../../ui/format";
import { Select } from "../../ui/Select";
import { type Example, classNames } from "./data";
import { DrawPad } from "./DrawPad";
import { type Editor, fitting, selectedOf } from "./edits";
import { exampleName } from "../../names";
import { trans } from "../../words";

interface Props {
  store: Store;
  editor: Editor;
  examples: Example[];
}

export function Toolbar({ store, editor, examples }: Props) {
  const amount = useSignal(0.2);
  const cursor = store.cursor.value;
  const selected = selectedOf(examples, cursor);
  const can = fitting(selected);
  const names = classNames(examples);
  const title = selected
    ? selected.label === null
      ? exampleName(selected.part, selected.shot + 1)
      : `${selected.name}, ${exampleName(selected.part, selected.shot + 1)}`
    : trans.__("no example chosen");
  return (
    <div class="wb-toolbar" role="toolbar" aria-label={trans.__("Edit the chosen example")}>
      <div class="wb-row">
        <strong>{title}</strong>
        {selected?.edited && <span class="wb-badge">{selected.edited}</span>}
        {selected?.x !== null && selected?.y !== null && selected && (
          <span class="wb-quiet wb-figure">
            x {three(selected.x)}, y {three(selected.y)}
          </span>
        )}
      </div>
      <div class="wb-row">
        {can.has("swap") && (
          <button
            type="button"
            onClick={() => editor.swap()}
            title={trans.__("Another example of its class in its place")}
          >
            {trans.__("Swap")}
          </button>
        )}
        <button
          type="button"
          disabled={!can.has("duplicate")}
          onClick={() => editor.duplicate()}
          title={trans.__("The same example once more")}
        >
          {trans.__("Duplicate")}
        </button>
        <button
          type="button"
          disabled={!can.has("drop")}
          onClick={() => editor.drop()}
          title={trans.__("The task without this example")}
        >
          {trans.__("Drop")}
        </button>
        {can.has("draw") && (
          <button
            type="button"
            aria-pressed={editor.drawing.value}
            onClick={() => (editor.drawing.value = !editor.drawing.value)}
            title={trans.__("A character of your own in its place")}
          >
            {trans.__("Draw")}
          </button>
        )}
        {can.has("relabel") && (
          <label title={trans.__("Call it an example of another class")}>
            {trans.__("class")}{" "}
            <Select
              label={trans.__("Class of the chosen example")}
              names={names}
              chosen={selected?.label ?? -1}
              onChoose={(label) => editor.relabel(label)}
            />
          </label>
        )}
        {(can.has("noise") || !selected) && (
          <label class="wb-noise" title={trans.__("Noise of this standard deviation on its inputs")}>
            {trans.__("noise")}{" "}
            <input
              type="range"
              min={0}
              max={1}
              step={0.05}
              value={amount.value}
              disabled={!selected}
              aria-valuetext={three(amount.value)}
              onInput={(event) => (amount.value = event.currentTarget.valueAsNumber)}
              onChange={() => editor.noise(amount.value)}
            />{" "}
            <span class="wb-figure">{three(amount.value)}</span>
          </label>
        )}
      </div>
      {editor.drawing.value && can.has("draw") && (
        <DrawPad
          key={`${cursor.part}${cursor.example}`}
          onStrokes={(strokes) => editor.draw(strokes)}
          onClose={() => (editor.drawing.value = false)}
        />
      )}
    </div>
  );
}
