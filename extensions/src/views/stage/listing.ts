/** Examples in a list: what is given to one, and how it is moved in. */

import type { TargetedKeyboardEvent } from "preact";
import type { Cursor } from "../../generated";
import { three } from "../../ui/format";
import type { Example, Judged } from "./data";
import type { Editor } from "./edits";

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
