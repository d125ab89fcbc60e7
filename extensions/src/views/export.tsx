/** Export: any view as a file for a paper, seen at true size before it is written. */

import { useSignal } from "@preact/signals";
import { type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { laneName, stepsOf } from "../facts";
import type { Exported, Field, Preview } from "../generated";
import { type Store } from "../store";
import { type Value } from "../ui/fields";
import { Form } from "../ui/Form";
import { copyText, useFlash, useUnique } from "../ui/hooks";
import { useKeys } from "../ui/keys";
import { EXPORT, type ExportAsked, lanesOf, scales, scaleSeen } from "./dialogs";
import "./export.css";
import { trans } from "../words";

/** What results are called, which are no inspections. */
const results = (): Record<string, string> => ({
  training: trans.__("learning curves"),
  diagnostics: trans.__("the meta-gradient along trainings"),
  adaptation: trans.__("the newest run's adaptation, at each validation"),
  comparison: trans.__("comparison of runs"),
});

/** What a kind is called in a list. */
function called(store: Store, kind: string): string {
  const found = store.about.value.inspections?.find((one) => one.name === kind);
  return found ? trans.__(found.sentence) : (results()[kind] ?? kind);
}

const WHOLE = new Set(["html", "metatrace"]); // hold all of a session, whatever the view

const [SEEN, ONE, ALL] = ["as on screen", "the lane under the cursor", "all lanes"] as const;

// What is drawn over an axis of what is measured.
const SCALED = ["steps", "norms", "flow", "anatomy", "curvature", "training", "diagnostics", "adaptation"];

const SHEETS = ["train", "compare"]; // panels whose footer has no button for it

/** What can be exported of what a panel shows. */
function kindsOf(store: Store): string[] {
  if (store.view === "train") {
    const has = (part: string) => Object.keys(store.frames.value).some((name) => name.startsWith(`${part}:`));
    return ["training", ...(has("inside") ? ["diagnostics"] : []), ...(has("adaptation") ? ["adaptation"] : [])];
  }
  if (store.view === "compare") return ["comparison"];
  const states = store.about.value.kinds ?? {};
  const found = Object.keys(states).filter((kind) => /^(ready|open|stale)$/.test(states[kind]!));
  return found.length ? found : ["examples"];
}

/** The view that one most likely wants. */
function usual(store: Store, kinds: string[]): string {
  const first: Record<string, string[]> = {
    regression: ["curves"],
    classification: ["images"],
    control: ["trajectories", "pulls"],
  };
  return first[store.about.value.kind ?? ""]?.find((kind) => kinds.includes(kind)) ?? kinds[0]!;
}

export function Exporter({ store, kind }: { store: Store; kind?: string }) {
  const kinds = kindsOf(store);
  const chosen = useSignal(kind && kinds.includes(kind) ? kind : usual(store, kinds));
  const form = useSignal<Field[]>([]);
  const preview = useSignal<Preview | null>(null);
  const failed = useSignal("");
  const name = useSignal("");
  const written = useSignal("");
  const exists = useSignal(false);
  const id = useUnique();
  const settings = Object.fromEntries(form.value.map((field) => [field.name, field.value]));
  const format = String(settings.format ?? "pdf");

  const fields = useSignal<Field[]>([]);
  const which = useSignal<string>(SEEN); // lanes
  const here = store.cursor.value.lane;
  const lanes =
    which.value === ALL
      ? store.about.value.lanes?.map((_, lane) => lane)
      : which.value === SEEN
        ? lanesOf(store, chosen.value)
        : [here];

  useEffect(() => void store.send("export_form").then((found) => (fields.value = found)), [store]);
  useEffect(() => {
    // Each view on the scale that it has on screen.
    form.value = fields.value
      .filter((one) => one.name !== "scale" || SCALED.includes(chosen.value))
      .map((one) => (one.name === "scale" ? { ...one, value: scaleSeen(store, chosen.value) } : one));
  }, [fields.value, chosen.value, scales.value]);
  const asked = JSON.stringify([chosen.value, lanes, settings, store.about.value.lanes, store.cursor.value]);
  useEffect(() => {
    if (!form.value.length) return;
    exists.value = false;
    store.send("preview", { kind: chosen.value, lanes, ...settings }, { latest: true }).then(
      (found: Preview) => {
        preview.value = found;
        name.value = found.name;
        failed.value = "";
      },
      (error: Error) => (failed.value = error.message),
    );
  }, [asked, store.frames.value]); // other tasks and edits are other frames

  const write = (options: object) =>
    store
      .send("export", { kind: chosen.value, lanes, name: name.value, ...options, ...settings })
      .then((made: Exported) => {
        if (made.content) keep(made.content, made.media ?? "", name.value);
        const size = made.bytes < 1e6 ? `${Math.ceil(made.bytes / 1e3)} kB` : `${(made.bytes / 1e6).toFixed(1)} MB`;
        written.value = made.content
          ? trans.__("downloaded %1, %2", name.value, size)
          : trans.__("wrote %1, %2", made.path, size);
        exists.value = false;
      })
      .catch((error: Error) => {
        exists.value = error.message.includes(" exists: ");
      });
  const shown = preview.value;
  return (
    <div class="wb-export wb-columns">
      <section aria-label={trans.__("What to export")}>
        <div class="wb-field">
          <label for={id}>{trans.__("view")}</label>
          <select id={id} value={chosen.value} onChange={(event) => (chosen.value = event.currentTarget.value)}>
            {kinds.map((one) => (
              <option key={one} value={one}>
                {called(store, one)}
              </option>
            ))}
          </select>
        </div>
        {(store.about.value.lanes?.length ?? 0) > 1 && (
          <div class="wb-field">
            <label for={`${id}-lanes`}>{trans.__("lanes")}</label>
            <select
              id={`${id}-lanes`}
              value={which.value}
              onChange={(event) => (which.value = event.currentTarget.value)}
            >
              <option value={SEEN}>{trans.__("as on screen")}</option>
              <option value={ONE}>{trans.__("only %1", laneName(store.about.value, here))}</option>
              <option value={ALL}>{trans.__("all lanes")}</option>
            </select>
          </div>
        )}
        <Step store={store} />
        <Form
          title={trans.__("How the file looks")}
          bare
          fields={form.value}
          onChange={(field: string, value: Value) => {
            form.value = form.value.map((one) => (one.name === field ? { ...one, value } : one));
            written.value = "";
          }}
        />
        <div class="wb-field">
          <label for={`${id}-name`}>{trans.__("file in %1/", shown?.folder ?? "figures")}</label>
          <input
            id={`${id}-name`}
            type="text"
            value={name.value}
            onChange={(event) => (name.value = event.currentTarget.value)}
          />
        </div>
        <div class="wb-row wb-actions">
          <button type="button" class="wb-primary" disabled={!shown || failed.value !== ""} onClick={() => void write({})}>
            {trans.__("Write the file")}
          </button>
          {exists.value && (
            <button type="button" onClick={() => void write({ replace: true })}>
              {trans.__("Replace it")}
            </button>
          )}
          <button type="button" disabled={!shown || failed.value !== ""} onClick={() => void write({ download: true })}>
            {trans.__("Download")}
          </button>
        </div>
        <p role="status">{written.value}</p>
        {shown && (
          <>
            <Code title={trans.__("Python that writes this file")} text={shown.code} />
            <Code title={trans.__("Receipt inside the file")} text={pretty(shown.receipt)} />
          </>
        )}
      </section>
      <section aria-label={trans.__("Preview")} class="wb-preview" data-stale={failed.value !== ""}>
        {failed.value ? (
          <p class="wb-empty" role="alert">
            {failed.value}
          </p>
        ) : !shown ? (
          <p class="wb-empty">{trans.__("Drawing …")}</p>
        ) : shown.picture && shown.inches ? (
          <figure>
            <div class="wb-paper" tabIndex={0} role="region" aria-label={trans.__("The figure at true size")}>
              <img
                src={`data:image/png;base64,${shown.picture}`}
                width={96 * shown.inches[0]}
                height={96 * shown.inches[1]}
                alt={shown.words}
              />
            </div>
            <figcaption class="wb-words wb-quiet">
              {trans.__(
                "True size, %1 in. In words: %2",
                shown.inches.map((side) => side.toFixed(2)).join(" × "),
                shown.words,
              )}
            </figcaption>
          </figure>
        ) : WHOLE.has(format) ? (
          <p class="wb-empty">
            {format === "html"
              ? trans.__(
                  "A page with the whole stage, to be stepped and inspected in any browser without a kernel.",
                )
              : trans.__(
                  "The adaptation with every step and every frame, which `Tape.load` and `Stage` open again.",
                )}{" "}
            {trans.__("Writing it computes what was not looked at yet.")}
          </p>
        ) : (
          <pre class="wb-text" tabIndex={0}>
            {shown.text}
          </pre>
        )}
      </section>
    </div>
  );
}

/** The inner step that the file shows: the one under the cursor, as in all panels. */
function Step({ store }: { store: Store }) {
  const { step } = store.cursor.value;
  const steps = stepsOf(store.about.value, store.cursor.value);
  if (steps === 0) return null;
  const field: Field = {
    name: "step",
    label: trans.__("inner step"),
    help: trans.__("The step that the file shows; panels follow it, and 0 is before adaptation."),
    type: "integer",
    value: step,
    default: steps,
    minimum: 0,
    maximum: steps,
    span: [0, steps],
    choices: null,
    optional: false,
  };
  return (
    <Form
      title={trans.__("What the file shows")}
      bare
      fields={[field]}
      onChange={async (_, value) => {
        if (typeof value !== "number" || !(value >= 0 && value <= steps))
          throw new Error(trans.__("inner step is %1: choose 0 to %2", value, steps));
        store.move({ step: Math.round(value) });
      }}
    />
  );
}

function pretty(receipt: string): string {
  return JSON.stringify(JSON.parse(receipt), null, 2);
}

/** Gives bytes to the browser, to keep among its downloads. */
function keep(content: string, media: string, name: string): void {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: media }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Lines to copy, folded away; `copy` is what the button says. */
export function Code({ title, text, open, copy }: { title: string; text: string; open?: boolean; copy?: string }) {
  const [word, flash] = useFlash();
  return (
    <details class="wb-code" open={open}>
      <summary>{title}</summary>
      <pre tabIndex={0}>{text}</pre>
      <button type="button" onClick={() => void copyText(text).then(() => flash(trans.__("copied")))}>
        {copy ?? trans.__("Copy")}
      </button>{" "}
      <span role="status">{word}</span>
    </details>
  );
}

export function ExportView({ store }: { store: Store }) {
  return <Exporter store={store} />;
}

/** The export dialog of a panel: opens where a view asks for it, or by E. */
export function Exports({ store, children }: { store: Store; children: ComponentChildren }) {
  const open = useSignal(false);
  const around = useRef<HTMLDivElement>(null);
  const dialog = useRef<HTMLDivElement>(null);
  const before = useRef<HTMLElement | null>(null);
  const show = () => {
    before.current = document.activeElement as HTMLElement | null;
    open.value = true;
  };
  const hide = () => {
    open.value = false;
    before.current?.focus();
  };
  useEffect(() => {
    const asked = (event: Event) => {
      if ((event as CustomEvent<ExportAsked>).detail.store !== store) return;
      event.stopPropagation();
      if (store.view !== "export") show(); // which is the dialog already
    };
    const element = around.current;
    element?.addEventListener(EXPORT, asked);
    return () => element?.removeEventListener(EXPORT, asked);
  }, [store]);
  useEffect(() => {
    if (open.value) dialog.current?.focus();
  }, [open.value]);
  useKeys(SHEETS.includes(store.view) ? [{ key: "e", help: trans.__("export"), run: show }] : []);
  return (
    <div ref={around}>
      {children}
      {open.value && (
        <div
          ref={dialog}
          class="wb-dialog"
          role="dialog"
          aria-label={trans.__("Export")}
          tabIndex={-1}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            event.stopPropagation();
            hide();
          }}
        >
          <div class="wb-row">
            <strong>{trans.__("Export")}</strong>
            <button type="button" class="wb-end" onClick={hide} aria-label={trans.__("Close the export dialog")}>
              ✕
            </button>
          </div>
          <Exporter store={store} />
        </div>
      )}
    </div>
  );
}
