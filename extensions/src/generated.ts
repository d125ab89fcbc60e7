/** What crosses from Python: written by `make types` and by no hand. */

/** A number that says how well something goes, apart from how it is computed. */
export interface Measure {
  name: string;
  /** Which way; None where nobody said it. */
  better: "lower" | "higher" | null;
  /** Written behind it; a fraction of unit % is shown times 100. */
  unit: string;
  /** What guessing reaches, where that is known. */
  chance: number | null;
  /** What axes call it; its name where nothing is said. */
  label: string;
  /** Whether it is the mean loss itself under another name. */
  loss: boolean;
}

/** A validation. */
export interface Validation {
  metric: string;
  measure: Measure;
  value: number;
  ci95: number | null;
  iteration: number;
}

/** A column on the wire; numbers are little endian. */
export interface WireColumn {
  name: string;
  type: "number" | "integer" | "boolean" | "words" | "arrays";
  /** Float64, int32, uint8, int32 (codes) or float32. */
  data: DataView;
  /** What the codes of words stand for; -1 is a missing word. */
  words?: string[];
  /** Of one cell of arrays. */
  shape?: number[];
}

/** A frame on the wire. */
export interface WireFrame {
  rows: number;
  columns: WireColumn[];
  /** What its numbers are, by name. */
  measures: Record<string, Measure>;
  /** What of it diverged, as a sentence, by name. */
  diverged: Record<string, string>;
  /** A sentence that every picture of it says. */
  notice?: string;
}

/** What is looked at: all panels of a session show the same. */
export interface Cursor {
  task: number;
  step: number;
  lane: number;
  part: "support" | "query";
  example: number;
  layer: string;
  /** When a browser moved it there, by its count; 0 is a move by Python, which no panel overrules. */
  moved: number;
}

/** The control of a field, as plain data. */
export interface Field {
  /** Dotted in nested settings. */
  name: string;
  label: string;
  /** What changes when it goes up. */
  help: string;
  type: "integer" | "number" | "rate" | "choice" | "boolean" | "seed" | "text";
  /** Numbers of a tuple as '40 40', of a mapping as 'momentum=0.9'. */
  value: number | string | boolean | null;
  default: number | string | boolean | null;
  minimum: number | null;
  maximum: number | null;
  /** The ends of its slider. */
  span: number[] | null;
  choices: (string | number)[] | null;
  /** An example of what else may be typed, where anything may. */
  free?: string;
  /** Whether the value may be left open. */
  optional: boolean;
}

/** What went wrong. */
export interface Problem {
  text: string;
  /** Where, of a fault of the workbench. */
  details?: string;
}

/** How far long work is. */
export interface Progress {
  what: string;
  done: number;
  total: number;
  /** Seconds, where they are known. */
  left: number | null;
}

/** The answer to a command: what it gave, or why it was refused. */
export interface Answer {
  id: number | null;
  result?: any;
  error?: string;
}

/** A learner that can be chosen. */
export interface Learner {
  name: string;
  note: string;
}

/** A slot of the memory that was emptied, or filled with what another held. */
export interface SlotChange {
  slot: number;
  source?: number;
}

/** Where an adaptation of the task under the cursor stopped being finite. */
export interface Diverged {
  step: number;
  sentence: string;
  /** The last step that axes follow. */
  follow: number;
}

/** One recorded adaptation: a learner's own (lane 0 is the first), or a branch of another. */
export interface Lane {
  /** What it is called, by its learner and what is changed in it. */
  name: string;
  /** The latter alone. */
  changed: string;
  learner: string;
  /** Inner steps that were recorded. */
  steps: number;
  parent: number | null;
  /** After which step it branches off. */
  at: number;
  /** Of the learner that differ, by dotted name. */
  settings: Record<string, any>;
  edits: number;
  diverged: Diverged | null;
  /** Where it branches. */
  memory: SlotChange[];
}

/** What can be looked at. */
export interface Inspection {
  name: string;
  /** Of its tab; empty where it stands in that of another. */
  label: string;
  sentence: string;
  /** Which view shows it; None is a table of its own. */
  view: "stage" | "export" | "loss" | "acting" | "layers" | "flow" | "anatomy" | "agreement" | "landscape" | "memory" | "stream" | null;
}

