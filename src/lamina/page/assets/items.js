// The items as columns: what the timeline, the list and the card read from. Ids are looked up by a map; what rests on what is kept both ways.

export const LAYERS = ["portrait", "topic", "fact", "entity", "thought", "note", "episode", "trace"];
export const FORGOTTEN = 1;
export const RETIRED = 2;

const push = (map, from, to) => { const there = map.get(from); if (there) there.push(to); else map.set(from, [to]); };

export class Items {
  constructor() {
    this.id = []; this.kind = []; this.at = []; this.until = []; this.scope = []; this.session = []; this.speaker = []; this.state = []; this.text = []; this.recorded = [];
    this.whole = [];
    this.place = new Map();
    this.below = new Map();
    this.above = new Map();
    this.newer = new Map();
    this.older = new Map();
    this.known = new Map(); // what topics, portraits and facts say in fields, by id
  }

  get length() { return this.id.length; }

  add(columns, whole) {
    for (let row = 0; row < columns.id.length; row++) {
      this.place.set(columns.id[row], this.id.length);
      for (const name of ["id", "kind", "at", "until", "scope", "session", "speaker", "state", "text", "recorded"]) this[name].push(columns[name][row]);
      this.whole.push(whole);
    }
    for (const [from, to] of columns.rests || []) { push(this.below, from, to); push(this.above, to, from); }
    for (const [id, fields] of columns.known || []) this.known.set(id, fields);
    for (const [from, to] of columns.replaces || []) { push(this.older, from, to); push(this.newer, to, from); }
  }

  // Items as the server's other routes give them.
  more(found) {
    for (const one of found) {
      if (this.place.has(one.id)) continue;
      const ms = (text) => (text ? Date.parse(text) : null);
      const columns = {
        id: one.id, kind: one.kind, at: ms(one.at), until: ms(one.until), scope: one.scope, session: one.session ?? null, speaker: one.speaker ?? one.role ?? null,
        state: (one.forgotten ? FORGOTTEN : 0) | (one.retired_at ? RETIRED : 0), text: one.text, recorded: ms(one.recorded_at),
      };
      this.add(Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, [value]])), false);
    }
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

export function passes(items, place, wanted) {
  if (!wanted.forgotten && items.state[place]) return false;
  if (wanted.kind && items.kind[place] !== wanted.kind) return false;
  if (wanted.scope && items.scope[place] !== wanted.scope && !items.scope[place].startsWith(wanted.scope + "/")) return false;
  if (wanted.session && items.session[place] !== wanted.session) return false;
  return !wanted.speaker || items.speaker[place] === wanted.speaker;
}

// What is shown: the places of the items that filters let through, in the order of time.
export function chosen(items, wanted) {
  const found = [];
  for (let place = 0; place < items.length; place++) if (passes(items, place, wanted)) found.push(place);
  const at = items.at;
  return found.sort((a, b) => at[a] - at[b] || a - b);
}

export const layer = (kind) => `var(--${LAYERS.includes(kind) ? kind : "trace"})`;

const written = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
export const when = (at) => (at === null || at === undefined ? "" : written.format(at));

export const pause = () => new Promise((done) => (globalThis.scheduler?.yield ? scheduler.yield().then(done) : setTimeout(done)));
