"use strict";
const $ = (query, at = document) => at.querySelector(query);
const data = JSON.parse($("#data").textContent);
const { words: t, items } = data;
const labelling = data.mode === "labels";
for (const x of items) { x.flags ??= []; x.evidence ??= []; x.must_say ??= []; }
const keyOf = (x) => (labelling ? JSON.stringify([x.metric, x.id, x.repeat]) : x.id);
const places = new Map(items.map((x, i) => [keyOf(x), i]));

/* Texts reach the page by append, attributes by setAttribute: nothing is ever read as HTML. */
const el = (name, attrs = {}, ...kids) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attrs)) if (value !== undefined) node.setAttribute(key, value);
  node.append(...kids.filter((kid) => kid !== undefined));
  return node;
};
const icon = (name) => {
  const [box, use] = ["svg", "use"].map((n) => document.createElementNS("http://www.w3.org/2000/svg", n));
  for (const [key, value] of [["class", "ico"], ["viewBox", "0 0 24 24"], ["aria-hidden", "true"]]) box.setAttribute(key, value);
  use.setAttribute("href", `#i-${name}`); box.append(use);
  return box;
};
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
const tell = (text) => { $("#live").textContent = text; };
const norm = (text) => (text ?? "").trim().normalize("NFC");
const langOf = (x) => (/^[a-z]{2,3}(-|$)/i.test(x.language ?? "") ? x.language : undefined);

/* What is kept under the dataset's digest: each decision under a key of its own, so that no tab overwrites another's. */
const family = `lm-eval-so/review/1 ${data.mode} ${data.dataset.name} `;
const store = family + data.dataset.sha256;
/* Without a prototype: ids are people's own words, and "constructor" is no decision. */
const bare = () => Object.create(null);
const state = { made: bare(), notes: bare(), saved: true, offered: false };
function take(key, { made, note } = {}) {
  if (made) state.made[key] = made; else delete state.made[key];
  if (note) state.notes[key] = note; else delete state.notes[key];
}
function* kept() {
  let all = [];
  try { all = Object.entries(localStorage).filter(([name]) => name.startsWith(family)); } catch { state.lost = true; }
  for (const [name, text] of all) {
    const [, digest, key] = name.slice(family.length).match(/^(\S+)(?: (.*))?$/) ?? [];
    try { yield { digest, key, entry: JSON.parse(text) }; } catch { /* not ours */ }
  }
}
function write(name, value) {
  try {
    if (value) localStorage.setItem(name, JSON.stringify(value)); else localStorage.removeItem(name);
  } catch { state.lost = true; tell(t.not_kept); }
}
function keep(key) {
  const entry = { made: state.made[key], note: state.notes[key], at: Date.now() };
  write(`${store} ${key}`, entry.made || entry.note ? entry : null);
}
function settle(changed) {
  Object.assign(state, changed);
  write(store, { saved: state.saved, offered: state.offered });
  drawState();
}
for (const x of labelling ? items.filter((one) => one.status) : []) take(keyOf(x), { made: labelOf(x, x.status, x.annotator), note: x.note });
for (const { digest, key, entry } of kept()) {
  if (digest === data.dataset.sha256) { if (key) take(key, entry); else Object.assign(state, entry); }
}
const madeOf = (x) => state.made[keyOf(x)];
function labelOf(x, label, annotator) {
  return { id: x.id, repeat: x.repeat, metric: x.metric, answer: x.answer, answer_b: x.answer_b, rev: x.rev, label, annotator };
}

let at = 0, editing = false, rejecting = false, flaggedOnly = false;
const past = [], drafts = bare();
const shown = () => (flaggedOnly ? items.filter((x) => x.flags.length) : items);
const item = () => shown()[at];
const nameOf = (x, label) => x?.label_names?.[x.labels.indexOf(label)] ?? label;
const said = (d, x) => (d.label !== undefined ? nameOf(x, d.label) : undefined) ?? t[`done_${d.decision}`] + (d.reason ? `: ${t[`reason_${d.reason}`]}` : "");
const look = (d) => (!d ? ["none", "mute"] : d.label ? ["accept", "mute"] : [d.decision, d.decision === "reject" ? "bad" : "pass"]);
const asked = (x) => madeOf(x)?.question ?? x.turns.at(-1).text;
const progress = () => ({ n: items.filter(madeOf).length, of: items.length });

