// The graph of names, worked out when it is first asked for: which statements have which names, and what a name or an item hangs together with.
import { RETIRED, pause } from "./items.js";
import { namesOf } from "./names.js";

const CONTAINERS = new Set(["episode", "topic", "portrait", "entity"]); // they repeat what statements say
const SMALL = /(?<![\p{L}\p{N}’'-])\p{Ll}[\p{L}\p{M}-]*/gu; // words that are written small
const BREATH = 12; // milliseconds of work between two breaths
const HUBS = 12; // names beside the centre whose own names are looked at
const STRONGEST = 3; // lines of a node, besides the one to the centre, that are drawn for its own sake
const STATED = 2; // statements that a fact counts as, where names are chosen
const RING = 0.6; // of the nodes, how many at most stand beside the centre

export class Connections {
  constructor(items) { this.items = items; this.length = 0; }

  // Reads the names of all statements, a little at a time. `texts` gives whole texts where the page has their beginnings alone.
  async build(texts, told) {
    const { items } = this;
    const count = items.length;
    this.names = [];
    this.numbers = new Map();
    this.lower = new Map(); // names by their letters alone: facts may spell one otherwise
    this.facts = new Map(); // of a name, the places of facts about it
    const starts = new Int32Array(count + 1);
    const found = [];
    const small = new Map();
    let since = performance.now();
    for (let place = 0; place < count; place++) {
      starts[place] = found.length;
      if (!CONTAINERS.has(items.kind[place])) {
        const known = items.kind[place] === "fact" && items.known.get(items.id[place]);
        if (!known) {
          const text = texts?.get(place) ?? items.text[place];
          for (const name of namesOf(text)) found.push(this.number(name));
          for (const [word] of text.matchAll(SMALL)) small.set(word, (small.get(word) || 0) + 1);
        }
      }
      if (performance.now() - since > BREATH) { told(place / count); await pause(); since = performance.now(); }
    }
    starts[count] = found.length;
    this.starts = starts;
    this.found = Int32Array.from(found);
    for (const step of [() => this.sift(small), () => this.states(count), () => this.turn(count)]) { step(); await pause(); }
    this.length = count;
  }

  // Leaves out words that are written small at least as often: these only open sentences.
  sift(small) {
    const times = new Uint32Array(this.names.length);
    for (const number of this.found) times[number]++;
    const word = this.names.map((name, number) => (small.get(name.toLowerCase()) || 0) >= times[number]);
    let kept = 0;
    for (let place = 0, row = 0; place + 1 < this.starts.length; place++) {
      const end = this.starts[place + 1];
      this.starts[place] = kept;
      for (; row < end; row++) if (!word[this.found[row]]) this.found[kept++] = this.found[row];
    }
    this.starts[this.starts.length - 1] = kept;
    this.found = this.found.slice(0, kept);
  }

  number(name) {
    let number = this.numbers.get(name);
    if (number === undefined) {
      this.numbers.set(name, (number = this.names.length));
      this.names.push(name);
      const letters = name.toLowerCase();
      if (!this.lower.has(letters)) this.lower.set(letters, number);
    }
    return number;
  }

  named(text) { return this.lower.get(text.trim().toLowerCase()); }

  // The facts, each with the numbers of its two ends.
  states(count) {
    const { items } = this;
    for (const [id, { subject, relation, object }] of items.known) {
      const place = items.place.get(id);
      if (relation === undefined || place >= count) continue;
      const [from, to] = [subject, object].map((name) => this.named(name) ?? this.number(name.trim()));
      const fact = { place, from, to, relation };
      for (const end of new Set([from, to])) { const there = this.facts.get(end); if (there) there.push(fact); else this.facts.set(end, [fact]); }
    }
  }

  // The other way round: the statements of each name.
  turn(count) {
    this.firsts = new Int32Array(this.names.length + 1);
    for (const number of this.found) this.firsts[number + 1]++;
    for (let number = 0; number < this.names.length; number++) this.firsts[number + 1] += this.firsts[number];
    const next = this.firsts.slice();
    this.having = new Int32Array(this.found.length);
    for (let place = 0; place < count; place++) for (let row = this.starts[place]; row < this.starts[place + 1]; row++) this.having[next[this.found[row]]++] = place;
  }

  // What filters let through (`passing`; `wide`: where forgotten and replaced ones may pass), and how many statements of each name are left.
  filter(passing, wide) {
    this.wide = wide;
    this.mask = new Uint8Array(this.length);
    this.counts = new Uint32Array(this.names.length);
    for (let place = 0; place < this.length; place++) {
      if (!passing(place)) continue;
      this.mask[place] = 1;
      for (let row = this.starts[place]; row < this.starts[place + 1]; row++) this.counts[this.found[row]]++;
    }
    this.sums = new Uint32Array(this.names.length);
  }

  namesAt(place) { return place < this.length ? [...this.found.subarray(this.starts[place], this.starts[place + 1])] : []; }

  // The statements of one name, or those that two share, in the order of time.
  sharedBy(number, other) {
    const { at } = this.items;
    const places = this.having.subarray(this.firsts[number], this.firsts[number + 1]);
    return [...places.filter((place) => this.mask[place] && (other === undefined || this.namesAt(place).includes(other)))].sort((a, b) => at[a] - at[b] || a - b);
  }

  // The names in the statements of a name, with how many they share, most first; a few more than `most` where many share as many.
  beside(number, most) {
    const { sums, mask, having, starts, found } = this;
    const seen = [];
    for (let row = this.firsts[number]; row < this.firsts[number + 1]; row++) {
      const place = having[row];
      if (!mask[place]) continue;
      for (let one = starts[place]; one < starts[place + 1]; one++) if (found[one] !== number && !sums[found[one]]++) seen.push(found[one]);
    }
    const least = seen.length > most ? Uint32Array.from(seen, (other) => sums[other]).sort()[seen.length - most] : 0;
    const strong = seen.filter((other) => sums[other] > least);
    const even = Int32Array.from(seen.filter((other) => sums[other] === least)).sort(); // of those that share as many, the first that were named
    const ranked = [...strong, ...even.subarray(0, 4 * most)].map((other) => [other, sums[other]]);
    for (const other of seen) sums[other] = 0;
    return ranked.sort((a, b) => b[1] - a[1] || this.counts[a[0]] - this.counts[b[0]] || (this.names[a[0]] < this.names[b[0]] ? -1 : 1));
  }

  // The names with most statements.
  common(most) {
    const numbers = [];
    for (let number = 0; number < this.names.length; number++) if (this.counts[number] || this.facts.has(number)) numbers.push(number);
    return numbers.sort((a, b) => this.counts[b] - this.counts[a] || (this.names[a] < this.names[b] ? -1 : 1)).slice(0, most);
  }

  // The facts about a name; an older wording of one that is there is left out.
  factsOf(number) {
    const seen = new Set();
    const shown = (this.facts.get(number) || []).filter(({ place }) => this.shows(place)).sort((one, other) => this.items.state[one.place] - this.items.state[other.place]);
    return shown.filter(({ place, from, to, relation }) => {
      const said = `${from} ${to} ${relation}`;
      if (this.items.state[place] && seen.has(said)) return false;
      seen.add(said);
      return true;
    });
  }

  otherEnds(number) { return [...new Set(this.factsOf(number).map(({ from, to }) => (from === number ? to : from)))].filter((one) => one !== number); }

  // A fact that no longer holds is drawn too, one that is forgotten or filtered out is not.
  shows(place) { return this.mask[place] === 1 || (this.items.state[place] === RETIRED && this.wide(place)); }

  past(place) { return (this.items.state[place] & RETIRED) > 0 || this.items.until[place] !== null; }

  // At most so many names around a name (`number`) or an item (`place`), and what joins them: nodes {number, shared, ring}, edges {a, b, weight}, facts {a, b, relation, place, past}.
  around({ number, place }, most) {
    const nodes = [{ number: number ?? -1, place, shared: 0, ring: 0 }];
    const slots = new Map(number === undefined ? [] : [[number, 0]]);
    const put = (one, shared, ring) => { if (!slots.has(one) && nodes.length < most) { slots.set(one, nodes.length); nodes.push({ number: one, shared, ring }); } };
    if (number === undefined) for (const one of this.endsAt(place)) put(one, 1, 1);
    else {
      const ring = Math.floor(most * RING);
      const ends = this.otherEnds(number).slice(0, ring >> 1);
      const shared = this.beside(number, most);
      for (const one of ends) put(one, this.sharedBy(number, one).length, 1);
      for (const [one, count] of shared.slice(0, ring)) if (nodes.length <= ring) put(one, count, 1);
    }
    const inner = nodes.slice(1);
    const further = inner.slice(0, HUBS).map((one) => [...this.otherEnds(one.number).map((other) => [other, STATED]), ...this.beside(one.number, most)].filter(([other]) => !slots.has(other)));
    for (let turn = 0; nodes.length < most && further.some((some) => turn < some.length) && turn < most; turn++) {
      for (const some of further) if (turn < some.length && (number === undefined || some[turn][1] > 1 || inner.length < HUBS)) put(some[turn][0], 0, 2);
    }
    return { nodes, edges: this.edges(nodes, slots), facts: this.stated(slots) };
  }

  // The names of an item: those in its text, or the ends of the fact it is.
  endsAt(place) {
    const fact = this.items.known.get(this.items.id[place]);
    if (fact?.relation === undefined) return new Set(CONTAINERS.has(this.items.kind[place]) ? namesOf(this.items.text[place]).map((name) => this.named(name)).filter((one) => one !== undefined) : this.namesAt(place));
    return new Set([fact.subject, fact.object].map((name) => this.named(name)).filter((one) => one !== undefined));
  }

  edges(nodes, slots) {
    const { mask, having, starts, found } = this;
    const wide = nodes.length;
    const weights = new Uint32Array(wide * wide);
    nodes.forEach(({ number }, a) => {
      if (number < 0) { for (let b = 1; b < wide; b++) if (nodes[b].ring === 1) weights[b] = 1; return; }
      for (let row = this.firsts[number]; row < this.firsts[number + 1]; row++) {
        const place = having[row];
        if (!mask[place]) continue;
        for (let one = starts[place]; one < starts[place + 1]; one++) {
          const b = slots.get(found[one]);
          if (b > a) weights[a * wide + b]++;
        }
      }
    });
    return this.strongest(nodes, weights);
  }

  // What joins nodes to the centre, and of each node the few strongest of the rest: all of them would hide each other.
  strongest(nodes, weights) {
    const wide = nodes.length;
    const all = [];
    for (let a = 0; a < wide; a++) for (let b = a + 1; b < wide; b++) if (weights[a * wide + b]) all.push({ a, b, weight: weights[a * wide + b] });
    const drawn = new Uint8Array(wide);
    return all.sort((one, other) => other.weight - one.weight || one.a - other.a || one.b - other.b).filter(({ a, b }) => {
      if (a && drawn[a] >= STRONGEST && drawn[b] >= STRONGEST) return false;
      drawn[a]++; drawn[b]++;
      return true;
    });
  }

  stated(slots) {
    const found = [];
    for (const number of slots.keys()) {
      for (const { from, to, relation, place } of this.factsOf(number)) {
        if (from === number && from !== to && slots.has(to)) found.push({ a: slots.get(from), b: slots.get(to), relation, place, past: this.past(place) });
      }
    }
    return found.sort((one, other) => one.past - other.past || this.items.at[one.place] - this.items.at[other.place]);
  }
}
