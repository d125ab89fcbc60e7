/** What a new experiment is made of: a family of tasks, a method, and a few numbers. */

import type { TranslationBundle } from "@jupyterlab/translation";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Asked, PresetChoice } from "../generated";
import { useUnique } from "../ui/hooks";

/** Where the choice is kept for who asked. */
export interface Chosen {
  asked: Asked;
}

interface Props {
  presets: Promise<PresetChoice[]>;
  chosen: Chosen;
  trans: TranslationBundle;
}

export const STYLES = ["one column", "two columns", "slide", "slide, dark"];

const styleName = (style: string, trans: TranslationBundle): string =>
  ({
    "one column": trans.__("one column"),
    "two columns": trans.__("two columns"),
    slide: trans.__("slide"),
    "slide, dark": trans.__("slide, dark"),
  })[style] ?? style;

/** The families of tasks, in the order of the presets. */
export const familiesOf = (presets: PresetChoice[]) => [
  ...new Set(presets.map(({ family }) => family)),
];

export function Choice({ presets, chosen, trans }: Props) {
  const [known, setKnown] = useState<PresetChoice[] | null>(null);
  const [failed, setFailed] = useState("");
  const [asked, setAsked] = useState(chosen.asked);
  const id = useUnique();
  const change = (part: Partial<Asked>) => {
    chosen.asked = { ...chosen.asked, ...part };
    setAsked(chosen.asked);
  };
  useEffect(() => {
    presets.then(
      (found) => {
        setKnown(found);
        if (found[0]) change({ preset: found[0].name });
      },
      (error: Error) => setFailed(error.message),
    );
  }, [presets]);
  const first = useRef<HTMLSelectElement>(null);
  useEffect(() => first.current?.focus(), [known]); // the dialog had nothing to choose yet
  if (failed) return <p role="alert">{failed}</p>;
  if (!known) return <p role="status">{trans.__("Reading the presets …")}</p>;
  const one = known.find(({ name }) => name === asked.preset);
  const inFamily = known.filter(({ family }) => family === one?.family);
  const number = (name: "seed" | "threads" | "budget", label: string, least: number) => (
    <>
      <label for={`${id}-${name}`}>{label}</label>
      <input
        id={`${id}-${name}`}
        type="number"
        min={least}
        step={1}
        value={asked[name]}
        onChange={(event) => {
          const value = Math.max(least, Math.round(event.currentTarget.valueAsNumber) || least);
          event.currentTarget.value = String(value);
          change({ [name]: value });
        }}
      />
    </>
  );
  return (
    <div class="wb-choice">
      <label for={`${id}-family`}>{trans.__("Tasks")}</label>
      <select
        ref={first}
        id={`${id}-family`}
        value={one?.family}
        onChange={(event) =>
          change({
            preset: known.find(({ family }) => family === event.currentTarget.value)!.name,
          })
        }
      >
        {familiesOf(known).map((family) => (
          <option key={family}>{family}</option>
        ))}
      </select>
      <label for={`${id}-method`}>{trans.__("Method")}</label>
      <select
        id={`${id}-method`}
        value={asked.preset}
        onChange={(event) => change({ preset: event.currentTarget.value })}
      >
        {inFamily.map(({ name, method }) => (
          <option key={name} value={name}>
            {method} ({name})
          </option>
        ))}
      </select>
      <p class="wb-choice-line">{one?.line}</p>
      {number("seed", trans.__("Seed"), 0)}
      {number("threads", trans.__("Threads"), 1)}
      <label for={`${id}-device`}>{trans.__("Device")}</label>
      <input
        id={`${id}-device`}
        type="text"
        value={asked.device}
        onChange={(event) => change({ device: event.currentTarget.value.trim() || "cpu" })}
      />
      <label for={`${id}-style`}>{trans.__("Figures")}</label>
      <select
        id={`${id}-style`}
        value={asked.style}
        onChange={(event) => change({ style: event.currentTarget.value })}
      >
        {STYLES.map((style) => (
          <option key={style} value={style}>
            {styleName(style, trans)}
          </option>
        ))}
      </select>
      {number("budget", trans.__("Memory of tapes (MB)"), 1)}
    </div>
  );
}
