// SPDX-License-Identifier: Apache-2.0
/** Cards and shelves: rows of items that come from the API and move when it answers anew. */

import { announce, h, icon } from "./dom.js";
import { has, money, t } from "./i18n.js";
import * as panel from "./panel.js";
import { picture } from "./pictures.js";
import { come, known, learn, list, put, shop } from "./shop.js";

const isCalm = matchMedia("(prefers-reduced-motion: reduce)");

/** Why an item is shown, in words; nothing for a reason that has none here. */
const reasonOf = ({ code, itemId }) => has(`because.${code}`) && t(`because.${code}`, { name: itemId && known({ itemId }).title });

/** The address of an item's page. */
export const linkTo = (item) => `#/p/${encodeURIComponent(item.id)}`;

/** The card of an item. `from` is its entry in an answer, with the answer's `listId`; `isNew` marks what was not in the answer before. */
export function card(item, from = {}, isNew = false) {
  const follow = () => come(item, from.listId);
  const price = item.price === undefined ? "" : money(item.price);
  const why = from.because && reasonOf(from.because);
  return h("li.card", { "data-id": item.id },
    h("div.cover", {},
      h("a", { href: linkTo(item), onclick: follow, tabindex: -1, "aria-hidden": "true" }, picture(item)),
      isNew && h("span.new", {}, t("newBadge")),
      h("button.round.add", { type: "button", "aria-label": t("addNamed", { name: item.title }), onclick: () => put(item, 1, from.listId) }, icon("plus"))),
    h("a.title", { href: linkTo(item), onclick: follow }, item.title),
    h("p.detail", {}, item.detail || " "),
    h("p.foot", {}, h("span.price", {}, price)),
    why && h("p.detail.why", {}, why));
}

/**
 * A shelf: a titled row of cards. `ask` gives an answer of the API; `key` names the list, so that the panel can tell how it
 * moves; `hint` is a text, or makes one of the answer; `isShared` says that it is the same for everybody; `apart` gives the items that
 * the page shows already. It fills itself, and again whenever the visitor has moved.
 */
export function shelf({ key, title, hint, ask, follows = true, isShared = false, apart = () => [] }) {
  const row = h("ul.row", { tabindex: 0, "aria-label": title }, Array.from({ length: 8 }, () => h("li.card.waiting", { "aria-hidden": "true" }, h("div.cover", {}, h("span.tile")), h("p.detail", {}, " "))));
  const go = (sign) => () => row.scrollBy({ left: sign * row.clientWidth * 0.8, behavior: isCalm.matches ? "auto" : "smooth" });
  const arrows = h("div.arrows", {},
    h("button.round", { type: "button", "aria-label": `${t("previous")}: ${title}`, onclick: go(-1) }, icon("left")),
    h("button.round", { type: "button", "aria-label": `${t("next")}: ${title}`, onclick: go(1) }, icon("right")));
  const below = hint && h("p.hint", {}, typeof hint === "string" ? hint : " ");
  const section = h("section.shelf", { "data-key": key, "aria-busy": "true" }, h("header", {}, h("div", {}, h("h2", {}, title), below), arrows), row);

  async function load() {
    section.setAttribute("aria-busy", "true");
    try {
      const answer = await ask();
      await learn(answer.items.flatMap(({ itemId, because }) => [itemId, because?.itemId]));
      const { rows, isFirst } = panel.moves(key, title, answer, isShared);
      const elsewhere = new Set(apart()), shown = answer.items.filter(({ itemId }) => !elsewhere.has(itemId));
      section.hidden = !shown.length;
      if (typeof hint === "function") below.textContent = hint(answer) || " ";
      // A reason that all cards share is the shelf's, and its title tells it.
      const isMixed = new Set(answer.items.map(({ because }) => because?.code)).size > 1;
      fill(row, shown.map((from) => card(known(from), { listId: answer.listId, ...from, because: isMixed ? from.because : undefined }, !isFirst && !isShared && rows.get(from.itemId).kind === "entered")));
      shown.forEach(({ itemId }, number) => shop.seen.watch(row.children[number], answer.listId, itemId));
    } catch (error) {
      // A shop of which the gate approved no personal lists has none, and what sells most is on another shelf.
      section.hidden = error.status === 404;
      row.replaceChildren(h("li.problem", {}, t("offlineShelf")));
    }
    section.setAttribute("aria-busy", "false");
  }

  if (follows) section.addEventListener("moved", load);
  load();
  return section;
}

/** Put new cards into a row: what was there glides to its new place, what is new fades in. */
function fill(row, cards) {
  const places = new Map([...row.querySelectorAll("[data-id]")].map((old) => [old.dataset.id, old.getBoundingClientRect()]));
  const focused = row.contains(document.activeElement) && document.activeElement.closest("[data-id]")?.dataset.id;
  row.replaceChildren(...cards);
  if (focused) row.querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
  if (isCalm.matches || !places.size) return;
  for (const fresh of cards) {
    const old = places.get(fresh.dataset.id), now = fresh.getBoundingClientRect();
    if (!old) fresh.animate([{ opacity: 0, transform: "scale(.94)" }, { opacity: 1, transform: "none" }], { duration: 420, easing: "ease-out" });
    else if (old.left !== now.left) fresh.animate([{ transform: `translateX(${old.left - now.left}px)` }, { transform: "none" }], { duration: 520, easing: "cubic-bezier(.2,.8,.2,1)" });
  }
}

/**
 * A grid of the items that `list` of `shop.js` finds for `wanted`, `size` more at a time. Resolves to the grid and how many items there
 * are in all.
 */
export async function grid(wanted, size = 24) {
  const { items, total } = await list({ ...wanted, page: 0 });
  const cards = h("ul.grid", {});
  const more = h("button.secondary", { type: "button", onclick: next }, t("more"));
  let page = 0;
  async function next() {
    const from = cards.children.length;
    more.disabled = true;
    try {
      if (items.length <= from && from < total) items.push(...(await list({ ...wanted, page: (page += 1) })).items);
      cards.append(...items.slice(from, from + size).map((item) => card(item)));
    } catch {
      page -= 1;
      announce(t("itemsFailed"));
    }
    more.disabled = false;
    more.hidden = cards.children.length >= total;
    if (from) cards.children[from]?.querySelector(".title").focus();
  }
  await next();
  return { grid: h("div", {}, cards, h("p.center", {}, more)), total };
}