function go(to) {
  at = Math.max(0, Math.min(shown().length - 1, to));
  editing = rejecting = false;
  draw(true);
}
function put(x, decision) {
  take(keyOf(x), { made: decision, note: state.notes[keyOf(x)] });
  delete drafts[keyOf(x)];
  keep(keyOf(x)); settle({ saved: false }); mark(x);
}
function decide(decision) {
  const x = item();
  past.push([x, madeOf(x)]);
  put(x, labelling ? labelOf(x, decision.label) : { id: x.id, rev: x.rev, ...decision });
  const after = shown().findIndex((one, i) => i > at && !madeOf(one));
  const any = after < 0 ? shown().findIndex((one) => !madeOf(one)) : after;
  go(any < 0 ? at : any);
  tell(`${said(madeOf(x), x)} ${fill(t.progress, progress())}`);
  if (items.every(madeOf)) notify(t.all_decided, [t.save, save]);
}
function undo() {
  const last = past.pop();
  if (!last) return;
  put(...last);
  if (!shown().includes(last[0])) filter(false);
  go(shown().indexOf(last[0]));
  tell(t.undone);
}
function edit() {
  editing = true; rejecting = false;
  draw();
  const first = $("#panel textarea");
  first.focus();
  first.setSelectionRange(first.value.length, first.value.length);
}
function saveEdit() {
  const x = item(), before = { question: norm(x.turns.at(-1).text), expected: norm(x.expected) };
  const value = (name) => norm($(`#panel [name=${name}]`).value);
  const missing = Object.keys(before).find((name) => before[name] && !value(name));
  if (missing) {
    $(`#panel [name=${missing}]`).setAttribute("aria-invalid", "true");
    $(`#panel [name=${missing}]`).focus();
    tell(t.empty);
    return;
  }
  const changed = Object.fromEntries(Object.keys(before).map((name) => [name, value(name)]).filter(([name, text]) => text !== before[name]));
  const must = value("must_say").split("\n").map(norm).filter(Boolean);
  if (must.join("\n") !== x.must_say.map(norm).join("\n")) changed.must_say = must;
  decide(Object.keys(changed).length ? { decision: "edit", ...changed } : { decision: "accept" });
}
function leave() {
  if (editing) delete drafts[keyOf(item())];
  go(at);
}
function reject() {
  rejecting = true;
  draw();
  $("#acts button").focus();
}

