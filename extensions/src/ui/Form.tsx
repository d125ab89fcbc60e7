/** Settings as controls: each field's type says which. */

import { type TargetedKeyboardEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Field } from "../generated";
import { differing, parsed, range, rateAt, ratePlace, said, type Value } from "./fields";
import { useUnique } from "./hooks";
import { trans } from "../words";

interface Props {
  title: string;
  fields: Field[];
  /** Asks for another value; what comes of it says whether it is in force, or why it is not. */
  onChange: (name: string, value: Value) => Promise<unknown> | void;
  /** Without the line that says which settings differ. */
  bare?: boolean;
}

export function Form({ title, fields, onChange, bare }: Props) {
  const changed = differing(fields);
  return (
    <form class="wb-form" aria-label={title} onSubmit={(event) => event.preventDefault()}>
      {fields.map((field) => (
        <Control key={field.name} field={field} onChange={(value) => onChange(field.name, value)} />
      ))}
      {!bare && (
        <p class="wb-quiet">
          {changed.length === 0
            ? trans.__("All settings are as they come.")
            : trans.__(
                "Different: %1",
                changed.map((f) => `${labelOf(f)} ${said(f.value)} (${said(f.default)})`).join(", "),
              )}
        </p>
      )}
    </form>
  );
}

/** What Python calls a field, where that has a word in the reader's language. */
const labelOf = ({ label }: Field) => trans._p("setting", label);

interface ControlProps {
  field: Field;
  onChange: (value: Value) => Promise<unknown> | void;
}

function Control({ field, onChange }: ControlProps) {
  const id = useUnique();
  // What the hand did last stands until Python's answer comes.
  const [value, setValue] = useState(field.value);
  const [refused, setRefused] = useState("");
  const [, drawAgain] = useState(0); // also where nothing came of it: the hand has moved the control
  const inForce = useRef(field.value);
  const asked = useRef(0);
  inForce.current = field.value;
  useEffect(() => setValue(field.value), [field.value]);
  const change = (next: Value) => {
    setValue(next);
    setRefused("");
    if (next === value) return;
    const mine = ++asked.current;
    const settle = (sentence: string) => {
      if (mine !== asked.current) return;
      setRefused(sentence);
      setValue(inForce.current);
      drawAgain(mine);
    };
    void onChange(next)?.then(
      () => settle(""),
      (error: Error) => settle(error.message),
    );
  };
  const open = value === null;
  const inner = { field: { ...field, value }, id, change, refuse: setRefused };
  return (
    <div
      class="wb-field"
      title={field.help}
      role={field.type === "choice" ? "group" : undefined}
      aria-labelledby={`${id}-label`}
    >
      <label id={`${id}-label`} for={id}>
        {labelOf(field)}
      </label>
      <div class="wb-control">
        {field.optional && field.type !== "choice" && (
          <input
            type="checkbox"
            checked={!open}
            aria-label={trans.__("Set %1", labelOf(field))}
            onChange={(event) =>
              change(event.currentTarget.checked ? (field.default ?? field.minimum ?? 1) : null)
            }
          />
        )}
        {open && field.optional && field.type !== "choice" ? (
          <span class="wb-quiet">{trans.__("none")}</span>
        ) : (
          <Input {...inner} />
        )}
      </div>
      <button
        type="button"
        class="wb-reset"
        disabled={value === field.default}
        title={trans.__("Back to %1", said(field.default))}
        aria-label={trans.__("Reset %1 to %2", labelOf(field), said(field.default))}
        onClick={() => change(field.default)}
      >
        ↺
      </button>
      {refused && (
        <span class="wb-refused" role="alert">
          {refused}
        </span>
      )}
      <span id={`${id}-help`} class="wb-hidden">
        {field.help}
      </span>
    </div>
  );
}

interface InputProps {
  field: Field;
  id: string;
  change: (value: Value) => void;
  /** Says why nothing was asked for. */
  refuse: (sentence: string) => void;
}

