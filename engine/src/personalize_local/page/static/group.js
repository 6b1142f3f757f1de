// SPDX-License-Identifier: Apache-2.0
// One dataset group.
import { h, show } from "./dom.js";

export class Group {
  constructor(arn, engine) {
    this.arn = arn;
    this.engine = engine;
    this.head = h("div");
    this.element = h("div", { class: "group" }, this.head);
  }

  update(group) {
    show(this.head, { name: group.name }, ({ name }) => h("h1", {}, name));
  }
}
