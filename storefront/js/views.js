// SPDX-License-Identifier: Apache-2.0
/** The pages of the shop; each gives its title and its content. */

import { choose } from "./account.js";
import { h, icon } from "./dom.js";
import { department, hours, money, number, t } from "./i18n.js";
import { picture } from "./pictures.js";
import { grid, linkTo, shelf } from "./shelf.js";
import { buy, goesWith, itemOf, lines, nameOf, page, put, setQuantity, shop, shopper, total, view, viewed } from "./shop.js";

const RECOMMENDED = 18, MOST_HIDDEN = 100;

const heading = (text, ...more) => h("h1", { tabindex: -1 }, text, ...more);

/** Shelves by the slots of storefront/settings.yaml. In a shop that has none of them, lists are one and the same on all pages. */
const isPlaced = (slot) => shop.placements.has(slot);
const recommended = (ask, slot, apart) => shelf({ key: isPlaced(slot) ? slot : "recommended", title: t("recommended"), apart, ask: ask(slot, () => shop.client.recommend({ limit: RECOMMENDED })) });
const popular = (ask, slot) => shelf({ key: "popular", title: t("popular"), isShared: true, follows: isPlaced(slot), ask: ask(slot, () => shop.client.popular({ limit: RECOMMENDED })) });
const similar = (ask, slot, item, title) => shelf({ key: `similar:${item.id}`, title, follows: isPlaced(slot), ask: ask(slot, () => shop.client.similar(item.id, { limit: 12 })) });

/** The front page. */
export function home() {
  const someone = shopper();
  const seen = viewed()[0], because = seen ?? someone?.last?.[0];
  const origin = because && itemOf(because);
  const like = seen ? "home-viewed" : "home-bought";
  const ask = page(["home", ...(because ? [like] : []), "home-popular"], () => ({ itemId: because }));
  const picks = shop.featured;
  const hero = h("section.hero", {},
    h("div", {},
      h("p.eyebrow", {}, someone ? t("heroUser", { name: nameOf(someone) }) : shop.title),
      heading(someone ? t("welcome") : t("welcomeStranger")),
      h("p.lead", {}, someone ? t("heroText") : `${t("heroStranger")} ${t("heroText")}`),
      h("p", {}, h("button.primary", { type: "button", onclick: choose }, t(shop.sessions ? "newVisit" : someone ? "change" : "logInAs")))),
    picks.length === 3 && (shop.isDrawn || picks.every(({ image }) => image)) && h("div.still", { "aria-hidden": "true" }, picks.map(picture)));
  return {
    title: "",
    content: [hero, recommended(ask, "home"),
      origin && similar(ask, like, origin, t(seen ? "becauseViewed" : "becauseBought", { name: origin.title })),
      popular(ask, "home-popular")],
  };
}

/** A list of the items that are `wanted`, with an order to choose; without any, what the shop recommends instead. */
function listing(title, wanted, above, sort = "you") {
  const listed = h("div.listed", { "aria-live": "polite", "aria-busy": "true" }, h("p.hint", {}, "…"));
  const count = h("p.hint", {});
  const order = h("label.sort", { for: "sort", hidden: true }, t("sort"), " ", h("select", { id: "sort", onchange: ({ target }) => fill(target.value) },
    ["you", "price", "name"].map((by) => h("option", { value: by, selected: by === sort }, t({ you: wanted.query ? "sortMatch" : "sortFor", price: "sortPrice", name: "sortName" }[by])))));
  let latest = 0;
  async function fill(by) {
    const turn = (latest += 1);
    listed.setAttribute("aria-busy", "true");
    // What matches a search best comes first; what suits the visitor does where nothing was searched for.
    const made = await grid({ ...wanted, sort: by === "you" && wanted.query ? "best" : by }).catch(() => undefined);
    if (turn !== latest) return;
    count.textContent = made ? t("results", { count: number(made.total) }) : "";
    order.hidden = !(made?.total > 1);
    if (made?.total) listed.replaceChildren(made.grid);
    else listed.replaceChildren(h("p.nothing", {}, t(!made ? "itemsFailed" : wanted.query ? "nothing" : "noItems")));
    if (made && !made.total) listed.after(...instead());
    listed.setAttribute("aria-busy", "false");
  }
  fill(sort);
  return { title, content: [above, h("header.page", {}, heading(title), count, order), listed] };
}

