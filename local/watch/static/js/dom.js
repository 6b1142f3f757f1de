// SPDX-License-Identifier: Apache-2.0
/** Elements without a framework. */

/**
 * An element: `h("a.name", { href: "#/", onclick }, "text", child)`. Properties with `on` are listeners, `--x` are variables of
 * its style, others are attributes; null, undefined and false leave an attribute or child out.
 */
export function h(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== false && child !== ""));
  return element;
}

/** A part of a page under its title. */
export const card = (title, id, ...content) => h("section.card", { "aria-labelledby": id }, h("h2", { id }, title), ...content);

/** Make the children of `parent` look as `fresh` does: what is the same stays, with its focus and what is selected in it. */
export function patch(parent, fresh) {
  const before = [...parent.childNodes];
  const wanted = fresh.flat(3).filter(Boolean);
  wanted.forEach((node, index) => (before[index] ? change(before[index], node) : parent.append(node)));
  before.slice(wanted.length).forEach((node) => node.remove());
}

function change(node, wanted) {
  if (node.isEqualNode(wanted)) return;
  if (node.nodeType !== Node.ELEMENT_NODE || node.nodeName !== wanted.nodeName || node.id !== wanted.id) {
    node.replaceWith(wanted);
    return;
  }
  for (const { name } of [...node.attributes]) if (!wanted.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of wanted.attributes) {
    if (node.getAttribute(name) === value) continue;
    if (name === "style") node.style.cssText = value; // the attribute itself is not for scripts, says the page's policy
    else node.setAttribute(name, value);
  }
  patch(node, [...wanted.childNodes]);
}

/** Something of this browser that survives a reload: a text by name. */
export function stored(name, otherwise = "") {
  try {
    return localStorage.getItem(`watch:${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Store it. */
export function store(name, value) {
  try {
    localStorage.setItem(`watch:${name}`, value);
  } catch {
    // A browser without storage forgets it with the page.
  }
}