function field(name, text, x, lang) {
  drafts[keyOf(x)] ??= {};
  const draft = drafts[keyOf(x)];
  const box = el("textarea", { name, lang, rows: "2", spellcheck: "false", "aria-label": t[name] }, draft[name] ?? text);
  box.addEventListener("input", () => { draft[name] = box.value; });
  return box;
}
function noteField(x) {
  const box = el("textarea", { name: "note", rows: "1", spellcheck: "false", "aria-label": t.note, lang: document.documentElement.lang }, state.notes[keyOf(x)] ?? "");
  box.addEventListener("input", () => { state.notes[keyOf(x)] = box.value; keep(keyOf(x)); if (madeOf(x)) settle({ saved: false }); });
  return box;
}
function quoted(e, lang) {
  if (!e.cells) return el("p", { class: "quote", lang }, e.before ?? "", el("mark", {}, e.quote), e.after ?? "");
  return el("dl", { class: "quote cells", lang }, ...e.cells.map((cell) => el("div", {}, el("dt", {}, cell.column), el("dd", {}, cell.is_quoted ? el("mark", {}, cell.text) : cell.text))));
}
function panel(x) {
  const d = madeOf(x), lang = langOf(x), rows = el("dl", { class: "fields" });
  const row = (name, ...kids) => rows.append(el("dt", {}, name), el("dd", {}, ...kids));
  const text = (value) => el("span", { class: "said", lang }, value);
  const expected = d?.expected ?? x.expected, must = d?.must_say ?? x.must_say;
  if (editing) {
    row(t.question, field("question", asked(x), x, lang));
    row(t.expected, field("expected", expected ?? "", x, lang));
    row(t.must_say, field("must_say", must.join("\n"), x, lang), el("p", { class: "hint" }, t.one_a_line));
  } else {
    const phrases = (name, all) => all && row(name, ...(all.length ? all.map((one) => el("span", { class: "phrase", lang }, one)) : [el("span", { class: "hint" }, t.nothing)]));
    if (labelling) row(x.answer_b === undefined ? t.answer : t.answer_a, text(x.answer));
    if (x.answer_b !== undefined) row(t.answer_b, text(x.answer_b));
    if (x.calls) row(t.calls, text(x.calls));
    if (x.context) row(t.context, text(x.context));
    if (x.goal) row(t.goal, text(x.goal));
    if (x.facts) row(t.facts, text(x.facts.join("\n")));
    phrases(t.success, x.success);
    if (expected || !(labelling || x.type === "scenario")) row(t.expected, expected ? text(expected) : el("span", { class: x.behavior === "answer" ? "hint" : undefined }, t[`behavior_${x.behavior}`]));
    if (labelling && x.rubric) row(t.rubric, text(x.rubric));
    if (!labelling && x.type !== "scenario") phrases(t.must_say, must);
    phrases(t.must_not, x.must_not);
  }
  const named = { gold: t.source, given: t.given, distractor: x.type === "superseded" ? t.older : t.nearest };
  if (x.type === "unanswerable") row(t.source, el("span", { class: "hint" }, t.no_source));
  for (const e of x.evidence) row(named[e.role], quoted(e, lang), el("p", { class: "where" }, [[e.file, e.heading].filter(Boolean).join(" › "), e.place].filter(Boolean).join(" · ")));
  row(t.note, noteField(x));
  const heading = asked(x);
  return [
    el("p", { class: "meta" }, el("span", {}, fill(t.item, { n: at + 1, of: shown().length })), el("span", {}, labelling ? x.metric : t[`type_${x.type}`] ?? x.type), el("code", {}, x.id),
      x.repeat ? el("span", {}, fill(t.repeat, { n: x.repeat + 1 })) : undefined,
      d ? el("span", { class: `done ${look(d)[1]}` }, icon(look(d)[0]), said(d, x)) : undefined),
    ...x.turns.slice(0, -1).map((turn) => el("p", { class: "turns", lang }, el("b", { lang: document.documentElement.lang }, t[`role_${turn.role}`] ?? turn.role), " ", turn.text)),
    el("h2", { tabindex: "-1", lang, class: heading.length > 120 ? "long" : undefined }, heading),
    x.flags.length ? el("ul", { class: "flags" }, ...x.flags.map((flag) => el("li", {}, icon("flag"), el("span", {}, flag.text)))) : "", rows,
  ];
}

const NAMES = { "Control+Enter": "Ctrl ↵", Escape: "Esc" };
function button(key, name, run, extra = {}) {
  const made = el("button", { type: "button", class: "btn", "aria-keyshortcuts": key, ...extra }, key ? el("kbd", { "aria-hidden": "true" }, NAMES[key] ?? key.toUpperCase()) : "", name);
  made.addEventListener("click", run);
  return made;
}
const REASONS = ["wrong_answer", "not_answerable", "unnatural", "duplicate", "other"];
/* A label that is a digit has that key; others are counted. */
const keyed = (labels) => labels.map((label, i) => [labels.every((one) => /^[1-9]$/.test(one)) ? label : i < 9 ? String(i + 1) : undefined, label]);
function actions() {
  if (editing) return [button("Control+Enter", t.keep, saveEdit, { class: "btn go" }), button("Escape", t.cancel, leave)];
  if (rejecting) return [el("p", {}, t.why), ...REASONS.map((reason, i) => button(String(i + 1), t[`reason_${reason}`], () => decide({ decision: "reject", reason }), { class: "btn why" })), button("Escape", t.cancel, leave)];
  const walk = [button("u", t.undo, undo), button("k", t.previous, () => go(at - 1), { class: "btn gap" }), button("j", t.next, () => go(at + 1))];
  if (labelling) return [...keyed(item().labels).map(([key, label]) => button(key, nameOf(item(), label), () => decide({ label }), { "aria-pressed": String(madeOf(item())?.label === label) })), ...walk];
  const change = item().type === "scenario" ? [] : [button("e", t.edit, edit)];
  return [button("a", t.accept, () => decide({ decision: "accept" }), { class: "btn go" }), ...change, button("r", t.reject, reject), ...walk];
}

