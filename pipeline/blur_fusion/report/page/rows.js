// The photos: read from the blocks of JSON in the page, each removed once read.
const blocks = (name) => [...document.querySelectorAll(`script.${name}`)];
const about = JSON.parse(blocks("about")[0].textContent);
const photos = [];
const bursts = new Map(); // number -> its photos, the sharpest first; a series has no ranks
for (const block of blocks("rows")) {
  for (const photo of JSON.parse(block.textContent)) {
    photo.index = photos.length; // place in the file: what decisions are stored by
    photo.name = photo.path.split(/[\\/]/).pop() || photo.path;
    photos.push(photo);
    if (photo.burst) bursts.set(photo.burst, [...(bursts.get(photo.burst) || []), photo]);
  }
  block.remove();
}
for (const burst of bursts.values()) burst.sort((a, b) => (a.rank ?? 99) - (b.rank ?? 99));
const burstOf = (photo) => bursts.get(photo.burst) || [photo];
const readable = (photo) => photo.error === null && photo.probability !== null;
const likely = (photo) => (readable(photo) ? photo.probability : -1);
const byProbability = photos.slice().sort((a, b) => likely(b) - likely(a) || a.index - b.index);
const alone = byProbability.filter((photo) => !photo.burst);
const ORDERS = { probability: byProbability, bursts: [...[...bursts.values()].flat(), ...alone] };
const DECIDED = { keep: "✓ keep", reject: "✕ reject", none: "" };
const PILES = ["blurred", "unsure", "sharp", "unreadable"];
// At the slider's threshold, which applies at once.
const state = { threshold: about.threshold, pile: "", kind: "", decided: "", order: "probability" };

// The scan's verdict; at another threshold only photos with nothing to judge, which have no focus,
// stay unsure.
function verdictOf(photo) {
  if (!readable(photo)) return "unreadable";
  const empty = photo.verdict === "unsure" && photo.focus_x === undefined;
  if (photo.verdict && (empty || state.threshold === about.threshold)) return photo.verdict;
  return photo.probability >= state.threshold ? "blurred" : "sharp";
}

// Photos that only the slider flags may have no kind: "blurred".
function kindOf(photo) {
  if (!readable(photo)) return "unreadable";
  if (photo.probability < state.threshold) return "sharp";
  return ["defocus", "motion"].includes(photo.kind) ? photo.kind : "blurred";
}

function labelOf(photo) {
  const verdict = verdictOf(photo);
  return verdict === "blurred" ? kindOf(photo) : verdict;
}

function shown(photo) {
  return (
    (!state.pile || verdictOf(photo) === state.pile) &&
    (!state.kind || kindOf(photo) === state.kind) &&
    (!state.decided || decisionOf(photo) === state.decided)
  );
}

// To a thousandth, but never on the wrong side of the threshold.
function probabilityText(photo) {
  if (!readable(photo)) return "";
  if (photo.probability < 0.0005) return "< 0.001";
  if (photo.probability > 0.9995) return "> 0.999";
  const text = photo.probability.toFixed(3);
  const same = Number(text) >= state.threshold === photo.probability >= state.threshold;
  return same ? text : String(photo.probability);
}

// "2/5", with "≈" for a tie with the sharpest.
function rankText(photo) {
  const frames = burstOf(photo);
  if (frames.length < 2) return "";
  return `${photo.tie && photo.rank > 1 ? "≈ " : ""}${photo.rank ?? "–"}/${frames.length}`;
}

function described(photo) {
  const sure = readable(photo) ? `probability ${probabilityText(photo)}` : photo.error;
  const frames = rankText(photo) && `sharpness ${rankText(photo)} of burst ${photo.burst}`;
  const parts = [verdictOf(photo), labelOf(photo), sure || "no probability", frames, photo.note];
  return [...new Set([...parts, DECIDED[decisionOf(photo)].slice(2)])].filter(Boolean).join(", ");
}
