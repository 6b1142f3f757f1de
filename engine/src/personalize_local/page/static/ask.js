// SPDX-License-Identifier: Apache-2.0
// Ask a campaign or recommender, see what the answer comes from, and change it by an event.
import { count, h, identifier, keyed, when } from "./dom.js";
import { call, read } from "./engine.js";
import { share } from "./metrics.js";

const MOST = 50;
const RESERVED = new Set(["USER_ID", "ITEM_ID", "ACTION_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE"]);
const NAMES = /^(NAME|TITLE|ITEM_NAME|PRODUCT_NAME|PRODUCT_TITLE|DISPLAY_NAME|LABEL)$/i;
const OPERATIONS = {
  PERSONALIZED_RANKING: { path: "/personalize-ranking", method: "get_personalized_ranking" },
  PERSONALIZED_ACTIONS: { path: "/action-recommendations", method: "get_action_recommendations" },
};
/** The operation that asks a recipe of a type. */
const operation = (type) => OPERATIONS[type] ?? { path: "/recommendations", method: "get_recommendations" };
const EVENTS = { ECOMMERCE: ["View", "Purchase"], VIDEO_ON_DEMAND: ["Click", "Watch"] };
let numbers = 0;

/** The panel of one dataset group; it keeps what somebody typed while the group changes around it. */
export class Ask {
  constructor(engine) {
    this.engine = engine;
    this.session = `page-${identifier()}`;
    this.before = null;
    this.form = h("form", { class: "ask", onsubmit: (event) => (event.preventDefault(), this.answer()) });
    this.said = h("p", { role: "status", class: "soft said" });
    this.answered = h("div", { class: "answer" });
    this.element = h("section", { hidden: true }, h("h2", {}, "Ask"), this.form, this.said, this.answered);
  }

  update(group) {
    this.group = group;
    const sources = [...group.campaigns, ...group.recommenders].filter(({ status }) => status === "ACTIVE" || status === "UPDATE IN_PROGRESS")
      .map(({ arn, name, recipe, type, needs }) => ({ arn, name, recipe, type, needs }));
    this.element.hidden = !sources.length;
    const filters = group.filters.filter(({ status }) => status === "ACTIVE").map(({ arn, name, expression }) => ({ arn, name, expression }));
    const interactions = group.datasets.find(({ type }) => type === "INTERACTIONS");
    const context = (interactions?.columns ?? []).filter(({ name, type }) => type === "string" && !RESERVED.has(name)).map(({ name }) => name);
    const tracker = group.trackers.find(({ status }) => status === "ACTIVE")?.trackingId;
    const facts = JSON.stringify({ sources, filters, context, tracker });
    if (!sources.length || facts === this.facts) return;
    Object.assign(this, { facts, sources, filters, context, tracker });
    this.build();
  }

  build() {
    const typed = Object.fromEntries(this.fields ? Object.entries(this.fields).map(([name, field]) => [name, field.value]) : []);
    const option = (value, text) => h("option", { value }, text);
    this.fields = {
      source: h("select", { onchange: () => this.choose() }, this.sources.map(({ arn, name, recipe }) => option(arn, `${name} (${recipe})`))),
      user: h("input", { list: "users", autocomplete: "off", spellcheck: "false", maxlength: 256 }),
      item: h("input", { list: "items", autocomplete: "off", spellcheck: "false", maxlength: 256 }),
      items: h("textarea", { rows: 3, spellcheck: "false" }),
      number: h("input", { type: "number", min: 1, max: MOST, value: "10" }),
      filter: h("select", { onchange: () => this.placeholders() }, option("", "None"), this.filters.map(({ arn, name }) => option(arn, name))),
    };
    for (const name of this.context) this.fields[`context ${name}`] = h("input", { autocomplete: "off", spellcheck: "false" });
    for (const [name, value] of Object.entries(typed)) {
      const field = this.fields[name];
      if (field && value && (field.tagName !== "SELECT" || [...field.options].some((choice) => choice.value === value))) field.value = value;
    }
    this.rows = {
      user: labelled("User id", this.fields.user), item: labelled("Item id", this.fields.item),
      items: labelled("Items to rank, one a line", this.fields.items, "wide"), number: labelled("How many", this.fields.number, "short"),
      filter: labelled("Filter", this.fields.filter),
    };
    this.values = h("div", { class: "fields" });
    this.lists = { users: h("datalist", { id: "users" }), items: h("datalist", { id: "items" }) };
    const context = this.context.map((name) => labelled(name, this.fields[`context ${name}`]));
    this.form.replaceChildren(
      h("div", { class: "fields" }, labelled("Campaign or recommender", this.fields.source, "source"), Object.values(this.rows), Object.values(this.lists)),
      this.values,
      ...(context.length ? [h("details", {}, h("summary", {}, "Context"), h("div", { class: "fields" }, context))] : []),
      h("button", { class: "primary" }, "Ask"));
    this.choose();
    this.placeholders();
  }

  get source() {
    return this.sources.find(({ arn }) => arn === this.fields.source.value);
  }

