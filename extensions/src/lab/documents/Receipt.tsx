/** What the file of a figure says of where it comes from. */

import type { TranslationBundle } from "@jupyterlab/translation";
import type { ReadonlySignal } from "@preact/signals";
import type { FigureReceipt } from "../../generated";
import { Code } from "../../views/export";

interface Props {
  /** The receipt of the figure in view; a sentence where it has none, or none is in view. */
  shown: ReadonlySignal<FigureReceipt | string>;
  openRun: (place: string) => void;
  trans: TranslationBundle;
}

export function Receipt({ shown, openRun, trans }: Props) {
  const found = shown.value;
  return (
    <section class="wb wb-receipt" aria-label={trans.__("Receipt of the figure")} aria-live="polite">
      <h3>{trans.__("Receipt")}</h3>
      {typeof found === "string" ? (
        <p class="wb-quiet">{found}</p>
      ) : found.missing ? (
        <p class="wb-quiet">
          {found.place}: {found.missing}
        </p>
      ) : (
        <Found receipt={found} openRun={openRun} trans={trans} />
      )}
    </section>
  );
}

function Found({ receipt, openRun, trans }: { receipt: FigureReceipt } & Pick<Props, "openRun" | "trans">) {
  return (
    <>
      <dl>
        <dt>{trans.__("File")}</dt>
        <dd>{receipt.place}</dd>
        <dt>{trans.__("Seed")}</dt>
        <dd>{receipt.seed}</dd>
        <dt>{trans.__("Version of the workbench")}</dt>
        <dd>{receipt.version}</dd>
        <dt>{trans.__("Hash of the data")}</dt>
        <dd>
          <code>{receipt.data_sha256}</code>
        </dd>
      </dl>
      <Code
        key={`${receipt.place} code`}
        open
        title={trans.__("Code that draws it")}
        text={receipt.code}
        copy={trans.__("Copy code")}
      />
      <h4>{trans.__("Runs")}</h4>
      {receipt.runs.length ? (
        <ul>
          {receipt.runs.map((place) => (
            <li key={place}>
              <button type="button" onClick={() => openRun(place)}>
                {trans.__("Open the run %1", place)}
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <p class="wb-quiet">{trans.__("No run below this folder was made with this configuration.")}</p>
      )}
      {Object.keys(receipt.configuration).length > 0 && (
        <Code
          key={`${receipt.place} configuration`}
          title={trans.__("Configuration")}
          text={JSON.stringify(receipt.configuration, null, 2)}
        />
      )}
    </>
  );
}
