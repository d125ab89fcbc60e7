/** What is on screen as a file, with nobody but the page to make it: a chart as SVG or PNG, a frame as
 * CSV. */

import type { Frame } from "../frame";
import type { Exported, Field, Preview } from "../generated";
import { trans } from "../words";
import type { Answers } from "./answering";

const FORMATS = ["svg", "png", "csv"];
const MEDIA: Record<string, string> = { svg: "image/svg+xml", png: "image/png", csv: "text/csv" };
const DRAWN = ["fill", "fill-opacity", "font-family", "font-size", "font-weight", "opacity", "stroke",
  "stroke-dasharray", "stroke-linecap", "stroke-opacity", "stroke-width", "text-anchor",
  "dominant-baseline", "visibility", "display"]; // prettier-ignore
const WIDE = 150; // pixels of what counts as a chart
const SHOWN = 20; // rows of a preview

/** What is saved, by its kind. */
export interface Shown {
  frame(kind: string): Frame;
  /** Where its charts are. */
  charts(kind: string): Iterable<SVGSVGElement>;
  /** What a file was made of, as those that Python makes say it. */
  receipt(kind: string): object;
  /** The lines that open it in a notebook. */
  code(): Promise<string>;
}

/** The export dialog's questions, answered in the page. */
export function savingOf(shown: Shown): Answers {
  const code = () => shown.code();
  const made = async ({ kind, format = "svg" }: { kind: string; format?: string }) => {
    const frame = shown.frame(kind);
    if (format === "csv") return { text: csvOf(frame), rows: frame.rows };
    const svg = [...shown.charts(kind)].find((one) => one.getBoundingClientRect().width >= WIDE);
    if (!svg)
      throw new Error(
        trans.__("no chart of '%1' is on screen: show it first, or save its numbers as csv", kind),
      );
    const { width, height } = svg.getBoundingClientRect();
    const words = svg.getAttribute("aria-label") ?? kind;
    return { text: svgOf(svg), rows: frame.rows, width, height, words };
  };
  return {
    code,
    export_form: (): Field[] => [
      {
        name: "format", label: "format", help: trans.__("What kind of file it is."), type: "choice",
        value: "svg", default: "svg", minimum: null, maximum: null, span: null,
        choices: FORMATS, optional: false,
      },
    ], // prettier-ignore
    preview: async (args: any): Promise<Preview> => {
      const { text, rows, width, height, words } = await made(args);
      const shared = {
        name: `${args.kind}.${args.format ?? "svg"}`,
        folder: "downloads",
        receipt: JSON.stringify(shown.receipt(args.kind)),
        code: await code(),
        rows,
      };
      if (width === undefined || height === undefined)
        return { ...shared, text: text.split("\n").slice(0, SHOWN).join("\n") };
      const picture = await base64(await pngOf(text, width, height));
      return { ...shared, picture, inches: [width / 96, height / 96], words };
    },
    export: async (args: any): Promise<Exported> => {
      const format = args.format ?? "svg";
      const { text, width, height } = await made(args);
      const blob =
        format === "png"
          ? await pngOf(text, width!, height!)
          : new Blob([text], { type: MEDIA[format] });
      const content = await base64(blob);
      return { path: args.name, bytes: blob.size, code: await code(), content, media: MEDIA[format] };
    },
  };
}

/** A frame as comma-separated values. */
export function csvOf(frame: Frame): string {
  const names = frame.names.filter((name) => frame.type(name) !== "arrays");
  const word = (cell: unknown) => {
    const text = cell === null ? "" : String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = Array.from({ length: frame.rows }, (_, row) =>
    names.map((name) => word(frame.at(name, row))).join(","),
  );
  return [names.map(word).join(","), ...lines, ""].join("\n");
}

/** A chart as a file of its own: what the page's styles make of it is written into it. */
export function svgOf(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((one, place) => {
    const look = getComputedStyle(one);
    const said = DRAWN.map((name) => [name, look.getPropertyValue(name)]).filter(([, v]) => v);
    to[place]!.setAttribute("style", said.map(([name, value]) => `${name}:${value}`).join(";"));
    to[place]!.removeAttribute("class");
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(Math.round(width)));
  copy.setAttribute("height", String(Math.round(height)));
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const colour = getComputedStyle(svg.closest(".wb") ?? svg).backgroundColor || "#fff";
  for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", colour]] as const)
    ground.setAttribute(name, value);
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

async function pngOf(svg: string, width: number, height: number): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const context = canvas.getContext("2d")!;
  context.scale(2, 2);
  context.drawImage(image, 0, 0, width, height);
  return new Promise((yes, no) =>
    canvas.toBlob((blob) => (blob ? yes(blob) : no(new Error(trans.__("the picture cannot be made"))))),
  );
}

async function base64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let k = 0; k < bytes.length; k += 0x8000)
    text += String.fromCharCode(...bytes.subarray(k, k + 0x8000));
  return btoa(text);
}
