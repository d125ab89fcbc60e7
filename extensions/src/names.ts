/** What things are called, whose names in the data are the same in every language. */

import { trans } from "./words";

/** A part of a task's examples. */
export function partName(part: string): string {
  if (part === "support") return trans.__("support");
  if (part === "query") return trans.__("query");
  return part === "trial" ? trans.__("trial") : part;
}

/** The loss on a part. */
export function lossOf(part: string): string {
  if (part === "support") return trans.__("support loss");
  return part === "query" ? trans.__("query loss") : trans.__("%1 loss", partName(part));
}

/** An example by its number, from 1. */
export const exampleName = (part: string, number: number): string =>
  part === "query" ? trans.__("query %1", number) : trans.__("support %1", number);

/** A class that has no name, by its number from 0. */
export const className = (label: number): string => trans.__("class %1", label + 1);

export const layerName = (layer: string): string => (layer === "all" ? trans.__("all layers") : layer);

/** What gradients are held against each other of. */
export function manyName(what: string): string {
  if (what === "tasks") return trans.__("tasks");
  if (what === "shots") return trans.__("shots");
  return what === "trajectories" ? trans.__("trajectories") : what;
}

/** How a run stands. */
export const stateName = (state: string): string =>
  ({
    running: trans.__("running"),
    stopping: trans.__("stopping"),
    finished: trans.__("finished"),
    paused: trans.__("paused"),
    interrupted: trans.__("interrupted"),
    failed: trans.__("failed"),
    killed: trans.__("killed"),
    diverged: trans.__("diverged"),
    new: trans.__("new"),
    stop: trans.__("stopping"),
    resume: trans.__("resuming"),
    delete: trans.__("deleting"),
    restore: trans.__("restoring"),
    broken: trans.__("broken"),
  })[state] ?? state;

/** What a panel shows. */
export const viewName = (view: string): string =>
  ({
    stage: trans.__("stage"),
    episode: trans.__("episode"),
    gradients: trans.__("gradients"),
    memory: trans.__("memory"),
    train: trans.__("train"),
    compare: trans.__("compare"),
    export: trans.__("export"),
  })[view] ?? view;

/** As the beginning of a sentence. */
export const upper = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
