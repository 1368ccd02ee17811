// The page of the dry run. What comes from manifests and answers becomes text and never markup, and however much of it there
// is, only so much is put on the page at once.
"use strict";

const MOST_ITEMS = 50; // objects, findings: more on demand
const MOST_ROWS = 400; // of a diff
const CONTEXT = 3; // lines around a change
const LONGEST = 2000; // characters of a line or a text: a manifest may be one line of a megabyte
const SVG = "http://www.w3.org/2000/svg";

const at = (id) => document.getElementById(id);

// An element: its class, its children as texts or elements.
function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// What cannot be seen, or turns text around, as its code; what is long, cut.
function shown(text) {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length - LONGEST} more characters)` : text;
  return cut.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// Text with what stands between backticks as code: where they do not pair, as it is.
function worded(text) {
  const parts = shown(text).split("`");
  if (parts.length % 2 === 0) return parts.join("`");
  const element = make("span", "");
  parts.forEach((part, index) => element.append(index % 2 ? make("code", "", part) : part));
  return element;
}

const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

let start = { fields: [], cluster: false };
let running = null;
let asked = null; // what the result that is shown is of

// ---- The namespace's annotations

function annotation(name, value) {
  const number = annotation.number = (annotation.number ?? 0) + 1;
  const key = make("select");
  const groups = new Map();
  for (const field of start.fields) {
    if (!groups.has(field.method)) {
      const group = make("optgroup");
      group.label = field.method ? `deregister: ${field.method}` : "for every way of leaving";
      groups.set(field.method, group);
      key.append(group);
    }
    const option = make("option", "", field.name);
    option.value = field.name;
    groups.get(field.method).append(option);
  }
  key.ariaLabel = "Annotation";
  key.value = name;
  const input = make("input");
  input.autocomplete = "off";
  input.spellcheck = false;
  input.ariaLabel = "Value";
  const list = make("datalist");
  list.id = `choices-${number}`;
  input.setAttribute("list", list.id);
  const hint = make("span", "hint");
  hint.id = `hint-${number}`;
  input.setAttribute("aria-describedby", hint.id);
  const remove = make("button", "", "Remove");
  remove.type = "button";
  const item = make("li", "", key, input, remove, list, hint);
  const fit = () => {
    const field = start.fields.find((one) => one.name === key.value);
    hint.textContent = field.allowed;
    input.inputMode = field.number ? "numeric" : "text";
    list.replaceChildren(...field.choices.map((choice) => {
      const option = make("option");
      option.value = choice;
      return option;
    }));
    remove.ariaLabel = `Remove ${key.value}`;
  };
  key.addEventListener("change", () => {
    input.value = "";
    fit();
  });
  remove.addEventListener("click", () => {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    edited();
    (next?.querySelector("select") ?? at("add")).focus();
  });
  fit();
  input.value = value;
  at("annotations").append(item);
  return item;
}

function added() {
  const used = new Set([...at("annotations").querySelectorAll("select")].map((key) => key.value));
  const free = start.fields.find((field) => !used.has(field.name));
  if (free) annotation(free.name, "").querySelector("select").focus();
  edited();
}

function mode() {
  at("chosen").hidden = at("mode").value !== "chosen";
}

// ---- The manifest

// Says whether the result is of what stands in the form. Its lines are those of the text that was run.
function edited() {
  const other = asked !== null && (asked.text !== at("manifest").value || asked.query !== `${query()}`);
  if (at("stale").hidden === !other) return;
  at("stale").hidden = !other;
  at("stale").textContent = other ? "Edited since: this result is of what stood there before. Run it again." : "";
  at("result").classList.toggle("old", other);
}

async function open(files) {
  const texts = await Promise.all([...files].map((file) => file.text()));
  at("manifest").value = texts.map((text) => (text.endsWith("\n") ? text : `${text}\n`)).join("---\n");
  await run();
}

// Marks a line of the manifest and shows it.
function jump(line) {
  const source = at("manifest");
  const text = source.value;
  let begin = 0;
  for (let above = 1; above < line; above += 1) {
    const end = text.indexOf("\n", begin);
    if (end < 0) break;
    begin = end + 1;
  }
  const end = text.indexOf("\n", begin);
  source.focus();
  source.setSelectionRange(begin, end < 0 ? text.length : end);
  const height = Number.parseFloat(getComputedStyle(source).lineHeight);
  source.scrollTop = Math.max(0, (line - 4) * height);
  source.scrollLeft = 0;
  source.scrollIntoView({ block: "nearest" });
}