/** What a page shows that has found nothing. */
function instead() {
  const ask = page(["home", "home-popular"], () => ({}));
  const more = shop.departments.length > 0 && h("p", {}, h("a.secondary", { href: "#/c" }, t("all")));
  return [more, recommended(ask, "home"), popular(ask, "home-popular")].filter(Boolean);
}

/** A department, or one of its shelves. */
export function category(l1, l2) {
  const entry = shop.departments.find(({ name }) => name === l1);
  const link = (name) => h("a", { href: `#/c/${encodeURIComponent(l1)}/${encodeURIComponent(name)}`, "aria-current": name === l2 ? "page" : null }, name);
  const trail = h("nav.trail", { "aria-label": t("trail") }, h("a", { href: "#/" }, shop.title), l1 && h("a", { href: `#/c/${encodeURIComponent(l1)}` }, department(l1)), l2 && h("span", {}, l2));
  const above = [trail, entry && h("nav.chips", { "aria-label": department(l1) }, entry.shelves.slice(0, 30).map(link))];
  const list = listing(l2 || (l1 ? department(l1) : t("all")), { category: l1, shelf: l2 }, above);
  return l1 ? list : { ...list, content: [h("nav.chips", { "aria-label": t("all") }, shop.departments.map(({ name }) => h("a", { href: `#/c/${encodeURIComponent(name)}` }, department(name)))), ...list.content.slice(1)] };
}

/** What a search finds. */
export const search = (query) => listing(t("resultsFor", { query }), { query });

/** A number with buttons beside it. */
function stepper(count, label, change) {
  const output = h("output", { "aria-live": "polite" }, count);
  return h("div.stepper", { role: "group", "aria-label": label },
    h("button.round", { type: "button", "aria-label": t("less"), onclick: () => (output.value = change(-1)) }, icon("minus")), output,
    h("button.round", { type: "button", "aria-label": t("oneMore"), onclick: () => (output.value = change(1)) }, icon("plus")));
}

/** An item. Looking at it is an event; what is recommended below knows of it. */
export function product(id) {
  const item = itemOf(id);
  let count = 1;
  const trail = h("nav.trail", { "aria-label": t("trail") }, h("a", { href: "#/" }, shop.title),
    item.l1 && h("a", { href: `#/c/${encodeURIComponent(item.l1)}` }, department(item.l1)),
    item.l2 && h("a", { href: `#/c/${encodeURIComponent(item.l1)}/${encodeURIComponent(item.l2)}` }, item.l2));
  const seen = view(item);
  const ask = page(["product", "product-more"], async () => (await seen, { itemId: item.id }));
  const below = h("div", {}, similar(ask, "product", item, t("similar"))), itself = () => [item.id];
  if (isPlaced("product-more")) below.append(recommended(ask, "product-more", itself));
  else seen.then(() => below.append(recommended(ask, "product-more", itself)));
  const about = h("div.about", {}, trail, heading(item.title), h("p.detail", {}, item.detail === item.l2 || item.detail === item.l1 ? "" : item.detail), h("p.price", {}, item.price === undefined ? "" : money(item.price)),
    h("div.buy", {}, stepper(count, t("quantity"), (by) => (count = Math.max(1, Math.min(99, count + by)))), h("button.primary", { type: "button", onclick: () => put(item, count) }, t("add"))),
    h("p.hint", {}, t("unit", { id: item.id })));
  return { title: item.title, content: [h("article.product", {}, h("div.cover", {}, picture(item)), about), below] };
}

/** One line of the cart. */
function cartLine([id, count]) {
  const item = itemOf(id);
  const set = (number) => setQuantity(id, number);
  return h("li.line", {}, h("a.cover", { href: linkTo(item), tabindex: -1, "aria-hidden": "true" }, picture(item)),
    h("div", {}, h("a.title", { href: linkTo(item) }, item.title), h("p.detail", {}, item.detail), h("button.text", { type: "button", "aria-label": t("remove", { name: item.title }), onclick: () => set(0) }, t("remove", { name: "" }).trim())),
    stepper(count, `${t("quantity")}: ${item.title}`, (by) => (set(Math.min(99, count + by)), count + by)),
    h("p.price", {}, money((item.price ?? 0) * count)));
}

