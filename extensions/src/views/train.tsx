/** Training in the background: settings, live curves of several runs, stop and resume. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { TrainAbout } from "../generated";
import { aboutAs, type Store } from "../store";
import { differing, said, type Value } from "../ui/fields";
import { Form, onEnter } from "../ui/Form";
import { useUnique } from "../ui/hooks";
import { askExport } from "./dialogs";
import { Code } from "./export";
import { Curves } from "./train/Curves";
import { Runs } from "./train/Runs";
import { trans } from "../words";

const GROUPS = ["Tasks", "Model", "Learner", "Training", "Machine"];

/** What Python's groups are called. */
const groupName = (group: string) =>
  ({
    Tasks: trans.__("Tasks"),
    Model: trans.__("Model"),
    Learner: trans.__("Learner"),
    Training: trans.__("Training"),
    Machine: trans.__("Machine"),
  })[group] ?? group;

export function Train({ store }: { store: Store }) {
  useEffect(() => {
    // What happened while nobody looked: other notebooks and the command line start runs too.
    const look = () => {
      if (document.visibilityState === "visible") store.send("look", {}, { latest: true }).catch(() => {});
    };
    look();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, [store]);
  const next = aboutAs<TrainAbout>(store).form; // a run that is opened by itself has none after it
  return (
    <div class="wb-train wb-columns">
      {next && <Next store={store} />}
      <section aria-label={trans.__("Runs")} class={next ? undefined : "wb-wide"}>
        <div class="wb-row">
          <h2>{trans.__("Runs in %1/", aboutAs<TrainAbout>(store).folder)}</h2>
          {Object.keys(store.frames.value).length > 0 && (
            <button type="button" class="wb-end" title={trans.__("Export the curves (E)")} onClick={(event) => askExport(event.currentTarget, store)}>
              {trans.__("Export")}
            </button>
          )}
        </div>
        <Curves store={store} />
      </section>
      <Runs store={store} />
    </div>
  );
}

function Next({ store }: { store: Store }) {
  const about = aboutAs<TrainAbout>(store);
  const id = useUnique();
  const all = useSignal(false);
  const form = about.form ?? [];
  const change = (name: string, value: Value) => store.send("vary", { [name]: value });
  const call = (box: HTMLInputElement) => void store.send("call", { name: box.value }).catch(() => {});
  const groups = GROUPS.filter((group) => form.some((field) => field.group === group));
  const changed = differing(form);
  const line = (about.presets ?? []).find((one) => one.name === about.preset)?.line;
  return (
    <section aria-label={trans.__("The next run")}>
      <h2>{trans.__("Next run")}</h2>
      <div class="wb-field">
        <label for={id}>{trans.__("preset")}</label>
        <select
          id={id}
          value={about.preset}
          onChange={(event) => void store.send("choose", { preset: event.currentTarget.value }).catch(() => {})}
        >
          {(about.presets ?? []).map((one) => (
            <option key={one.name} value={one.name} title={one.line}>
              {one.name}
            </option>
          ))}
        </select>
      </div>
      <p class="wb-quiet">{line}</p>
      <Form title={trans.__("What one changes most")} bare fields={form.filter((field) => field.first)} onChange={change} />
      <details open={all.value} onToggle={(event) => (all.value = event.currentTarget.open)}>
        <summary>{trans.__("All other settings")}</summary>
        {all.value &&
          groups.map((group) => (
            <fieldset key={group} class="wb-group">
              <legend>{groupName(group)}</legend>
              <Form
                title={groupName(group)}
                bare
                fields={form.filter((field) => field.group === group && !field.first)}
                onChange={change}
              />
            </fieldset>
          ))}
      </details>
      <p class="wb-quiet" aria-label={trans.__("What differs from the preset")}>
        {changed.length === 0
          ? trans.__("All settings are the preset's.")
          : trans.__(
              "Differs from the preset: %1",
              changed
                .map((field) => `${field.name} ${said(field.value)} (${said(field.default)})`)
                .join(", "),
            )}
      </p>
      <div class="wb-row">
        <label for={`${id}-name`}>{trans.__("name")}</label>
        <input
          id={`${id}-name`}
          type="text"
          value={about.name}
          onChange={(event) => call(event.currentTarget)}
          onKeyDown={onEnter(call)}
        />
        <button type="button" class="wb-primary" onClick={() => void store.send("start").catch(() => {})}>
          {trans.__("Start")}
        </button>
      </div>
      <Code title={trans.__("The same as code")} text={`${about.code}\n\n# on the command line:\n${about.shell}`} />
    </section>
  );
}
