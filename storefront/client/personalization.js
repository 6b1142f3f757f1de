// SPDX-License-Identifier: Apache-2.0
/** Lists and events of a shop: personalization.d.ts. */

const BATCH = 10, KEPT = 500, REMEMBERED = 2000, SHOWN = 25;
const encode = encodeURIComponent;
const makeId = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
const makeVisitorId = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)))).replace(/[+/=]/g, (letter) => ({ "+": "-", "/": "_" })[letter] ?? "");
const transient = (status) => !status || status === 408 || status === 429 || status >= 500;

/** The API refused a call. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    Object.assign(this, { status, problem });
  }
}

/** One visitor of one shop. */
export class Personalization {
  #options;
  #store;
  #memory = {};
  #origins = new Map();
  #timer;
  #sending;

  constructor(options) {
    this.#options = {
      retries: 3, timeout: 8000, delay: 400, headers: () => ({}), fetch: (...request) => fetch(...request),
      wait: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)), ...options,
    };
    try {
      this.#store = options.storage ?? localStorage;
    } catch { /* Blocked: see `#write`. */ }
    globalThis.addEventListener?.("online", () => this.flush());
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden && this.leave());
    if (this.pending.length) this.#later();
  }

  /** The session. */
  get sessionId() {
    return this.#read().sessionId ?? this.#write({ sessionId: makeId() }).sessionId;
  }

  /** Who is logged in. */
  get userId() {
    return this.#read().userId;
  }

  /** The unit of experiments, if the browser keeps it. */
  get visitorId() {
    if (this.objects) return undefined;
    const visitorId = this.#read().visitorId ?? this.#write({ visitorId: makeVisitorId() }).visitorId;
    return this.#store && visitorId;
  }

  /** Whether lists are not personal. */
  get objects() {
    return this.#read().objects ?? false;
  }

  /** Events that wait. */
  get pending() {
    return this.#read().queue ?? [];
  }

  /** Events carry user and session. */
  login(userId) {
    this.#write({ sessionId: this.sessionId, userId });
  }

  /** A stranger in a new session. */
  logout(sessionId = makeId()) {
    this.#write({ sessionId, userId: undefined });
  }

  /** The same visitor in another session. */
  renew(sessionId) {
    const { pending: queue } = this;
    for (const event of queue) if (event.sessionId === this.sessionId) event.sessionId = sessionId;
    this.#write({ sessionId, queue });
  }

  /** Whether lists are personal. */
  async personalize(enabled) {
    this.#write({ objects: !enabled, visitorId: enabled ? this.#read().visitorId : undefined });
    if (this.userId) await this.#call("PUT", `${this.#who()}/personalization`, { enabled });
  }

  /** Items for the visitor. */
  recommend(query) {
    return this.#list("GET", `${this.#who()}/recommendations`, query);
  }

  /** Items like one. */
  similar(itemId, query) {
    return this.#list("GET", `/items/${encode(itemId)}/similar`, query);
  }

  /** What most choose. */
  popular(query) {
    return this.#list("GET", "/popular", query);
  }

  /** The items, best first. */
  ranking(itemIds, query) {
    return this.#list("POST", `${this.#who()}/ranking`, query, { itemIds });
  }

  /** A slot of the shop. */
  placement(name, query) {
    return this.#list("GET", `${this.#who()}/placements/${encode(name)}`, this.#asVisitor(query));
  }

  /** Slots of a page, no item twice. */
  placements(placements, { itemId, excludeItemIds, ...query } = {}) {
    return this.#list("POST", `${this.#who()}/placements`, this.#asVisitor(query), { placements, itemId, excludeItemIds });
  }

  /** Set what is known of the visitor. */
  setUser(properties) {
    return this.#call("PUT", this.#who(), { properties });
  }

  /** Queue an event; returns its id. */
  track(eventType, event = {}) {
    const { sessionId, userId, pending } = this;
    const eventId = makeId(), sentAt = new Date().toISOString();
    pending.push({ eventId, eventType, sentAt, ...this.#origins.get((event.listId ?? "") + event.itemId), ...event, sessionId, userId });
    this.#write({ queue: pending.slice(-KEPT) });
    if (pending.length < BATCH) this.#later();
    else this.flush();
    return event.eventId ?? eventId;
  }

  /** Send the queue; resolves to what still waits. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    return (this.#sending ??= this.#drain().finally(() => (this.#sending = undefined)));
  }

  /** Send all by requests that outlive the page. */
  leave() {
    for (const batch of this.#batches()) this.#post(batch, { keepalive: true, retries: 0 }).catch(() => {});
  }

  #later() {
    this.#timer ||= setTimeout(() => this.flush(), this.#options.delay);
  }

  async #drain() {
    const held = [];
    for (let batch; (batch = this.#batches().find(([{ sessionId }]) => !held.includes(sessionId)));) {
      try {
        await this.#post(batch);
      } catch (error) {
        const { status } = error;
        if (transient(status)) break;
        if (status === 401 || status === 403) {
          held.push(batch[0].sessionId);
          continue;
        }
        if (batch.at(-1).sentAt && /sentAt/.test(error.problem?.errors?.[0].field))
          this.#write({ queue: this.pending.map((event) => ({ ...event, sentAt: undefined })) });
        else {
          this.#forget(batch); // It would be refused for ever.
          this.#options.onRefused?.(batch, error);
        }
      }
    }
    return this.pending.length;
  }

  #batches() {
    const batches = [];
    for (const entry of this.pending) {
      const last = batches.at(-1);
      const fits = last?.length < BATCH && last[0].sessionId === entry.sessionId && last[0].userId === entry.userId;
      fits ? last.push(entry) : batches.push([entry]);
    }
    return batches;
  }

  async #post(batch, how) {
    const { sessionId, userId } = batch[0];
    const events = batch.map((event) => ({ ...event, sessionId: undefined, userId: undefined, ...this.objects && { listId: undefined } }));
    const { visitorId } = this;
    const { accepted } = await this.#call("POST", "/events", { sessionId, userId, visitorId, events }, { who: batch[0], ...how });
    this.#forget(batch.slice(0, accepted || batch.length));
  }

  #forget(batch) {
    const ids = batch.map(({ eventId }) => eventId);
    this.#write({ queue: this.pending.filter(({ eventId }) => !ids.includes(eventId)) });
  }

  #who() {
    return `/users/${encode(this.userId ?? this.sessionId)}`;
  }

  #asVisitor(query) {
    const { objects, userId, visitorId } = this;
    return { ...query, visitorId: visitorId ?? (objects || userId ? undefined : "none") };
  }

  async #list(method, path, { signal, filterValues, context, ...query } = {}, body) {
    const params = new URLSearchParams(this.objects ? { personalize: false } : "");
    for (const [start, values] of [["", query], ["filterValues.", filterValues], ["context.", context]])
      for (const key in values) for (const value of [values[key] ?? []].flat()) params.append(start + key, value);
    const answer = await this.#call(method, `${path}?${params}`, body, { signal });
    if (this.#origins.size > REMEMBERED) this.#origins.clear();
    for (const { recommendationId, listId, items } of answer.placements ?? [answer]) {
      const idOf = ({ recommendationId: id = recommendationId }) => id; // Two rankers may share a list.
      for (const item of items) {
        const { itemId } = item, origin = { recommendationId: idOf(item), listId: item.listId ?? listId };
        origin.impression = idOf(item) && items.filter((other) => idOf(other) === idOf(item)).slice(0, SHOWN).map(({ itemId }) => itemId);
        for (const key of [itemId, origin.listId + itemId]) this.#origins.set(key, origin);
      }
    }
    return answer;
  }

  async #call(method, path, body, { who = this, keepalive, signal, retries = this.#options.retries } = {}) {
    const { baseUrl, shop, headers, timeout, wait, onCall } = this.#options;
    for (let tries = 0; ; tries++) {
      const started = performance.now();
      let status = 0, answer, failure, after;
      try {
        const response = await this.#options.fetch(`${baseUrl}/shops/${encode(shop)}${path}`, {
          method, keepalive, body: body && JSON.stringify(body), signal: signal ?? AbortSignal.timeout(timeout),
          headers: { ...(body && { "content-type": "application/json" }), ...(await headers(who)) },
        });
        status = response.status;
        after = response.headers.get("retry-after");
        answer = await response.json().catch(() => ({}));
        if (!response.ok) failure = new ApiError(status, answer);
      } catch (error) {
        failure = error;
      }
      onCall?.({ method, path, status, milliseconds: performance.now() - started, body, answer, tries });
      if (!failure) return answer;
      if (tries >= retries || signal?.aborted || !transient(status)) throw failure;
      const seconds = +after || (Date.parse(after) - Date.now()) / 1000;
      await wait(seconds > 0 ? Math.min(seconds, 60) * 1000 : 250 * 2 ** tries * (0.5 + Math.random()));
    }
  }

  #read() {
    try {
      return JSON.parse(this.#store.getItem(this.#key)) ?? {};
    } catch {
      return this.#memory;
    }
  }

  #write(change) {
    this.#memory = { ...this.#read(), ...change };
    try {
      this.#store.setItem(this.#key, JSON.stringify(this.#memory));
    } catch {
      this.#store = undefined; // Full: this page remembers.
    }
    return this.#memory;
  }

  get #key() {
    return `personalization:${this.#options.shop}`;
  }
}
