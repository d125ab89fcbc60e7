/** What is adapted, and to which tasks: the row above a stage, and the settings that open below it. */

import type { Signal } from "@preact/signals";
import type { Field } from "../../generated";
import type { About, Store } from "../../store";
import type { Value } from "../../ui/fields";
import { Form } from "../../ui/Form";

/** The sampling form, its tasks a choice among those that there are. */
export function samplingFields(about: About): Field[] {
  const fields = about.forms?.sampling ?? [];
  const tasks = about.choices?.tasks ?? [];
  return fields.map((field) => {
    if (field.name !== "tasks" || tasks.length === 0) return field;
    const choices = tasks.includes(String(field.value)) ? tasks : [String(field.value), ...tasks];
    return { ...field, type: "choice" as const, choices, optional: false };
  });
}

const ask = (store: Store, command: string, name: string, value: Value) =>
  void store.send(command, { [name]: value }, { latest: name }).catch(() => {});

/** The form of which tasks are drawn. */
export function SamplingForm({ store }: { store: Store }) {
  return (
    <Form
      title="Tasks"
      fields={samplingFields(store.about.value)}
      onChange={(name, value) => ask(store, "sample", name, value)}
    />
  );
}

/** The form of the learner's settings in this lane. */
export function SettingsForm({ store }: { store: Store }) {
  const fields = store.about.value.forms?.settings ?? [];
  if (fields.length === 0)
    return <p class="wb-empty">Nothing of this learner can be varied without training it anew.</p>;
  return (
    <Form
      title="Adaptation"
      fields={fields}
      onChange={(name, value) => ask(store, "vary", name, value)}
    />
  );
}

/** All settings, below the row that opens them. */
export function Drawer({ store }: { store: Store }) {
  return (
    <div class="wb-drawer wb-columns">
      <section aria-label="Settings of the adaptation">
        <h2>Adaptation</h2>
        <SettingsForm store={store} />
      </section>
      <section aria-label="Settings of the tasks">
        <h2>Tasks</h2>
        <SamplingForm store={store} />
      </section>
    </div>
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
          <span class="wb-quiet">task</span>
          {tasks <= 8 ? (
            <Segments
              label="Task"
              names={Array.from({ length: tasks }, (_, task) => String(task + 1))}
              chosen={store.cursor.value.task}
              onChoose={(task) => store.move({ task })}
            />
          ) : (
            <select
              aria-label="Task"
              onChange={(event) => store.move({ task: event.currentTarget.selectedIndex })}
            >
              {Array.from({ length: tasks }, (_, task) => (
                <option key={task} selected={task === store.cursor.value.task}>
                  {task + 1} of {tasks}
                </option>
              ))}
            </select>
          )}
        </span>
      )}
      <button
        type="button"
        title={`Other tasks: the seed is ${seed}`}
        onClick={() => ask(store, "sample", "seed", seed + 1)}
      >
        ⚄ Other tasks
      </button>
      <span class="wb-end wb-row wb-tight">
        {about.note && (
          <span class="wb-quiet wb-note" title={about.note}>
            {about.note}
          </span>
        )}
        <button
          type="button"
          aria-expanded={open.value}
          onClick={() => (open.value = !open.value)}
          title="Settings of the adaptation and of the tasks (S)"
        >
          Settings
        </button>
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
  if (learners.length === 1) return <strong title={learners[0]!.note}>{learners[0]!.name}</strong>;
  if (learners.length <= 4) {
    return (
      <Segments
        label="Learner"
        names={learners.map((one) => one.name)}
        titles={learners.map((one) => one.note)}
        chosen={chosen}
        onChoose={choose}
      />
    );
  }
  return (
    <select
      aria-label="Learner"
      title={about.note}
      onChange={(event) => choose(event.currentTarget.selectedIndex)}
    >
      {learners.map((one, place) => (
        <option key={one.name} selected={place === chosen}>
          {one.name}
        </option>
      ))}
    </select>
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
