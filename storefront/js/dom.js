// SPDX-License-Identifier: Apache-2.0
/** The few helpers that a page without a framework needs. */

/**
 * An element: `h("a.card", { href: "#/", onclick }, "text", child)`. Properties with `on` are listeners, others are attributes;
 * null and false leave an attribute or child out.
 */
export function h(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

const PATHS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm5 11.5L20.5 20.5",
  bag: "M5 8h14l1 12.5H4zm3.5 3V7a3.5 3.5 0 0 1 7 0v4",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20.5c.5-4 3.5-6 7.5-6s7 2 7.5 6",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2m0 15v2M2.5 12h2m15 0h2M5.3 5.3l1.4 1.4m10.6 10.6l1.4 1.4m0-13.4l-1.4 1.4M6.7 17.3l-1.4 1.4",
  pulse: "M3 12h4l2.5-7 5 14L17 12h4",
  left: "M14.5 5.5L8 12l6.5 6.5",
  right: "M9.5 5.5L16 12l-6.5 6.5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
};

/** A line icon, silent to a screen reader. */
export function icon(name) {
  const holder = h("span.icon", { "aria-hidden": "true" });

  holder.innerHTML = `<svg viewBox="0 0 24 24" focusable="false"><path d="${PATHS[name]}"/></svg>`;
  return holder;
}

/** Say something to a screen reader, and show it for a moment. */
export function announce(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => place.classList.remove("shown"), 2600);
}

/** Something of this browser that survives a reload: a JSON value by name. */
export function kept(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`shop:${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Keep it. */
export function keep(name, value) {
  try {
    localStorage.setItem(`shop:${name}`, JSON.stringify(value));
  } catch {
    // A browser without storage forgets it with the page.
  }
}
