// SPDX-License-Identifier: Apache-2.0
/** Types of personalization.js: the HTTP API of docs/api.md as a browser sees it. */

/** An item of an answer. */
export interface Item {
  itemId: string;
  /** Personalize's score; null where the recipe has none. */
  score: number | null;
  /** Where the item came from, such as `campaign` or `popular`. */
  source: string;
  /** Why, in Personalize's own words, where it says so. */
  reason?: string[];
  /** Why, as a code to find words for, such as `popular` or `similarTo`; and the item that it is about. */
  because?: { code: string; itemId?: string };
  /** Columns of the items dataset, as text. */
  metadata?: Record<string, string>;
  /** Where two rankers share a list: the item's own, in place of the answer's. `track` takes it by itself. */
  recommendationId?: string | null;
  /** Likewise; an item that counts for neither ranker has the answer's. */
  listId?: string;
}

/** An answer with items, best first. */
export interface Answer {
  /** Null where nothing of it is Personalize's. */
  recommendationId: string | null;
  /** Names this list; null where its signing key could not be read. */
  listId: string | null;
  items: Item[];
  /** Whether something else fills in for the campaign that was asked. */
  degraded?: boolean;
  /** Why, such as `throttled`. */
  degradedReason?: string;
  /** False where the filter could not be applied. */
  filterApplied?: boolean;
  /** Asks for the next page, where there may be one. */
  next?: string;
}

/** What a placement shows. */
export interface Placed extends Answer {
  /** Its name. */
  placement: string;
  /** The experiment that this user is in; without items, the page leaves the list out. */
  experiment?: { name: string; variant: string };
}

/** What a list can be asked with; see docs/api.md. */
export interface Query {
  limit?: number;
  filter?: string;
  filterValues?: Record<string, string | number>;
  context?: Record<string, string>;
  /** Items that are not shown, up to 100. */
  excludeItemIds?: string[];
  /** The next page: `next` of the answer before, with all else as it was. */
  next?: string;
  /** Gives up; replaces the time limit of the options. */
  signal?: AbortSignal;
}

/** What an event says beside its type; all of it is optional. */
export interface EventFields {
  itemId?: string;
  /** An action, in place of an item. */
  actionId?: string;
  /** A number, such as the price of what was bought. */
  eventValue?: number;
  /** Default: a new one. A second event with the same id counts once. */
  eventId?: string;
  /** ISO 8601; default: now. */
  sentAt?: string;
  /** Default: that of the last answer which had the item. */
  recommendationId?: string;
  /**
   * The list whose card was clicked; default: that of the last answer which had the item. Where two lists of a page have
   * an item, say which one it was: what else is added is of that list.
   */
  listId?: string;
  /** Ids that were shown, at most 25; default: those of that answer. */
  impression?: string[];
  /** Further columns of the interactions dataset. */
  properties?: Record<string, unknown>;
}

/** An event in the queue. */
export interface QueuedEvent extends EventFields {
  eventId: string;
  eventType: string;
  sentAt: string;
  sessionId: string;
  userId?: string;
}

/** One request, as told to `onCall`. */
export interface Call {
  method: "GET" | "POST" | "PUT";
  /** Below `/shops/{shop}`. */
  path: string;
  /** HTTP status; 0 where no answer came. */
  status: number;
  milliseconds: number;
  /** The request's document. */
  body?: unknown;
  /** The answer's document. */
  answer?: unknown;
  /** 0 for the first try, 1 for the second … */
  tries: number;
}

/** Whom a call names. */
export interface Who {
  readonly sessionId: string;
  readonly userId?: string;
}

type Headers = Record<string, string>;

/** What a client is made with. */
export interface Options {
  /** Address of the API without a slash at its end, such as `https://….amazonaws.com/v1`, or `/api` of a proxy. */
  baseUrl: string;
  /** The shop's name. */
  shop: string;
  /**
   * Headers of each call, such as a token; asked anew each time, and may wait. `who` is whose call it is: events that
   * waited may be of an ended session.
   */
  headers?: (who: Who) => Headers | undefined | Promise<Headers | undefined>;
  /** Further tries of a call that may go well later; default 3. */
  retries?: number;
  /** Milliseconds until a try is given up; default 8000. */
  timeout?: number;
  /** Milliseconds that an event waits for others; default 400. */
  delay?: number;
  /** Told of each request, for logs and panels. */
  onCall?: (call: Call) => void;
  /** Told of events that the API refuses for what they are; they are dropped. */
  onRefused?: (events: QueuedEvent[], error: ApiError) => void;
  /** Where session, user and queue are kept; default localStorage. */
  storage?: Pick<Storage, "getItem" | "setItem">;
  /** For tests; default: the browser's. */
  fetch?: typeof fetch;
  /** For tests: how to wait for some milliseconds. */
  wait?: (milliseconds: number) => Promise<unknown>;
}

/** The API refused a call. */
export class ApiError extends Error {
  status: number;
  /** An RFC 9457 document. */
  problem: { title?: string; detail?: string; errors?: { field: string; message: string }[]; requestId?: string };
}

/** One visitor of one shop: session, user after `login`, and a queue of events that outlives the page. */
export class Personalization {
  constructor(options: Options);
  /** The session; `logout` begins another. */
  get sessionId(): string;
  /** The user who is logged in, if any. */
  get userId(): string | undefined;
  /** A random id that the browser keeps, the unit of experiments; undefined where it keeps nothing, or `objects`. */
  get visitorId(): string | undefined;
  /** Whether lists are not personal here: see `personalize`. */
  get objects(): boolean;
  /** Events that the API has not accepted yet, oldest first; at most 500. */
  get pending(): QueuedEvent[];
  /** From now on events carry user and session, which ties what went before to the user. */
  login(userId: string): void;
  /** A stranger in a new session, or in the one that a token is for. */
  logout(sessionId?: string): void;
  /** The same visitor in another session, such as where the last one has ended; events that wait go with it. */
  renew(sessionId: string): void;
  /**
   * Whether lists are personal. Without, they are bestsellers, in no experiment, and the visitor's id is deleted, on this
   * browser until another call says otherwise; for a user who is logged in everywhere, once it resolves.
   */
  personalize(enabled: boolean): Promise<void>;
  /** Items for this visitor: the user, or a stranger's session. */
  recommend(query?: Query & { itemId?: string }): Promise<Answer>;
  /** Items similar to one. */
  similar(itemId: string, query?: Query & { userId?: string }): Promise<Answer>;
  /** What most users choose. */
  popular(query?: Query): Promise<Answer>;
  /** The given items, best for this visitor first. */
  ranking(itemIds: string[], query?: Omit<Query, "limit" | "excludeItemIds" | "next">): Promise<Answer>;
  /** What one of the shop's placements shows; its filter is its own. */
  placement(name: string, query?: Omit<Query, "filter"> & { itemId?: string }): Promise<Placed>;
  /** What up to ten placements of a page show, no item twice. */
  placements(
    placements: string[],
    query?: Omit<Query, "filter" | "limit" | "next"> & { itemId?: string },
  ): Promise<{ placements: Placed[] }>;
  /** Set what is known of the visitor, in place of what was. */
  setUser(properties: Record<string, string | number>): Promise<unknown>;
  /** Queue an event; returns its id. */
  track(eventType: string, event?: EventFields): string;
  /** Send what is queued; resolves to the number of events that still wait. */
  flush(): Promise<number>;
  /** Send all by requests that outlive the page; called when the page is hidden. */
  leave(): void;
}
