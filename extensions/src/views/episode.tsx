/** The episode builder: draw tasks, see them as they are, change single examples, keep the result. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { About, Store } from "../store";
import { useKeys } from "../ui/keys";
import { Behind } from "./Inspected";
import { isBehind } from "./link";
import { Column, curvesOf, EpisodeOf } from "./stage/Columns";
import { SamplingForm } from "./stage/Controls";
import { CurveView } from "./stage/CurveView";
import { frameOf, pointsAlone, readCurves, readExamples } from "./stage/data";
import { Editor } from "./stage/edits";
import { Toolbar } from "./stage/Toolbar";
import "./stage/stage.css";
import { partName } from "../names";
import { trans } from "../words";

export function EpisodeBuilder({ store }: { store: Store }) {
  const editor = useMemo(() => new Editor(store), [store]);
  const examples = readExamples(frameOf(store, "examples"));
  const about = store.about.value;
  const tasks = about.tasks ?? 1;
  const behind = isBehind(about, store.cursor.value);
  const to = (task: number) =>
    store.move({ task: Math.min(Math.max(task, 0), tasks - 1), example: 0 });
  useKeys([
    { key: "PageUp", help: trans.__("the task before"), run: () => to(store.cursor.peek().task - 1) },
    { key: "PageDown", help: trans.__("the next task"), run: () => to(store.cursor.peek().task + 1) },
  ]);
  return (
    <div class="wb-stage wb-builder">
      {behind && <Behind store={store} />}
      <div class="wb-two" data-behind={behind}>
        <Column title={trans.__("Tasks")} store={store} aside={about.note}>
          <SamplingForm store={store} />
          <Files store={store} />
        </Column>
        <Column
          title={trans.__("Task %1 of %2", store.cursor.value.task + 1, tasks)}
          store={store}
          kind="examples"
          ownsTable
          aside={edits(about)}
          tools={
            tasks > 1 && (
              <>
                <button
                  type="button"
                  class="wb-plain"
                  disabled={store.cursor.value.task === 0}
                  onClick={() => to(store.cursor.peek().task - 1)}
                  aria-label={trans.__("Task before")}
                >
                  ◀
                </button>
                <button
                  type="button"
                  class="wb-plain"
                  disabled={store.cursor.value.task >= tasks - 1}
                  onClick={() => to(store.cursor.peek().task + 1)}
                  aria-label={trans.__("Next task")}
                >
                  ▶
                </button>
              </>
            )
          }
        >
          {examples.length > 0 ? (
            <Toolbar store={store} editor={editor} examples={examples} />
          ) : (
            <p class="wb-empty">{trans.__("Control tasks have no examples: they are acted in.")}</p>
          )}
          <Points store={store} editor={editor} />
          <div class="wb-columns">
            {(["support", "query"] as const).map((part) =>
              examples.some((one) => one.part === part) ? (
                <section key={part} aria-label={partName(part)}>
                  <h3>
                    {part === "support"
                      ? trans.__("Support: what is learned from")
                      : trans.__("Query: what it is judged by")}
                  </h3>
                  <EpisodeOf store={store} editor={editor} part={part} large={part === "support"} />
                </section>
              ) : null,
            )}
          </div>
        </Column>
      </div>
    </div>
  );
}

const edits = (about: About) =>
  about.edits ? trans._n("%1 edit", "%1 edits", about.edits) : trans.__("as it was drawn");

/** A regression task as points that can be dragged. */
function Points({ store, editor }: { store: Store; editor: Editor }) {
  const examples = readExamples(frameOf(store, "examples"));
  const curves = readCurves(frameOf(store, "curves")) ?? pointsAlone(examples);
  if (!curves) return null;
  const { curves: all, place } = curvesOf(curves, examples);
  return (
    <CurveView
      title={trans.__("Points")}
      curves={all}
      step={0}
      bare
      editor={editor}
      place={place}
      held={editor.held.value}
      onPick={(part, example) => store.move({ part, example })}
      height={280}
    />
  );
}

/** Keeping an episode in a file, and opening one. */
function Files({ store }: { store: Store }) {
  const path = useSignal("my.episode");
  const said = useSignal("");
  const ask = (command: string, done: (path: string) => string) =>
    void store.send(command, { path: path.value }).then(
      () => (said.value = done(path.value)),
      () => (said.value = ""),
    );
  return (
    <div class="wb-row wb-files">
      <input
        type="text"
        aria-label={trans.__("File of the episode")}
        value={path.value}
        onInput={(event) => (path.value = event.currentTarget.value)}
      />
      <button
        type="button"
        onClick={() => ask("save_episode", (path) => trans.__("saved %1", path))}
        title={trans.__("Keep all tasks, edits too, in this file")}
      >
        {trans.__("Save")}
      </button>
      <button
        type="button"
        onClick={() => ask("open_episode", (path) => trans.__("opened %1", path))}
        title={trans.__("Adapt to the tasks of this file")}
      >
        {trans.__("Open")}
      </button>
      <span role="status" class="wb-quiet">
        {said.value}
      </span>
    </div>
  );
}
