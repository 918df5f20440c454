// Decisions: one character per photo.
const NAMES = { "-": "none", k: "keep", r: "reject" };
const decisions = new Array(photos.length).fill("-");
const past = []; // earlier decisions, for undo: lists of [index, decision]

const decisionOf = (photo) => NAMES[decisions[photo.index]];

function load() {
  const saved = store.load();
  if (saved?.decisions?.length === photos.length) {
    [...saved.decisions].forEach((mark, k) => (decisions[k] = mark in NAMES ? mark : "-"));
  }
  if (saved?.threshold >= 0 && saved.threshold <= 1) state.threshold = saved.threshold;
}

function decide(marks, undoable = true) {
  const changed = marks.filter(([index, mark]) => decisions[index] !== mark);
  if (!changed.length) return;
  if (undoable) past.push(changed.map(([index]) => [index, decisions[index]]));
  for (const [index, mark] of changed) decisions[index] = mark;
  store.save(changed.map(([index]) => index));
}

// All photos in the order of the page, with kind and verdict at the slider's threshold.
function records() {
  return byProbability.map((photo) => ({
    path: photo.path,
    probability: photo.probability,
    kind: readable(photo) ? kindOf(photo) : null,
    verdict: verdictOf(photo),
    decision: decisionOf(photo),
  }));
}

function asCsv() {
  const cell = (value) => {
    const name = typeof value === "string" && /^'*[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    const text = name === null ? "" : String(name);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = records().map((record) => Object.values(record).map(cell).join(","));
  return ["\ufeffpath,probability,kind,verdict,decision", ...lines, ""].join("\n");
}

function asJson() {
  const content = { report: about.report, threshold: state.threshold, photos: records() };
  return `${JSON.stringify(content, null, 1)}\n`;
}

// Bytes of names that are not UTF-8 come as lone surrogates U+DC80 to U+DCFF (Python's
// surrogateescape) and go out as bytes. In JSON they are escaped already.
function asBytes(text) {
  return text
    .split(/([\udc80-\udcff]+)/u)
    .map((part, k) => (k % 2 ? Uint8Array.from(part, (c) => c.charCodeAt(0) - 0xdc00) : part));
}

function download(text, ending, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(asBytes(text), { type }));
  link.download = `${about.name}-decisions.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
