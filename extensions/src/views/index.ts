/** Every view by the name that Python knows it by. */

import { type ComponentType } from "preact";
import { type Store } from "../store";
import { EpisodeBuilder } from "./episode";
import { Gradients } from "./gradients";
import { Stage } from "./stage";

export const VIEWS: Record<string, ComponentType<{ store: Store }>> = {
  stage: Stage,
  episode: EpisodeBuilder,
  gradients: Gradients,
};
