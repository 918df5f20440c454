// The photos: read from the blocks of JSON in the page, each removed once read.
const blocks = (name) => [...document.querySelectorAll(`script.${name}`)];
const about = JSON.parse(blocks("about")[0].textContent);
const photos = [];
for (const block of blocks("rows")) {
  for (const photo of JSON.parse(block.textContent)) {
    photo.index = photos.length; // place in the file: what decisions are stored by
    photo.name = photo.path.split(/[\\/]/).pop() || photo.path;
    photos.push(photo);
  }
  block.remove();
}
const readable = (photo) => photo.error === null && photo.probability !== null;
const rank = (photo) => (readable(photo) ? photo.probability : -1);
const byProbability = photos.slice().sort((a, b) => rank(b) - rank(a) || a.index - b.index);
const DECIDED = { keep: "✓ keep", reject: "✕ reject", none: "" };
const KINDS = ["defocus", "motion", "blurred", "sharp", "unreadable"];
// At the slider's threshold, which applies at once.
const state = { threshold: about.threshold, kind: "", flagged: false, decided: "" };

function verdictOf(photo) {
  if (!readable(photo)) return "unreadable";
  return photo.probability >= state.threshold ? "blurred" : "sharp";
}

// The scan tells the kind of what it flagged; what only the slider flags is "blurred".
function kindOf(photo) {
  const verdict = verdictOf(photo);
  if (verdict !== "blurred") return verdict;
  return KINDS.slice(0, 2).includes(photo.kind) ? photo.kind : "blurred";
}

function shown(photo) {
  return (
    (!state.kind || kindOf(photo) === state.kind) &&
    (!state.flagged || verdictOf(photo) === "blurred") &&
    (!state.decided || decisionOf(photo) === state.decided)
  );
}

// To a thousandth, but never on a side of the threshold that is not the photo's.
function probabilityText(photo) {
  if (!readable(photo)) return "";
  if (photo.probability < 0.0005) return "< 0.001";
  if (photo.probability > 0.9995) return "> 0.999";
  const text = photo.probability.toFixed(3);
  const same = Number(text) >= state.threshold === photo.probability >= state.threshold;
  return same ? text : String(photo.probability);
}

function described(photo) {
  const sure = readable(photo) ? `probability ${probabilityText(photo)}` : photo.error;
  const parts = [verdictOf(photo), kindOf(photo), sure || "no probability", decisionOf(photo)];
  return [...new Set(parts)].filter((part) => part !== "none").join(", ");
}