/** What is to be said of a session beside its frames. */
export interface SessionAbout {
  title?: string;
  note?: string;
  learner: string;
  learners: Learner[];
  /** Of tasks: classification, regression or control. */
  kind: string;
  /** Which the frames are of, but for the kinds in `whole`, which show all tasks. */
  task: number;
  whole: string[];
  tasks: number;
  ways: number | null;
  milliseconds: number;
  megabytes?: number;
  /** A limit that was reached, as a sentence. */
  limited?: string;
  edits: number;
  /** Whether tasks have a goal that is a place, which can be moved. */
  aims: boolean;
  /** Whether a simulator makes pictures of what is done. */
  renders: boolean;
  /** Whether the learner trains another, which can be opened one level below. */
  trains: boolean;
  /** The id of the panel of that, where one was opened. */
  below?: string;
  undo: boolean;
  restored: boolean;
  lanes: Lane[];
  inspections: Inspection[];
  /** 'ready', 'open' (can be asked for), 'stale', or why it cannot be had. */
  kinds: Record<string, string>;
  forms: Record<string, Field[]>;
  /** Of numbers that headline, table and figure give, by name. */
  definitions: Record<string, string>;
}

/** A control of a training. */
export interface Setting {
  name: string;
  label: string;
  help: string;
  type: "integer" | "number" | "rate" | "choice" | "boolean" | "seed" | "text";
  value: number | string | boolean | null;
  default: number | string | boolean | null;
  minimum: number | null;
  maximum: number | null;
  span: number[] | null;
  choices: (string | number)[] | null;
  free?: string;
  optional: boolean;
  group: string;
  /** Whether it is one of those that one changes most. */
  first: boolean;
}

/** How a run stands. */
export interface RunSummary {
  /** The class of its learner, which is called by the run. */
  method: string;
  tasks: string;
  seed: number;
  iteration: number;
  iterations: number;
  state: string;
  stopping: boolean;
  /** What and where, as a sentence; empty where nothing did. */
  diverged: string;
  reason: string;
  note: string;
  /** Outer steps a second; 0 is unknown. */
  rate: number;
  /** Seconds. */
  left: number | null;
  last: Validation | null;
  best: Validation | null;
  /** Whether a stage can show it. */
  opens: boolean;
}

/** A run of the training panel. */
export interface ListedRun {
  method: string;
  tasks: string;
  seed: number;
  iteration: number;
  iterations: number;
  state: string;
  stopping: boolean;
  diverged: string;
  reason: string;
  note: string;
  rate: number;
  left: number | null;
  last: Validation | null;
  best: Validation | null;
  opens: boolean;
  name: string;
  drawn: boolean;
  resumes: boolean;
  /** The oldest run that is equal to it but for the seed, such as itself. */
  group: string;
}

/** A setting in which two runs differ. */
export interface SettingApart {
  name: string;
  first: string;
  second: string;
}

/** A preset, and its line of help. */
export interface Preset {
  name: string;
  line: string;
}

/** What the training panel says. */
export interface TrainAbout {
  title: string;
  folder: string;
  /** Of the next run. */
  name: string;
  preset: string;
  presets: Preset[];
  form: Setting[];
  /** The newest first. */
  runs: ListedRun[];
  /** Runs that were deleted and can be restored. */
  trash: string[];
  /** How curves are drawn. */
  looks: Field[];
  code: string;
  shell: string;
}

/** A run that can be compared, and its tasks. */
export interface KnownRun {
  name: string;
  tasks: string;
}

/** What the comparison panel says; what is of a result is there with one. */
export interface CompareAbout {
  title: string;
  chosen: string[];
  /** The id of the panel that was opened. */
  stage: string;
  known: KnownRun[];
  form: Field[];
  working: boolean;
  /** Whether the choice changed since the result was computed. */
  stale: boolean;
  code: string;
  shell: string;
  axis?: "step" | "move";
  measure?: Measure;
  tasks?: string;
  split?: string;
  episodes?: number;
  /** Of the episodes. */
  sha256?: string;
  transductive?: string[];
}

/** What a file will be. */
export interface Preview {
  name: string;
  folder: string;
  receipt: string;
  code: string;
  rows: number;
  /** PNG in base64. */
  picture?: string;
  inches?: [number, number];
  /** What the picture shows. */
  words?: string;
  text?: string;
}

/** An adaptation as a notebook keeps it, for when no kernel runs. */
export interface SavedTrace {
  name: string;
  /** That makes the session again. */
  code: string;
  /** A .metatrace file without values, compressed by zlib, in base64. */
  content: string;
}

/** A file that was made; its content where the browser keeps it. */
export interface Exported {
  path: string;
  bytes: number;
  code: string;
  /** In base64. */
  content?: string;
  media?: string;
}

/** A run below the folder that is served. */
export interface ServedRun {
  /** Its directory, relative to that folder. */
  place: string;
  name: string;
  method: string;
  tasks: string;
  seed: number | null;
  /** 'broken' where its config.json cannot be read. */
  state: string;
  reason: string;
  note: string;
  stopping: boolean;
  iteration: number;
  iterations: number;
  /** Outer steps a second; 0 is unknown. */
  rate: number;
  /** Seconds. */
  left: number | null;
  /** Seconds since 1970. */
  begun: number;
  last: Validation | null;
  best: Validation | null;
  /** Its last validations, or losses where nothing was validated. */
  recent: number[];
  resumes: boolean;
  /** Whether a stage can show it. */
  opens: boolean;
  /** What one would do with it on the command line. */
  command: string;
  /** The same for runs that are equal but for their seed. */
  group: string;
  /** Of the group that begins here, where they are grouped. */
  heading: string;
  /** Of that group, where they are grouped by what they are equal in. */
  seeds: number;
}

