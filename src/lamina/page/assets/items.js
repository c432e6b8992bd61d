// The items as columns: what the timeline, the list and the card read from. Ids are looked up by a map; what rests on what is kept both ways.

export const LAYERS = ["portrait", "topic", "fact", "entity", "thought", "note", "episode", "trace"];
export const FORGOTTEN = 1;
export const RETIRED = 2;

export class Items {
  constructor() {
    this.id = []; this.kind = []; this.at = []; this.until = []; this.scope = []; this.session = []; this.speaker = []; this.state = []; this.text = [];
    this.whole = [];
    this.place = new Map();
    this.below = new Map();
    this.above = new Map();
  }

  get length() { return this.id.length; }

  add(columns, whole) {
    for (let row = 0; row < columns.id.length; row++) {
      this.place.set(columns.id[row], this.id.length);
      for (const name of ["id", "kind", "at", "until", "scope", "session", "speaker", "state", "text"]) this[name].push(columns[name][row]);
      this.whole.push(whole);
    }
    for (const [from, to] of columns.rests || []) this.rest(from, to);
  }

  rest(from, to) {
    if (!this.below.has(from)) this.below.set(from, []);
    if (!this.above.has(to)) this.above.set(to, []);
    if (!this.below.get(from).includes(to)) { this.below.get(from).push(to); this.above.get(to).push(from); }
  }

  layers() {
    const there = new Set(this.kind);
    return LAYERS.filter((kind) => there.has(kind));
  }

  counted(name) {
    const counts = new Map();
    for (const value of this[name]) if (value) counts.set(value, (counts.get(value) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  }
}

// What is shown: the places of the items that filters let through, in the order of time.
export function chosen(items, wanted) {
  const found = [];
  for (let place = 0; place < items.length; place++) {
    if (!wanted.forgotten && items.state[place]) continue;
    if (wanted.kind && items.kind[place] !== wanted.kind) continue;
    if (wanted.scope && items.scope[place] !== wanted.scope && !items.scope[place].startsWith(wanted.scope + "/")) continue;
    if (wanted.session && items.session[place] !== wanted.session) continue;
    if (wanted.speaker && items.speaker[place] !== wanted.speaker) continue;
    found.push(place);
  }
  const at = items.at;
  return found.sort((a, b) => at[a] - at[b] || a - b);
}

export const layer = (kind) => `var(--${LAYERS.includes(kind) ? kind : "trace"})`;

const written = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
export const when = (at) => (at === null || at === undefined ? "" : written.format(at));

export const pause = () => new Promise((done) => (globalThis.scheduler?.yield ? scheduler.yield().then(done) : setTimeout(done)));
