// Where the items come from: the page itself, or the server that served it. Both give the same.
import { pause } from "./items.js";

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

export class EmbeddedSource {
  constructor() { this.canChange = false; this.blocks = [...document.querySelectorAll("script.data")]; }

  async *chunks() {
    for (const block of this.blocks) {
      const columns = await unpacked(block.textContent);
      block.remove();
      yield [columns, true];
      await pause();
    }
  }

  texts() { return null; } // all are there

  async whole(items, id) {
    const place = items.place.get(id);
    return { text: items.text[place], below: items.below.get(id) || [], above: items.above.get(id) || [], fields: {} };
  }
}

const BEGINNING = 160; // characters of a text that columns have
const TOKEN = "lamina-token";

export class ServerSource {
  constructor(base = location.pathname.replace(/\/[^/]*$/, "")) { this.canChange = true; this.base = base; this.token = sessionStorage.getItem(TOKEN); }

  async ask(path, body) {
    const headers = { accept: "application/json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await fetch(this.base + path, { method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
    if (answer.status === 401 && (await this.given(headers.authorization))) return this.ask(path, body);
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail || problem.title || `the server answers ${answer.status}`);
    }
    return answer.json();
  }

  // Asks for a token, once however many requests want one; false where none is given.
  async given(tried) {
    if (this.token && tried !== `Bearer ${this.token}`) return true; // another request has got one meanwhile
    this.asking ||= new Promise((done) => {
      const dialog = document.getElementById("asking");
      const box = document.getElementById("token");
      document.getElementById("refused").hidden = !tried;
      box.value = dialog.returnValue = "";
      dialog.addEventListener("close", () => {
        this.asking = null;
        if (dialog.returnValue === "go" && box.value.trim()) sessionStorage.setItem(TOKEN, (this.token = box.value.trim()));
        else { box.value = ""; done(false); return; }
        box.value = "";
        done(true);
      }, { once: true });
      dialog.showModal();
    });
    return this.asking;
  }

  async *chunks() {
    let cursor = null;
    do {
      const page = await this.ask(`/v1/page/columns${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`);
      yield [page.columns, false];
      cursor = page.cursor;
      await pause();
    } while (cursor);
  }

  // The whole texts, by place, of those items of which the page has the beginning alone; null where there are none.
  async texts(items, told) {
    if (!items.text.some((text, place) => !items.whole[place] && text.length >= BEGINNING)) return null;
    const found = new Map();
    let cursor = null, read = 0;
    do {
      const page = await this.ask(`/v1/page/columns?whole=true${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      page.columns.id.forEach((id, row) => { const place = items.place.get(id); if (place !== undefined && page.columns.text[row].length > items.text[place].length) found.set(place, page.columns.text[row]); });
      told((read += page.columns.id.length) / items.length);
      cursor = page.cursor;
    } while (cursor);
    return found;
  }

  async whole(items, id) {
    const path = `/v1/memories/${encodeURIComponent(id)}`;
    const [item, below, above] = await Promise.all([this.ask(path), this.ask(`${path}/zoom?direction=in`), this.ask(`${path}/zoom?direction=out`)]);
    items.more([...below.items, ...above.items]);
    return { text: item.text, below: below.items.map((one) => one.id), above: above.items.map((one) => one.id), fields: item };
  }

  async search(cue, k, { kind, scope, session }) {
    const conditions = { ...(kind && { kinds: [kind] }), ...(scope && { scope }), ...(session && { sessions: [session] }) };
    return (await this.ask("/v1/search", { cue, k, ...conditions })).hits;
  }

  async forget(id) { return this.ask("/v1/forget", { ids: [id] }); }
  async restore(id) { return this.ask("/v1/restore", { ids: [id] }); }
}