function place(line) {
  const button = make("button", "jump", `line ${line}`);
  button.type = "button";
  button.addEventListener("click", () => {
    // In another text the line is another one; what is wrong is said where the eye is.
    if (at("stale").hidden) jump(line);
    else at("stale").scrollIntoView({ block: "nearest" });
  });
  return button;
}

// ---- Asking

function query() {
  const query = new URLSearchParams({ output: "json", with: "findings,lines,text" });
  const namespace = at("namespace").value.trim();
  if (namespace) query.set("namespace", namespace);
  if (at("mode").value === "chosen") {
    const items = [...at("annotations").children];
    const said = items.map((item) => `${item.querySelector("select").value}=${item.querySelector("input").value}`);
    for (const one of said.length ? said : [""]) query.append("annotation", one);
  }
  return query;
}

async function run() {
  const outcome = at("outcome");
  running?.abort();
  const mine = running = new AbortController();
  for (const part of ["errors", "contents", "objects", "diff", "findings"]) at(part).replaceChildren();
  asked = null;
  edited();
  if (!at("manifest").value.trim()) {
    running = null;
    outcome.className = "";
    outcome.textContent = "There is nothing to run yet: paste a manifest, or open a file.";
    at("run").ariaDisabled = "false";
    return;
  }
  asked = { text: at("manifest").value, query: `${query()}` };
  outcome.className = "busy";
  outcome.textContent = "Asking …";
  at("run").ariaDisabled = "true";
  try {
    const answer = await fetch(`dry-run?${asked.query}`, {
      method: "POST",
      body: asked.text,
      headers: { "Content-Type": "text/plain; charset=utf-8" },
      signal: mine.signal,
    });
    const text = await answer.text();
    if (mine.signal.aborted) return;
    if (answer.headers.get("Content-Type")?.startsWith("application/json")) {
      show(JSON.parse(text));
    } else {
      outcome.textContent = `Refused (${answer.status}).`;
      errors([text.trim()]);
    }
  } catch (error) {
    if (mine.signal.aborted) return;
    outcome.textContent = "No answer.";
    errors([`Silkroll cannot be reached: ${error.message}`]);
  } finally {
    if (running === mine) {
      outcome.classList.remove("busy");
      at("run").ariaDisabled = "false";
    }
  }
}

// ---- The answer

// Puts so many on the page, and the rest on demand.
function portions(items, most, into, put, what) {
  let next = 0;
  const more = make("button", "");
  more.type = "button";
  const some = () => {
    const first = next;
    for (; next < Math.min(items.length, first + most); next += 1) put(items[next]);
    if (next < items.length) {
      more.textContent = `Show ${Math.min(most, items.length - next)} more of ${items.length - next} ${what}`;
      into.append(more);
    } else {
      more.remove();
    }
  };
  more.addEventListener("click", some);
  some();
}

function show(answer) {
  const documents = answer.documents ?? [];
  // What was added above moves the lines of the result down.
  let moved = 0;
  for (const one of documents) {
    one.moved = moved;
    for (const [, removed, , added] of one.changes) moved += added - removed;
  }
  const changed = documents.filter((one) => one.changes.length);
  const objects = answer.items.filter((item) => item.reason !== "other-kind");
  const findings = answer.findings ?? [];
  const loud = findings.filter((one) => one.ignored === undefined);
  const outcomes = new Map();
  for (const item of objects) outcomes.set(item.outcome, (outcomes.get(item.outcome) ?? 0) + 1);
  const told = [...outcomes].map(([outcome, number]) => `${number} ${outcome}`);
  const others = answer.items.length - objects.length;
  if (others) told.push(`${others} of other kinds`);
  const warnings = objects.reduce((sum, item) => sum + item.warnings.length, 0);
  const said = answer.items.length ? [`${count(answer.items.length, "object")}: ${told.join(", ")}`] : ["There is no object in it"];
  if (warnings) said.push(count(warnings, "warning"));
  if (loud.length) said.push(count(loud.length, "finding"));
  if (answer.errors.length) said.push(`${count(answer.errors.length, "document")} cannot be used`);
  at("outcome").textContent = `${said.join("; ")}.`;
  errors(answer.errors);
  const parts = [["objects", "Objects", objects.length], ["diff", "Diff", changed.length], ["findings", "Findings", findings.length]];
  at("contents").replaceChildren(...parts.filter(([, , number]) => number).map(([id, title]) => {
    const link = make("a", "", title);
    link.href = `#${id}`;
    return link;
  }));
  portions(objects, MOST_ITEMS, at("objects"), (item) => at("objects").append(object(item)), "objects");
  if (changed.length) {
    portions(changed, MOST_ITEMS, at("diff"), (one) => at("diff").append(diff(one)), "documents");
  }
  if (findings.length) at("findings").append(found(findings));
  if (answer.notJudged) at("findings").append(make("section", "", make("p", "", shown(answer.notJudged))));
}

