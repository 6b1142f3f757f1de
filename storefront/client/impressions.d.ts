// SPDX-License-Identifier: Apache-2.0
import type { Personalization } from "./personalization.js";

export interface ImpressionOptions {
  /** The API's address, as of the client. */
  baseUrl: string;
  shop: string;
  /** What each request carries, such as a token; for the visitor who has seen the lists. */
  headers?: (who: { sessionId: string; userId?: string }) => Record<string, string> | Promise<Record<string, string>>;
  /** Lists that are worth a request at the end of a page; fewer wait for the next page. Default: 3. */
  least?: number;
  /** Default: localStorage, or the page's memory where that is blocked. */
  storage?: Pick<Storage, "getItem" | "setItem">;
  fetch?: typeof fetch;
}

/** A list of which items were on screen. */
export interface SeenList {
  sessionId: string;
  userId?: string;
  listId: string;
  itemIds: string[];
  /** Epoch seconds. */
  seenAt: number;
}

/** What a visitor has on screen: half of an item for a second, each item of a list once. */
export class Impressions {
  constructor(client: Pick<Personalization, "sessionId" | "userId"> & Partial<Pick<Personalization, "visitorId" | "objects">>, options: ImpressionOptions);
  /** Lists that wait. */
  get pending(): SeenList[];
  /** Watch the element that shows an item of a list; without a listId, nothing. */
  watch(element: Element, listId: string | null | undefined, itemId: string): void;
  /** Send what waits by a request that outlives the page, if it is worth one; called by itself where a page ends. */
  leave(): Promise<void>;
}
