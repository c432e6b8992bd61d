// The layers over time: a lane for each kind, coarse levels above, what happened below. From afar a lane shows how much there is, from near each item.
import { when } from "./items.js";

const LANE = 26;
const AXIS = 24;
const LEFT = 74;
const NEAR = 3; // pixels between items from which on they are drawn one by one
const STEPS = [1e3, 15e3, 6e4, 3e5, 9e5, 36e5, 216e5, 864e5, 6048e5]; // milliseconds from line to line: a second to a week
const MONTHS = [1, 3, 12, 60, 120, 600, 1200, 12000]; // and from there on whole months of the calendar
const MONTH = 2629746e3;

export class Timeline {
  constructor(box, { open, moved, say }) {
    this.say = say;
    this.box = box;
    this.canvas = box.querySelector("canvas");
    this.open = open;
    this.moved = moved;
    this.items = null;
    this.places = [];
    this.lanes = [];
    this.current = -1;
    this.layer = 0; // the lane that keys act on
    this.hits = [];
    this.from = 0;
    this.to = 1;
    this.whole = [0, 1];
    new ResizeObserver(() => this.draw()).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.listen();
  }

  show(items, places) {
    this.items = items;
    this.places = places;
    const kinds = items.layers().filter((kind) => places.some((place) => items.kind[place] === kind));
    this.lanes = (kinds.length ? kinds : ["trace"]).map((kind) => ({ kind, places: places.filter((place) => items.kind[place] === kind) }));
    const first = places.length ? items.at[places[0]] : Date.now() - 864e5;
    const last = places.length ? items.at[places[places.length - 1]] : Date.now();
    const room = Math.max((last - first) * 0.02, 6e4);
    this.whole = [first - room, last + room];
    [this.from, this.to] = this.whole;
    this.layer = Math.min(this.layer, this.lanes.length - 1);
    this.box.style.height = `${this.lanes.length * LANE + AXIS + 10}px`;
    this.draw();
  }

  choose(place) {
    this.current = place;
    if (place >= 0) {
      const at = this.items.at[place];
      if (at < this.from || at > this.to) this.look(at - (this.to - this.from) / 2, at + (this.to - this.from) / 2);
    }
    this.draw();
  }

  mark(places) { this.hits = places; this.draw(); }

  look(from, to) {
    const least = 1e3;
    const most = (this.whole[1] - this.whole[0]) * 1.2;
    let width = Math.min(Math.max(to - from, least), most);
    let start = Math.min(Math.max(from, this.whole[0] - width * 0.5), this.whole[1] - width * 0.5);
    this.from = start;
    this.to = start + width;
    this.draw();
  }

  // Of places in the order of time, those within the time shown.
  seen(places) { return places.slice(this.first({ places }, this.from), this.first({ places }, this.to)); }

  lay(by) {
    this.layer = Math.min(Math.max(this.layer + by, 0), this.lanes.length - 1);
    const lane = this.lanes[this.layer];
    this.say(`${lane.kind}, ${lane.places.length.toLocaleString("en")}`);
    this.draw();
  }

  zoom(factor, at = (this.from + this.to) / 2) { this.look(at - (at - this.from) * factor, at + (this.to - at) * factor); }
  pan(share) { const by = (this.to - this.from) * share; this.look(this.from + by, this.to + by); }

  x(at) { return LEFT + ((at - this.from) / (this.to - this.from)) * (this.width - LEFT - 8); }
  time(x) { return this.from + ((x - LEFT) / (this.width - LEFT - 8)) * (this.to - this.from); }