/** The cart, and what goes with it. */
export function cart() {
  const inside = h("div.cart", {});
  function draw() {
    const found = lines();
    const focused = inside.contains(document.activeElement) && [...inside.querySelectorAll("button")].indexOf(document.activeElement);
    const sum = h("div.summary", {}, h("p.sum", {}, h("span", {}, t("subtotal")), h("b", {}, money(total()))), h("a.primary", { href: "#/checkout" }, t("checkout")));
    if (found.length) inside.replaceChildren(h("ul.lines", {}, found.map(cartLine)), sum);
    else inside.replaceChildren(h("p.nothing", {}, t("cartEmpty")), h("p.center", {}, h("a.primary", { href: "#/" }, t("goShopping"))));
    // What had the focus is another element now, or gone with its line.
    if (focused !== false) (inside.querySelectorAll("button")[focused] ?? inside.querySelector("a.primary")).focus();
  }
  draw();
  const redraw = () => (inside.isConnected ? draw() : document.removeEventListener("cart", redraw));
  document.addEventListener("cart", redraw);
  const inCart = () => lines().map(([id]) => id);
  const ask = page([...(lines().length ? ["basket"] : []), "basket-more"], () => ({ itemId: inCart().at(-1), excludeItemIds: inCart().slice(-MOST_HIDDEN) }));
  const hint = isPlaced("basket") ? ({ items: [first] }) => first?.because?.itemId && t("goesWithNewest", { name: itemOf(first.because.itemId).title }) : t("goesWithHint");
  const goes = lines().length ? shelf({ key: "goes-with", title: t("goesWith"), hint, ask: ask("basket", goesWith) }) : undefined;
  return { title: t("cart"), content: [h("header.page", {}, heading(t("cart"))), inside, goes, recommended(ask, "basket-more", inCart)] };
}

/** The last step: when it comes, what it costs. Ordering sends Purchase events. */
export function checkout() {
  const found = lines();
  if (!found.length) return cart();
  const slots = ["slotToday", "slotTomorrow", "slotPick"].map((slot, at) => [slot, at, { hours: at ? hours(8, 10) : hours(18, 20) }]).map(([slot, at, times]) => h("label.slot", {}, h("input", { type: "radio", name: "slot", value: slot, checked: at === 0 }), h("span", {}, t(slot, times)), h("span.hint", {}, t("free"))));
  const order = async (event) => {
    event.preventDefault();
    form.querySelector("button").disabled = true;
    const bought = await buy();
    sessionStorage.setItem("bought", JSON.stringify(bought));
    location.hash = "#/done";
  };
  const rows = found.map(([id, count]) => h("li", {}, h("span", {}, `${count} × ${itemOf(id).title}`), h("span", {}, money((itemOf(id).price ?? 0) * count))));
  const form = h("form.checkout", { onsubmit: order },
    h("fieldset", {}, h("legend", {}, t("delivery")), slots),
    h("div.summary", {}, h("ul.bill", {}, rows), h("p.sum", {}, h("span", {}, t("total")), h("b", {}, money(total()))), h("button.primary", {}, t("placeOrder")), h("p.hint", {}, t("noOrder"))));
  return { title: t("checkout"), content: [h("header.page", {}, heading(t("checkout"))), form] };
}

/** After the order. */
export function done() {
  const bought = JSON.parse(sessionStorage.getItem("bought") ?? "[]");
  const head = h("section.hero", {}, h("div", {}, h("span.tick", { "aria-hidden": "true" }, icon("check")), heading(t("thanks")), h("p.lead", {}, t("thanksText", { count: bought.length })), h("p", {}, h("a.primary", { href: "#/" }, t("backHome")))));
  const ids = bought.map(([id]) => id), first = ids[0] && itemOf(ids[0]);
  const ask = page(["home", ...(first ? ["home-bought"] : [])], () => ({ itemId: ids[0], excludeItemIds: ids.slice(0, MOST_HIDDEN) }));
  return { title: t("thanks"), content: [head, recommended(ask, "home"), first && similar(ask, "home-bought", first, t("becauseBought", { name: first.title }))] };
}

/** No such page. */
export const nowhere = () => ({ title: t("notFound"), content: [h("header.page", {}, heading(t("notFound"))), h("p", {}, h("a.primary", { href: "#/" }, t("backHome")))] });
