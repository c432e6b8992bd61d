// The page put together: items come in, filters and searches choose among them, and the timeline, the list and the card show the choice.
import { Items, chosen } from "./items.js";
import { EmbeddedSource, ServerSource } from "./sources.js";
import { simpleSearch } from "./searching.js";
import { Timeline } from "./timeline.js";
import { List } from "./list.js";
import { Card } from "./card.js";

const HITS = 50;
const MOST_OPTIONS = 300;
const settings = JSON.parse(document.getElementById("settings").textContent);
const at = (id) => document.getElementById(id);
const source = settings.served ? new ServerSource() : new EmbeddedSource();
const items = new Items();
const state = { places: [], hits: null, cue: "" };

const say = (words) => { at("live").textContent = ""; requestAnimationFrame(() => { at("live").textContent = words; }); };
const timeline = new Timeline(at("timeline"), { open: (place) => show(place), moved: (from, to) => { at("span").textContent = `${from} – ${to}`; } });
const list = new List(at("list"), (place) => show(place));
const card = new Card(at("card"), {
  open: (place) => show(place),
  close: () => at("list").focus(),
  changed: (place) => { list.redraw(place); timeline.draw(); },
  say,
});

function show(place) {
  timeline.choose(place);
  list.find(place);
  const hit = state.hits && state.hits.get(items.id[place]);
  card.show(source, items, place, hit, state.cue);
}

const wanted = () => ({ kind: at("kind").value, scope: at("scope").value, session: at("session").value, speaker: at("speaker").value, forgotten: at("forgotten").checked });

function refresh() {
  const filter = wanted();
  state.places = chosen(items, filter);
  state.hits = null;
  state.cue = "";
  const names = Object.entries(filter).filter(([, value]) => value).length;
  at("filtered").textContent = names ? `(${names})` : "";
  timeline.show(items, state.places);
  list.show(items, state.places);
  at("count").textContent = `· ${state.places.length.toLocaleString("en")}`;
}

async function search(cue) {
  if (!cue.trim()) { refresh(); return; }
  say("Searching");
  try {
    const hits = settings.served ? await source.search(cue, HITS) : await simpleSearch(items, state.places = chosen(items, wanted()), cue, HITS);
    const known = hits.filter((hit) => items.place.has(hit.id));
    state.hits = new Map(known.map((hit) => [hit.id, hit]));
    state.cue = cue;
    list.show(items, known.map((hit) => items.place.get(hit.id)), (place) => `score ${state.hits.get(items.id[place]).score.toFixed(2)}`);
    at("count").textContent = `· ${known.length} found, best first` + (settings.served ? "" : " (by words alone; the library ranks better)");
    say(`${known.length} found`);
    if (known.length) at("list").focus();
  } catch (error) { say(error.message); at("count").textContent = `· ${error.message}`; }
}

function options(name) {
  const box = at(name);
  const values = name === "kind" ? items.layers().map((kind) => [kind, 0]) : items.counted(name).slice(0, MOST_OPTIONS);
  const held = box.value;
  box.length = 1;
  for (const [value, count] of values) box.add(new Option(count ? `${value} (${count.toLocaleString("en")})` : value, value));
  box.value = held;
}

async function load() {
  at("title").textContent = settings.title + (settings.written ? `, as of ${settings.written.slice(0, 16).replace("T", " ")} UTC` : "");
  let last = 0;
  try {
    for await (const [columns, whole] of source.chunks()) {
      items.add(columns, whole);
      at("count").textContent = `· ${items.length.toLocaleString("en")} so far`;
      if (!last) { refresh(); last = performance.now(); } // something to look at at once; the rest when all is there
    }
  } catch (error) { say(error.message); at("count").textContent = `· ${error.message}`; return; }
  for (const name of ["kind", "scope", "session", "speaker"]) options(name);
  refresh();
  document.documentElement.dataset.ready = String(items.length);
  say(`${items.length} items`);
}

at("search").addEventListener("submit", (event) => { event.preventDefault(); search(at("cue").value); });
at("cue").addEventListener("search", () => { if (!at("cue").value) refresh(); });
for (const name of ["kind", "scope", "session", "speaker", "forgotten"]) at(name).addEventListener("change", refresh);
at("clear").addEventListener("click", () => { for (const name of ["kind", "scope", "session", "speaker"]) at(name).value = ""; at("forgotten").checked = false; at("cue").value = ""; refresh(); });
document.addEventListener("keydown", (event) => { if (event.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) { event.preventDefault(); at("cue").focus(); } });
load();
