/** What is said, in the reader's language. Sentences stand in English in the sources, and that is the
 * key under which `workbench/locale` has them in others; JupyterLab reads those and picks one. */

/** As JupyterLab's `TranslationBundle` has it: %1, %2, … are the values. */
export interface Words {
  __(text: string, ...values: any[]): string;
  _n(one: string, many: string, count: number, ...values: any[]): string;
  _p(context: string, text: string, ...values: any[]): string;
}

// The panels are a bundle of their own, which JupyterLab hands nothing to: the extension, which it
// does, leaves it where they find it. On a page without the extension they speak English.
const KEPT = Symbol.for("metalearning-workbench:words");
const page = globalThis as unknown as Record<symbol, Words | undefined>;

/** A sentence with its values. */
export const filled = (text: string, ...values: unknown[]): string =>
  text.replace(/%(\d)/g, (_, place) => String(values[Number(place) - 1]));

/** A mistake whose sentence is translated where it is shown: it may come from a worker, which nobody
 * has told the language. */
export class Told extends Error {
  readonly values: unknown[];

  constructor(
    readonly text: string,
    ...values: unknown[]
  ) {
    super(filled(text, ...values));
    this.values = values;
  }
}

const english: Words = {
  __: filled,
  _n: (one, many, count, ...values) => filled(count === 1 ? one : many, count, ...values),
  _p: (_, text, ...values) => filled(text, ...values),
};

/** From now on everything is said in these words; without any, in English. */
export function speak(words: Words | undefined): void {
  page[KEPT] = words;
}

/** What an error says. */
export const saidBy = (error: Error): string =>
  error instanceof Told ? trans.__(error.text, ...error.values) : error.message;

/** Call it where something is shown, and not while modules load: by then nobody has spoken. */
export const trans: Words = {
  __: (text, ...values) => (page[KEPT] ?? english).__(text, ...values),
  _n: (one, many, count, ...values) => (page[KEPT] ?? english)._n(one, many, count, ...values),
  _p: (context, text, ...values) => (page[KEPT] ?? english)._p(context, text, ...values),
};
