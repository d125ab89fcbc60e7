/** Examples that are images: a class a row, and after adaptation what each is taken for. */

import { useMemo } from "preact/hooks";
import type { Cursor } from "../../generated";
import { Images, type Picture } from "../../ui/Images";
import { look } from "../../ui/palette";
import { three } from "../../ui/format";
import type { Example, Judged } from "./data";
import { partName, className } from "../../names";
import { trans } from "../../words";

interface Props {
  title: string;
  examples: Example[];
  names: string[];
  cursor: Cursor;
  onPick: (example: Example) => void;
  size?: number;
  /** By the example's place; nothing where nothing was predicted. */
  judged?: Map<number, Judged>;
  /** What another lane predicts: where it differs is marked. */
  against?: Map<number, Judged>;
}

/** What is said of one picture. */
export function described(
  example: Example,
  names: string[],
  judged?: Judged,
  other?: Judged,
): Omit<Picture, "pixels" | "shape"> {
  const truth = example.label === null ? "" : (names[example.label] ?? "");
  const base = `${partName(example.part)} ${truth} ${example.shot + 1}${example.edited ? `, ${example.edited}` : ""}`;
  if (!judged) return { label: base, caption: example.edited ? "✎" : undefined };
  const said = names[judged.prediction] ?? className(judged.prediction);
  const right = judged.prediction === example.label;
  const changed = other !== undefined && other.prediction !== judged.prediction;
  return {
    label:
      trans.__("%1: taken for %2, %3%", base, said, three(100 * judged.confidence)) +
      (right ? "" : `, ${trans.__("wrong")}`) +
      (changed
        ? `; ${trans.__("the other lane says %1", names[other.prediction] ?? className(other.prediction))}`
        : ""),
    confidence: judged.confidence,
    ...look(judged.prediction),
    state: changed ? "changed" : right ? undefined : "wrong",
  };
}

export function Pictures({
  title,
  examples,
  names,
  cursor,
  onPick,
  size = 44,
  judged,
  against,
}: Props) {
  const shown = useMemo(
    () => [...examples].sort((a, b) => (a.label ?? 0) - (b.label ?? 0) || a.place - b.place),
    [examples],
  );
  const pictures = shown.map((example): Picture => ({
    pixels: example.image!.pixels,
    shape: example.image!.shape,
    group: example.label ?? 0,
    ...described(example, names, judged?.get(example.place), against?.get(example.place)),
  }));
  const grid = (
    <Images
      title={title}
      pictures={pictures}
      groups={names.map((name, label) => ({ name, ...look(label) }))}
      size={size}
      selected={shown.findIndex((one) => one.part === cursor.part && one.place === cursor.example)}
      onPick={(index) => onPick(shown[index]!)}
    />
  );
  if (!judged) return grid;
  return (
    <>
      {grid}
      <p class="wb-quiet wb-tiles">
        {trans.__("Mark: the class it is taken for. Bar: how surely. Dashed frame: wrong.")}
        {against && ` ${trans.__("Dotted frame: another class than in the other lane.")}`}
      </p>
    </>
  );
}
