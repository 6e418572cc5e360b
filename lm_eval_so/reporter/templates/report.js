"use strict";
// The list of cases: filters, search, order and the open case live in the fragment of the address.
// Texts reach the page by textContent alone.
(() => {
  const part = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(part(id).textContent);
  const data = read("data");
  const say = read("texts");
  const FIRST = 12; // so that what follows the list stays near while nothing is filtered
  const PAGE = 200;
  const NONE = "(none)";
  const NO_ANSWER = -1; // any other place below zero: the answer is not in the report
  const IN_DATASET_ORDER = "(dataset)";
  const SELECTS = ["tag", "language", "metric", "status", "sort"];
  const FIELDS = ["view", "q", ...SELECTS, "by", "is", "open"];
  const TONES = { must: "bad", proven: "bad", unproven: "open", slip: "open", worse: "open", better: "pass", failing: "bad" };
  const ICONS = {
    must: "bad", proven: "bad", unproven: "open", slip: "slip", worse: "down", flaky: "slip", better: "up",
    unscored: "none", both: "bad", same: "same", reworded: "same", failing: "bad", right: "pass",
  };
  const size = data.id.length;
  const at = (place) => (place < 0 ? "" : data.texts[place]);
  const names = data.names.map(at);
  const labels = data.label_sets.map((each) => ({ by: at(each.by), name: at(each.name), values: each.values.map(at) }));
  const ranks = new Map(data.first.map((place, rank) => [place, rank]));
  const rank = (n) => ranks.get(n) ?? size + n;
  const states = Object.keys(data.state_names);
  const has = (n, view) => view === "all" || (data.views[n] & data.view_bits[view]) !== 0;
  const more = (n) => data.more[n] ?? {};
  let state = {};
  let found = [];
  let shown = 0;
  let current = -1;

  // Elements

  const make = (tag, attributes = {}, ...inside) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value) node.setAttribute(name, value);
    node.append(...inside);
    return node;
  };
  const drawn = (tag, attributes, ...inside) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...inside);
    return node;
  };
  const icon = (name) => drawn("svg", { class: "ico", viewBox: "0 0 24 24", "aria-hidden": "true" }, drawn("use", { href: `#i-${name}` }));
  const fill = (text, figures) => text.replace(/\{(\w+)\}/g, (slot, name) => figures[name] ?? slot);
  const number = (value) => value.toLocaleString("en");
  const figure = (value) => (Math.abs(value) < 1000 ? value.toLocaleString("en", { maximumSignificantDigits: 3, roundingMode: "halfEven" }) : number(Math.round(value)));

  // Words that differ, as tests/data/marks.json and html/marks.py have them

  const PARTS = /[가-힣\u3040-\u30ff\u3400-\u9fff]|\p{Nd}+(?:[.,]\p{Nd}+)*|(?:(?![가-힣\u3040-\u30ff\u3400-\u9fff])[\p{L}\p{N}])+|\s+|[\s\S]/gu;
  const MOST_PARTS = 600;
  const LEAST_IN_COMMON = 1 / 3;
  const cut = (text) => text.match(PARTS) ?? [];
  const words = (text) => cut(text).filter((each) => /[\p{L}\p{N}]/u.test(each)).length;
  const length = (text) => [...text.replace(/\s+/g, "")].length;
  const largest = (run) => Math.max(length(run.left), length(run.right));

  const add = (runs, left, right, common) => {
    if (!left && !right) return;
    const last = runs.at(-1);
    if (last?.common === common) {
      last.left += left;
      last.right += right;
    } else runs.push({ left, right, common });
  };

  const align = (a, b, runs) => {
    const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
      }
    }
    for (let i = 0, j = 0; i < a.length || j < b.length;) {
      if (i < a.length && j < b.length && a[i] === b[j]) add(runs, a[i++], b[j++], true);
      else if (j >= b.length || (i < a.length && best[i + 1][j] >= best[i][j + 1])) add(runs, a[i++], "", false);
      else add(runs, "", b[j++], false);
    }
  };

  // Common parts that are short beside the changes around them are the same by chance.
  const withoutChance = (runs) => {
    const kept = [];
    for (const run of runs) {
      add(kept, run.left, run.right, run.common);
      while (kept.length >= 3 && !kept.at(-1).common) {
        const [first, common, last] = kept.slice(-3);
        if (largest(common) > Math.min(largest(first), largest(last))) break;
        kept.length -= 2;
        kept[kept.length - 1] = { left: first.left + common.left + last.left, right: first.right + common.right + last.right, common: false };
      }
    }
    return kept;
  };

  const compare = (before, now) => {
    const [a, b] = [cut(before), cut(now)];
    const shorter = Math.min(a.length, b.length);
    let start = 0;
    while (start < shorter && a[start] === b[start]) start += 1;
    let end = 0;
    while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
    const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
    if (Math.max(left.length, right.length) > MOST_PARTS) return null;
    const [head, tail] = [a.slice(0, start).join(""), a.slice(a.length - end).join("")];
    const runs = [];
    add(runs, head, head, true);
    align(left, right, runs);
    add(runs, tail, tail, true);
    const told = withoutChance(runs);
    const common = told.reduce((sum, run) => sum + (run.common ? words(run.left) : 0), 0);
    return common / Math.max(words(before), words(now), 1) < LEAST_IN_COMMON ? null : told;
  };

  // A mark never starts or ends with a space; where words are missing, a gap stands in their place.
  const pieces = (runs, own, other) => {
    const made = [];
    let same = "";
    for (const run of runs) {
      const text = run[own];
      const core = text.trim();
      if (run.common || !(core || run[other].trim())) {
        same += text;
        continue;
      }
      const lead = core ? text.length - text.trimStart().length : 0;
      if (same || lead) made.push(same + text.slice(0, lead));
      made.push(core ? make("mark", {}, core) : make("mark", { class: "gap" }, make("span", { class: "vh" }, say.gap)));
      same = core ? text.slice(text.trimEnd().length) : text;
    }
    return same ? [...made, same] : made;
  };

  const marked = (before, now) => {
    const runs = compare(before, now);
    return runs ? [pieces(runs, "left", "right"), pieces(runs, "right", "left")] : [[before], [now]];
  };

  // Filters

  // A text is looked at once, however many cases have it.
  const plain = (text) => text.normalize("NFC").toLowerCase();
  let searched = null;
  const hits = (query) => {
    searched ??= data.texts.map(plain);
    return searched.map((text) => text.includes(query));
  };
  const isHit = (n, hit) => [data.id, data.ref, data.input, data.expected].some((column) => hit[column[n]])
    || data.rows[n].some(([answer]) => hit[answer]) || hit[more(n).now] || hit[more(n).was] || hit[more(n).input];

  const scores = (n, metric) => data.rows[n].map((row) => row[3 + metric]).filter((value) => value !== null);
  const mean = (n, metric) => {
    const values = scores(n, metric);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  };

  const test = () => {
    const query = plain(state.q);
    const hit = query ? hits(query) : null;
    const metric = names.indexOf(state.metric);
    const label = labels.findIndex((each) => each.by === state.by);
    const place = label < 0 ? -1 : labels[label].values.indexOf(state.is);
    const tagged = (n) => data.tags[n].some((each) => at(each) === state.tag) || (state.tag === NONE && !data.tags[n].length);
    return (n) =>
      (!hit || isHit(n, hit))
      && (!state.tag || tagged(n))
      && (!state.language || (at(data.language[n]) || NONE) === state.language)
      && (!state.status || data.rows[n].some((row) => at(row[1]) === state.status))
      && (metric < 0 || scores(n, metric).some((value) => value !== data.best[metric]))
      && (place < 0 || data.labels[n][label] === place);
  };

  const choose = () => {
    const fits = test();
    const all = data.id.map((_, n) => n).filter(fits);
    found = all.filter((n) => has(n, state.view));
    const metric = names.indexOf(state.sort);
    if (metric >= 0) {
      const sign = data.lower[metric] ? -1 : 1;
      const means = new Map(found.map((n) => [n, mean(n, metric)]));
      const worst = (n) => (means.get(n) === null ? Infinity : sign * means.get(n));
      found.sort((a, b) => worst(a) - worst(b) || a - b);
    } else if (state.sort !== IN_DATASET_ORDER) found.sort((a, b) => rank(a) - rank(b));
    return all;
  };

  const isFiltered = () => state.view !== "all" || ["q", "tag", "language", "metric", "status", "by"].some((key) => state[key]);

  // The address. A fragment without "=" is the place of a heading and none of the list's.

  const fromAddress = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    state = Object.fromEntries(FIELDS.map((key) => [key, given.get(key) ?? ""]));
    if (!Object.hasOwn(data.view_bits, state.view)) state.view = "all";
  };
  const toAddress = () => {
    const kept = new URLSearchParams(FIELDS.map((key) => [key, state[key]]).filter(([key, value]) => value && !(key === "view" && value === "all")));
    if (kept.size || location.hash.includes("=")) history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname + location.search);
  };

  // A case

  const ref = (n) => at(data.ref[n]) || at(data.id[n]);
  const spoken = (n) => at(data.language[n]);
  const isRight = (row) => (row[2] < 0 ? null : row[2] === 1);
  const tally = (n) => {
    if (more(n).tally) return more(n).tally;
    const known = data.rows[n].map(isRight).filter((right) => right !== null);
    return known.length ? [[0, 0], [known.filter(Boolean).length, known.length]] : null;
  };
  const squares = (right, all, wrongFirst) => {
    const box = drawn("svg", { class: "tally", viewBox: `0 0 ${all * 12} 10`, width: all * 12, height: 10, "aria-hidden": "true" });
    for (let i = 0; i < all; i += 1) {
      const isGood = wrongFirst ? i >= all - right : i < right;
      box.append(isGood ? drawn("rect", { class: "r", x: i * 12, y: 0.5, width: 9, height: 9, rx: 2 })
        : drawn("path", { class: "w", d: `M${i * 12 + 1} 1.5h7v7h-7zM${i * 12 + 1} 8.5l7-7` }));
    }
    return box;
  };
  const counted = ([right, all]) => (right ? fill(say.right_of, { s: right, k: all }) : fill(say.wrong_of, { m: all, k: all }));
  const value = (n, metric) => {
    const told = data.rows[n].length === 1 ? more(n).said?.[metric] ?? -1 : -1;
    const number_ = mean(n, metric);
    if (told >= 0) return at(told);
    return number_ === null ? "" : [figure(number_), at(data.units[metric])].filter(Boolean).join(" ");
  };
  // The figure of a case in the list, and what it counts.
  const score = (n) => {
    const metric = names.indexOf(state.sort);
    if (metric >= 0) return [value(n, metric), state.sort];
    const { moved, tally: asked } = more(n);
    if (moved && !asked) return [`${figure(moved[1])} → ${figure(moved[2])}`, at(moved[0])];
    const told = tally(n);
    if (!told) return names.length ? [value(n, 0), names[0]] : ["", ""];
    const [was, now] = told.map(([right, all]) => (all ? `${right}/${all}` : ""));
    return [was ? `${was} → ${now}` : now, say.tally];
  };

  // The answers of a case: each once, with the number of times that it was given.
  const answers = (n) => {
    const kinds = new Map();
    for (const row of data.rows[n]) {
      const key = row[0] === NO_ANSWER ? `status ${row[1]}` : row[0];
      const shown = row[0] === NO_ANSWER ? say.no_answer : row[0] < 0 ? say.not_kept : at(row[0]);
      const one = kinds.get(key) ?? { text: at(row[0]), shown, error: row[0] === NO_ANSWER ? at(row[1]) : "", n: 0, right: isRight(row) };
      one.n += 1;
      kinds.set(key, one);
    }
    return [...kinds.values()];
  };
  const times = (each, all) => (all > 1 ? fill(say.times, { n: number(each.n) }) : "");
  const side = (label, tone, said, counts, inside, lang) => {
    const head = make("p", { class: "side" }, make("b", {}, label));
    if (counts?.[1]) head.append(squares(...counts, label !== say.baseline), counted(counts));
    else if (said) head.append(said);
    return make("div", { class: tone }, head, make("p", { class: "answer", lang }, ...inside));
  };
  const tone = (right) => (right === null || right === undefined ? "" : right ? "right" : "wrong");

  // The answer that stands beside the baseline's.
  const answerNow = (n, kinds) => (more(n).now >= 0 ? at(more(n).now) : kinds.find((each) => each.text)?.text ?? "");

  const sides = (n) => {
    const told = more(n);
    const kinds = answers(n);
    const all = data.rows[n].length;
    const lang = spoken(n);
    const [wasCount, nowCount] = tally(n) ?? [];
    if (told.was === undefined && told.now === undefined) {
      return kinds.map((each) => side(say.answer, tone(each.right), [each.error, times(each, all)].filter(Boolean).join(" · "), null, [each.shown], lang));
    }
    const now = answerNow(n, kinds);
    const was = at(told.was ?? -1);
    const [left, right] = was && now ? marked(was, now) : [[was || "–"], [now || kinds[0].shown]];
    const isWorse = ["broke", "unproven", "slip", "worse"].some((view) => has(n, view));
    const [before, after] = isWorse ? ["right", "wrong"] : has(n, "better") ? ["wrong", "right"] : ["", ""];
    return [
      side(say.baseline, before, at(told.was_said ?? -1), wasCount, left, lang),
      side(say.now, after, at(told.now_said ?? -1), told.tally ? nowCount : null, right, lang),
    ];
  };
  const others = (n) => {
    const told = more(n);
    if (told.was === undefined && told.now === undefined) return [];
    const kinds = answers(n);
    return kinds.filter((each) => each.text && each.text !== answerNow(n, kinds));
  };

  const quotes = (places) => places.map((place) => make("blockquote", {}, at(place)));
  const reason = ([metric, text, evidence, votes]) => {
    const box = make("div", {}, make("code", {}, at(metric)), `: ${at(text)}`, ...quotes(evidence));
    for (const [model, said, because, quoted] of votes) {
      box.append(make("p", {}, make("b", {}, at(model)), ` ${at(said)}${because >= 0 ? `: ${at(because)}` : ""}`, ...quotes(quoted)));
    }
    return box;
  };

  const proof = (n) => {
    const told = more(n);
    const lang = spoken(n);
    const list = make("dl", { class: "proof" });
    const line = (name, ...inside) => list.append(make("dt", {}, name), make("dd", {}, ...inside));
    const asked = at(told.input >= 0 ? told.input : data.input[n]);
    if (asked.includes("\n") || asked.length > 90) line(say.question, make("p", { class: "whole", lang }, asked));
    for (const each of told.why ?? []) line(say.why, reason(each));
    if (told.error >= 0) line(say.error, at(told.error));
    if (data.expected[n] >= 0) line(say.expected, make("p", { class: "whole", lang }, at(data.expected[n])));
    for (const place of data.references[n]) line(say.references, make("p", { class: "whole", lang }, at(place)));
    if (told.source >= 0) line(say.source, at(told.source));
    const rest = others(n);
    if (rest.length) line(say.others, ...rest.map((each) => make("p", { class: "whole", lang }, each.text, " ", make("small", {}, times(each, 2)))));
    const told_scores = names.map((name, metric) => [name, value(n, metric)]).filter(([, text]) => text);
    if (told_scores.length) line(say.scores, ...told_scores.map(([name, text]) => make("span", { class: "chip" }, make("code", {}, name), ` ${text}`)));
    if (told.notes?.length) line(say.again, ...told.notes.map((note) => make("p", {}, at(note))));
    if (data.tags[n].length) line(say.tags, data.tags[n].map(at).join(", "));
    line(say.id, make("code", {}, ref(n)), ...(data.ref[n] >= 0 ? [" ", make("small", {}, make("code", {}, at(data.id[n])))] : []));
    return list;
  };

  // Markdown that stays what it is, whatever stands in the texts: fences longer than any run of backticks.
  const longest = (text) => Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fenced = (text) => {
    const fence = "`".repeat(Math.max(3, longest(text) + 1));
    return `${fence}text\n${text}\n${fence}`;
  };
  const coded = (text) => {
    const fence = "`".repeat(longest(text) + 1);
    return `${fence} ${text.replace(/\s+/g, " ")} ${fence}`;
  };
  const markdown = (n) => {
    const told = more(n);
    const both = told.was !== undefined || told.now !== undefined;
    const [wasCount, nowCount] = told.tally ?? [];
    const titled = (name, counts) => (counts?.[1] ? `${name} (${counts[0]}/${counts[1]})` : name);
    const kinds = answers(n);
    const now = answerNow(n, kinds) || kinds[0].shown;
    const blocks = [
      [say.question, at(told.input >= 0 ? told.input : data.input[n])],
      [titled(say.baseline, wasCount), both ? at(told.was ?? -1) : ""],
      [titled(both ? say.now : say.answer, nowCount), now],
      [say.expected, at(data.expected[n])],
      [say.why, (told.why ?? []).map(([metric, text]) => `${at(metric)}: ${at(text)}`).join("\n")],
      [say.error, at(told.error ?? -1)],
    ];
    const texts = blocks.filter(([, text]) => text).map(([name, text]) => `${name}:\n\n${fenced(text)}`);
    return [`**${say[`state_${states[data.state[n]]}`]}** ${coded(ref(n))}`, ...texts].join("\n\n");
  };

  const detail = (n) => {
    const copy = make("button", { type: "button", class: "btn" }, icon("copy"), say.copy);
    copy.addEventListener("click", () => hand(copy, markdown(n)));
    const answered = sides(n);
    return make("article", { class: "case" },
      make("div", { class: answered.length === 2 ? "pair" : "pair one" }, ...answered),
      proof(n), make("div", { class: "acts" }, copy));
  };

  // The list

  const draw = (n) => {
    const name = states[data.state[n]];
    const isOpen = state.open === at(data.id[n]);
    const [shownScore, counts] = score(n);
    const button = make("button", { type: "button", "aria-expanded": String(isOpen) },
      make("span", { class: `verd ${TONES[name] ?? "mute"}` }, icon(ICONS[name]), say[`state_${name}`]),
      make("span", { class: "q", lang: spoken(n) }, at(data.input[n]).slice(0, 400) || "–"),
      make("span", { class: "mute tg" }, data.tags[n].slice(0, 2).map(at).join(", ")),
      make("span", { class: "sc", title: counts }, shownScore),
      make("span", { class: "id mute" }, ref(n)));
    const item = make("li", { class: "row" }, make("h3", {}, button));
    button.addEventListener("click", () => toggle(item, n));
    if (isOpen) item.append(detail(n));
    return item;
  };
  const toggle = (item, n) => {
    const button = item.querySelector("button");
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) item.lastChild.remove();
    else item.append(detail(n));
    if (!isOpen) state.open = at(data.id[n]);
    else if (state.open === at(data.id[n])) state.open = "";
    toAddress();
  };
  const drawMore = (most = PAGE) => {
    part("list").append(...found.slice(shown, shown + most).map(draw));
    shown = Math.min(found.length, shown + most);
    part("more").hidden = shown >= found.length;
    const told = fill(say.shown, { n: number(shown), all: number(found.length) });
    part("count").textContent = found.length ? (data.rows.some((rows) => rows.length > 1) || Object.values(data.more).some((each) => each.tally) ? `${told} ${say.tallies}` : told) : say.nothing;
  };
  const refresh = () => {
    const all = choose();
    part("list").replaceChildren();
    [shown, current] = [0, -1];
    drawMore(isFiltered() || state.sort ? PAGE : FIRST);
    for (const button of part("views").children) {
      const { view } = button.dataset;
      button.setAttribute("aria-pressed", String(view === state.view));
      button.lastChild.textContent = number(all.filter((n) => has(n, view)).length);
    }
    toAddress();
  };
  const set = (change) => {
    Object.assign(state, change);
    fillFields();
    refresh();
  };

  const move = (index, isFocused = true) => {
    if (!found.length) return;
    const wanted = Math.min(found.length - 1, Math.max(0, index));
    while (shown <= wanted) drawMore();
    const rows = part("list").children;
    rows[current]?.classList.remove("at");
    current = wanted;
    rows[current].classList.add("at");
    rows[current].scrollIntoView({ block: "nearest" });
    if (isFocused) rows[current].querySelector("button").focus({ preventScroll: true });
  };
  const reopen = () => {
    const index = state.open ? found.findIndex((n) => at(data.id[n]) === state.open) : -1;
    if (index >= 0) move(index, false);
  };

  // Fields and buttons

  const options = (id, any, texts, told = (text) => text) => {
    part(id).replaceChildren(new Option(any, ""), ...texts.map((text) => new Option(told(text), text)));
    part(id).closest(".field").hidden = texts.length < (id === "metric" ? 1 : 2);
  };
  const seen = (places) => [...new Set(places.map((place) => at(place) || NONE))].sort();
  const fillFields = () => {
    for (const id of SELECTS) {
      part(id).value = state[id];
      if (part(id).selectedIndex < 0) part(id).value = state[id] = "";
    }
    const label = labels.findIndex((each) => each.by === state.by);
    const place = labels[label]?.values.indexOf(state.is) ?? -1;
    part("label").value = place < 0 ? "" : `${label} ${place}`;
    if (place < 0) state.by = state.is = "";
    if (part("query").value !== state.q) part("query").value = state.q;
  };
  const languages = new Intl.DisplayNames(document.documentElement.lang, { type: "language" });
  const languageName = (code) => {
    try {
      return languages.of(code);
    } catch { // the dataset may call a language anything
      return code;
    }
  };
  const makeFields = () => {
    for (const view of ["all", ...Object.keys(data.view_bits)]) {
      if (!data.id.some((_, n) => has(n, view))) continue;
      const button = make("button", { type: "button", class: "btn", "data-view": view }, `${say[`view_${view}`]} `, make("b", {}));
      button.addEventListener("click", () => set({ view }));
      part("views").append(button);
    }
    const judged = names.filter((_, metric) => data.best[metric] !== null);
    options("tag", say.any_tag, seen(data.tags.flatMap((tags) => (tags.length ? tags : [-1]))));
    options("language", say.any_language, seen(data.language), languageName);
    options("status", say.any_status, seen(data.rows.flatMap((rows) => rows.map((row) => row[1]))));
    options("metric", say.any_metric, judged, (metric) => fill(say.below, { metric }));
    options("sort", say.by_telling, [IN_DATASET_ORDER, ...names], (metric) => (metric === IN_DATASET_ORDER ? say.by_order : fill(say.by_metric, { metric })));
    const groups = labels.map(({ name, values }, label) => make("optgroup", { label: name }, ...values.map((text, place) => new Option(text, `${label} ${place}`))));
    part("label").replaceChildren(new Option(say.any_label, ""), ...groups);
    part("label").closest(".field").hidden = !labels.some(({ values }) => values.length > 1);
    for (const id of SELECTS) part(id).addEventListener("change", () => set({ [id]: part(id).value }));
    part("label").addEventListener("change", () => {
      const [label, place] = part("label").value.split(" ");
      set({ by: labels[label]?.by ?? "", is: labels[label]?.values[place] ?? "" });
    });
    part("query").addEventListener("focus", () => hits("")); // so that the first letter does not wait
    part("query").addEventListener("input", () => set({ q: part("query").value }));
  };
  const pick = ({ by, key, value: wanted }) => {
    const none = Object.fromEntries(FIELDS.map((field) => [field, ""]));
    set({ ...none, view: "all", ...(by === "label" ? { by: key, is: wanted } : { [by]: wanted }) });
    part("cases").scrollIntoView();
  };

  const hand = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // a file has no clipboard of its own in some browsers
      const area = make("textarea", {}, text);
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const { copied } = part("live").dataset;
    const label = button.lastChild;
    const told = label.textContent;
    if (told === copied) return;
    part("live").textContent = label.textContent = copied;
    setTimeout(() => {
      label.textContent = told;
      part("live").textContent = "";
    }, 1500);
  };

  // The key itself where the layout gives no Latin letter, as with Hangul.
  const KEYS = { KeyJ: "j", KeyK: "k", KeyO: "o", Slash: "/" };
  const keyOf = (event) => {
    if (/^[a-z/?]$/i.test(event.key)) return event.key.toLowerCase();
    return event.code === "Slash" && event.shiftKey ? "?" : KEYS[event.code] ?? "";
  };
  const onKey = (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, select, textarea, dialog")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = keyOf(event);
    if (key === "/") part("query").focus();
    else if (key === "?") part("help").showModal();
    else if (key === "j") move(current + 1);
    else if (key === "k") move(current - 1);
    else if (key === "o" && current >= 0) part("list").children[current].querySelector("button").click();
    else return;
    event.preventDefault();
  };

  const start = () => {
    fromAddress();
    makeFields();
    fillFields();
    document.addEventListener("click", ({ target }) => {
      const button = target.closest?.("[data-copy], .pick, #keys, #theme");
      if (button?.dataset.copy) hand(button, button.dataset.copy);
      else if (button?.classList.contains("pick")) pick(button.dataset);
      else if (button?.id === "keys") part("help").showModal();
      else if (button?.id === "theme") {
        const root = document.documentElement;
        const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
        root.dataset.theme = isDark ? "light" : "dark";
      }
    });
    part("more").addEventListener("click", () => drawMore());
    part("filters").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", onKey);
    addEventListener("hashchange", () => {
      if (location.hash && !location.hash.includes("=")) return;
      fromAddress();
      fillFields();
      refresh();
      reopen();
    });
    for (const button of document.querySelectorAll("[data-copy], #filters, #theme, #keys")) button.hidden = false;
    refresh();
    reopen();
  };

  start();
})();
