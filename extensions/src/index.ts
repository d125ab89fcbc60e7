/** What anywidget loads: wiring only. */

import "./panel.css";
import { h, render as mount } from "preact";
import { Panel } from "./panel";
import { makeStore, type Model } from "./store";

export default {
  render({ model, el }: { model: Model; el: HTMLElement }): () => void {
    const store = makeStore(model);
    mount(h(Panel, { store }), el);
    return () => {
      mount(null, el);
      store.dispose();
    };
  },
};