function errors(messages) {
  if (!messages.length) return;
  const list = make("ul", "told");
  for (const message of messages) {
    const item = make("li", "error", worded(message));
    const line = /\bline (\d+)/.exec(message);
    if (line) item.append(place(Number(line[1])));
    list.append(item);
  }
  const title = make("h3", "error", "What cannot be used");
  at("errors").append(make("section", "", title, list));
}

function object(item) {
  const name = `${item.kind || "object"} ${item.namespace}/${item.name || "(no name)"}`;
  const badge = make("span", `badge ${item.outcome === "removed" ? "removed-outcome" : item.outcome}`, item.outcome);
  const head = make("div", "head", badge, make("h3", "", shown(name)));
  const article = make("article", "object", head);
  if (item.lines) head.append(place(item.lines.object));
  article.append(make("p", "meaning", `${item.reason}: ${item.meaning}`));
  const told = make("ul", "told");
  if (item.denial) told.append(notice("error", `denied: ${item.denial}`, item.lines?.denial));
  item.warnings.forEach((text, index) => {
    told.append(notice("warning", `warning: ${text.replace(/^silkroll: /, "")}`, item.lines?.warnings[index]));
  });
  if (told.children.length) article.append(told);
  if (item.timeline) article.append(...stop(item.timeline, name));
  if (item.decisions.length) {
    const steps = make("dl", "steps");
    for (const step of item.decisions) {
      const where = step.container ? ` [${shown(step.container)}]` : "";
      steps.append(make("dt", "", `${step.part}${where}`), make("dd", "", worded(step.text)));
    }
    article.append(make("details", "", make("summary", "", count(item.decisions.length, "decision")), steps));
  }
  return article;
}

function notice(className, text, line) {
  const item = make("li", "", make("span", className, worded(text)));
  if (line) item.append(place(line));
  return item;
}

// ---- How the pod stops

function stop(timeline, name) {
  const phases = timeline.phases;
  const table = make("table", "phases");
  table.append(make("caption", "sr", "The stop phase by phase"));
  const heads = ["seconds", "phase", "what happens", "what callers see"].map((text) => {
    const head = make("th", "", text);
    head.scope = "col";
    return head;
  });
  table.append(make("thead", "", make("tr", "", ...heads)));
  const body = make("tbody", "");
  // Where there is no room for the heads, each cell says what it is.
  const cell = (text, head) => {
    const cell = make("td", "", text);
    cell.dataset.head = head;
    return cell;
  };
  for (const phase of phases) {
    const until = phase.seconds === null ? "?" : phase.at + phase.seconds;
    const seconds = phase.seconds === 0 ? `${phase.at}` : `${phase.at} – ${until}`;
    const title = make("th", "", swatch(phase.name), phase.name);
    title.scope = "row";
    body.append(make("tr", "", cell(seconds, ""), title, cell(phase.what, ""), cell(phase.callers, "Callers: ")));
  }
  table.append(body);
  return [make("h4", "", "How the pod stops, in seconds after its deletion, at the latest"), drawn(phases, timeline.sigkill, name), table];
}

function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function swatch(name) {
  const picture = svg("svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" });
  picture.append(svg("rect", { class: name, width: 10, height: 10, rx: 2 }));
  return picture;
}

const EDGE = 14;

// Drawn again for each width, in its pixels: words that shrink with a picture cannot be read.
const widths = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) target.draw(contentRect.width);
});

function drawn(phases, end, name) {
  const title = `The stop of ${shown(name)}: ` + phases.map((phase) => `${phase.name} at ${phase.at} s`).join(", ");
  const picture = svg("svg", { class: "stop", role: "img", "aria-label": title });
  picture.draw = (wide) => picture.replaceChildren(...bars(phases, end, wide));
  widths.observe(picture);
  return picture;
}

