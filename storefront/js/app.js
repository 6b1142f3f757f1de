// SPDX-License-Identifier: Apache-2.0
/** The frame of every page: header, panel, addresses. */

import { choose } from "./account.js";
import { h, icon, keep, kept } from "./dom.js";
import { current, department, LANGUAGES, t, use } from "./i18n.js";
import * as panel from "./panel.js";
import { itemOf, learn, lines, nameOf, open, pieces, ready, shop, shopper, viewed } from "./shop.js";
import * as views from "./views.js";

const NAV = 7;
/** Departments in the header. */
const main = h("main", { id: "main", tabindex: -1 });
let isFirst = true;

/** The page of an address, and what the panel calls the way there. */
function page(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [where, ...rest] = path.split("/").map(decodeURIComponent);
  const words = new URLSearchParams(query).get("q") ?? "";
  switch (where) {
    case "": return [views.home, isFirst ? ["open"] : isAnother() ? undefined : ["back"]];
    case "c": return [() => views.category(...rest), ["browse", { name: rest[1] || department(rest[0] ?? "") || t("all") }]];
    case "p": return [() => views.product(rest[0]), ["view", { item: itemOf(rest[0]) }]];
    case "s": return [() => views.search(words), ["search", { name: words }]];
    case "cart": return [views.cart, ["opencart"]];
    case "checkout": return [views.checkout, ["opencart"]];
    case "done": return [views.done, undefined];
    default: return [views.nowhere, undefined];
  }
}

/** Who the page before was for. */
let visitor = "";

/** Whether the shopper has become another: then the panel already says why the lists change. */
const isAnother = () => visitor !== (shop.client.userId ?? shop.client.sessionId);

/** The items that a page names before any list is there. */
function namedOn(hash) {
  const path = hash.replace(/^#\/?/, "").split("?")[0].split("/");
  const bought = JSON.parse(sessionStorage.getItem("bought") ?? "[]");
  try {
    switch (path[0]) {
      case "": return [viewed()[0] ?? shopper()?.last?.[0]];
      case "p": return [decodeURIComponent(path[1])];
      case "cart": case "checkout": return lines().map(([id]) => id);
      case "done": return [bought[0]?.[0]];
      default: return [];
    }
  } catch {
    return [];
  }
}

let turns = 0;

/** Show the page of the address, once the items that it names are known. */
async function show() {
  const turn = (turns += 1);
  main.setAttribute("aria-busy", "true");
  await learn(namedOn(location.hash));
  if (turn !== turns) return;
  main.removeAttribute("aria-busy");
  let found;
  try {
    found = page(location.hash);
  } catch {
    found = [views.nowhere, undefined];
  }
  const [view, cause] = found;
  panel.turn();
  if (cause) panel.cause(...cause);
  const { title, content } = view();
  visitor = shop.client.userId ?? shop.client.sessionId;
  document.title = [title, shop.title].filter(Boolean).join(" – ");
  main.replaceChildren(...content.flat().filter(Boolean));
  drawWho();
  if (!isFirst) {
    scrollTo(0, 0);
    main.querySelector("h1")?.focus({ preventScroll: true });
  }
  isFirst = false;
}

function drawWho() {
  const place = document.getElementById("who");
  if (place) place.textContent = nameOf(shopper());
}

function drawCart() {
  const place = document.getElementById("cart");
  place.querySelector(".number").textContent = pieces() || "";
  place.setAttribute("aria-label", t("cartCount", { count: pieces() }));
}

/** Light, dark, or as the system is. */
function theme(next) {
  const isDark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = next ?? (isDark ? "light" : "dark");
  keep("theme", document.documentElement.dataset.theme);
}

function header() {
  const field = h("input", { type: "search", name: "q", id: "q", placeholder: t("searchHint"), "aria-label": t("search"), autocomplete: "off", enterkeyhint: "search" });
  const seek = h("form.search", { role: "search", onsubmit: (event) => (event.preventDefault(), field.value.trim() && (location.hash = `#/s?q=${encodeURIComponent(field.value.trim())}`)) }, icon("search"), field);
  const other = Object.keys(LANGUAGES).find((code) => code !== current());
  const tools = h("div.tools", {},
    h("button.text", { type: "button", lang: other, "aria-label": `${t("language")}: ${LANGUAGES[other]}`, onclick: () => (use(other), frame(), show()) }, LANGUAGES[other]),
    h("button.round", { type: "button", "aria-label": t("theme"), onclick: () => theme() }, icon("sun")),
    h("button.pill", { type: "button", id: "account", "aria-haspopup": "dialog", onclick: choose }, icon("user"), h("span", { id: "who" })),
    h("a.round", { id: "cart", href: "#/cart" }, icon("bag"), h("span.number", { "aria-hidden": "true" })));
  const link = ({ name }) => h("li", {}, h("a", { href: `#/c/${encodeURIComponent(name)}` }, department(name)));
  const nav = h("nav.departments", { "aria-label": t("departments") }, h("ul", {}, shop.departments.slice(0, NAV).map(link), shop.departments.length > NAV && h("li", {}, h("a", { href: "#/c" }, t("all")))));
  return h("header.top", {}, h("div.bar", {}, h("a.logo", { href: "#/" }, shop.title), seek, tools), shop.departments.length ? nav : "");
}

/** What a visitor should know: that nothing is sold, and where pictures come from. */
function footnote() {
  const hosts = shop.origins.map((origin) => new URL(origin).host);
  return [t("demo"), shop.isHere && t("demoHere"), hosts.length > 0 && t("demoPictures", { hosts: hosts.join(", ") })].filter(Boolean).join(" ");
}

/** Build the frame, in the language in use. */
function frame() {
  const skip = h("a.skip", { href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, t("skip"));
  const opener = h("button.pill", { type: "button", id: "panel-button", "aria-controls": "panel", onclick: () => panel.toggle() }, icon("pulse"), t("panel"));
  const toast = h("div", { id: "toast", role: "status", "aria-live": "polite" });
  document.body.replaceChildren(skip, header(), h("div.stage", {}, h("div.page-body", {}, main, h("footer", {}, h("p", {}, footnote()))), panel.build()), opener, toast);
  drawCart();
  panel.show();
  panel.draw();
}

/** Open the shop. */
async function start() {
  if (kept("theme")) theme(kept("theme"));
  try {
    await open();
  } catch {
    document.body.replaceChildren(h("main", {}, h("h1", {}, t("offline"))));
    return;
  }
  frame();
  addEventListener("hashchange", () => (main.setAttribute("aria-busy", "true"), ready().catch(() => {}).then(show)));
  document.addEventListener("visitor", show);
  document.addEventListener("cart", drawCart);
  document.addEventListener("moved", () => main.querySelectorAll(".shelf").forEach((shelf) => shelf.dispatchEvent(new Event("moved"))));
  show();
}

start();
