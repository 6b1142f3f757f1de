// SPDX-License-Identifier: Apache-2.0
/** What somebody can do from here: each asks before, and is done once however often it is sent. */

import { ask, look, path, Refusal, shopHref, asTyped } from "./cloud.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";

/** The buttons of a shop: what it cannot do now says why. */
export function shopActions(facts) {
  const canContinue = facts.waiting.length > 0 || facts.errors.some((entry) => entry.action === "continue");
  const isEmpty = !facts.release && !facts.runs.length;
  return h("div.actions", {},
    button("retrain", facts.shop, isEmpty && t("no.retrain")),
    button("continue", facts.shop, !canContinue && t("no.continue")),
    button("rollback", facts.shop, !facts.before && t("no.rollback")));
}

const button = (action, shop, missing) => h("button.action", { type: "button", id: `do-${action}`, disabled: Boolean(missing), title: missing || null, onclick: () => confirm(action, shop) }, t(`do.${action}`));

/** The button that erases a customer. */
export const eraseButton = (shop, user) => h("button.action.danger", { type: "button", id: "do-erase", onclick: () => confirm("erase", shop, user) }, t("do.erase"));

/** Ask, and do it; the id makes what is sent twice one thing. */
function confirm(action, shop, user = "") {
  const id = crypto.randomUUID();
  const said = h("p.said", { role: "status" });
  const typed = user && h("input", { id: "typed", autocomplete: "off", spellcheck: "false" });
  const go = h("button.action.primary", { type: "submit", id: "confirm" }, t(`do.${action}`));
  const close = h("button.action", { type: "button", onclick: () => dialog.close() }, t("cancel"));
  const form = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      if (typed && typed.value !== user) {
        said.textContent = t("typeAgain", { user });
        typed.focus();
        return;
      }
      go.disabled = true;
      said.textContent = t("sending");
      try {
        const done = await ask(`shops/${path(shop)}/actions`, { action, id, ...(user && { user }) });
        said.replaceChildren(done.run ? h("a", { href: shopHref(shop, "r", done.run), onclick: () => dialog.close() }, t("started", { run: done.run })) : t("erased", { receipt: done.receipt }));
        go.remove();
        close.textContent = t("close");
        close.focus();
        look();
      } catch (refusal) {
        if (!(refusal instanceof Refusal)) throw refusal;
        said.textContent = asTyped(refusal.message) || t("offline");
        go.disabled = false;
      }
    },
  },
    h("h2", { id: "question" }, t(`ask.${action}`, { shop, user })),
    h("p", {}, t(`about.${action}`, { shop, user })),
    typed && h("label", {}, t("type", { user }), typed),
    said, h("div.actions", {}, close, go));
  const dialog = h("dialog", { "aria-labelledby": "question", onclose: () => { dialog.remove(); document.getElementById(`do-${action}`)?.focus(); } }, form);
  document.body.append(dialog);
  dialog.showModal();
  (typed || close).focus();
}