const rows = new Map();
function mark(x) {
  const [name, tone] = look(madeOf(x)), row = rows.get(keyOf(x));
  row?.replaceChildren(el("span", { class: tone }, icon(name)), el("span", {}, el("span", { class: "asked", lang: langOf(x) }, asked(x)),
    el("small", {}, (labelling ? x.metric : t[`type_${x.type}`] ?? x.type) + (x.flags.length ? ` · ${t.flagged}` : ""), el("span", { class: "vh" }, madeOf(x) ? `, ${said(madeOf(x), x)}` : ""))));
}
function list() {
  rows.clear();
  for (const [i, x] of shown().entries()) {
    const row = el("button", { type: "button" });
    row.addEventListener("click", () => { fold(false); go(i); });
    rows.set(keyOf(x), row);
    mark(x);
  }
  $("#items").replaceChildren(...[...rows.values()].map((row) => el("li", {}, row)));
}
function drawState() {
  const { n, of } = progress();
  $("#count").textContent = `${n} / ${of}`;
  $("#meter").setAttribute("width", (120 * n) / of);
  $("#saved").textContent = state.lost ? t.not_kept : Object.keys(state.made).length ? (state.saved ? t.saved : t.unsaved) : "";
}
function draw(focus = false) {
  const x = item();
  $("#items [aria-current]")?.removeAttribute("aria-current");
  rows.get(keyOf(x)).setAttribute("aria-current", "true");
  rows.get(keyOf(x)).scrollIntoView({ block: "nearest" });
  $("#panel").replaceChildren(...panel(x));
  $("#acts").replaceChildren(...actions());
  drawState();
  if (focus) { $("#panel h2").focus({ preventScroll: true }); scrollTo(0, 0); }
}
function fold(open) {
  $("aside").classList.toggle("open", open);
  $("#fold").setAttribute("aria-expanded", String(open));
}
function filter(only) {
  const x = item();
  if (only && !items.some((one) => one.flags.length)) return;
  flaggedOnly = only;
  $("#flag").setAttribute("aria-pressed", String(only));
  list();
  go(Math.max(0, shown().indexOf(x)));
}
function notify(text, ...choices) {
  $("#notice").replaceChildren(el("p", {}, text), ...choices.map(([name, run]) => button(undefined, name, () => { $("#notice").hidden = true; run(); })));
  $("#notice").hidden = false;
}

function written() {
  const who = norm($("#who").value) || undefined, noted = (key) => norm(state.notes[key]) || undefined;
  const here = items.map(keyOf), others = Object.keys(state.made).filter((key) => !places.has(key));
  const line = (key) => {
    const made = state.made[key];
    if (!labelling) return made && { ...made, note: noted(key) };
    const { rev, ...values } = made ?? labelOf(items[places.get(key)], "");
    return { ...values, annotator: values.annotator ?? who, note: noted(key) };
  };
  const head = labelling ? [] : [{ schema: "lm-eval-so/review/1", dataset_sha256: data.dataset.sha256, reviewer: who }];
  return [...head, ...[...here, ...others].map(line)].filter(Boolean).map((values) => `${JSON.stringify(values)}\n`).join("");
}
let file;
async function pick(name) {
  try {
    file ??= await showSaveFilePicker({ suggestedName: name });
    const out = await file.createWritable();
    await out.write(written());
    await out.close();
    return true;
  } catch (error) {
    file = undefined;
    return error.name === "AbortError" ? false : undefined;
  }
}
function download(name) {
  const link = el("a", { download: name, href: URL.createObjectURL(new Blob([written()], { type: "application/jsonl" })) });
  document.body.append(link); link.click(); link.remove();
  return true;
}
async function save() {
  const name = `${labelling ? "labels" : "decisions"}-${data.dataset.name.replace(/[^\p{L}\p{N}._-]+/gu, "_")}.jsonl`;
  const done = (window.showSaveFilePicker ? await pick(name) : undefined) ?? download(name);
  if (!done) { tell(t.not_saved); return; }
  settle({ saved: true });
  tell(t.saved);
  notify(t.next_step, [t.close, () => {}]);
  $("#notice p").append(" ", el("code", {}, fill(data.command, { file: file?.name ?? name })));
}

