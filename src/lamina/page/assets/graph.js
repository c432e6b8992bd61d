// The graph of names around one name, or around the names of an item: drawn, and as lists that say the same.
import { Connections } from "./connections.js";
import { itemList, made } from "./elements.js";
import { pause, when } from "./items.js";
import { placed } from "./layout.js";

const MOST_NODES = 60;
const LEAST_NODES = 12;
const PIXELS = 7000; // of the picture for each node
const LONGEST_LABEL = 22; // characters
const OFFERED = 300; // names to choose from
const SVG = "http://www.w3.org/2000/svg";
const BEND = 22; // pixels that a fact's line leaves the straight one
const PILL = 22; // pixels that a node is high

function drawn(tag, values) {
  const found = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(values)) found.setAttribute(name, value);
  return found;
}

const round = (number) => number.toFixed(1);
const short = (text) => { const signs = [...text]; return signs.length > LONGEST_LABEL ? signs.slice(0, LONGEST_LABEL - 1).join("") + "…" : text; };

export class Graph {
  constructor(box, { open, say, filters }) {
    this.box = box;
    this.open = open;
    this.say = say;
    this.filters = filters;
    this.svg = box.querySelector("svg");
    this.lists = box.querySelector(".lists");
    this.note = box.querySelector(".note");
    this.field = box.querySelector("input");
    this.pen = document.createElement("canvas").getContext("2d");
    box.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); this.choose(this.field.value); });
    this.svg.addEventListener("click", (event) => { const node = event.target.closest(".node"); if (node) this.pressed(Number(node.dataset.node)); });
    this.svg.addEventListener("pointerover", (event) => this.near(event.target.closest(".node")?.dataset.node));
    this.svg.addEventListener("pointerleave", () => this.near());
    for (const [begin, end] of [["focusin", "focusout"], ["pointerover", "pointerout"]]) {
      this.lists.addEventListener(begin, (event) => { const name = event.target.closest("[data-node]"); if (name) this.near(name.dataset.node); });
      this.lists.addEventListener(end, () => this.near());
    }
    new ResizeObserver(() => { if (this.found && !box.hidden && this.svg.clientWidth !== this.width) this.picture(); }).observe(this.svg);
  }

  // Draws around an item, or where there was none around the name there was, or the commonest one.
  async show(source, items, place = -1) {
    this.items = items;
    if (place >= 0) this.centre = { place };
    if (!(await this.ready(source))) return;
    this.filter();
    await pause();
    if (!this.centre) { const [number] = this.connections.common(1); if (number !== undefined) this.centre = { number }; }
    this.draw();
  }

  // Reads the names once, and again where items came.
  async ready(source) {
    const { items } = this;
    if (this.connections?.length === items.length) return true;
    if (this.reading) return false; // whoever asked first draws
    this.reading = true;
    const found = new Connections(items);
    const told = (share) => { this.note.textContent = `reading names: ${Math.round(100 * share)} %`; };
    try {
      await found.build(await source.texts(items, told), told);
      const before = this.centre?.number === undefined ? undefined : this.connections.names[this.centre.number];
      if (before !== undefined) this.centre = { number: found.number(before) };
      this.connections = found;
    } catch (error) { this.note.textContent = error.message; this.say(error.message); return false; } finally { this.reading = false; }
    return true;
  }

  filter() {
    const { passing, wide } = this.filters();
    this.connections.filter(passing, wide);
    const offered = this.box.querySelector("datalist");
    offered.textContent = "";
    for (const number of this.connections.common(OFFERED)) offered.append(new Option(this.connections.names[number]));
  }

  choose(text) {
    if (!this.connections || !text.trim()) return;
    const number = this.connections.numbers.get(text.trim()) ?? this.connections.named(text);
    if (number === undefined || !(this.connections.counts[number] || this.connections.factsOf(number).length)) { this.note.textContent = `Nothing here names ${text.trim()}.`; this.say(this.note.textContent); return; }
    this.centre = { number };
    this.draw();
  }

  pressed(node) {
    const { number } = this.found.nodes[node];
    if (node) { this.centre = { number }; this.draw(); } else if (number >= 0) this.listed(number);
    else this.open(this.centre.place);
  }

  title({ number, place }) { return number >= 0 ? this.connections.names[number] : `this ${this.items.kind[place]}`; }
  amount(count) { return `${count.toLocaleString("en")} ${count === 1 ? "item" : "items"}`; }

  draw() {
    if (!this.centre) {
      this.svg.textContent = this.lists.textContent = "";
      this.note.textContent = "Nothing here has names.";
      return;
    }
    if (!this.picture()) return; // another view is shown meanwhile
    const { number } = this.centre;
    const name = this.title(this.found.nodes[0]);
    const beside = this.found.nodes.filter(({ ring }) => ring === 1).length;
    const facts = this.found.facts.filter(({ a, b }) => number === undefined || !a || !b).length;
    this.field.value = number >= 0 ? name : "";
    const states = facts ? `, ${facts} ${facts === 1 ? "fact" : "facts"}` : "";
    this.note.textContent = number >= 0 ? `${name}: ${this.amount(this.connections.counts[number])}, ${beside} ${beside === 1 ? "name" : "names"} beside it${states}` : `${beside} ${beside === 1 ? "name" : "names"} in ${name}${states}`;
    this.told();
    this.say(this.note.textContent);
  }

  picture() {
    const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
    if (!width || !height) return false;
    this.width = width;
    const most = Math.min(MOST_NODES, Math.max(LEAST_NODES, Math.floor((width * height) / PIXELS)));
    const found = (this.found = this.connections.around(this.centre, most));
    this.pen.font = "13px system-ui, sans-serif";
    const labels = found.nodes.map((node) => short(this.title(node)));
    const halves = labels.map((label) => ({ half: this.pen.measureText(label).width / 2 + 10 }));
    const joined = found.edges.concat(found.facts.map(({ a, b }) => ({ a, b, weight: 1 })));
    const spots = placed(halves, joined, width, height);
    const strongest = Math.max(1, ...found.edges.map(({ weight }) => weight));
    const parts = [];
    const line = ({ a, b }, bend, values, title) => {
      const [[x, y], [u, v]] = [spots[a], spots[b]];
      const far = bend / (Math.hypot(u - x, v - y) || 1);
      const middle = [(x + u) / 2 - (v - y) * far, (y + v) / 2 + (u - x) * far];
      const one = drawn("path", { d: `M${[x, y].map(round)}Q${middle.map(round)} ${[u, v].map(round)}`, "data-ends": `${a} ${b}`, ...values });
      one.append(drawn("title", {}));
      one.firstChild.textContent = title;
      parts.push(one);
    };
    for (const edge of found.edges) line(edge, 0, { class: "shared", "stroke-width": (0.7 + 3 * Math.sqrt(edge.weight / strongest)).toFixed(2) }, `${this.amount(edge.weight)} with ${this.title(found.nodes[edge.a])} and ${this.title(found.nodes[edge.b])}`);
    const bends = new Map(); // several facts between the same two stand beside each other
    for (const fact of found.facts) {
      const pair = [fact.a, fact.b].sort((one, other) => one - other).join(" ");
      bends.set(pair, (bends.get(pair) || 0) + 1);
      line(fact, BEND * bends.get(pair) * (fact.a < fact.b ? 1 : -1), { class: "stated", "stroke-width": 2, ...(fact.past && { "stroke-dasharray": "6 5" }) }, this.items.text[fact.place]);
    }
    found.nodes.forEach((node, number) => {
      const group = drawn("g", { class: `node ring${node.ring}`, "data-node": number, transform: `translate(${spots[number].map(round)})` });
      const { half } = halves[number];
      const words = drawn("text", { "text-anchor": "middle", dy: "0.34em" });
      words.textContent = labels[number];
      const title = drawn("title", {});
      title.textContent = node.number >= 0 ? `${this.title(node)}: ${this.amount(this.connections.counts[node.number])}` : this.items.text[node.place].slice(0, 200);
      group.append(title, drawn("rect", { x: -half.toFixed(1), y: -PILL / 2, width: (2 * half).toFixed(1), height: PILL, rx: PILL / 2 }), words);
      parts.push(group);
    });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", `A picture of the names around ${this.title(found.nodes[0])}; the lists beside it say the same`);
    this.svg.replaceChildren(...parts);
    return true;
  }

  // Brings out what joins one node to others.
  near(node) {
    for (const line of this.svg.querySelectorAll("path")) line.classList.toggle("near", node !== undefined && line.dataset.ends.split(" ").includes(String(node)));
    for (const group of this.svg.querySelectorAll(".node")) group.classList.toggle("near", group.dataset.node === String(node));
  }

  // The same in words: names with counts, facts, items.
  told() {
    const { nodes, facts } = this.found;
    const names = made("ol");
    nodes.forEach((node, place) => {
      if (!place) return;
      const row = made("li");
      const name = this.title(node);
      const count = this.connections.counts[node.number];
      const words = [node.shared && this.centre.number >= 0 ? `${node.shared.toLocaleString("en")} shared` : "", count ? this.amount(count) : "in a fact"].filter(Boolean).join(" · ");
      const go = made("button", name, { type: "button", dir: "auto" });
      go.append(" ", made("small", words));
      go.dataset.node = place;
      go.addEventListener("click", () => { this.centre = { number: node.number }; this.draw(); this.lists.querySelector("button")?.focus(); });
      const list = made("button", "items", { type: "button", className: "only" });
      const other = node.shared && this.centre.number >= 0 ? this.centre.number : undefined;
      list.setAttribute("aria-label", other === undefined ? `Items with ${name}` : `Items with ${name} and ${this.title(nodes[0])}`);
      list.addEventListener("click", () => this.listed(node.number, other, true));
      row.append(go, ...(count ? [list] : []));
      names.append(row);
    });
    this.rows = made("div");
    this.lists.replaceChildren();
    if (nodes.length > 1) this.lists.append(made("h3", `Names · ${nodes.length - 1}`), names);
    else this.lists.append(made("p", "No other name is beside it.", { className: "help" }));
    if (facts.length) this.lists.append(made("h3", `Facts · ${facts.length}`), this.stated(facts));
    this.lists.append(this.rows);
    this.lists.scrollTop = 0;
    if (this.connections.counts[this.centre.number]) this.listed(this.centre.number);
  }

  stated(facts) {
    const list = made("ul");
    for (const { a, b, relation, place, past } of facts) {
      const row = made("li");
      const go = made("button", `${this.title(this.found.nodes[a])} – ${relation} → ${this.title(this.found.nodes[b])}`, { type: "button", dir: "auto", className: past ? "past" : "" });
      const until = this.items.until[place];
      if (past) go.append(" ", made("small", until === null ? "superseded" : `until ${when(until)}`));
      go.addEventListener("click", () => this.open(place));
      row.append(go);
      list.append(row);
    }
    return list;
  }

  listed(number, other, focus = false) {
    const places = this.connections.sharedBy(number, other).reverse();
    const words = [number, ...(other === undefined ? [] : [other])].map((one) => this.connections.names[one]).join(" and ");
    const title = made("h3", `Items with ${words} · ${places.length.toLocaleString("en")}, newest first`, { tabIndex: -1 });
    this.rows.replaceChildren(title, itemList(this.items, places, this.open));
    if (focus) { title.focus({ preventScroll: true }); title.scrollIntoView({ block: "nearest" }); this.say(title.textContent); }
  }
}
