// SPDX-License-Identifier: Apache-2.0
/** Sessions at the API of browsers: each has a token, which is kept, renewed in time and replaced once it has ended. */

import { keep, kept } from "./dom.js";

const EARLY = 60_000;
/** Milliseconds before its end at which a token is renewed. */

const left = ({ expiresAt }) => Date.parse(expiresAt) - Date.now();

/** The sessions of one browser in one shop. */
export class Sessions {
  #url;
  #client;
  #asking;
  #memory = {};

  /** @param {string} url of the shop's sessions */
  constructor(url) {
    this.#url = url;
  }

  /** A session is in use from now on, the one before or a new one, and `client` is in it. */
  async follow(client) {
    this.#client = client;
    await this.ready();
    const { current } = this.#kept();
    if (client.sessionId !== current) client.renew(current);
  }

  /** Resolves once the session in use is good for a while. */
  ready() {
    const { current, tokens } = this.#kept();
    if (tokens[current] && left(tokens[current]) > EARLY) return Promise.resolve();
    return (this.#asking ??= this.#goOn(tokens[current]).finally(() => (this.#asking = undefined)));
  }

  /** What proves that a request may name the session of `who`. */
  async headers(who) {
    await this.ready();
    const found = this.#kept().tokens[who.sessionId];
    return found ? { authorization: `Bearer ${found.token}` } : {};
  }

  /** Another stranger; what waits for the one before is still sent with its token. */
  async restart() {
    this.#client.logout((await this.#begin({})).sessionId);
  }

  /** The API does not take the token of the session in use any more. */
  refused() {
    const { current, tokens } = this.#kept();
    delete tokens[current];
    this.#keep({ current, tokens });
  }

  /** The same session with its next token, or, where it has ended, the next session. */
  async #goOn(last) {
    const known = last && left(last) > 0 ? { sessionToken: last.token } : {};
    const { sessionId } = await this.#begin(known).catch((error) => (error.status === 401 ? this.#begin({}) : Promise.reject(error)));
    if (sessionId !== this.#client.sessionId) this.#client.renew(sessionId);
  }

  async #begin(known) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(this.#url, { method: "POST", headers, body: JSON.stringify(known), signal: AbortSignal.timeout(8000) });
    if (!response.ok) throw Object.assign(new Error("There is no session."), { status: response.status });
    const made = await response.json();
    const tokens = Object.fromEntries(Object.entries(this.#kept().tokens).filter(([, one]) => left(one) > 0));
    this.#keep({ current: made.sessionId, tokens: { ...tokens, [made.sessionId]: { token: made.token, expiresAt: made.expiresAt } } });
    return made;
  }

  #kept() {
    const { current, tokens = {} } = kept("sessions", this.#memory);
    return { current, tokens };
  }

  #keep(sessions) {
    this.#memory = sessions;
    keep("sessions", sessions);
  }
}
