/** A curve to be learned: its examples, how the prediction bends towards them, and the truth. */

import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { BEFORE, stepColour } from "../../ui/palette";
import { type Curve, type Curves, some } from "./data";
import type { Editor, Held } from "./edits";
import { partName, exampleName } from "../../names";
import { trans } from "../../words";
import { stepName } from "../../facts";

const GHOSTS = 6; // earlier steps that are shown: more hide each other

interface Props {
  title: string;
  curves: Curves;
  step: number;
  colour?: string;
  editor?: Editor;
  held?: Held | null;
  /** Without prediction: the episode alone. */
  bare?: boolean;
  /** The prediction of another lane, for comparison. */
  against?: { curve: Curve; name: string } | null;
  onPick?: (part: "support" | "query", example: number) => void;
  /** Which example a point is, where some were dropped. */
  place?: (part: "support" | "query", index: number) => number;
  height?: number;
}

/** A part's points, with the one that is being dragged where the hand has it. */
export function withHeld(
  points: Curve,
  part: "support" | "query",
  { held, place = same }: Pick<Props, "held" | "place">,
): Curve {
  if (held?.part !== part) return points;
  const index = [...points.x.keys()].find((k) => place(part, k) === held.example);
  if (index === undefined) return points;
  const [x, y] = [Float64Array.from(points.x), Float64Array.from(points.y)];
  [x[index], y[index]] = [held.x, held.y];
  return { x, y };
}

const same = (_: string, index: number) => index;

/** What is drawn, back to front. */
export function seriesOf(props: Omit<Props, "title">): {
  series: Series[];
  parts: Map<number, "support" | "query">;
} {
  const { curves, step, colour, editor, bare, against } = props;
  const series: Series[] = [];
  const parts = new Map<number, "support" | "query">();
  const last = curves.steps.length - 1;
  const now = Math.min(step, last);
  if (curves.truth)
    series.push({ name: trans.__("truth"), ...curves.truth, thin: true, colour: "var(--wb-ink)" });
  if (!bare && now >= 0) {
    for (const k of some(1, now, GHOSTS)) {
      series.push({
        name: stepName(k),
        ...curves.steps[k]!,
        thin: true,
        silent: true,
        legend: now === 2 ? stepName(1) : trans.__("steps 1–%1", now - 1),
        colour: stepColour(k, last),
      });
    }
    if (now > 0) series.push({ name: trans.__("before"), ...curves.steps[0]!, colour: BEFORE });
    if (against)
      series.push({ name: against.name, ...against.curve, dashed: true, colour: "var(--wb-ink)" });
    series.push({
      name: now === 0 ? trans.__("before") : stepName(now),
      ...curves.steps[now]!,
      colour: now === 0 ? BEFORE : (colour ?? "var(--wb-after)"),
    });
  }
  if (curves.query.x.length > 0) {
    parts.set(series.length, "query");
    series.push({
      name: partName("query"),
      ...withHeld(curves.query, "query", props),
      kind: "points",
      hollow: true,
      colour: "var(--wb-quiet)",
      legend: `${partName("query")} (${curves.query.x.length})`,
      describe: (k) => exampleName("query", k + 1),
    });
  }
  parts.set(series.length, "support");
  series.push({
    name: partName("support"),
    ...withHeld(curves.support, "support", props),
    kind: "points",
    draggable: editor !== undefined,
    legend: `${partName("support")} (${curves.support.x.length})`,
    describe: (k) => exampleName("support", k + 1),
  });
  return { series, parts };
}

export function CurveView(props: Props) {
  const { title, curves, editor, bare, onPick, place = same, height = 300 } = props;
  const { series, parts } = seriesOf(props);
  return (
    <div
      class="wb-curve"
      onPointerUp={(event) => panelOf(event.currentTarget)?.focus({ preventScroll: true })}
    >
      <Chart
        title={title}
        description={
          leaves(props) ??
          (editor &&
            (bare
              ? trans.__("Drag a support point")
              : trans.__("Drag a support point, and the adaptation follows")))
        }
        series={series}
        x={{ label: "x", domain: curves.domain.x }}
        y={{ label: "y", domain: curves.domain.y, limits: curves.domain.y }}
        height={height}
        onPick={
          onPick &&
          (({ series: which, index }) => {
            const part = parts.get(which);
            if (part) onPick(part, place(part, index));
          })
        }
        onDrag={
          editor &&
          (({ x, y, series: which, index }) => {
            const part = parts.get(which) ?? "support";
            editor.move(part, place(part, index), x, y);
          })
        }
      />
    </div>
  );
}

/** What is said of a prediction that runs out of the picture. */
export function leaves({
  curves,
  step,
  bare,
}: Pick<Props, "curves" | "step" | "bare">): string | undefined {
  const now = curves.steps[Math.min(step, curves.steps.length - 1)];
  if (bare || !now) return undefined;
  const far = now.y.reduce(
    (most, y) => (Math.abs(y) > Math.abs(most) || Number.isNaN(y) ? y : most),
    0,
  );
  const [low, high] = curves.domain.y;
  return far >= low && far <= high
    ? undefined
    : trans.__("The prediction leaves the picture: it reaches %1", three(far));
}

/** The panel that an element is in: it takes the focus back from what was pointed at, so that its
 * keys work on. */
export function panelOf(element: Element): HTMLElement | null {
  return element.closest<HTMLElement>("[data-lm-suppress-shortcuts]");
}