/* Decisions of an earlier version of the page, where test and revision are the same. */
function offer() {
  const found = new Map();
  for (const { digest, key, entry } of kept()) {
    const fits = digest !== data.dataset.sha256 && entry.made && items[places.get(key)]?.rev === entry.made.rev && !state.made[key];
    if (fits && !(found.get(key)?.at > entry.at)) found.set(key, entry);
  }
  if (!found.size || state.offered) return;
  const answer = (entries) => {
    for (const [key, entry] of entries) { take(key, entry); keep(key); }
    settle({ offered: true, saved: state.saved && !entries.size }); list(); draw(true);
  };
  notify(fill(t.earlier, { n: found.size }), [t.take, () => answer(found)], [t.leave_out, () => answer(new Map())]);
}

const keys = { j: () => go(at + 1), k: () => go(at - 1), u: undo, s: save, "?": () => $("#help").showModal() };
if (!labelling) Object.assign(keys, { a: () => decide({ decision: "accept" }), e: () => item().type !== "scenario" && edit(), r: reject, f: () => filter(!flaggedOnly) });
/* With Hangul input on, `key` is a jamo or "Process": the letter is then that of `code`. */
const letter = (e) => (/^[a-z0-9?]$/i.test(e.key) ? e.key.toLowerCase() : e.code === "Slash" && e.shiftKey ? "?" : e.code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase());
document.addEventListener("keydown", (e) => {
  if (e.target.closest("dialog")) return;
  if (e.target.closest("textarea, input")) {
    if (e.isComposing || e.keyCode === 229) return;
    if (e.key === "Escape") leave();
    else if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); if (editing) saveEdit(); else go(at); }
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "Escape") { leave(); return; }
  const key = letter(e);
  if (e.repeat && key !== "j" && key !== "k") return;
  if (/^[1-9]$/.test(key)) {
    const label = labelling && keyed(item().labels).find(([own]) => own === key)?.[1];
    if (rejecting && REASONS[key - 1]) decide({ decision: "reject", reason: REASONS[key - 1] });
    else if (label) decide({ label });
  } else if (keys[key] && !editing && (!rejecting || "jk?".includes(key))) { e.preventDefault(); keys[key](); }
});
addEventListener("beforeunload", (e) => { if (!state.saved) e.preventDefault(); });
addEventListener("storage", (e) => {
  if (!e.key?.startsWith(family)) return;
  const key = e.key.startsWith(`${store} `) ? e.key.slice(store.length + 1) : undefined;
  if (key) take(key, JSON.parse(e.newValue ?? "{}"));
  if (!key || !places.has(key)) { offer(); return; }
  mark(items[places.get(key)]);
  if (editing) drawState(); else draw();
});
for (const [id, run] of [["save", save], ["keys", keys["?"]], ["fold", () => fold(!$("aside").classList.contains("open"))]]) $(`#${id}`).addEventListener("click", run);
$("#flag")?.addEventListener("click", () => filter(!flaggedOnly));
$("#help button").addEventListener("click", () => $("#help").close());
$("#theme").addEventListener("click", () => {
  const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
try { $("#who").value = localStorage.getItem("lm-eval-so/reviewer") ?? ""; } catch { /* nothing is kept here, then */ }
$("#who").addEventListener("input", () => { try { localStorage.setItem("lm-eval-so/reviewer", $("#who").value); } catch { /* as above */ } });
list();
draw();
offer();
