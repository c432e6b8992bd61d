// The topics as a tree that unfolds: each with its name, how much is under it and the time it stretches over, down to episodes and what was said.
import { made } from "./elements.js";
import { layer } from "./items.js";

const BRANCHES = 100; // of one topic that are shown at once
const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });

export class Forest {
  constructor(box, { open, say, filters }) {
    this.box = box;
    this.open = open;
    this.say = say;
    this.filters = filters;
    this.tree = box.querySelector(".tree");
    this.tree.addEventListener("click", (event) => {
      const row = event.target.closest(".branch");
      if (row) { this.go(row); if (event.target.closest(".twist")) this.turn(row); else this.enter(row); }
    });
    this.tree.addEventListener("keydown", (event) => this.key(event));
  }

  show(source, items) {
    this.source = source;
    this.items = items;
    const { passing } = this.filters();
    this.passing = passing;
    const inside = new Set();
    const topics = [];
    for (let place = 0; place < items.length; place++) {
      if (items.kind[place] !== "topic" || !passing(place)) continue;
      topics.push(place);
      for (const id of items.below.get(items.id[place]) || []) inside.add(id);
    }
    const roots = topics.filter((place) => !inside.has(items.id[place])).sort((a, b) => this.size(b) - this.size(a) || items.at[a] - items.at[b]);
    this.first = Math.min(...roots.map((place) => items.at[place]));
    this.last = Math.max(...roots.map((place) => items.until[place] ?? items.at[place]), this.first + 1);
    this.tree.replaceChildren(...this.branches(roots, 1));
    this.box.querySelector(".note").textContent = topics.length ? `${topics.length.toLocaleString("en")} in ${roots.length.toLocaleString("en")} ${roots.length === 1 ? "tree" : "trees"}, ${days.format(this.first)} – ${days.format(this.last)}` : "None here.";
    this.tree.querySelector(".branch")?.setAttribute("tabindex", "0");
  }

  size(place) { return this.items.known.get(this.items.id[place])?.size ?? (this.items.below.get(this.items.id[place]) || []).length; }

  // What a topic contains: topics first, then what none of these has.
  children(place) {
    const { items } = this;
    const places = [...new Set((items.below.get(items.id[place]) || []).map((id) => items.place.get(id)))].filter((one) => one !== undefined && this.passing(one));
    const topics = places.filter((one) => items.kind[one] === "topic").sort((a, b) => this.size(b) - this.size(a) || items.at[a] - items.at[b]);
    const had = new Set(topics.flatMap((one) => items.below.get(items.id[one]) || []));
    return [...topics, ...places.filter((one) => items.kind[one] !== "topic" && !had.has(items.id[one])).sort((a, b) => items.at[a] - items.at[b])];
  }

  branches(places, level, start = 0) {
    const rows = places.slice(start, start + BRANCHES).map((place, number) => this.branch(place, level, start + number + 1, places.length));
    if (places.length > start + BRANCHES) {
      const more = made("div", `${(places.length - start - BRANCHES).toLocaleString("en")} more`, { className: "branch more", tabIndex: -1 });
      more.setAttribute("role", "treeitem");
      more.setAttribute("aria-level", level);
      more.style.setProperty("--level", level);
      more.unfold = () => { const rest = this.branches(places, level, start + BRANCHES); more.replaceWith(...rest); this.go(rest[0]); };
      rows.push(more);
    }
    return rows;
  }

