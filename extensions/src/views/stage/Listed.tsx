/** Examples without a picture, as a list: texts, table rows, numbers. */

import type { TargetedKeyboardEvent } from "preact";
import type { Cursor } from "../../generated";
import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import type { Example, Judged } from "./data";
import type { Editor } from "./edits";
import { Rows } from "./Rows";

export interface Props {
  title: string;
  examples: Example[];
  cursor: Cursor;
  onPick: (example: Example) => void;
  names?: string[];
  judged?: Map<number, Judged>;
  against?: Map<number, Judged>;
  size?: number;
  editor?: Editor;
}

/** What an example is, in one line. */
export function content(example: Example): string {
  if (example.text) return example.text;
  if (example.x !== null && example.y !== null)
    return `x ${three(example.x)} → y ${three(example.y)}`;
  return `${example.name} ${example.shot + 1}`;
}

/** Up, down and Enter among the options of a list, which are the examples. */
export function moveAmong(examples: Example[], onPick: (example: Example) => void) {
  return (event: TargetedKeyboardEvent<HTMLElement>) => {
    const options = [...event.currentTarget.children] as HTMLElement[];
    const here = options.indexOf(event.target as HTMLElement);
    const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : undefined;
    const next = by === undefined ? here : here + by;
    if (here < 0 || (by === undefined && event.key !== "Enter") || !examples[next]) return;
    options[next]!.focus();
    onPick(examples[next]!);
    event.preventDefault();
    event.stopPropagation();
  };
}

/** How an example stands: given another class than its own, or than by the lane it is held against. */
export function stateOf(
  example: Example,
  judged?: Map<number, Judged>,
  against?: Map<number, Judged>,
): "changed" | "wrong" | undefined {
  const found = judged?.get(example.place);
  if (found === undefined) return undefined;
  if (against !== undefined && against.get(example.place)?.prediction !== found.prediction)
    return "changed";
  return found.prediction !== example.label ? "wrong" : undefined;
}

export function Listed(props: Props) {
  const { title, examples, cursor, onPick, names = [], judged, against } = props;
  if (examples[0]?.cells) return <Rows {...props} />;
  const selected = examples.findIndex(
    (one) => one.part === cursor.part && one.place === cursor.example,
  );
  const keyDown = moveAmong(examples, onPick);
  return (
    <ul class="wb-listed" role="listbox" aria-label={title} onKeyDown={keyDown}>
      {examples.map((example, index) => {
        const found = judged?.get(example.place);
        return (
          <li
            key={example.place}
            role="option"
            aria-selected={index === selected}
            tabIndex={index === Math.max(selected, 0) ? 0 : -1}
            data-state={stateOf(example, judged, against)}
            onClick={() => onPick(example)}
          >
            {example.label !== null && (
              <i style={{ background: look(example.label).colour }} title={example.name} />
            )}
            <span>{content(example)}</span>
            {example.edited && <span class="wb-badge">{example.edited}</span>}
            {example.label === null && example.text && example.y !== null && (
              <span class="wb-end wb-figure">{three(example.y)}</span>
            )}
            {found && (
              <span class="wb-end wb-figure">
                {names[found.prediction] ?? `class ${found.prediction + 1}`} · {three(100 * found.confidence)}%
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
