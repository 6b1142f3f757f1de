// SPDX-License-Identifier: Apache-2.0
/** The picture of an item, or a plain tile where there is none, or it does not come. */

import { h } from "./dom.js";

let draw;
let origins = new Set();
const failed = new Set();
/** Addresses that gave no picture: they are not asked for again. */

/** Where pictures may come from, and, for the demo, what draws a tile. */
export function allow(hosts, drawn) {
  [origins, draw] = [new Set(hosts), drawn];
}

/** The address of a picture, if the page may load it: http or https, from a host that the shop's items name. */
export function pictureOf(address) {
  try {
    const { href, origin } = new URL(address);
    return origins.has(origin) && !failed.has(href) ? href : undefined;
  } catch {
    return undefined;
  }
}

/** The element that shows an item; it says nothing to a screen reader, since its name stands beside it. */
export function picture(item) {
  const src = item.image && pictureOf(item.image);
  if (!src) return draw ? draw(item) : blank(item);
  const image = h("img", { src, alt: "", loading: "lazy", decoding: "async", onerror: () => (failed.add(src), box.replaceWith(blank(item))) });
  const box = h("span.tile.photo", { "aria-hidden": "true" }, image);
  return box;
}

/** A plain tile with the first letter of the name, which the style sheet sets. */
function blank(item) {
  const [first = ""] = /[\p{L}\p{N}]/u.exec(item.name) ?? [];
  return h("span.tile.blank", { "aria-hidden": "true", "data-letter": first.toLocaleUpperCase() });
}