  // The place in a lane of the first item that is not before a time.
  first(lane, at) {
    let low = 0, high = lane.places.length;
    while (low < high) { const middle = (low + high) >> 1; if (this.items.at[lane.places[middle]] < at) low = middle + 1; else high = middle; }
    return low;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    if (!this.items || !this.box.clientWidth) return; // nothing to show, or another view is shown
    const ratio = devicePixelRatio || 1;
    this.width = this.box.clientWidth;
    const height = this.box.clientHeight;
    this.canvas.width = this.width * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.axis(pen, height, colour);
    this.lanes.forEach((lane, number) => {
      const top = 4 + number * LANE;
      pen.fillStyle = colour(number === this.layer ? lane.kind : "soft");
      pen.fillText(lane.kind, 8, top + LANE / 2);
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, top, this.width - LEFT - 4, LANE);
      pen.clip();
      this.lane(pen, lane, top, colour(lane.kind));
      pen.restore();
    });
    this.moved(when(this.from), when(this.to), this.from, this.to);
  }

  lane(pen, lane, top, ink) {
    const start = Math.max(0, this.first(lane, this.from) - (lane.kind === "trace" ? 0 : 400));
    const end = this.first(lane, this.to);
    const room = this.width - LEFT;
    pen.fillStyle = ink;
    if (end - start > room / NEAR) {
      const columns = new Uint32Array(Math.ceil(room / 2));
      let most = 1;
      for (let number = start; number < end; number++) {
        const column = Math.floor((this.x(this.items.at[lane.places[number]]) - LEFT) / 2);
        if (column >= 0 && column < columns.length) most = Math.max(most, ++columns[column]);
      }
      columns.forEach((count, column) => {
        if (!count) return;
        const tall = 3 + (LANE - 9) * Math.sqrt(count / most);
        pen.globalAlpha = 0.35 + 0.65 * Math.sqrt(count / most);
        pen.fillRect(LEFT + column * 2, top + LANE - 3 - tall, 2, tall);
      });
      pen.globalAlpha = 1;
    } else {
      for (let number = start; number < end; number++) {
        const place = lane.places[number];
        const x = this.x(this.items.at[place]);
        const until = this.items.until[place];
        pen.globalAlpha = this.items.state[place] ? 0.35 : lane.kind === "trace" ? 0.85 : 0.6;
        if (lane.kind === "trace" || until === null) pen.fillRect(x - 1, top + 5, 2.5, LANE - 10);
        else { pen.beginPath(); pen.roundRect(x, top + 6, Math.max(4, this.x(until) - x - 1), LANE - 12, 3); pen.fill(); }
      }
      pen.globalAlpha = 1;
    }
    for (const place of this.hits) {
      if (this.items.kind[place] !== lane.kind) continue;
      pen.beginPath(); pen.arc(this.x(this.items.at[place]), top + 4, 2.5, 0, 7); pen.fill();
    }
    if (this.current >= 0 && this.items.kind[this.current] === lane.kind) {
      const x = this.x(this.items.at[this.current]);
      pen.fillStyle = pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.strokeRect(x - 5, top + 2, 11, LANE - 4);
    }
  }

  axis(pen, height, colour) {
    const span = this.to - this.from;
    const most = Math.max(3, (this.width - LEFT) / 110);
    const months = STEPS.some((one) => span / one < most) ? 0 : MONTHS.find((one) => span / (one * MONTH) < most) || MONTHS[MONTHS.length - 1];
    const step = months ? months * MONTH : STEPS.find((one) => span / one < most);
    pen.strokeStyle = colour("line");
    pen.fillStyle = colour("soft");
    pen.lineWidth = 1;
    const form = new Intl.DateTimeFormat("en-GB", step < 6e4 ? { timeStyle: "medium", timeZone: "UTC" } : step < 864e5 ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" } : !months ? { day: "numeric", month: "short", year: "2-digit", timeZone: "UTC" } : { month: months % 12 ? "short" : undefined, year: "numeric", timeZone: "UTC" });
    const start = new Date(this.from);
    const first = Math.ceil((start.getUTCFullYear() * 12 + start.getUTCMonth()) / (months || 1)) * (months || 1);
    const line = months ? (number) => new Date(0).setUTCFullYear(0, first + number * months, 1) : (number) => (Math.ceil(this.from / step) + number) * step;
    for (let number = 0, at; (at = line(number)) < this.to; number++) {
      if (at < this.from) continue;
      const x = Math.round(this.x(at)) + 0.5;
      pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height - AXIS + 4); pen.stroke();
      if (x + 3 + pen.measureText(form.format(at)).width < this.width) pen.fillText(form.format(at), x + 3, height - AXIS / 2);
    }
  }

  nearest(x, y) {
    const lane = this.lanes[Math.min(this.lanes.length - 1, Math.max(0, Math.floor((y - 4) / LANE)))];
    if (!lane || !lane.places.length) return -1;
    const at = this.time(x);
    const number = this.first(lane, at);
    const around = [number - 2, number - 1, number, number + 1].filter((one) => one >= 0 && one < lane.places.length).map((one) => lane.places[one]);
    const inside = around.find((place) => this.items.until[place] !== null && this.items.at[place] <= at && at <= this.items.until[place]);
    return inside ?? around.reduce((best, place) => (Math.abs(this.items.at[place] - at) < Math.abs(this.items.at[best] - at) ? place : best), around[0]);
  }

  listen() {
    const fingers = new Map();
    let pinch = 0, went = 0;
    this.box.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.box.getBoundingClientRect();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / 800);
      else this.zoom(Math.exp(event.deltaY / 400), this.time(event.clientX - box.left));
    }, { passive: false });
    this.box.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); went = 0; this.box.setPointerCapture(event.pointerId); this.box.classList.add("dragging"); });
    this.box.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      if (fingers.size === 1) { const by = before.clientX - event.clientX; went += Math.abs(by); this.pan(by / (this.width - LEFT)); }
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()];
        const apart = Math.abs(a.clientX - b.clientX) + 1;
        if (pinch) this.zoom(pinch / apart, this.time((a.clientX + b.clientX) / 2 - this.box.getBoundingClientRect().left));
        pinch = apart; went = 99;
      }
    });
    const up = (event) => {
      if (!fingers.delete(event.pointerId)) return;
      pinch = 0;
      this.box.classList.toggle("dragging", fingers.size > 0);
      if (event.type === "pointerup" && went < 5) {
        const box = this.box.getBoundingClientRect();
        const place = this.nearest(event.clientX - box.left, event.clientY - box.top);
        if (place >= 0) this.open(place);
      }
    };
    this.box.addEventListener("pointerup", up);
    this.box.addEventListener("pointercancel", up);
    this.box.addEventListener("keydown", (event) => {
      const done = { ArrowUp: () => this.lay(-1), ArrowDown: () => this.lay(1), ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2), "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1.7), 0: () => this.look(...this.whole), Enter: () => { const place = this.nearest(LEFT + (this.width - LEFT - 8) / 2, 4 + (this.layer + 0.5) * LANE); if (place >= 0) this.open(place); } }[event.key];
      if (done) { event.preventDefault(); done(); }
    });
  }
}
