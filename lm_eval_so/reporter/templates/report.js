"use strict";
// The list of all rows: filters, search, order and the open row live in the fragment of the address.
// Texts reach the page by textContent alone.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("data");
  const say = read("texts");
  const FLAGS = { all: 0, failed: 1, unscored: 2, worse: 4, better: 8 };
  const PAGE = 50;
  const MOST_COMPARED = 600;
  const LEAST_IN_COMMON = 1 / 3;
  const NONE = "(none)";
  const IN_DATASET_ORDER = "(dataset)";
  const SELECTS = ["tag", "language", "status", "sort"];
  const size = data.id.length;
  const at = (place) => (place < 0 ? "" : data.texts[place]);
  const part = (id) => document.getElementById(id);
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const names = data.metrics.map(at);
  const labels = data.labels.map((each) => ({
    by: at(each.by), name: at(each.name), values: each.values.map(at), rows: each.rows,
  }));
  const places = new Map(data.first.map((row, place) => [row, place]));
  const telling = (row) => places.get(row) ?? size + row;
  const plain = (text) => text.normalize("NFC").toLowerCase();
  let searched = null;
  let state = {};
  let found = [];
  let shown = 0;
  let current = -1;

  const searchable = () => {
    if (!searched) {
      searched = data.id.map((_, row) =>
        plain([data.id, data.ref, data.input, data.expected, data.answer].map((column) => at(column[row])).join("\n")));
    }
    return searched;
  };

  const fromAddress = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    const view = given.get("view");
    const start = data.flags.some((flags) => flags & FLAGS.worse) ? "worse"
      : data.flags.some((flags) => flags & FLAGS.failed) ? "failed" : "all";
    return {
      view: Object.hasOwn(FLAGS, view ?? "") ? view : start,
      q: given.get("q") ?? "", tag: given.get("tag") ?? "", language: given.get("language") ?? "",
      status: given.get("status") ?? "", by: given.get("by") ?? "", is: given.get("is") ?? "",
      sort: given.get("sort") ?? "", open: given.get("open") ?? "",
    };
  };

  const toAddress = () => {
    const kept = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
    history.replaceState(null, "", `#${kept}`);
  };

  const has = (here, text) =>
    here.some((place) => at(place) === text) || (text === NONE && !here.length);
  const isLabelled = (row) => {
    const label = labels.find((each) => each.by === state.by);
    return !label || label.values[label.rows[row]] === state.is;
  };

  const fits = (row, view) => {
    const flag = FLAGS[view];
    return (!flag || data.flags[row] & flag)
      && (!state.tag || has(data.tags[row], state.tag))
      && (!state.language || (at(data.language[row]) || NONE) === state.language)
      && (!state.status || at(data.status[row]) === state.status)
      && isLabelled(row)
      && (!state.q || searchable()[row].includes(plain(state.q)));
  };

  const choose = () => {
    const counts = Object.fromEntries(Object.keys(FLAGS).map((view) => [view, 0]));
    found = [];
    for (let row = 0; row < size; row += 1) {
      if (!fits(row, "all")) continue;
      for (const view of Object.keys(FLAGS)) {
        if (!FLAGS[view] || data.flags[row] & FLAGS[view]) counts[view] += 1;
      }
      if (fits(row, state.view)) found.push(row);
    }
    const metric = names.indexOf(state.sort);
    if (metric >= 0) {
      const values = data.scores[metric];
      const sign = data.lower[metric] ? -1 : 1;
      const rank = (row) => (values[row] === null ? Infinity : sign * values[row]);
      found.sort((a, b) => rank(a) - rank(b) || a - b);
    } else if (state.sort !== IN_DATASET_ORDER) {
      found.sort((a, b) => telling(a) - telling(b));
    }
    return counts;
  };

  const repeat = (row) => (data.repeat[row] ? ` #${data.repeat[row]}` : "");
  const label = (row) => at(data.id[row]) + repeat(row);
  // The user's own id comes first, ours after it in small.
  const named = (row) => {
    const ref = at(data.ref[row]);
    const parts = [make("code", (ref || at(data.id[row])) + repeat(row)), " "];
    return ref ? [...parts, make("small", at(data.id[row])), " "] : parts;
  };
  const value = (row, metric) => {
    const told = data.more[row]?.labels[metric] ?? -1;
    if (told >= 0) return at(told);
    const number = data.scores[metric][row];
    return number === null ? "" : number.toLocaleString("en", { maximumSignificantDigits: 3 });
  };

  const chips = (row) => names.flatMap((name, metric) => {
    const text = value(row, metric);
    if (!text) return [];
    const isLow = data.scores[metric][row] === 0 && !data.lower[metric];
    return [make("span", `${name} ${text}`, isLow ? "chip low" : "chip")];
  });

  const cut = (text) => text.match(/[가-힣]|\p{N}+(?:[.,]\p{N}+)*|(?:(?![가-힣])[\p{L}\p{N}])+|\s+|[^]/gu) ?? [];

  const mark = (box, text) => {
    const last = box.lastChild;
    if (last?.nodeName === "MARK") last.textContent += text;
    else box.append(make("mark", text));
  };

  const isWord = (part_) => /[\p{L}\p{N}]/u.test(part_);
  // Share of the words of the longer text that the other one has, too.
  const inCommon = (a, b) => {
    const [left, right] = [a.filter(isWord), b.filter(isWord)];
    const counts = new Map();
    for (const word of left) counts.set(word, (counts.get(word) ?? 0) + 1);
    let same = 0;
    for (const word of right) {
      const n = counts.get(word) ?? 0;
      if (n) counts.set(word, n - 1);
      same += n > 0;
    }
    return same / Math.max(left.length, right.length, 1);
  };

  // Marks what only one of two texts has: the longest common run of words, in Korean of syllables.
  // Two answers that have little in common stand side by side without marks.
  const compare = (before, now) => {
    const [a, b] = [cut(before), cut(now)];
    const [left, right] = [make("pre"), make("pre")];
    if (a.length > MOST_COMPARED || b.length > MOST_COMPARED || inCommon(a, b) < LEAST_IN_COMMON) {
      left.textContent = before;
      right.textContent = now;
      return [left, right];
    }
    const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
      }
    }
    for (let i = 0, j = 0; i < a.length || j < b.length;) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        left.append(a[i]);
        right.append(b[j]);
        i += 1;
        j += 1;
      } else if (j >= b.length || (i < a.length && best[i + 1][j] >= best[i][j + 1])) {
        mark(left, a[i]);
        i += 1;
      } else {
        mark(right, b[j]);
        j += 1;
      }
    }
    return [left, right];
  };

  const titled = (title, ...inside) => {
    const box = make("div");
    box.append(make("h3", title), ...inside);
    return box;
  };

  const quotes = (places) => places.map((place) => make("blockquote", at(place)));

  const why = (each) => {
    const box = titled(`${say.why} ${at(each.metric)}`, make("p", at(each.reason)), ...quotes(each.evidence));
    if (each.votes.length) {
      const list = make("ul");
      for (const vote of each.votes) {
        const item = make("li");
        item.append(make("strong", at(vote.model)), ` ${at(vote.said)}`);
        if (vote.reason >= 0) item.append(`: ${at(vote.reason)}`);
        item.append(...quotes(vote.evidence));
        list.append(item);
      }
      box.append(make("p", say.panel), list);
    }
    return box;
  };

  const body = (row) => {
    const more = data.more[row];
    const input = more ? more.input : data.input[row];
    const parts = [];
    const change = data.change[data.id[row]];
    if (change) parts.push(titled(say.change_word, ...change.scores.map((place) => make("span", at(place), "chip"))));
    if (input >= 0) parts.push(titled(say.input, make("pre", at(input))));
    if (data.expected[row] >= 0) parts.push(titled(say.expected, make("pre", at(data.expected[row]))));
    const before = data.before[data.id[row]];
    const answer = data.answer[row];
    if (before !== undefined && answer >= 0) {
      const [left, right] = compare(at(before), at(answer));
      const two = make("div", undefined, data.flags[row] & FLAGS.worse ? "two fell" : "two");
      two.append(titled(say.baseline_answer, left), titled(say.candidate_answer, right));
      parts.push(two);
    } else if (answer >= 0) {
      parts.push(titled(say.answer, make("pre", at(answer))));
    }
    if (more && more.error >= 0) parts.push(titled(say.error, make("pre", at(more.error))));
    for (const each of more?.why ?? []) parts.push(why(each));
    const tags = data.tags[row].map((tag) => make("span", at(tag), "chip"));
    if (tags.length) parts.push(titled(say.tags_word, ...tags));
    return parts;
  };

  const draw = (row) => {
    const box = make("details", undefined, "case");
    const head = make("summary");
    head.append(...named(row));
    if (data.flags[row] & FLAGS.unscored) {
      const reason = data.answer[row] < 0 ? at(data.status[row]) : say.view_unscored;
      head.append(make("span", reason, "chip low"), " ");
    }
    for (const chip of chips(row)) head.append(chip, " ");
    for (const place of data.change[data.id[row]]?.again ?? []) head.append(make("span", at(place), "chip"), " ");
    head.append(make("span", at(data.input[row]).slice(0, 200), "asked"));
    box.append(head);
    box.dataset.row = row;
    box.addEventListener("toggle", () => {
      if (box.open && box.childElementCount === 1) box.append(...body(row));
      if (box.open) state.open = label(row);
      else if (state.open === label(row)) state.open = "";
      toAddress();
    });
    return box;
  };

  const drawMore = () => {
    part("rows").append(...found.slice(shown, shown + PAGE).map(draw));
    shown = Math.min(found.length, shown + PAGE);
    part("more").hidden = shown >= found.length;
    const told = { "{shown}": found.length, "{total}": size };
    part("count").textContent = found.length
      ? say.shown_of.replace(/\{shown\}|\{total\}/g, (slot) => told[slot].toLocaleString("en"))
      : say.nothing_found;
  };

  const refresh = () => {
    const counts = choose();
    part("rows").replaceChildren();
    shown = 0;
    current = -1;
    drawMore();
    for (const button of part("views").children) {
      const { view } = button.dataset;
      button.setAttribute("aria-pressed", String(view === state.view));
      button.textContent = `${say[`view_${view}`]} ${counts[view].toLocaleString("en")}`;
    }
    toAddress();
  };

  const options = (id, places, any) => {
    const seen = [...new Set(places.map((place) => at(place) || NONE))].sort();
    const select = part(id);
    select.replaceChildren(new Option(any, ""), ...seen.map((text) => new Option(text, text)));
    select.hidden = seen.length < 2;
  };

  // What has no control of its own: the length, and the metadata that the report is broken down by.
  const labelOptions = () => {
    const groups = labels.map(({ name, values }, number) => {
      const group = make("optgroup");
      group.label = name;
      group.append(...values.map((text, place) => new Option(text, `${number} ${place}`)));
      return group;
    });
    part("label").replaceChildren(new Option(say.any_label, ""), ...groups);
    part("label").hidden = !labels.some(({ values }) => values.length > 1);
  };

  const fill = () => {
    for (const id of SELECTS) {
      part(id).value = state[id];
      if (part(id).selectedIndex < 0) part(id).value = state[id] = "";
    }
    const number = labels.findIndex((each) => each.by === state.by);
    const place = labels[number]?.values.indexOf(state.is) ?? -1;
    part("label").value = place < 0 ? "" : `${number} ${place}`;
    if (place < 0) state.by = state.is = "";
    part("query").value = state.q;
  };

  const reopen = () => {
    const index = found.findIndex((row) => label(row) === state.open);
    if (index < 0) return;
    while (shown <= index) drawMore();
    move(index, true);
  };

  const move = (index, isOpened) => {
    if (!found.length) return;
    const wanted = Math.min(found.length - 1, Math.max(0, index));
    while (shown <= wanted) drawMore();
    part("rows").children[current]?.classList.remove("at");
    current = wanted;
    const box = part("rows").children[current];
    box.classList.add("at");
    if (isOpened) box.open = true;
    box.scrollIntoView({ block: "nearest" });
    box.firstElementChild.focus({ preventScroll: true });
  };

  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") part("query").focus();
    else if (event.key === "j") move(current + 1);
    else if (event.key === "k") move(current - 1);
    else if (event.key === "o" && current >= 0) part("rows").children[current].open ^= true;
    else return;
    event.preventDefault();
  };

  const start = () => {
    state = fromAddress();
    for (const view of Object.keys(FLAGS)) {
      if (FLAGS[view] && !data.flags.some((flags) => flags & FLAGS[view])) continue;
      const button = make("button");
      button.type = "button";
      button.dataset.view = view;
      button.addEventListener("click", () => { state.view = view; refresh(); });
      part("views").append(button);
    }
    options("tag", data.tags.flatMap((here) => (here.length ? here : [-1])), say.any_tag);
    options("language", data.language, say.any_language);
    options("status", data.status, say.any_status);
    labelOptions();
    fill();
    for (const id of SELECTS) {
      part(id).addEventListener("change", () => { state[id] = part(id).value; refresh(); });
    }
    part("label").addEventListener("change", () => {
      const [number, place] = part("label").value.split(" ");
      state.by = labels[number]?.by ?? "";
      state.is = labels[number]?.values[place] ?? "";
      refresh();
    });
    part("query").addEventListener("input", () => { state.q = part("query").value; refresh(); });
    part("filters").addEventListener("submit", (event) => event.preventDefault());
    part("more").addEventListener("click", drawMore);
    for (const button of document.querySelectorAll(".pick")) {
      button.addEventListener("click", () => {
        const { by, key, value } = button.dataset;
        const none = { view: "all", tag: "", language: "", status: "", by: "", is: "", q: "", open: "" };
        state = { ...state, ...none, ...(by === "label" ? { by: key, is: value } : { [by]: value }) };
        fill();
        refresh();
        part("cases").scrollIntoView();
      });
    }
    part("theme").addEventListener("click", () => {
      const root = document.documentElement;
      const isDark = root.dataset.theme ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = isDark ? "light" : "dark";
    });
    document.addEventListener("keydown", onKey);
    addEventListener("hashchange", () => { state = fromAddress(); fill(); refresh(); reopen(); });
    for (const pair of document.querySelectorAll(".first .two")) {
      const [was, now] = pair.querySelectorAll("pre");
      const [left, right] = compare(was.textContent, now.textContent);
      was.replaceWith(left);
      now.replaceWith(right);
    }
    part("first").remove();
    for (const id of ["filters", "theme", "keys"]) part(id).hidden = false;
    refresh();
    reopen();
  };

  start();
})();