function bars(phases, end, wide) {
  const x = (seconds) => EDGE + (Math.min(seconds, end) / Math.max(end, 1)) * Math.max(wide - 2 * EDGE, 1);
  const all = [];
  let free = -99;
  for (const phase of phases) {
    const from = x(phase.at);
    const last = phase.name === "SIGKILL";
    const to = last ? from + 4 : x(phase.seconds === null ? end : phase.at + phase.seconds);
    const width = Math.max(to - from - 1, 2);
    all.push(svg("rect", { class: phase.name, x: from, y: last ? 10 : 16, width, height: last ? 30 : 24, rx: 2 }));
    if (!last && width > phase.name.length * 7.5 + 6) {
      all.push(svg("text", { class: "inside", x: from + width / 2, y: 32, "text-anchor": "middle" }, phase.name));
    }
    // The end is always said; of others what has room.
    if (last || from - free > 34) {
      // The last one's words stand at its left.
      if (!last && x(end) - from < 52) continue;
      all.push(svg("line", { x1: from, y1: 41, x2: from, y2: 46 }));
      all.push(svg("text", { x: from, y: 59, "text-anchor": last ? "end" : "middle" }, `${phase.at} s`));
      free = from;
    }
  }
  return all;
}

// ---- The diff

// The changes as rows: a number and a text of before, the same of after; or how many lines are left out.
function rows(one) {
  const before = one.before.split("\n");
  const after = one.after.split("\n");
  const rows = [];
  let [old, now] = [0, 0];
  const same = (until) => {
    for (; old < until; old += 1, now += 1) rows.push({ old, now, same: true });
  };
  one.changes.forEach(([from, removed, to, added], index) => {
    const left = Math.max(old, from - CONTEXT);
    if (left > old) {
      // What stands between two changes belongs to both.
      const keep = index === 0 ? 0 : Math.min(CONTEXT, left - old);
      same(old + keep);
      if (left > old) {
        rows.push({ gap: left - old });
        now += left - old;
        old = left;
      }
    }
    same(from);
    now = to;
    for (let line = 0; line < Math.max(removed, added); line += 1) {
      rows.push({ old: line < removed ? from + line : null, now: line < added ? to + line : null });
    }
    [old, now] = [from + removed, to + added];
  });
  const lines = before.length - (before.at(-1) === "" ? 1 : 0);
  same(Math.min(lines, old + CONTEXT));
  if (lines > old) rows.push({ gap: lines - old });
  return { rows, before, after };
}

function diff(one) {
  const { rows: all, before, after } = rows(one);
  const table = make("table", "diff");
  table.append(make("caption", "sr", `Document ${one.document} before and after`));
  const heads = [["no", "line"], ["sign", "change"], ["", "before"], ["no", "line"], ["sign", "change"], ["", "after"]].map(([className, text]) => {
    const head = make("th", className);
    head.append(className ? make("span", "sr", text) : text);
    head.scope = "col";
    return head;
  });
  const body = make("tbody", "");
  table.append(make("thead", "", make("tr", "", ...heads)), body);
  const side = (index, lines, first, className, sign) => {
    if (index === null) return [make("td", "no none"), make("td", "sign none"), make("td", "text none")];
    return [
      make("td", "no", `${first + index}`),
      make("td", `sign ${className}`, sign),
      make("td", `text ${className}`, shown(lines[index].replace(/\r$/, ""))),
    ];
  };
  const put = (row) => {
    if (row.gap) {
      const cell = make("td", "", `${count(row.gap, "line")} as before`);
      cell.colSpan = 6;
      body.append(make("tr", "gap", cell));
      return;
    }
    const [left, right] = row.same ? ["", ""] : ["removed", "added"];
    body.append(make("tr", row.same ? "same" : "",
      ...side(row.old, before, one.line, left, row.same ? "" : "−"),
      ...side(row.now, after, one.line + one.moved, right, row.same ? "" : "+")));
  };
  const copy = make("button", "", "Copy the result");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(one.after);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "The browser does not allow it";
    }
  });
  const section = make("section", "", make("div", "head", make("h3", "", `Diff of document ${one.document}`), place(one.line), copy), table);
  portions(all, MOST_ROWS, section, put, "rows");
  return section;
}

// ---- What check finds

const SEVERITIES = ["error", "warning", "info"];

