// The page put together: items come in, filters and searches choose among them, and the timeline, the list and the card show the choice.
import { Items, chosen, passes } from "./items.js";
import { EmbeddedSource, ServerSource } from "./sources.js";
import { simpleSearch } from "./searching.js";
import { Timeline } from "./timeline.js";
import { List } from "./list.js";
import { Card } from "./card.js";
import { Forest } from "./forest.js";
import { People } from "./people.js";
import { Graph } from "./graph.js";
import { Views } from "./views.js";

const HITS = 50;
const FILTERED_HITS = 500; // asked for where the page lets only some of them through
const MOST_OPTIONS = 300;
const SETTLED = 150; // milliseconds without a move of the timeline until the list follows
const settings = JSON.parse(document.getElementById("settings").textContent);
const at = (id) => document.getElementById(id);
const source = settings.served ? new ServerSource() : new EmbeddedSource();
const items = new Items();
const state = { places: [], hits: null, cue: "", asked: 0, settling: 0, range: [], turns: 0, drawn: {} };

const say = (words) => { at("live").textContent = ""; requestAnimationFrame(() => { at("live").textContent = words; }); };
const timeline = new Timeline(at("timeline"), { open: (place) => show(place), moved, say });
const list = new List(at("list"), (place) => show(place));
const card = new Card(at("card"), {
  open: (place) => show(place),
  close: () => { if (state.back?.isConnected && !state.back.closest("#card, [hidden]")) state.back.focus(); else views.focus(); },
  only: (name, value) => {
    const box = at(name);
    if (![...box.options].some((one) => one.value === value)) box.add(new Option(value, value));
    box.value = value;
    again();
    say(`Only ${name} ${value}`);
  },
  drawn: () => { views.go("graph"); if (narrow.matches) card.hide(); views.focus(); },
  changed: (place) => { state.turns++; list.redraw(place); timeline.draw(); },
  say,
});

// The views of what is known. Scope and "forgotten too" hold for all of them, the other filters for the graph.
const narrow = matchMedia("(max-width: 760px)"); // there the card lies over everything
const choice = (filter) => ({ passing: (place) => passes(items, place, filter), wide: (place) => passes(items, place, { ...filter, forgotten: true }) });
const broad = () => choice({ scope: at("scope").value, forgotten: at("forgotten").checked });
const forest = new Forest(at("forest"), { open: (place) => show(place), say, filters: broad });
const people = new People(at("people"), { open: (place) => show(place), filters: broad });
const graph = new Graph(at("graph"), { open: (place) => show(place), say, filters: () => choice(wanted()) });
const views = new Views(at("views"), {
  timeline: { parts: [at("time"), at("items")], focus: () => at("list") },
  forest: { parts: [at("forest")], focus: () => at("forest").querySelector("[tabindex='0']") || at("forest"), draw: () => once("forest", () => forest.show(source, items)) },
  people: { parts: [at("people")], focus: () => at("people"), draw: () => once("people", () => people.show(source, items)) },
  graph: { parts: [at("graph")], focus: () => at("graph"), draw: (opened) => graph.show(source, items, opened && !at("card").hidden ? card.shown : -1) },
}, say);

// Draws a view again only where items or filters are others.
function once(name, draw) {
  const sign = `${items.length} ${at("scope").value} ${at("forgotten").checked} ${state.turns}`;
  if (state.drawn[name] === sign) return;
  state.drawn[name] = sign;
  draw();
}

function moved(from, to) {
  at("span").textContent = `${from} – ${to}`;
  if (from === state.range[0] && to === state.range[1]) return;
  state.range = [from, to];
  if (!at("within").checked || state.hits) return;
  clearTimeout(state.settling);
  state.settling = setTimeout(listed, SETTLED);
}

// The list of what the filters let through, within the time shown where that is asked for.
function listed() {
  const within = at("within").checked;
  const places = within ? timeline.seen(state.places) : state.places;
  list.show(items, places);
  at("count").textContent = `· ${places.length.toLocaleString("en")}` + (within ? " in the time shown" : "");
}

