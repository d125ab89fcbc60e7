/** What is adapted, and to which tasks: the row above a stage, and the settings that open beside. */

import type { Signal } from "@preact/signals";
import type { Store } from "../../store";
import type { Value } from "../../ui/fields";
import { Form } from "../../ui/Form";
import { Select } from "../../ui/Select";
import { trans } from "../../words";

const ask = (store: Store, command: string, name: string, value: Value) =>
  store.send(command, { [name]: value }, { latest: name });

/** The form of which tasks are drawn. */
export function SamplingForm({ store }: { store: Store }) {
  return (
    <Form
      title={trans.__("Tasks")}
      fields={store.about.value.forms?.sampling ?? []}
      onChange={(name, value) => ask(store, "sample", name, value)}
    />
  );
}

/** The form of the learner's settings in this lane. */
export function SettingsForm({ store }: { store: Store }) {
  const fields = store.about.value.forms?.settings ?? [];
  if (fields.length === 0)
    return <p class="wb-empty">{trans.__("Nothing of this learner can be varied without training it anew.")}</p>;
  return (
    <Form
      title={trans.__("Adaptation")}
      fields={fields}
      onChange={(name, value) => ask(store, "vary", name, value)}
    />
  );
}

/** All settings, in the place of the episode: what they change stays in sight beside them. */
export function Drawer({ store, onClose }: { store: Store; onClose: () => void }) {
  return (
    <section class="wb-column" data-area="settings" aria-label={trans.__("Settings")}>
      <header class="wb-row">
        <h2>{trans.__("Settings")}</h2>
        <span class="wb-end wb-tools">
          <button type="button" class="wb-plain" onClick={onClose}>
            {trans.__("Close (S)")}
          </button>
        </span>
      </header>
      <div class="wb-within wb-columns">
        <section aria-label={trans.__("Settings of the adaptation")}>
          <h3>{trans.__("Adaptation")}</h3>
          <SettingsForm store={store} />
        </section>
        <section aria-label={trans.__("Settings of the tasks")}>
          <h3>{trans.__("Tasks")}</h3>
          <SamplingForm store={store} />
        </section>
      </div>
    </section>
  );
}

interface Props {
  store: Store;
  open: Signal<boolean>;
}

/** Which learner, which of the tasks, other tasks, and the settings' drawer. */
export function Choices({ store, open }: Props) {
  const about = store.about.value;
  const tasks = about.tasks ?? 1;
  const seed = Number(
    about.forms?.sampling?.find((field) => field.name === "seed")?.value ?? 0,
  );
  return (
    <div class="wb-row wb-choices">
      <Learners store={store} />
      {tasks > 1 && (
        <span class="wb-row wb-tight">
          <span class="wb-quiet">{trans.__("task")}</span>
          {tasks <= 8 ? (
            <Segments
              label={trans.__("Task")}
              names={Array.from({ length: tasks }, (_, task) => String(task + 1))}
              chosen={store.cursor.value.task}
              onChoose={(task) => store.move({ task })}
            />
          ) : (
            <Select
              label={trans.__("Task")}
              names={Array.from({ length: tasks }, (_, task) => trans.__("%1 of %2", task + 1, tasks))}
              chosen={store.cursor.value.task}
              onChoose={(task) => store.move({ task })}
            />
          )}
        </span>
      )}
      {!about.saved && (
        <button
          type="button"
          title={trans.__("Other tasks: the seed is %1", seed)}
          onClick={() => void ask(store, "sample", "seed", seed + 1).catch(() => {})}
        >
          ⚄ {trans.__("Other tasks")}
        </button>
      )}
      <span class="wb-end wb-row wb-tight">
        {about.note && (
          <span class="wb-quiet wb-note" title={about.note}>
            {about.note}
          </span>
        )}
        {!about.saved && (
          <button
            type="button"
            aria-expanded={open.value}
            onClick={() => (open.value = !open.value)}
            title={trans.__("Settings of the adaptation and of the tasks (S)")}
          >
            {trans.__("Settings")}
          </button>
        )}
      </span>
    </div>
  );
}

function Learners({ store }: { store: Store }) {
  const about = store.about.value;
  const learners = about.learners ?? [];
  if (learners.length === 0) return null;
  const chosen = learners.findIndex((one) => one.name === about.learner);
  const choose = (place: number) =>
    void store.send("choose", { learner: learners[place]!.name }).catch(() => {});
  if (learners.length === 1 || about.saved)
    return <strong title={learners[0]!.note}>{about.learner}</strong>; // files are lanes
  if (learners.length <= 4) {
    return (
      <Segments
        label={trans.__("Learner")}
        names={learners.map((one) => one.name)}
        titles={learners.map((one) => one.note)}
        chosen={chosen}
        onChoose={choose}
      />
    );
  }
  return (
    <Select
      label={trans.__("Learner")}
      title={about.note}
      names={learners.map((one) => one.name)}
      chosen={chosen}
      onChoose={choose}
    />
  );
}

interface SegmentsProps {
  label: string;
  names: string[];
  titles?: string[];
  chosen: number;
  onChoose: (place: number) => void;
}

function Segments({ label, names, titles, chosen, onChoose }: SegmentsProps) {
  return (
    <span class="wb-segments" role="group" aria-label={label}>
      {names.map((name, place) => (
        <button
          key={name}
          type="button"
          aria-pressed={place === chosen}
          title={titles?.[place]}
          onClick={() => place !== chosen && onChoose(place)}
        >
          {name}
        </button>
      ))}
    </span>
  );
}
