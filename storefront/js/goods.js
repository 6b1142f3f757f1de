// SPDX-License-Identifier: Apache-2.0
/** Items in pages, searched: by the server on a laptop, or in files that never change where there is none. */

const PAGE = 96;
/** The items of a page, as the server has them. */

/** Rows from the server's `/items`. */
export class Served {
  /** A page of `{query, category, shelf, sort, page}`, and how many items there are: `{items, total}`. */
  list(wanted) {
    return this.#fetch(Object.entries(wanted).filter(([, value]) => value !== undefined && value !== ""));
  }

  /** The rows of these ids, at most a hundred; unknown ones are left out. */
  async rows(ids) {
    return ids.length ? (await this.#fetch(ids.map((id) => ["id", id]))).items : [];
  }

  async #fetch(pairs) {
    const response = await fetch(`items?${new URLSearchParams(pairs)}`);
    if (!response.ok) throw Object.assign(new Error("There are no items."), { status: response.status });
    return response.json();
  }
}

/** Rows from files of `rows` items each, department by department. */
export class Filed {
  #files = new Map();
  #folder;
  #count;
  #rows;
  #departments;

  constructor({ folder, count, rows }, departments) {
    [this.#folder, this.#count, this.#rows, this.#departments] = [folder, count, rows, departments];
  }

  async list({ query = "", category, shelf, sort = "best", page = 0 }) {
    const words = plain(query).split(/\s+/).filter(Boolean);
    const department = this.#departments.find(({ name }) => name === category);
    const from = department?.from ?? 0, to = department ? from + department.count : Infinity;
    // Without a search, the files have the order of a page: only its own are fetched.
    if (!words.length && shelf === undefined && sort === "best" && (department || category === undefined)) {
      const first = from + page * PAGE;
      const total = department?.count ?? (await this.#total());
      return { items: await this.#between(first, Math.min(first + PAGE, to)), total };
    }
    let hits = await this.#between(from, to);
    if (category !== undefined) hits = hits.filter((row) => row[4] === category);
    if (shelf !== undefined) hits = hits.filter((row) => row[5] === shelf);
    const texts = new Map(hits.map((row) => [row, plain([row[1], row[0], row[4], row[5]].filter((cell) => cell !== null).join(" "))]));
    hits = hits.filter((row) => words.every((word) => texts.get(row).includes(word)));
    const rank = (row) => (texts.get(row).startsWith(words[0]) ? 0 : texts.get(row).includes(` ${words[0]}`) ? 1 : 2);
    const name = (one, other) => (one[1] ?? "\uffff") < (other[1] ?? "\uffff") ? -1 : one[1] === other[1] ? 0 : 1;
    if (sort === "price") hits = hits.toSorted((one, other) => (one[2] ?? Infinity) - (other[2] ?? Infinity) || name(one, other));
    else if (sort === "name") hits = hits.toSorted(name);
    else if (words.length) hits = hits.toSorted((one, other) => rank(one) - rank(other));
    return { items: hits.slice(page * PAGE, (page + 1) * PAGE), total: hits.length };
  }

  async rows(ids) {
    const wanted = new Set(ids), rows = [];
    for (let number = 0; number < this.#count && wanted.size; number += 1) {
      for (const row of await this.#file(number)) if (wanted.delete(row[0])) rows.push(row);
    }
    return rows;
  }

  async #total() {
    return this.#count ? (this.#count - 1) * this.#rows + (await this.#file(this.#count - 1)).length : 0;
  }

  async #between(from, to) {
    const first = Math.floor(from / this.#rows), last = Math.min(this.#count, Math.ceil(to / this.#rows));
    const files = await Promise.all(Array.from({ length: Math.max(0, last - first) }, (_, at) => this.#file(first + at)));
    return files.flat().slice(from - first * this.#rows, to - first * this.#rows);
  }

  #file(number) {
    if (!this.#files.has(number)) {
      const fetched = fetch(`${this.#folder}${number}.json`).then((response) => (response.ok ? response.json() : Promise.reject(new Error("A file of items is missing."))));
      this.#files.set(number, fetched);
      fetched.catch(() => this.#files.delete(number));
    }
    return this.#files.get(number);
  }
}

/** A text as searches compare it. */
const plain = (text) => text.normalize("NFKC").toLowerCase();
