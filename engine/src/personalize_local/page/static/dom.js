// SPDX-License-Identifier: Apache-2.0
// Elements out of plain values. Text only ever becomes text: ids and names come from whoever fills the engine.

/** Make an element; `attributes` may have listeners (`onclick`), children are nodes, texts or nothing. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replace what a container shows, unless it shows the same already; keeps the focus and what was opened. */
export function show(container, facts, build) {
  const text = JSON.stringify(facts);
  if (container.facts === text) return;
  container.facts = text;
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const opened = new Set([...container.querySelectorAll("details[open]")].map((element) => element.dataset.key));
  container.replaceChildren(...[build(facts)].flat(Infinity).filter(Boolean));
  for (const element of container.querySelectorAll("details")) if (opened.has(element.dataset.key)) element.open = true;
  if (focused) keyed(container, focused)?.focus();
}

/** The element in a container that stands for the same as one before it was replaced. */
export const keyed = (container, key) => [...container.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key);

/** An id that nobody else has. */
export const identifier = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Text to copy, with a button that does. */
export function copyable(text, label, multiline = true) {
  const said = h("span", { role: "status", class: "said" });
  const copy = async () => {
    // Browsers give the clipboard to pages of this machine and of https only.
    await navigator.clipboard?.writeText(text);
    said.textContent = navigator.clipboard ? "Copied" : "Select it and copy";
    setTimeout(() => (said.textContent = ""), 1500);
  };
  const shown = multiline ? h("pre", { tabindex: "0", "aria-label": label }, text) : h("code", { class: "id" }, text);
  const button = h("button", { type: "button", class: "quiet", onclick: copy, "data-key": `copy ${label}` }, "Copy", h("span", { class: "hidden" }, ` ${label}`));
  return h("div", { class: multiline ? "copy" : "copy inline" }, shown, button, said);
}

export const count = (number, noun, nouns = `${noun}s`) => `${whole(number)} ${number === 1 ? noun : nouns}`;
export const whole = (number) => number.toLocaleString("en");
/** What comes last in an ARN: a name or an id. */
export const last = (arn) => arn.slice(arn.lastIndexOf("/") + 1);

/** A moment, as its distance from now; `tick` keeps it right. */
export function when(seconds) {
  if (!seconds) return null;
  const moment = new Date(seconds * 1000);
  return h("time", { datetime: moment.toISOString(), title: moment.toLocaleString(), "data-at": seconds }, ago(seconds));
}

export function tick(container = document) {
  for (const element of container.querySelectorAll("time[data-at]")) {
    const text = ago(Number(element.dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}

function ago(seconds) {
  const age = Date.now() / 1000 - seconds;
  const past = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(age) >= size) return past.format(-Math.trunc(age / size), unit);
  }
  return age < 5 && age > -5 ? "just now" : past.format(-10 * Math.trunc(age / 10) || -5, "second");
}

/** Seconds in words. */
export function lasted(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

const GOOD = new Set(["ACTIVE", "COMPLETED"]);
/** A status, verbatim, with a mark that does without colour. */
export function status(text) {
  const kind = GOOD.has(text) ? "good" : /FAILED/.test(text) ? "bad" : /INACTIVE|STOPPED/.test(text) ? "off" : "busy";
  return h("span", { class: `status ${kind}` }, text);
}
