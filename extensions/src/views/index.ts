/** Every view by the name that Python knows it by. */

import { type ComponentType } from "preact";
import { type Store } from "../store";
import { Gradients } from "./gradients";

export const VIEWS: Record<string, ComponentType<{ store: Store }>> = {
  gradients: Gradients,
};
