// The list: only the rows that can be seen are there, however many items it holds. One row is the current one, as in any list box.
import { FORGOTTEN, RETIRED, layer, when } from "./items.js";

const ROW = 56;
const TALLEST = 8_000_000; // pixels that every browser lays out; a longer list is scrolled in proportion

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
    this.inner.textContent = "";
    this.rows.clear();
    this.inner.style.height = `${Math.min(places.length * ROW, TALLEST)}px`;
    this.box.scrollTop = 0;
    if (!places.length) {
      const none = document.createElement("p");
      none.className = "empty";
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      none.textContent = "Nothing here.";
      this.inner.append(none);
    }
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  // How many pixels of the whole list a pixel of scrolling stands for: 1, but in lists that are taller than a browser can lay out.
  get ratio() {
    const seen = this.box.clientHeight;
    const whole = this.places.length * ROW;
    return whole <= TALLEST ? 1 : (whole - seen) / (TALLEST - seen);
  }

  paint() {
    if (!this.items) return;
    const top = this.box.scrollTop * this.ratio;
    const first = Math.max(0, Math.floor(top / ROW) - 4);
    const last = Math.min(this.places.length, Math.ceil((top + this.box.clientHeight) / ROW) + 4);
    for (const [number, row] of this.rows) if (number < first || number >= last) { row.remove(); this.rows.delete(number); }
    for (let number = first; number < last; number++) if (!this.rows.has(number)) this.rows.set(number, this.inner.appendChild(this.row(number)));
    for (const [number, row] of this.rows) {
      row.style.top = `${number * ROW - top + this.box.scrollTop}px`;
      row.setAttribute("aria-selected", String(number === this.current));
    }
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
    row.style.setProperty("--layer", layer(items.kind[place]));
    const meta = document.createElement("div");
    meta.className = "meta";
    const kind = document.createElement("b");
    kind.textContent = items.kind[place];
    const state = items.state[place] & FORGOTTEN ? "forgotten" : items.state[place] & RETIRED ? "replaced" : "";
    for (const words of [when(items.at[place]), items.speaker[place] || "", state, this.note(place)]) if (words) { const part = document.createElement("span"); part.textContent = words; meta.append(part); }
    meta.prepend(kind);
    const text = document.createElement("div");
    text.className = "text";
    text.dir = "auto";
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
    const { ratio } = this;
    const seen = this.box.scrollTop * ratio;
    if (top < seen) this.box.scrollTop = top / ratio;
    else if (top + ROW > seen + this.box.clientHeight) this.box.scrollTop = Math.ceil((top + ROW - this.box.clientHeight) / ratio);
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
