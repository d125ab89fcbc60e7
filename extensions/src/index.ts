/** What anywidget loads: wiring only. */

import "./panel.css";
import { h, render as mount } from "preact";
import { watchKernel } from "./connection";
import { Panel } from "./panel";
import { makeStore, type Model } from "./store";

export default {
  render({ model, el }: { model: Model; el: HTMLElement }): () => void {
    const store = makeStore(model);
    mount(h(Panel, { store }), el);
    const unwatch = watchKernel(model, el, store.lose);
    return () => {
      unwatch();
      mount(null, el);
      store.dispose();
    };
  },
};