  /** Show the fields that the source needs, and suggest users and items. */
  async choose() {
    const { arn, type, needs } = this.source;
    const ranks = type === "PERSONALIZED_RANKING";
    this.rows.item.hidden = !needs.includes("itemId");
    this.rows.items.hidden = !ranks;
    this.rows.number.hidden = ranks;
    this.before = null;
    this.answered.replaceChildren();
    try {
      const { users, popular, eventTypes } = await read("why", { source: arn });
      this.eventTypes = eventTypes;
      this.lists.users.replaceChildren(...users.map((value) => h("option", { value })));
      this.lists.items.replaceChildren(...popular.map((value) => h("option", { value })));
      this.fields.user.value ||= users[0] ?? "";
      this.fields.item.value ||= popular[0] ?? "";
      this.fields.items.value ||= popular.slice(0, 10).join("\n");
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  placeholders() {
    const { expression = "" } = this.filters.find(({ arn }) => arn === this.fields.filter.value) ?? {};
    const names = [...new Set(expression.replace(/"[^"]*"/g, "").match(/\$\w+/g) ?? [])];
    this.parameters = Object.fromEntries(names.map((name) => [name.slice(1), h("input", { autocomplete: "off" })]));
    this.values.replaceChildren(...Object.entries(this.parameters).map(([name, field]) => labelled(`$${name} of the filter`, field)),
      ...(expression ? [h("p", { class: "soft wide" }, h("code", {}, expression))] : []));
  }

  request() {
    const { arn, type } = this.source, { user, item, items, number, filter } = this.fields;
    const given = (field) => field.value.trim();
    const question = { [arn.includes(":recommender/") ? "recommenderArn" : "campaignArn"]: arn };
    if (given(user)) question.userId = given(user);
    if (type === "PERSONALIZED_RANKING") question.inputList = items.value.split("\n").map((line) => line.trim()).filter(Boolean);
    else question.numResults = Number(number.value) || 10;
    if (!this.rows.item.hidden && given(item)) question.itemId = given(item);
    if (filter.value) {
      question.filterArn = filter.value;
      const values = Object.entries(this.parameters).map(([name, field]) => [name, quoted(field.value)]);
      if (values.length) question.filterValues = Object.fromEntries(values);
    }
    const context = this.context.map((name) => [name, given(this.fields[`context ${name}`])]).filter(([, value]) => value);
    if (context.length && type !== "PERSONALIZED_ACTIONS") question.context = Object.fromEntries(context);
    return question;
  }

  /** Ask, and show the answer beside what is known; `news` is said first. */
  async answer(news = "") {
    const { arn, type } = this.source, question = this.request();
    this.form.setAttribute("aria-busy", "true");
    try {
      const began = performance.now();
      const answer = await call(operation(type).path, question, this.group);
      const took = performance.now() - began;
      const items = answer.itemList ?? answer.personalizedRanking ?? answer.actionList.map(({ actionId, score }) => ({ itemId: actionId, score }));
      const ids = items.map(({ itemId }) => itemId);
      const facts = await read("why", { source: arn, user: question.userId ?? "", item: question.itemId, items: [...ids, ...(question.itemId ? [question.itemId] : [])] });
      const request = JSON.stringify(question), before = this.before?.request === request ? this.before.ids : null;
      this.before = { request, ids };
      this.said.textContent = [news, `${count(ids.length, "item")} in ${took < 10 ? took.toFixed(1) : Math.round(took)} ms.`, before && compared(before, ids)].filter(Boolean).join(" ");
      const key = this.answered.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.answered.replaceChildren(this.list(items, facts, before, answer.recommendationId), this.factsOf(question, facts, news), code(question, type, this.group));
      // The item whose button was pressed may be out of the answer: its heading has the focus then.
      if (key) (keyed(this.answered, key) ?? this.answered.querySelector("h3"))?.focus();
    } catch (error) {
      this.said.textContent = "";
      this.before = null;
      this.answered.replaceChildren(h("p", { class: "reason", role: "alert" }, error.code ? `${error.code}: ${error.message}` : error.message));
    }
    this.form.removeAttribute("aria-busy");
  }

  list(items, facts, before, recommendation) {
    if (!items.length) return h("div", { class: "note" }, "The answer has no items: the filter lets none through, or none is left for this user.");
    const most = Math.max(...items.map(({ score }) => score ?? 0));
    const events = this.tracker && this.fields.user.value.trim() && this.source.type !== "PERSONALIZED_ACTIONS" ? this.eventsToSend() : [];
    return h("div", {}, h("h3", { tabindex: -1 }, "Answer"),
      h("ol", { class: "items" }, items.map(({ itemId, score, reason }, position) => {
        const { columns = {}, times = 0, rank: popular = null } = facts.items[itemId] ?? {};
        const was = before?.indexOf(itemId), moved = before && (was < 0 ? "new" : was > position ? `▲ ${was - position}` : was < position ? `▼ ${position - was}` : "");
        const [cause, drop] = facts.because[itemId] ?? [];
        const why = [...(reason ?? []), times > 0 && `${times} × in the history`, popular && `No. ${popular} by popularity`].filter(Boolean);
        return h("li", { class: moved ? "moved" : null },
          h("div", { class: "place" }, position + 1, moved && h("span", { class: "change" }, moved)),
          h("div", { class: "what" }, titled(itemId, columns),
            cause && h("p", { class: "because" }, score === undefined ? "Lower without " : `${Math.round(100 * drop)} % of the score is due to `,
              cause === itemId ? "its own history" : h("b", {}, nameIn(facts.items[cause]?.columns ?? {}) ?? cause)),
            h("p", { class: "soft" }, why.join(" · ")),
            details(columns)),
          score !== undefined && h("div", { class: "score" }, h("span", { class: "hidden" }, "score "), score.toFixed(4), share(most ? score / most : 0)),
          events.length > 0 && h("div", { class: "send" }, events.map((type) =>
            h("button", { type: "button", class: "quiet", "data-key": `${type} ${itemId}`, onclick: () => this.send(type, itemId, recommendation) }, type, h("span", { class: "hidden" }, ` ${itemId}`)))));
      })),
      !this.tracker && h("p", { class: "note" }, "Create an event tracker to send events from here."));
  }

  eventsToSend() {
    const types = this.eventTypes ?? [];
    const usual = EVENTS[this.group.domain] ?? ["View", "Purchase"];
    return [...new Set([...usual.filter((type) => !types.length || types.includes(type)), ...types])].slice(0, 3);
  }

  async send(eventType, itemId, recommendationId) {
    const event = { eventId: identifier(), eventType, itemId, sentAt: Date.now() / 1000, ...(recommendationId ? { recommendationId } : {}) };
    try {
      await call("/events", { trackingId: this.tracker, userId: this.fields.user.value.trim(), sessionId: this.session, eventList: [event] }, this.group);
      await this.answer(`Sent ${eventType} of ${itemId}.`);
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  factsOf({ userId, itemId }, { user, interactions, latest, items }, news) {
    const item = itemId && h("div", {}, h("h3", {}, "About the item"), titled(itemId, items[itemId]?.columns ?? {}), details(items[itemId]?.columns ?? {}));
    if (!userId) return h("div", { class: "known" }, item);
    return h("div", { class: "known" }, item, h("h3", {}, `What is known of ${userId}`), details(user),
      h("p", { class: "soft" }, interactions ? `${count(interactions, "interaction")}${latest.length < interactions ? `, the latest ${latest.length}` : ""}:` : "No interactions: the answer is that for a new user."),
      h("ol", { class: "history" }, latest.map(({ item: id, type, time }, position) => h("li", { class: news && !position ? "moved" : null },
        h("span", { class: "chip" }, type ?? "Interaction"), titled(id, items[id]?.columns ?? {}), h("span", { class: "soft" }, when(time))))));
  }
}

function labelled(text, field, kind = "") {
  field.id ||= `field-${(numbers += 1)}`;
  return h("div", { class: `field ${kind}` }, h("label", { for: field.id }, text), field);
}

function titled(id, columns) {
  const name = nameIn(columns);
  return h("span", { class: "titled" }, h("b", {}, name ?? id), name && h("span", { class: "soft" }, id));
}

const nameIn = (columns) => Object.entries(columns).find(([column]) => NAMES.test(column))?.[1];

function details(columns) {
  const rest = Object.entries(columns).filter(([column]) => !NAMES.test(column)).slice(0, 8);
  return rest.length > 0 && h("ul", { class: "chips" }, rest.map(([name, value]) => h("li", { class: "chip" }, `${name} `, h("b", {}, String(value)))));
}

function compared(before, now) {
  const fresh = now.filter((id) => !before.includes(id)).length;
  const moved = now.filter((id, position) => before.includes(id) && before.indexOf(id) !== position).length;
  if (!fresh && !moved) return "The same as before.";
  return `${[fresh && `${fresh} new`, moved && `${moved} moved`].filter(Boolean).join(", ")} since the last answer.`;
}

/** A filter's value as the API wants it: texts in quotes, several separated by commas. */
function quoted(value) {
  const text = value.trim();
  if (/^".*"$/.test(text) || /^-?\d+(\.\d+)?$/.test(text)) return text;
  return text.split(",").map((part) => `"${part.trim()}"`).join(",");
}

function code(question, type, { region }) {
  const python = (value) => (typeof value === "object" && !Array.isArray(value) ? `{${Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${JSON.stringify(member)}`).join(", ")}}` : JSON.stringify(value));
  const lines = Object.entries(question).map(([name, value]) => `    ${name}=${python(value)},`);
  const text = `import boto3\n\nruntime = boto3.client("personalize-runtime", endpoint_url="${location.origin}", region_name="${region}")\nruntime.${operation(type).method}(\n${lines.join("\n")}\n)`;
  return h("details", { class: "code" }, h("summary", {}, "The same in Python"), h("pre", { tabindex: "0", "aria-label": "Python code" }, text));
}
