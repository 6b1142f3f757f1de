// SPDX-License-Identifier: Apache-2.0
/** "What just happened": each call with its milliseconds, and how the lists move after a click. */

import { h, icon, keep, kept } from "./dom.js";
import { t } from "./i18n.js";
import { known } from "./shop.js";

const GROUPS = 12;
/** Clicks that are kept. */
const SHOWN = 10;
/** Places of a list that are shown. */

const before = new Map();
/** The last answer of each list: its items' ids. */
const entries = new WeakMap();
/** The entry that an answer came with. */
let groups = [];

const place = () => document.getElementById("happened");

/** A click, or what else the next calls come from. An `item` among the values is named when it is drawn: an answer may tell its name. */
export function cause(key, values = {}) {
  if (groups[0] && !groups[0].calls.length) groups.shift();
  groups.unshift({ key, values, calls: [] });
  groups = groups.slice(0, GROUPS);
  draw();
}

/** A request of the client. */
export function call(made) {
  if (!groups.length) cause("open");
  const entry = { ...made, moves: [] };
  groups[0].calls.push(entry);
  for (const list of made.answer?.placements ?? [made.answer]) if (list && typeof list === "object") entries.set(list, entry);
  draw();
}

/**
 * An answer is the list `key` now, which people call `title`. Returns what moved: `{place, was}` by item id (`was` is undefined for
 * a new one), whether it is the first such list, and how many milliseconds its call took. A list that `isShared` is everybody's: it
 * changes only because other lists of the page show its items.
 */
export function moves(key, title, answer, isShared) {
  const ids = answer.items.map(({ itemId }) => itemId);
  const last = before.get(key);
  before.set(key, ids);
  const rows = new Map(ids.map((id, at) => [id, { place: at + 1, was: last && last.indexOf(id) + 1 || undefined }]));
  const entry = entries.get(answer);
  if (entry) {
    entry.items = answer.items;
    entry.moves.push({ title, rows, gone: last?.filter((id) => !rows.has(id)) ?? [], isFirst: !last, isShared });
    draw();
  }
  return { rows, isFirst: !last, milliseconds: entry?.milliseconds };
}

/** Draw it all again: after a call, or in another language. */
export function draw() {
  const list = place();
  if (!list) return;
  const shown = groups.filter(({ calls }) => calls.length);
  list.replaceChildren(...(shown.length ? shown.map(group) : [h("li.empty", {}, t("panelEmpty"))]));
}

function group({ key, values, calls }, at) {
  return h("li.group", {}, h("h3", {}, t(`cause_${key}`, { name: values.item?.title, ...values })), h("ol", {}, calls.map((entry) => line(entry, at === 0))));
}

function line({ method, path, status, milliseconds, body, answer, tries, sessionId, moves: lists }, isNewest) {
  const [where] = path.split("?");
  const time = `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
  const state = status >= 200 && status < 300 ? undefined : h("span.bad", {}, `${status || t("failed")}`);
  const head = h("div.call", { title: path }, h("b", { class: `method ${method.toLowerCase()}` }, method), h("code", {}, short(where, sessionId)), state, h("span.time", {}, time));
  const events = body?.events && h("p.sum", {}, body.events.map(({ eventType, itemId }) => `${eventType} ${itemId ? known({ itemId }).title : ""}`).join(", "));
  const again = tries > 0 && h("p.sum", {}, t("retried", { count: tries + 1 }));
  const stories = lists.map((list, at) => [answer.placements && h("p.list", {}, list.title), story(list, isNewest && at === 0)]);
  return h("li", {}, head, events, again, stories);
}

/** The path as a person reads it: the visitor's own session in short. */
function short(path, sessionId) {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return parts.map((part) => (part === sessionId ? "session" : part)).join("/");
}

function story({ rows, gone, isFirst, isShared }, isOpen) {
  if (isFirst) return h("p.sum", {}, t("first", { count: rows.size }));
  const all = [...rows];
  const entered = all.filter(([, { was }]) => !was), moved = all.filter(([, { place: now, was }]) => was && was !== now);
  if (!entered.length && !moved.length && !gone.length) return h("p.sum", {}, t("same"));
  if (isShared) return h("p.sum", {}, t("shared"));
  const sums = [["entered", entered.length], ["left", gone.length], ["moved", moved.length]].filter(([, count]) => count);
  const summary = h("summary", {}, sums.map(([kind, count]) => h("span", { class: `count ${kind}` }, t(kind, { count }))));
  const stays = all.slice(0, SHOWN).map(([id, { place: now, was }]) => row(id, now, was));
  const leaves = gone.slice(0, 4).map((id) => h("li.gone", {}, h("span.rank", {}, "–"), h("span.what", {}, known({ itemId: id }).title), h("span.move", {}, t("isGone"))));
  return h("details", { open: isOpen }, summary, h("ol.moves", {}, stays, leaves));
}

function row(id, now, was) {
  const kind = !was ? "entered" : was > now ? "up" : was < now ? "down" : "still";
  const sign = !was ? t("isNew") : was > now ? `▲ ${was - now}` : was < now ? `▼ ${now - was}` : "";
  const told = was && was !== now ? t("wasAt", { from: was }) : undefined;
  return h("li", { class: kind, title: told }, h("span.rank", {}, now), h("span.what", {}, known({ itemId: id }).title), h("span.move", {}, sign));
}

/** Make the panel and its button. */
export function build() {
  const list = h("ol", { id: "happened" });
  const clear = h("button.text", { type: "button", onclick: () => ((groups = []), draw()) }, t("panelClear"));
  const close = h("button.round", { type: "button", "aria-label": t("panelClose"), onclick: () => toggle(false) }, icon("close"));
  const aside = h("aside", { id: "panel", "aria-label": t("panel"), onkeydown: ({ key }) => key === "Escape" && toggle(false) }, h("header", {}, h("h2", {}, t("panel")), clear, close), list);
  return aside;
}

/** Whether the panel is open; on a narrow screen it begins shut. */
export const isOpen = () => kept("panel", innerWidth >= 1180);

/** Open or shut it. */
export function toggle(open = !isOpen()) {
  keep("panel", open);
  show();
  document.querySelector(open ? "#panel button.round" : "#panel-button").focus();
}

/** Bring the page to what `isOpen` says. */
export function show() {
  document.body.classList.toggle("with-panel", isOpen());
  document.getElementById("panel").inert = !isOpen();
  document.getElementById("panel-button").setAttribute("aria-expanded", isOpen());
}
