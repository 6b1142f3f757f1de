// SPDX-License-Identifier: Apache-2.0
/** Which items of lists are on screen, told in batches: impressions.d.ts. */

const LEAST = 3, MOST = 20, KEPT = 200, HALF = 0.5, SECOND = 1000;
const later = (status) => !status || [401, 403, 408, 429].includes(status) || status >= 500;

/** What one visitor has on screen. */
export class Impressions {
  #client;
  #options;
  #store;
  #memory = [];
  #watched = new Map();
  #timers = new Map();
  #told = new Set();
  #isSending = false;
  #observer;

  constructor(client, options) {
    this.#client = client;
    this.#options = { least: LEAST, headers: () => ({}), fetch: (...request) => fetch(...request), ...options };
    try {
      this.#store = options.storage ?? localStorage;
    } catch { /* Blocked: this page remembers. */ }
    this.#observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.#look(entry)), { threshold: HALF });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.leave() : this.#lookAgain()));
    addEventListener("pagehide", () => this.leave());
  }

  /** Lists that wait. */
  get pending() {
    try {
      return JSON.parse(this.#store.getItem(this.#key)) ?? [];
    } catch {
      return this.#memory;
    }
  }

  /** Watch the element that shows an item of a list. */
  watch(element, listId, itemId) {
    if (!listId || this.#client.objects || this.#told.has(`${listId} ${itemId}`)) return;
    this.#watched.set(element, { listId, itemId });
    this.#observer.observe(element);
  }

  /** Send what waits by a request that outlives the page, if it is worth one. */
  async leave() {
    this.#timers.forEach(clearTimeout);
    this.#timers.clear();
    await this.#send();
  }

  #look({ target, intersectionRatio }) {
    clearTimeout(this.#timers.get(target));
    if (!target.isConnected) this.#forget(target);
    else if (intersectionRatio >= HALF && !document.hidden) this.#timers.set(target, setTimeout(() => this.#see(target), SECOND));
  }

  #lookAgain() {
    for (const element of this.#watched.keys()) {
      this.#observer.unobserve(element);
      this.#observer.observe(element); // It tells anew what is on screen.
    }
  }

  #forget(element) {
    this.#observer.unobserve(element);
    this.#watched.delete(element);
    this.#timers.delete(element);
  }

  #see(element) {
    const { listId, itemId } = this.#watched.get(element) ?? {}, { sessionId, userId } = this.#client;
    this.#forget(element);
    if (!listId || this.#told.has(`${listId} ${itemId}`)) return;
    this.#told.add(`${listId} ${itemId}`);
    const lists = this.pending;
    const list = lists.find((one) => one.listId === listId && one.sessionId === sessionId && one.userId === userId);
    if (list) list.itemIds.push(itemId);
    else lists.push({ sessionId, userId, listId, itemIds: [itemId], seenAt: Math.floor(Date.now() / 1000) });
    this.#keep(lists);
    if (lists.length >= MOST) this.#send();
  }

  async #send() {
    if (this.#client.objects) this.#keep([]);
    if (this.#isSending || !this.#batch().length) return;
    this.#isSending = true;
    const { baseUrl, shop, headers, fetch } = this.#options;
    let status = 0, batch = [];
    try {
      const own = await headers(this.#batch()[0]);
      batch = this.#batch();
      const { sessionId, userId } = batch[0];
      const lists = batch.map(({ listId, itemIds, seenAt }) => ({ listId, itemIds, seenAt }));
      // The page may end before the answer comes, and the next one would send them again.
      const ids = lists.map(({ listId }) => listId);
      this.#keep(this.pending.filter((list) => !(ids.includes(list.listId) && list.sessionId === sessionId && list.userId === userId)));
      ({ status } = await fetch(`${baseUrl}/shops/${encodeURIComponent(shop)}/impressions`, {
        method: "POST", keepalive: true, body: JSON.stringify({ sessionId, userId, visitorId: this.#client.visitorId, lists }),
        headers: { "content-type": "application/json", ...own },
      }));
    } catch { /* As without an answer. */ }
    this.#isSending = false;
    if (batch.length && later(status)) this.#keep([...batch, ...this.pending]);
  }

  /** Lists of one visitor, if they are worth a request. */
  #batch() {
    const lists = this.pending, { sessionId, userId } = lists[0] ?? {};
    const batch = lists.filter((list) => list.sessionId === sessionId && list.userId === userId).slice(0, MOST);
    // A session that is over gets no further lists.
    const isOver = sessionId !== this.#client.sessionId || userId !== this.#client.userId;
    return batch.length >= this.#options.least || isOver ? batch : [];
  }

  #keep(lists) {
    this.#memory = lists.slice(-KEPT);
    try {
      this.#store.setItem(this.#key, JSON.stringify(this.#memory));
    } catch {
      this.#store = undefined;
    }
  }

  get #key() {
    return `personalization:${this.#options.shop}:seen`;
  }
}
