/** Examples without a picture, as a list: texts, table rows, numbers. */

import type { TargetedKeyboardEvent } from "preact";
import { useRef } from "preact/hooks";
import type { Cursor } from "../../generated";
import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import type { Example, Judged } from "./data";
import type { Editor } from "./edits";

interface Props {
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

export function Listed({ title, examples, cursor, onPick, names = [], judged, against }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const selected = examples.findIndex(
    (one) => one.part === cursor.part && one.place === cursor.example,
  );
  const keyDown = (event: TargetedKeyboardEvent<HTMLUListElement>) => {
    const options = [...(list.current?.children ?? [])] as HTMLElement[];
    const here = options.indexOf(event.target as HTMLElement);
    const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : undefined;
    const next = by === undefined ? here : here + by;
    if (here < 0 || (by === undefined && event.key !== "Enter") || !examples[next]) return;
    options[next]!.focus();
    onPick(examples[next]!);
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <ul class="wb-listed" role="listbox" aria-label={title} ref={list} onKeyDown={keyDown}>
      {examples.map((example, index) => {
        const found = judged?.get(example.place);
        const wrong = found !== undefined && found.prediction !== example.label;
        const changed =
          found !== undefined &&
          against !== undefined &&
          against.get(example.place)?.prediction !== found.prediction;
        return (
          <li
            key={example.place}
            role="option"
            aria-selected={index === selected}
            tabIndex={index === Math.max(selected, 0) ? 0 : -1}
            data-state={changed ? "changed" : wrong ? "wrong" : undefined}
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