function show(place) {
  if (!document.activeElement.closest("#card")) state.back = document.activeElement;
  timeline.choose(place);
  list.find(place);
  const hit = state.hits && state.hits.get(items.id[place]);
  card.show(source, items, place, hit, state.cue);
}

const wanted = () => ({ kind: at("kind").value, scope: at("scope").value, session: at("session").value, speaker: at("speaker").value, forgotten: at("forgotten").checked });

function refresh() {
  const filter = wanted();
  state.asked++;
  state.places = chosen(items, filter);
  state.hits = null;
  state.cue = "";
  timeline.mark([]);
  const names = Object.entries(filter).filter(([, value]) => value).length + at("within").checked;
  at("filtered").textContent = names ? `(${names})` : "";
  timeline.show(items, state.places);
  listed();
}

// What changed concerns a search too, where there is one.
function again() { refresh(); views.redraw(); if (at("cue").value.trim()) search(at("cue").value, false); }

async function found(cue, filter) {
  if (!settings.served) return simpleSearch(items, at("within").checked ? timeline.seen(state.places) : state.places, cue, HITS);
  const narrow = filter.speaker || at("within").checked;
  const hits = await source.search(cue, narrow ? FILTERED_HITS : HITS, filter);
  items.more(hits); // what was remembered since the page was opened
  const [from, to] = [timeline.from, timeline.to];
  const wide = { ...filter, forgotten: true };
  return hits.filter(({ id }) => {
    const place = items.place.get(id);
    return passes(items, place, wide) && (!at("within").checked || (items.at[place] >= from && items.at[place] <= to));
  }).slice(0, HITS);
}

async function search(cue, focus = true) {
  if (!cue.trim()) { refresh(); return; }
  const number = ++state.asked;
  if (views.now !== "timeline" && focus) views.go("timeline");
  say("Searching");
  try {
    const known = await found(cue, wanted());
    if (number !== state.asked) return; // something else was asked for meanwhile
    state.hits = new Map(known.map((hit) => [hit.id, hit]));
    state.cue = cue;
    list.show(items, known.map((hit) => items.place.get(hit.id)), (place) => `score ${state.hits.get(items.id[place]).score.toFixed(2)}`);
    at("count").textContent = `· ${known.length} found, best first` + (settings.served ? "" : " (by words alone; the library ranks better)");
    say(`${known.length} found`);
    timeline.mark(known.map((hit) => items.place.get(hit.id)));
    if (known.length && focus) at("list").focus();
  } catch (error) { say(error.message); at("count").textContent = `· ${error.message}`; }
}

function options(name) {
  const box = at(name);
  const all = name === "kind" ? items.layers().map((kind) => [kind, 0]) : items.counted(name);
  const values = all.slice(0, MOST_OPTIONS);
  const held = box.value;
  box.length = 1;
  for (const [value, count] of values) box.add(new Option(count ? `${value} (${count.toLocaleString("en")})` : value, value));
  if (all.length > values.length) {
    const rest = new Option(`${(all.length - values.length).toLocaleString("en")} more: open an item to choose its own`, "");
    rest.disabled = true;
    box.add(rest);
  }
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
  const layers = items.layers();
  views.offer("forest", layers.includes("topic"));
  views.offer("people", layers.includes("portrait"));
  again();
  document.documentElement.dataset.ready = String(items.length);
  say(`${items.length} items`);
}

at("search").addEventListener("submit", (event) => { event.preventDefault(); search(at("cue").value); });
at("cue").addEventListener("search", () => { if (!at("cue").value) refresh(); });
for (const name of ["kind", "scope", "session", "speaker", "forgotten", "within"]) at(name).addEventListener("change", again);
at("clear").addEventListener("click", () => { for (const name of ["kind", "scope", "session", "speaker"]) at(name).value = ""; at("forgotten").checked = at("within").checked = false; at("cue").value = ""; refresh(); views.redraw(); });
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !at("card").hidden && !at("asking").open) card.hide(); else if (event.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) { event.preventDefault(); at("cue").focus(); } });
load();