function found(all) {
  // The worst first, what is ignored last; among equals they stay in the manifest's order.
  const rank = (one) => (one.ignored === undefined ? 0 : SEVERITIES.length) + SEVERITIES.indexOf(one.severity);
  const findings = [...all].sort((one, other) => rank(one) - rank(other));
  const list = make("ul", "told");
  const section = make("section", "", make("h3", "", "What silkroll check finds in the manifest"), list);
  portions(findings, MOST_ITEMS, section, (one) => list.append(finding(one)), "findings");
  return section;
}

function finding(one) {
  const item = make("li", one.ignored === undefined ? "" : "quiet");
  const where = `${one.kind} ${one.namespace}/${one.name || "(no name)"}${one.container ? `, container ${one.container}` : ""}`;
  const head = make("p", "", make("strong", one.severity, `${one.code} ${one.severity}`), " ", worded(one.title), ": ", make("span", "", shown(where)));
  if (one.line) head.append(place(one.line));
  item.append(head, make("p", "", worded(one.message)), make("p", "hint", worded(`${one.harm} ${one.advice}`)));
  if (one.mended) item.append(make("p", "mended", "✓ Gone in the result."));
  if (one.ignored !== undefined) item.append(make("p", "hint", `Ignored: ${shown(one.ignored)}`));
  item.append(meaning(one.code));
  return item;
}

// The rule's page, fetched from the program when it is opened.
function meaning(code) {
  const page = make("div", "page");
  const details = make("details", "", make("summary", "", `What ${code} means`), page);
  details.addEventListener("toggle", async () => {
    if (!details.open || page.children.length) return;
    try {
      const answer = await fetch(`dry-run/rules/${code}`);
      if (!answer.ok) throw new Error(`${answer.status}`);
      page.replaceChildren(...written(await answer.text()));
    } catch (error) {
      page.textContent = `It cannot be had: ${error.message}. silkroll check --explain ${code} prints it.`;
    }
  });
  return details;
}

// As much of Markdown as these pages have: paragraphs, code, links.
function written(text) {
  const all = [];
  text.split("```").forEach((part, index) => {
    if (index % 2) {
      all.push(make("pre", "", part.slice(part.indexOf("\n") + 1).trimEnd()));
      return;
    }
    for (const paragraph of part.split(/\n{2,}/)) {
      const words = paragraph.trim().replaceAll("\n", " ");
      // Its first line says what stands above it.
      if (words && !words.startsWith("# ")) all.push(make("p", "", ...linked(words)));
    }
  });
  return all;
}

function linked(text) {
  const parts = [];
  let from = 0;
  for (const link of text.matchAll(/\[([^\]]+)\]\(([^)\s]+)\)/g)) {
    parts.push(worded(text.slice(from, link.index)));
    from = link.index + link[0].length;
    if (link[2].startsWith("https://")) {
      const to = make("a", "", worded(link[1]));
      to.href = link[2];
      to.target = "_blank";
      to.rel = "noreferrer";
      parts.push(to);
    } else parts.push(worded(link[1]));
  }
  parts.push(worded(text.slice(from)));
  return parts;
}

// ---- Begin

async function begin() {
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  for (const name of ["input", "change"]) at("form").addEventListener(name, edited);
  at("add").addEventListener("click", added);
  at("mode").addEventListener("change", mode);
  at("file").addEventListener("change", (event) => open(event.target.files));
  const source = at("source");
  // Beside the field a drop would make the browser leave the page.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  source.addEventListener("dragover", () => source.classList.add("over"));
  source.addEventListener("dragleave", () => source.classList.remove("over"));
  source.addEventListener("drop", (event) => {
    source.classList.remove("over");
    if (event.dataTransfer.files.length) open(event.dataTransfer.files);
    else if (event.dataTransfer.getData("text")) {
      at("manifest").value = event.dataTransfer.getData("text");
      edited();
    }
  });
  try {
    start = await (await fetch("dry-run/start.json")).json();
  } catch {
    at("outcome").textContent = "Silkroll cannot be reached.";
    return;
  }
  const modes = [["chosen", "as chosen here"]];
  if (start.cluster) modes.unshift(["cluster", "as the cluster has them"]);
  at("mode").replaceChildren(...modes.map(([value, text]) => {
    const option = make("option", "", text);
    option.value = value;
    return option;
  }));
  annotation("inject", "enabled");
  mode();
  document.documentElement.dataset.ready = "true";
  if (start.manifest) {
    at("manifest").value = start.manifest;
    await run();
  }
}

begin();
