// The list: only the rows that can be seen are there, however many items it holds. One row is the current one, as in any list box.
import { FORGOTTEN, RETIRED, layer, when } from "./items.js";

const ROW = 56;
const MOST = 8_000_000 / ROW; // rows that a browser can lay out before it loses count

export class List {
  constructor(box, open) {
    this.box = box;
    this.inner = box.querySelector(".inner");
    this.open = open;
    this.places = [];
    this.current = 0;
    this.rows = new Map();
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => { const row = event.target.closest(".row"); if (row) this.go(Number(row.dataset.number), true); });
  }

  show(items, places, note = () => "") {
    this.items = items;
    this.places = places;
    this.note = note;
    this.current = 0;
    this.pages = Math.max(1, Math.ceil(places.length / MOST));
    this.inner.textContent = "";
    this.rows.clear();
    this.inner.style.height = `${Math.min(places.length, MOST) * ROW}px`;
    this.box.scrollTop = 0;
    if (!places.length) {
      const none = document.createElement("p");
      none.className = "empty";
      none.textContent = "Nothing here.";
      this.inner.append(none);
    }
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    if (!this.items) return;
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 4);
    const last = Math.min(this.places.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + 4);
    for (const [number, row] of this.rows) if (number < first || number >= last) { row.remove(); this.rows.delete(number); }
    for (let number = first; number < last; number++) if (!this.rows.has(number)) this.rows.set(number, this.inner.appendChild(this.row(number)));
    for (const [number, row] of this.rows) row.setAttribute("aria-selected", String(number === this.current));
    const active = this.rows.get(this.current);
    if (active) this.box.setAttribute("aria-activedescendant", active.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(number) {
    const place = this.places[number];
    const { items } = this;
    const row = document.createElement("div");
    row.className = "row" + (items.state[place] ? " gone" : "");
    row.id = `row-${number}`;
    row.dataset.number = number;
    row.setAttribute("role", "option");
    row.setAttribute("aria-posinset", number + 1);
    row.setAttribute("aria-setsize", this.places.length);
    row.style.cssText = `top:${number * ROW}px;--layer:${layer(items.kind[place])}`;
    const meta = document.createElement("div");
    meta.className = "meta";
    const kind = document.createElement("b");
    kind.textContent = items.kind[place];
    const state = items.state[place] & FORGOTTEN ? "forgotten" : items.state[place] & RETIRED ? "replaced" : "";
    for (const words of [when(items.at[place]), items.speaker[place] || "", state, this.note(place)]) if (words) { const part = document.createElement("span"); part.textContent = words; meta.append(part); }
    meta.prepend(kind);
    const text = document.createElement("div");
    text.className = "text";
    text.textContent = items.text[place].slice(0, 200) || "(nothing)";
    row.append(meta, text);
    return row;
  }

  redraw(place) {
    const number = this.places.indexOf(place);
    const row = this.rows.get(number);
    if (row) { const made = this.row(number); row.replaceWith(made); this.rows.set(number, made); this.draw(); }
  }

  go(number, open = false) {
    if (!this.places.length) return;
    this.current = Math.min(Math.max(number, 0), this.places.length - 1);
    const top = this.current * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW - this.box.clientHeight;
    this.paint();
    if (open) this.open(this.places[this.current]);
  }

  find(place) { const number = this.places.indexOf(place); if (number >= 0) this.go(number); }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const to = { ArrowDown: this.current + 1, ArrowUp: this.current - 1, PageDown: this.current + page, PageUp: this.current - page, Home: 0, End: this.places.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); this.go(to); }
    else if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.go(this.current, true); }
  }
}
