/** The line below every panel: the state in words, what can be done with all of it, and the keys. */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { facts } from "./facts";
import { type Store } from "./store";
import { copyText, useFlash } from "./ui/hooks";
import { keyName, type Keys, useKeys } from "./ui/keys";
import { askExport, lanesOf } from "./views/dialogs";
import { trans } from "./words";

export function Footer({ store, keys }: { store: Store; keys: Keys }) {
  const line = useRef<HTMLElement>(null);
  const listing = useSignal(false);
  const code = useSignal<string | null>(null);
  const about = store.about.value;
  const cursor = store.cursor.value;
  const words = facts(about, cursor, store.frames.value[`${cursor.lane}:steps`]);
  const notices = Object.values(store.frames.value).map((frame) => frame.notice);
  const notice = notices.find((one) => one !== "");
  const hasSession = (about.lanes?.length ?? 0) > 0;
  const changes = hasSession && !about.saved;
  const showCode = async () => {
    if (code.peek() !== null) code.value = null;
    else code.value = String(await store.send("code", { lanes: lanesOf(store, "curves") }));
  };
  const undo = () => void store.send("undo").catch(() => {});
  const download = () => askExport(line.current, store);
  useKeys([
    { key: "?", help: trans.__("this list"), run: () => (listing.value = !listing.value) },
    ...(hasSession
      ? [
          { key: "c", help: trans.__("what was done, as Python"), run: () => void showCode() },
          ...(store.view === "export" ? [] : [{ key: "e", help: trans.__("export"), run: download }]),
        ]
      : []),
    ...(changes
      ? [
          { key: "z", help: trans.__("take the last change back"), run: undo },
          { key: "Ctrl+z", help: trans.__("the same"), run: undo },
        ]
      : []),
  ]);
  return (
    <footer class="wb-footer" ref={line}>
      <div class="wb-row">
        <span class="wb-facts">{words.join(" · ")}</span>
        {notice && <em class="wb-notice">{notice}</em>}
        {hasSession && (
          <span class="wb-end wb-row wb-actions">
            {changes && (
              <>
                <button
                  type="button"
                  disabled={!about.undo}
                  onClick={undo}
                  title={trans.__("Take the last change back (Z)")}
                >
                  {trans.__("Undo")}
                </button>
                <button
                  type="button"
                  disabled={!about.undo && !about.edits}
                  onClick={() => void store.send("reset").catch(() => {})}
                  title={trans.__("Back to how the session began; this can be undone")}
                >
                  {trans.__("Reset")}
                </button>
              </>
            )}
            <button
              type="button"
              aria-expanded={code.value !== null}
              onClick={() => void showCode()}
              title={trans.__("What was done, as Python (C)")}
            >
              {trans.__("Code")}
            </button>
            {store.view !== "export" && ( // which is the dialog itself
              <button type="button" onClick={download} title={trans.__("Save a picture, a table or a page (E)")}>
                {trans.__("Export")}
              </button>
            )}
          </span>
        )}
        <button
          type="button"
          class={hasSession ? undefined : "wb-end"}
          aria-expanded={listing.value}
          aria-label={trans.__("Keys")}
          title={trans.__("The keys that work here (?)")}
          onClick={() => (listing.value = !listing.value)}
        >
          ?
        </button>
      </div>
      {code.value !== null && <Code text={code.value} onClose={() => (code.value = null)} />}
      {listing.value && <KeyList keys={keys} />}
    </footer>
  );
}

function Code({ text, onClose }: { text: string; onClose: () => void }) {
  const [word, flash] = useFlash();
  return (
    <section class="wb-code" aria-label={trans.__("What was done, as Python")} role="dialog">
      <pre tabIndex={0}>{text}</pre>
      <div class="wb-row">
        <button type="button" onClick={() => void copyText(text).then(() => flash(trans.__("copied")))}>
          {trans.__("Copy")}
        </button>
        <button type="button" onClick={onClose}>
          {trans.__("Close")}
        </button>
        <span role="status">{word}</span>
      </div>
    </section>
  );
}

function KeyList({ keys }: { keys: Keys }) {
  const each = new Map(keys.all.value.map((key) => [key.key, key]));
  return (
    <dl class="wb-keys">
      {[...each.values()].map((key) => (
        <div key={key.key}>
          <dt>
            <kbd>{keyName(key.key)}</kbd>
          </dt>
          <dd>{key.help}</dd>
        </div>
      ))}
    </dl>
  );
}
