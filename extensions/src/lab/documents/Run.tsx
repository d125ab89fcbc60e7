/** A run directory as a document: its curves and how it stands, as in the training panel. */

import { useEffect, useMemo } from "preact/hooks";
import { Panel } from "../../panel";
import { makeStore } from "../../store";
import { Code } from "../../views/export";
import type { RunModel } from "./model";

export function Run({ model, title }: { model: RunModel; title: string }) {
  const store = useMemo(() => makeStore(model), [model]);
  useEffect(() => () => store.dispose(), [store]);
  const known = store.about.value.title !== undefined;
  return (
    <>
      <Panel store={store} />
      {known && (
        <div class="wb">
          <Code title={title} text={JSON.stringify(model.configuration, null, 2)} />
        </div>
      )}
    </>
  );
}
