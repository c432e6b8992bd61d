// One item in full: what it says, when and where it was said, what it rests on and what rests on it, why it was found; forgetting and restoring.
import { FORGOTTEN, RETIRED, layer, when } from "./items.js";
import { itemList, made, placesOf } from "./elements.js";
import { namesOf, sharing } from "./names.js";
import { groups, pieces } from "./searching.js";

export class Card {
  constructor(box, { open, close, changed, only, drawn, say }) {
    this.box = box;
    this.open = open;
    this.close = close;
    this.changed = changed;
    this.only = only;
    this.drawn = drawn;
    this.shown = -1;
    this.say = say;
    box.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); this.hide(); } });
  }

  hide() {
    this.box.hidden = true;
    this.close();
  }

  async show(source, items, place, hit, cue) {
    this.shown = place;
    const id = items.id[place];
    let whole;
    try { whole = await source.whole(items, id); } catch (error) { this.say(`It could not be fetched: ${error.message}`); return; }
    if (this.shown !== place) return;
    this.box.hidden = false;
    this.box.style.setProperty("--layer", layer(items.kind[place]));
    this.box.textContent = "";
    const head = made("div", "", { className: "head" });
    const close = made("button", "Close", { className: "close", type: "button" });
    close.addEventListener("click", () => this.hide());
    head.append(made("h3", items.kind[place]), close);
    const said = made("div", "", { className: "said", dir: "auto" });
    this.marked(said, whole.text, hit ? cue : "");
    this.box.append(head, said, this.fields(items, place, whole.fields));
    if (hit) this.why(hit);
    this.rests("Replaced by", items, items.newer.get(id) || []);
    this.rests("Replaces", items, items.older.get(id) || []);
    this.rests("Rests on", items, whole.below);
    this.rests("Part of, or ground of", items, whole.above);
    this.names(items, id, whole.text || "");
    if (source.canChange) this.actions(source, items, place);
    this.box.scrollTop = 0;
    this.box.focus({ preventScroll: true });
    this.say(`${items.kind[place]}, ${when(items.at[place])}`);
  }

  // The text with the words of the cue marked; only ever as text.
  marked(box, text, cue) {
    if (!cue || !text) box.textContent = text || "(nothing: a source of it was deleted, or it is empty)";
    else for (const [piece, asked] of pieces(text, cue)) if (piece) box.append(asked ? made("mark", piece) : piece);
  }

  fields(items, place, more) {
    const list = made("dl");
    const until = items.until[place];
    const rows = {
      when: when(items.at[place]) + (until !== null && items.kind[place] !== "episode" ? ` until ${when(until)}` : until !== null ? ` – ${when(until)}` : ""),
      "recorded": when(items.recorded[place]),
      "who": items.speaker[place] || "",
      "scope": items.scope[place] || "(none)",
      "session": items.session[place] || "",
      "place": more.place || "",
      "made by": more.made_by || "",
      "state": [items.state[place] & FORGOTTEN ? "forgotten" : "", items.state[place] & RETIRED ? "replaced by a newer version" : ""].filter(Boolean).join(", "),
      "id": items.id[place],
    };
    for (const [name, value] of Object.entries(rows)) if (value) list.append(made("dt", name), made("dd", String(value)));
    for (const [words, name] of [["who", "speaker"], ["scope", "scope"], ["session", "session"]]) {
      const value = items[name][place];
      if (!value) continue;
      const cell = [...list.children].find((one) => one.tagName === "DT" && one.textContent === words).nextSibling;
      const button = made("button", "only these", { type: "button", className: "only" });
      button.setAttribute("aria-label", `Only ${words} ${value}`);
      button.addEventListener("click", () => this.only(name, value));
      cell.append(" ", button);
    }
    return list;
  }

  why(hit) {
    const parts = hit.parts || groups(hit.reasons || []);
    if (!parts.length) return;
    const most = Math.max(...parts.map(([, part]) => Math.abs(part)));
    const bars = made("div", "", { className: "bars" });
    for (const [name, part] of parts) {
      const bar = made("span", "", { className: part < 0 ? "bar against" : "bar" });
      bar.style.width = `${Math.max(2, (100 * Math.abs(part)) / most)}%`;
      bar.setAttribute("aria-hidden", "true");
      bars.append(made("span", name), bar, made("span", part.toFixed(1)));
    }
    this.box.append(made("h4", `Why it was found · score ${hit.score.toFixed(2)}`), bars);
  }

  rests(title, items, ids, box = this.box) {
    const known = placesOf(items, ids);
    if (known.length) box.append(made("h4", `${title} · ${known.length}`), itemList(items, known, this.open));
  }

  // The names in the item; each opens the list of what shares it.
  names(items, id, text) {
    const found = namesOf(text);
    if (!found.length) return;
    const box = made("div", "", { className: "names" });
    const shown = made("div");
    for (const name of found) {
      const button = made("button", name, { type: "button", dir: "auto" });
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-pressed") !== "true";
        for (const other of box.children) other.setAttribute("aria-pressed", String(open && other === button));
        shown.textContent = "";
        if (!open) return;
        const ids = sharing(items, name, id);
        if (ids.length) this.rests(`Also names ${name}`, items, ids, shown);
        else shown.append(made("p", `Nothing else names ${name}.`));
        this.say(`${ids.length} more with ${name}`);
      });
      box.append(button);
    }
    const draw = made("button", "draw them", { type: "button", className: "only" });
    draw.setAttribute("aria-label", "Draw the names of this item as a graph");
    draw.addEventListener("click", () => this.drawn());
    const head = made("h4", "Names ");
    head.append(draw);
    this.box.append(head, box, shown);
  }

  actions(source, items, place) {
    const box = made("div", "", { className: "actions" });
    const id = items.id[place];
    const gone = items.state[place] & FORGOTTEN;
    const button = made("button", gone ? "Restore" : "Forget", { type: "button", className: gone ? "main" : "danger" });
    button.addEventListener("click", async () => {
      if (!gone && !button.dataset.sure) {
        button.dataset.sure = "yes";
        button.textContent = "Forget it? Press again";
        this.say("Press again to forget it");
        return;
      }
      try {
        await (gone ? source.restore(id) : source.forget(id));
        items.state[place] = gone ? items.state[place] & ~FORGOTTEN : items.state[place] | FORGOTTEN;
        this.changed(place);
        this.say(gone ? "Restored" : "Forgotten; it can be restored");
        this.box.querySelector(".actions").remove();
        this.actions(source, items, place);
        this.box.querySelector(".actions button").focus();
      } catch (error) { this.say(error.message); }
    });
    box.append(button);
    this.box.append(box);
  }
}