function Input({ field, id, change, refuse }: InputProps) {
  const described = { id, "aria-describedby": `${id}-help` };
  switch (field.type) {
    case "boolean":
      return (
        <input
          {...described}
          type="checkbox"
          checked={field.value === true}
          onChange={(e) => change(e.currentTarget.checked)}
        />
      );
    case "choice":
      return <Choice field={field} id={id} change={change} />;
    case "text":
      return (
        <input
          {...described}
          type="text"
          value={String(field.value ?? "")}
          onChange={(e) => change(e.currentTarget.value)}
          onKeyDown={onEnter((box) => change(box.value))}
        />
      );
    case "seed":
      return (
        <>
          <NumberBox field={field} id={id} change={change} refuse={refuse} />
          <button
            type="button"
            title={trans.__("Another seed")}
            aria-label={trans.__("Another seed")}
            onClick={() => change(Math.floor(Math.random() * 10_000))}
          >
            ⚄
          </button>
        </>
      );
    default:
      return (
        <>
          <Slider field={field} change={change} />
          <NumberBox field={field} id={id} change={change} refuse={refuse} />
        </>
      );
  }
}

function Slider({ field, change }: Pick<InputProps, "field" | "change">) {
  const value = Number(field.value ?? field.default ?? 0);
  const [low, high] = field.type === "rate" ? [0, 1] : range(field);
  const isRate = field.type === "rate";
  return (
    <input
      type="range"
      min={low}
      max={high}
      step={
        isRate ? 0.01 : field.type === "integer" ? 1 : Number(((high - low) / 100).toPrecision(1))
      }
      value={isRate ? ratePlace(field, value) : value}
      aria-label={labelOf(field)}
      aria-valuetext={said(field.value)}
      onInput={(event) => {
        const place = event.currentTarget.valueAsNumber;
        change(isRate ? rateAt(field, place) : place);
      }}
    />
  );
}

/** Enter takes what was typed: inside JupyterLab a browser does not do so by itself. */
export const onEnter =
  (take: (box: HTMLInputElement) => void) => (event: TargetedKeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Enter") take(event.currentTarget);
  };

function NumberBox({ field, id, change, refuse }: InputProps) {
  const take = (box: HTMLInputElement) => {
    const found = parsed(box.value);
    if (found !== null) return change(found);
    refuse(trans.__("'%1' is no number: %2 stays %3", box.value, labelOf(field), said(field.value)));
    box.value = String(field.value ?? "");
  };
  return (
    <input
      id={id}
      class="wb-number"
      type="text"
      inputMode="decimal"
      aria-describedby={`${id}-help`}
      value={String(field.value ?? "")}
      onChange={(event) => take(event.currentTarget)}
      onKeyDown={onEnter(take)}
    />
  );
}

function Choice({ field, id, change }: Omit<InputProps, "refuse">) {
  const choices: Value[] = field.optional
    ? [null, ...(field.choices ?? [])]
    : (field.choices ?? []);
  if (choices.length <= 4) {
    return (
      <div
        class="wb-segments"
        role="radiogroup"
        aria-labelledby={`${id}-label`}
        aria-describedby={`${id}-help`}
      >
        {choices.map((choice) => (
          <label key={said(choice)}>
            <input
              type="radio"
              name={id}
              checked={choice === field.value}
              onChange={() => change(choice)}
            />
            <span>{said(choice)}</span>
          </label>
        ))}
      </div>
    );
  }
  return (
    <>
      <select
        id={id}
        aria-describedby={`${id}-help`}
        value={said(field.value)}
        onChange={(event) => change(choices[event.currentTarget.selectedIndex] ?? null)}
      >
        {choices.map((choice) => (
          <option key={said(choice)} value={said(choice)}>
            {said(choice)}
          </option>
        ))}
      </select>
      {field.free && (
        <input
          type="text"
          placeholder={field.free}
          aria-label={trans.__("Other %1, such as %2", labelOf(field), field.free)}
          onChange={(event) => takeTyped(event.currentTarget, change)}
          onKeyDown={onEnter((box) => takeTyped(box, change))}
        />
      )}
    </>
  );
}

/** What was typed is asked for once, and then shown among the choices. */
function takeTyped(box: HTMLInputElement, change: (value: Value) => void) {
  const typed = box.value.trim();
  box.value = "";
  if (typed) change(typed);
}
