// People side by side: portraits and biographies, each line with how sure it is and a way to what it rests on.
import { itemList, made, placesOf } from "./elements.js";
import { when } from "./items.js";

const SEATS = 24; // people that are shown at once

export class People {
  constructor(box, { open, filters }) {
    this.box = box;
    this.open = open;
    this.filters = filters;
    this.row = box.querySelector(".people");
  }

  show(source, items) {
    this.items = items;
    const { passing } = this.filters();
    const people = new Map();
    for (const [id, fields] of items.known) {
      const place = items.place.get(id);
      if (fields.person === undefined || !passing(place)) continue;
      const whose = JSON.stringify([items.scope[place], fields.person]);
      if (!people.has(whose)) people.set(whose, { name: fields.person || "(no name)", scope: items.scope[place], portrait: null, biography: null, shades: new Map() });
      const person = people.get(whose);
      if (fields.shade) person.shades.set(id, fields.shade);
      else person[fields.lines ? "portrait" : "biography"] = { place, ...fields };
    }
    const sorted = [...people.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.scope < b.scope ? -1 : 1));
    const scopes = new Set(sorted.map(({ scope }) => scope)).size;
    this.box.querySelector(".note").textContent = sorted.length ? sorted.length.toLocaleString("en") : "Nobody here.";
    this.row.replaceChildren();
    const more = (start) => {
      for (const person of sorted.slice(start, start + SEATS)) this.row.append(this.person(person, scopes > 1));
      if (sorted.length <= start + SEATS) return;
      const rest = made("button", `${sorted.length - start - SEATS} more`, { type: "button" });
      rest.addEventListener("click", () => { rest.remove(); const next = this.row.children.length; more(start + SEATS); this.row.children[next].querySelector("button")?.focus(); });
      this.row.append(rest);
    };
    more(0);
  }

  person({ name, scope, portrait, biography, shades }, several) {
    const box = made("article", "", { className: "person" });
    const title = made("h3", name, { dir: "auto" });
    if (several) title.append(" ", made("small", scope || "(no scope)"));
    box.append(title);
    if (biography?.about?.length) {
      box.append(this.heading("Biography", biography.place));
      for (const one of biography.about) box.append(made("p", one, { dir: "auto" }));
    }
    if (biography?.lately?.length) box.append(this.heading("Lately", biography.place), this.lines(biography.lately));
    const known = (biography?.shades || [...shades.keys()]).filter((id) => shades.has(id));
    for (const id of known) {
      const shade = shades.get(id);
      const head = this.heading(shade.title, this.items.place.get(id));
      head.insertBefore(this.sure(shade.confidence), head.lastChild);
      box.append(head);
      if (shade.by !== "rules") box.append(made("p", shade.description, { dir: "auto" }));
      box.append(this.lines(shade.lines));
    }
    if (portrait) box.append(this.heading("Portrait", portrait.place), this.lines(portrait.lines));
    return box;
  }

  heading(words, place) {
    const head = made("h4", `${words} `, { dir: "auto" });
    const open = made("button", "open", { type: "button", className: "only" });
    open.setAttribute("aria-label", `Open ${words}`);
    open.addEventListener("click", () => this.open(place));
    head.append(open);
    return head;
  }

  sure(confidence) {
    const found = made("span", "", { className: "sure" });
    const bar = made("span");
    bar.style.width = `${Math.round(100 * confidence)}%`;
    const box = made("span", "", { className: "level" });
    box.setAttribute("aria-hidden", "true");
    box.append(bar);
    found.append(box, made("span", "sure: ", { className: "hidden" }), `${Math.round(100 * confidence)} %`);
    return found;
  }

  lines(lines) {
    const list = made("ul", "", { className: "lines" });
    for (const line of lines) {
      const row = made("li", "", { className: line.until == null ? "" : "past" });
      const text = made("p", line.text, { dir: "auto" });
      const facts = made("div", "", { className: "facts" });
      const shown = made("div");
      const about = [line.aspect === "other" ? "" : line.aspect, line.until == null ? "" : `until ${when(line.until / 1000)}`].filter(Boolean).join(", ");
      if (about) facts.append(made("span", about));
      facts.append(this.sure(line.confidence));
      const places = placesOf(this.items, line.cites);
      if (places.length) {
        const button = made("button", `${places.length} ${places.length === 1 ? "source" : "sources"}`, { type: "button", className: "only" });
        button.setAttribute("aria-expanded", "false");
        button.setAttribute("aria-label", `${button.textContent} of: ${line.text.slice(0, 80)}`);
        button.addEventListener("click", () => {
          const open = button.getAttribute("aria-expanded") !== "true";
          button.setAttribute("aria-expanded", String(open));
          shown.replaceChildren(...(open ? [itemList(this.items, places, this.open)] : []));
        });
        facts.append(button);
      }
      row.append(text, facts, shown);
      list.append(row);
    }
    return list;
  }
}
