// SPDX-License-Identifier: Apache-2.0
// The page: it looks again while somebody looks at it, and shows the dataset group that the address names.
import { h, show, status, tick } from "./dom.js";
import { read } from "./engine.js";
import { Group } from "./group.js";
import { start } from "./start.js";

const EVERY = 1000;
const byId = (id) => document.getElementById(id);
const main = byId("main");
let timer = 0, turn = 0, group = null;

const selected = () => decodeURIComponent(location.hash.slice(1));

async function look() {
  clearTimeout(timer);
  const thisTurn = (turn += 1);
  try {
    const { engine, groups } = await read("state");
    const shown = groups.find(({ arn }) => arn === selected()) ?? groups[0];
    const details = shown ? await read(`group/${encodeURIComponent(shown.arn)}`) : null;
    if (thisTurn !== turn) return;
    show(byId("connection"), "", () => "");
    show(byId("engine"), engine, engineFacts);
    show(byId("groups"), { groups, shown: shown?.arn, engine }, list);
    document.title = shown ? `${shown.name} – Personalize Local` : "Personalize Local";
    if (!shown) {
      group = null;
      show(main, engine, start);
    } else {
      if (group?.arn !== shown.arn) {
        group = new Group(shown.arn, engine);
        main.facts = null;
        main.replaceChildren(group.element);
      }
      group.update(details);
    }
  } catch (error) {
    show(byId("connection"), String(error.message), () => "The engine does not answer. Trying again …");
  }
  tick();
  if (!document.hidden) timer = setTimeout(look, EVERY);
}

function engineFacts({ version, strict, faults, ahead, rights }) {
  const notes = [strict && "strict", faults && "faults", rights && "rights", ahead > 0 && `clock ${Math.round(ahead)} s ahead`];
  return [h("span", { class: "soft" }, version), ...notes.filter(Boolean).map((note) => h("span", { class: "chip" }, note))];
}

function list({ groups, shown }) {
  if (!groups.length) return [];
  const several = new Set(groups.map(({ account }) => account)).size > 1;
  const entries = groups.map(({ arn, name, region, account, domain, status: text, busy, failed }) =>
    h("li", {},
      h("a", { href: `#${encodeURIComponent(arn)}`, "aria-current": arn === shown ? "page" : null, "data-key": arn },
        h("span", { class: "name" }, name),
        h("span", { class: "soft" }, [region, several && account, domain].filter(Boolean).join(" · ")),
        h("span", { class: "marks" },
          text !== "ACTIVE" && status(text),
          busy > 0 && h("span", { class: "status busy" }, `${busy} under way`),
          failed > 0 && h("span", { class: "status bad" }, `${failed} failed`)))));
  return [h("h2", {}, "Dataset groups"), h("ul", {}, entries)];
}

addEventListener("hashchange", look);
document.addEventListener("visibilitychange", () => !document.hidden && look());
look();
