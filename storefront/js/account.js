// SPDX-License-Identifier: Apache-2.0
/** The dialog in which one chooses who is shopping. */

import { h, icon } from "./dom.js";
import { has, t, valueOf } from "./i18n.js";
import { logIn, logOut, nameOf, shop } from "./shop.js";

/** Open the dialog. */
export function choose() {
  const opener = document.activeElement;
  const dialog = h("dialog.account", { "aria-labelledby": "account-title" });
  const leave = () => dialog.close();
  const as = (action) => async () => {
    leave();
    await action();
    if (location.hash.length > 2) location.hash = "#/";
    else document.dispatchEvent(new Event("visitor"));
  };
  dialog.append(
    h("header", {}, h("h2", { id: "account-title" }, t("accountTitle")), h("button.round", { type: "button", "aria-label": t("close"), onclick: leave }, icon("close"))),
    h("p.hint", {}, t(shop.sessions ? "accountSession" : "accountText")),
    h("ul.people", {}, person(t("stranger"), t("strangerText"), !shop.client.userId, as(logOut)), shop.shoppers.map((someone) =>
      person(nameOf(someone), about(someone), shop.client.userId === someone.id, as(() => logIn(someone.id))))),
    newcomer(as), shop.sessions ? "" : byId(as));
  dialog.addEventListener("close", () => (dialog.remove(), opener?.focus?.()));
  dialog.addEventListener("click", ({ target }) => target === dialog && leave());
  document.body.append(dialog);
  dialog.showModal();
}

/** What tells a sample customer from another. */
function about({ id, facts, often }) {
  const shown = Object.entries(facts).filter(([column, value]) => !["AGE", "KIDS"].includes(column) && value && value !== "Unknown").slice(0, 2);
  const isNamed = Boolean(facts.AGE || facts.KIDS);
  const told = [isNamed && t("customer", { id }), ...shown.map(([column, value]) => valueOf(column, value))].filter(Boolean).join(" · ");
  return often.length ? [told, told && h("br"), t("often", { list: often.map((shelf) => shelf.split("/")[0]).join(", ") })] : told;
}

function person(name, text, isCurrent, onclick) {
  return h("li", {}, h("button.person", { type: "button", onclick, "aria-current": isCurrent ? "true" : null },
    h("span.face", { "aria-hidden": "true" }, icon(isCurrent ? "check" : "user")), h("span", {}, h("b", {}, name, isCurrent && h("small", {}, ` ${t("current")}`)), h("span.detail", {}, text))));
}

/** A form of what may be known of somebody who has never bought. */
function newcomer(as) {
  const columns = Object.entries(shop.profiles);
  if (!columns.length) return "";
  const usual = { AGE: "25-34", KIDS: "2" };
  const field = ([column, values]) => h("label", {}, has(`facts_${column}`) ? t(`facts_${column}`) : column.toLowerCase().replaceAll("_", " "),
    h("select", { name: column }, h("option", { value: "" }, t("any")), values.map((value) => h("option", { value, selected: usual[column] === value }, valueOf(column, value)))));
  const form = h("form.newcomer", { onsubmit: (event) => (event.preventDefault(), start()) }, h("h3", {}, t("newShopper")), h("p.hint", {}, t("newText")), h("div.fields", {}, columns.map(field)), h("button.secondary", {}, t("start")));
  function start() {
    const facts = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    return as(() => logIn(`new-${Date.now().toString(36)}`, facts))();
  }
  return form;
}

/** For a shop whose users nobody has told. */
function byId(as) {
  const input = h("input", { name: "user", required: true, maxlength: 256, autocomplete: "off" });
  return h("form.newcomer", { onsubmit: (event) => (event.preventDefault(), as(() => logIn(input.value))()) }, h("div.fields", {}, h("label", {}, t("userId"), input)), h("button.secondary", {}, t("logIn")));
}