/** Some of the runs. */
export interface RunsPage {
  runs: ServedRun[];
  /** The place of the first of these among all that were asked for. */
  first: number;
  total: number;
  /** How many of all runs are training. */
  alive: number;
  /** Places of those that were deleted, the newest last. */
  trash: string[];
  /** What was not looked at, as a sentence. */
  limited: string;
}

/** Which runs are asked for, and how they are ordered. */
export interface RunsQuery {
  first: number;
  count: number;
  /** That the place, method, tasks, note or state holds. */
  text: string;
  /** Empty is any. */
  state: string;
  sort: "newest" | "name" | "state" | "value";
  group: "none" | "seeds" | "folder";
}

/** A column of a frame in an answer. */
export interface SentColumn {
  name: string;
  type: "number" | "integer" | "boolean" | "words" | "arrays";
  /** The bytes of the wire's column, in base64. */
  data: string;
  words?: string[];
  shape?: number[];
}

/** A frame in an answer: as on the wire, its bytes as text. */
export interface SentFrame {
  rows: number;
  columns: SentColumn[];
  measures: Record<string, Measure>;
  diverged: Record<string, string>;
  notice?: string;
}

/** A run directory as a document. */
export interface RunDocument {
  run: ServedRun;
  configuration: Record<string, any>;
  /** Of the metrics that were read. */
  mark: string;
  /** Run, inside and adaptation; None where that mark is known. */
  frames: Record<string, SentFrame> | null;
  /** What was not read, as a sentence. */
  limited: string;
}

/** What the file of a figure says of where it comes from. */
export interface FigureReceipt {
  place: string;
  /** Why there is no receipt, as a sentence; empty where there is one. */
  missing: string;
  code: string;
  seed: number;
  version: string;
  data_sha256: string;
  configuration: Record<string, any>;
  /** Places of the runs that it can be of. */
  runs: string[];
}

/** A notebook that comes with the workbench. */
export interface ShippedNotebook {
  name: string;
  title: string;
}

/** A preset that a new experiment can start from. */
export interface PresetChoice {
  name: string;
  line: string;
  family: string;
  method: string;
  iterations: number;
}

/** What a new experiment or training is made with; 0 and empty are the preset's own. */
export interface Asked {
  preset: string;
  seed: number;
  threads: number;
  device: string;
  /** Of figures. */
  style: string;
  /** Megabytes that tapes may take. */
  budget: number;
}

/** What was done to a run, or made; what says nothing is empty. */
export interface Done {
  place: string;
  /** The place in the trash from which it can be restored. */
  undo: string;
  /** Of a notebook. */
  content: Record<string, any>;
}

/** The columns of every inspection's frame. */
export interface Columns {
  examples: "part" | "example" | "label" | "name" | "shot" | "weight" | "edited" | "index" | "image" | "x" | "y" | "header" | "cells" | "inputs" | "text" | "targets";
  steps: string;
  curves: "x" | "y" | "kind" | "step";
  predictions: "step" | "example" | "label" | "prediction" | "confidence" | "truth" | "correct";
  trajectories: "step" | "part" | "trajectory" | "move" | "point" | "x" | "y" | "reward" | "value";
  rendered: "step" | "trajectory" | "move" | "image";
  pulls: "step" | "move" | "arm" | "probability" | "pulled" | "mean" | "deviation" | "action" | "reward" | "value" | "chance";
  returns: "task" | "step" | "episode" | "trajectory" | "return" | "moves";
  regret: "task" | "step" | "move" | "gap" | "regret";
  expectations: "task" | "step" | "trajectory" | "move" | "value" | "return";
  images: "part" | "label" | "name" | "shot" | "image" | "prediction" | "confidence";
  norms: "task" | "step" | "layer" | "kind" | "norm";
  flow: "task" | "step" | "layer" | "order" | "norm";
  anatomy: "layer" | "term" | "step" | "norm" | "size" | "low" | "high" | "cosine" | "share";
  agreement: "between" | "layer" | "first" | "second" | "cosine";
  signal: "between" | "layer" | "count" | "signal" | "noise" | "ratio" | "cosine" | "conflict";
  sampling: "layer" | "trajectories" | "signal" | "noise" | "ratio" | "low" | "high";
  curvature: "task" | "step" | "part" | "rank" | "eigenvalue";
  landscape: "kind" | "x" | "y" | "step" | "part" | "loss" | "explained_x" | "explained_y";
  influence: "task" | "example" | "target" | "loss" | "without" | "influence";
  memory: "step" | "query" | "label" | "entry" | "class" | "kind" | "value" | "head";
  slots: "step" | "slot" | "example" | "class" | "weight" | "erased";
  usage: "step" | "slot" | "written" | "before" | "held" | "usage" | "erased" | "evicted";
  embedding: "step" | "part" | "example" | "label" | "x" | "y" | "explained_x" | "explained_y";
  certificate: "direction" | "claimed" | "measured" | "error" | "unsure";
}