  branch(place, level, number, of) {
    const { items } = this;
    const row = made("div", "", { className: "branch", tabIndex: -1 });
    row.dataset.place = place;
    for (const [name, value] of [["role", "treeitem"], ["aria-level", level], ["aria-posinset", number], ["aria-setsize", of]]) row.setAttribute(name, value);
    row.style.setProperty("--level", level);
    row.style.setProperty("--layer", layer(items.kind[place]));
    const folds = items.kind[place] === "topic" || items.kind[place] === "episode";
    const twist = made("span", folds ? "▸" : "·", { className: folds ? "twist" : "leaf" });
    twist.setAttribute("aria-hidden", "true");
    if (folds) row.setAttribute("aria-expanded", "false");
    const known = items.known.get(items.id[place]);
    const text = made("span", known?.name || items.text[place].slice(0, 160) || "(nothing)", { className: "text", dir: "auto" });
    const from = items.at[place], to = items.until[place] ?? from;
    const [first, last] = [days.format(from), days.format(to)];
    const size = items.kind[place] === "topic" ? this.size(place) : 0;
    const words = made("small", `${items.kind[place]}${size ? ` · ${size.toLocaleString("en")}` : ""} · ${first === last ? first : `${first} – ${last}`}`);
    const stretch = made("span", "", { className: "stretch" });
    const bar = made("span");
    const whole = this.last - this.first;
    bar.style.left = `${(100 * Math.min(1, Math.max(0, from - this.first) / whole)).toFixed(2)}%`;
    bar.style.width = `${Math.max(0, (100 * (Math.min(to, this.last) - from)) / whole).toFixed(2)}%`;
    stretch.setAttribute("aria-hidden", "true");
    stretch.append(bar);
    row.append(twist, text, words, stretch);
    return row;
  }

  rows() { return [...this.tree.children]; }
  level(row) { return Number(row.getAttribute("aria-level")); }

  go(row) {
    for (const one of this.tree.querySelectorAll("[tabindex='0']")) one.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }

  enter(row) { if (row.unfold) row.unfold(); else this.open(Number(row.dataset.place)); }

  async turn(row) {
    const open = row.getAttribute("aria-expanded");
    if (open === "true") { this.fold(row); return; }
    if (open === null || row.dataset.busy) return;
    row.dataset.busy = "yes";
    const place = Number(row.dataset.place);
    let inside;
    try {
      if (this.items.kind[place] === "episode") {
        const { below } = await this.source.whole(this.items, this.items.id[place]);
        inside = [...new Set(below.map((id) => this.items.place.get(id)))].filter((one) => one !== undefined && this.passing(one)).sort((a, b) => this.items.at[a] - this.items.at[b]);
      } else inside = this.children(place);
    } catch (error) { this.say(`It could not be fetched: ${error.message}`); return; } finally { delete row.dataset.busy; }
    if (!row.isConnected) return;
    row.setAttribute("aria-expanded", "true");
    row.firstChild.textContent = "▾";
    row.after(...this.branches(inside, this.level(row) + 1));
    if (!inside.length) this.say("Nothing under it is shown");
  }

  fold(row) {
    row.setAttribute("aria-expanded", "false");
    row.firstChild.textContent = "▸";
    while (row.nextSibling && this.level(row.nextSibling) > this.level(row)) row.nextSibling.remove();
  }

  key(event) {
    const row = event.target.closest(".branch");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = this.rows();
    const number = rows.indexOf(row);
    const open = row.getAttribute("aria-expanded");
    const above = () => rows.slice(0, number).reverse().find((one) => this.level(one) < this.level(row));
    const done = {
      ArrowDown: () => rows[number + 1] && this.go(rows[number + 1]), ArrowUp: () => rows[number - 1] && this.go(rows[number - 1]), Home: () => this.go(rows[0]), End: () => this.go(rows[rows.length - 1]),
      ArrowRight: () => { if (open === "false") this.turn(row); else if (open === "true" && rows[number + 1] && this.level(rows[number + 1]) > this.level(row)) this.go(rows[number + 1]); },
      ArrowLeft: () => { if (open === "true") this.fold(row); else if (above()) this.go(above()); },
      Enter: () => this.enter(row), " ": () => (row.unfold ? row.unfold() : this.turn(row)),
    }[event.key];
    if (done) { event.preventDefault(); done(); }
  }
}
