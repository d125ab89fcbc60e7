/** The stage: an adaptation on one page. What is learned from, what it does, why; and its steps. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { laneName } from "../facts";
import type { Columns } from "../generated";
import type { Store } from "../store";
import { useKeys } from "../ui/keys";
import { Gradients } from "./gradients";
import { Behind } from "./Inspected";
import { seenIn } from "./dialogs";
import { isBehind } from "./link";
import { Opened } from "./Opened";
import { Column, DoesOf, EpisodeOf, keepFocus, Score } from "./stage/Columns";
import { Choices, Drawer } from "./stage/Controls";
import { Editor } from "./stage/edits";
import { frameOf, readExamples } from "./stage/data";
import { Player } from "./stage/Player";
import { Stepper } from "./stage/stepper";
import { Timeline } from "./stage/Timeline";
import { Toolbar } from "./stage/Toolbar";
import "./stage/stage.css";
import { trans } from "../words";

export function Stage({ store }: { store: Store }) {
  const stepper = useMemo(() => new Stepper(store), [store]);
  const editor = useMemo(() => new Editor(store), [store]);
  const drawer = useSignal(false);
  const below = useSignal({ id: "", line: "" });
  const open = () =>
    void store.send("open_below").then(
      (line) => (below.value = { id: store.about.value.below ?? "", line }),
      () => {},
    );
  useEffect(() => () => stepper.pause(), [stepper]);
  useStageKeys(stepper, drawer, store.about.value.saved);
  const lanes = store.about.value.lanes ?? [];
  const hasLanes = lanes.length > 0 && (store.about.value.learners?.length ?? 0) > 0;
  // Learners stand beside each other to be compared.
  const learners = lanes.filter((lane) => lane.parent === null).length;
  useEffect(() => stepper.compare(learners > 1), [learners]);
  useEffect(() => {
    if (lanes.length < 2) stepper.compare(false);
  }, [lanes.length]);
  const other = stepper.different.value ? stepper.other : null;
  const here = store.cursor.value.lane;
  seenIn(store).lanes = other === null ? null : [here, other].sort((a, b) => a - b);
  const behind = isBehind(store.about.value, store.cursor.value);
  return (
    <div class="wb-stage">
      <Choices store={store} open={drawer} />
      {behind && <Behind store={store} />}
      <div
        class="wb-three"
        data-difference={other !== null}
        data-behind={behind}
        onMouseDown={keepFocus}
      >
        {drawer.value ? (
          <Drawer store={store} onClose={() => (drawer.value = false)} />
        ) : (
          <Episode store={store} editor={editor} />
        )}
        {hasLanes &&
          (other === null ? (
            <Does store={store} editor={editor} />
          ) : (
            <Differ store={store} editor={editor} other={other} />
          ))}
        {hasLanes && other === null && (
          <Column title={trans.__("Why")} store={store} area="why">
            <Gradients store={store} />
          </Column>
        )}
        {hasLanes && (
          <div class="wb-time">
            <Player store={store} stepper={stepper} open={open} />
            <Timeline store={store} stepper={stepper} />
          </div>
        )}
      </div>
      {below.value.id && (
        <Opened key={below.value.id} store={store} {...below.value} label={trans.__("One level below")} />
      )}
    </div>
  );
}

function useStageKeys(stepper: Stepper, drawer: { value: boolean }, saved?: boolean): void {
  useKeys([
    { key: "ArrowLeft", help: trans.__("one inner step back"), run: () => stepper.back() },
    {
      key: "ArrowRight",
      help: saved
        ? trans.__("one inner step on")
        : trans.__("one inner step on; after the last, one more"),
      run: () => stepper.next(),
    },
    { key: "Shift+ArrowLeft", help: trans.__("before the first step"), run: () => stepper.first() },
    { key: "Shift+ArrowRight", help: trans.__("after the last step"), run: () => stepper.last() },
    { key: " ", help: trans.__("play the steps, or stop"), run: () => stepper.play() },
    {
      key: "d",
      help: trans.__("two lanes and their difference"),
      run: () => stepper.compare(),
    },
    ...(saved
      ? []
      : [
          { key: "b", help: trans.__("branch here"), run: () => void stepper.branch() },
          { key: "s", help: trans.__("settings"), run: () => (drawer.value = !drawer.value) },
        ]),
  ]);
}

function Episode({ store, editor }: { store: Store; editor: Editor }) {
  const examples = readExamples(frameOf(store, "examples"));
  const support = examples.filter((one) => one.part === "support");
  const about = store.about.value;
  return (
    <Column
      title={trans.__("Episode")}
      store={store}
      area="episode"
      kind={about.kind === "control" ? kindOf(store) : "examples"}
      aside={said(store, support.length)}
    >
      <EpisodeOf store={store} editor={editor} part="support" />
      {support.length > 0 && !about.saved && <Toolbar store={store} editor={editor} examples={examples} />}
    </Column>
  );
}

function said(store: Store, support: number): string {
  if (kindOf(store) === "trajectories") return trans.__("trajectories and their returns");
  if (store.about.value.kind === "control") return trans.__("moves and what they paid");
  return trans._n("%1 example", "%1 examples", support);
}

function Does({ store, editor }: { store: Store; editor: Editor }) {
  const { lane } = store.cursor.value;
  return (
    <Column
      title={trans.__("What it does")}
      store={store}
      area="does"
      kind={kindOf(store)}
      aside={<Score store={store} lane={lane} />}
    >
      <DoesOf store={store} editor={editor} lane={lane} />
    </Column>
  );
}

function Differ({ store, editor, other }: { store: Store; editor: Editor; other: number }) {
  const { lane } = store.cursor.value;
  const about = store.about.value;
  const pair = [lane, other].sort((a, b) => a - b); // the older one stands left
  return (
    <>
      {pair.map((one, place) => (
        <Column
          key={one}
          title={laneName(about, one)}
          store={store}
          area={place === 0 ? "does" : "other"}
          aside={<Score store={store} lane={one} against={place === 1 ? pair[0] : null} />}
        >
          <DoesOf store={store} editor={editor} lane={one} other={pair[1 - place]!} />
        </Column>
      ))}
    </>
  );
}

function kindOf(store: Store): keyof Columns {
  const { kind } = store.about.value;
  if (kind === "control") return frameOf(store, "trajectories") ? "trajectories" : "pulls";
  return kind === "regression" ? "curves" : "predictions";
}
