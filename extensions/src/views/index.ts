/** Every view by the name that Python knows it by. */

import { type ComponentType } from "preact";
import { type Store } from "../store";
import { Compare } from "./compare";
import { EpisodeBuilder } from "./episode";
import { ExportView } from "./export";
import { Gradients } from "./gradients";
import { Memory } from "./memory";
import { Stage } from "./stage";
import { Train } from "./train";

export const VIEWS: Record<string, ComponentType<{ store: Store }>> = {
  stage: Stage,
  episode: EpisodeBuilder,
  gradients: Gradients,
  memory: Memory,
  train: Train,
  compare: Compare,
  export: ExportView,
};