/** The inspections that every method has, whether a frame is of all tasks, of what kind
 * these must be (of any, where none is named), and other labels on tasks of a kind. */
export const KINDS: (Inspection & {
  whole: boolean; tasks: string[]; called: Record<string, string>
})[] = [
  { name: "examples", label: "", called: {}, sentence: "A task's examples as they are, and what was edited", view: "stage", whole: false, tasks: ["classification", "regression"] },
  { name: "steps", label: "Loss", called: {"control": "Reward"}, sentence: "Loss and metric of every task after every inner step", view: "loss", whole: true, tasks: [] },
  { name: "curves", label: "", called: {}, sentence: "A regression task's truth, examples and adapted curves", view: "stage", whole: false, tasks: ["regression"] },
  { name: "predictions", label: "", called: {}, sentence: "Which class each query is given after every inner step", view: "stage", whole: false, tasks: ["classification"] },
  { name: "trajectories", label: "", called: {}, sentence: "Where a control task's policy goes after every inner step", view: "stage", whole: false, tasks: ["control"] },
  { name: "rendered", label: "", called: {}, sentence: "A robot on its way, as MuJoCo renders it", view: "export", whole: false, tasks: ["control"] },
  { name: "pulls", label: "", called: {}, sentence: "What was done in a control task, and what it paid", view: "stage", whole: false, tasks: ["control"] },
  { name: "returns", label: "Returns", called: {}, sentence: "What whole episodes of control brought, by episode or gradient step", view: "acting", whole: true, tasks: ["control"] },
  { name: "regret", label: "", called: {}, sentence: "What a trial lost against who knows the task, move by move", view: "acting", whole: true, tasks: ["control"] },
  { name: "expectations", label: "", called: {}, sentence: "What a critic expected before each move, and the return that came", view: "acting", whole: true, tasks: [] },
  { name: "images", label: "", called: {}, sentence: "A classification task's images, and what they are taken for", view: "export", whole: false, tasks: ["classification"] },
  { name: "norms", label: "Layers", called: {}, sentence: "How large weights, gradients and updates are, by step and layer", view: "layers", whole: true, tasks: [] },
  { name: "flow", label: "Flow", called: {}, sentence: "The meta-gradient on its way back through the inner steps", view: "flow", whole: true, tasks: [] },
  { name: "anatomy", label: "Anatomy", called: {}, sentence: "The meta-gradient's first order, and each step's correction", view: "anatomy", whole: true, tasks: [] },
  { name: "agreement", label: "Agreement", called: {}, sentence: "Cosines between the gradients of tasks, and of a task's shots", view: "agreement", whole: false, tasks: [] },
  { name: "signal", label: "", called: {}, sentence: "Signal to noise and conflict of those gradients, by layer", view: "agreement", whole: false, tasks: [] },
  { name: "sampling", label: "", called: {}, sentence: "Signal to noise of a policy gradient, by its number of trajectories", view: "agreement", whole: false, tasks: [] },
  { name: "curvature", label: "", called: {}, sentence: "The largest eigenvalues of the loss's Hessian along the path", view: "landscape", whole: true, tasks: ["classification", "regression"] },
  { name: "landscape", label: "Landscape", called: {}, sentence: "Support and query loss in the plane of the path", view: "landscape", whole: false, tasks: ["classification", "regression"] },
  { name: "influence", label: "", called: {}, sentence: "What each support example does for the query", view: "agreement", whole: true, tasks: ["classification", "regression"] },
  { name: "memory", label: "Memory", called: {}, sentence: "What queries read of a memory", view: "memory", whole: false, tasks: [] },
  { name: "slots", label: "", called: {}, sentence: "What was written to a memory, when, and by which example", view: "memory", whole: false, tasks: [] },
  { name: "usage", label: "", called: {}, sentence: "How full and how used each slot of a memory was", view: "memory", whole: false, tasks: [] },
  { name: "embedding", label: "Embedding", called: {}, sentence: "Where examples lie in the embedding", view: "memory", whole: false, tasks: ["classification", "regression"] },
  { name: "certificate", label: "Certificate", called: {}, sentence: "The meta-gradient against finite differences", view: "anatomy", whole: true, tasks: [] },
];
