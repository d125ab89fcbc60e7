/** A panel inside a view: given from above, since a view cannot import what shows it. */

import { type ComponentType, createContext } from "preact";
import { type Store } from "../store";

export const Nested = createContext<ComponentType<{ store: Store }>>(() => null);
