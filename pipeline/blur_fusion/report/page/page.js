// The page: tiles, the current photo, decisions.
const $ = (id) => document.getElementById(id);
const grid = new Grid($("grid"), drawTile);
let cursor = 0; // index in grid.list
const current = () => grid.list[cursor];

function drawTile(tile, photo, index) {
  const verdict = verdictOf(photo);
  const decision = decisionOf(photo);
  tile.className = `tile ${verdict} ${decision}`;
  tile.setAttribute("aria-selected", index === cursor);
  tile.setAttribute("aria-label", `${photo.name}, ${described(photo)}`);
  tile.title = photo.error || photo.path;
  if (photo.burst) tile.dataset.burst = photo.burst % 2 ? "odd" : "even";
  const texts = [photo.name, labelOf(photo), probabilityText(photo), DECIDED[decision]];
  tile.querySelectorAll("p.name, .line span").forEach((part, k) => (part.textContent = texts[k]));
  tile.querySelector(".badge").textContent = rankText(photo);
}

function status() {
  const piles = Object.fromEntries(PILES.map((pile) => [pile, 0]));
  for (const photo of photos) piles[verdictOf(photo)]++;
  const [kept, rejected] = ["k", "r"].map((mark) => decisions.filter((d) => d === mark).length);
  const parts = [`<b>${piles.blurred}</b> of ${photos.length} flagged as blurred`];
  for (const pile of ["unsure", "unreadable"]) {
    if (piles[pile]) parts.push(`<b>${piles[pile]}</b> ${pile}`);
  }
  if (kept || rejected) parts.push(`<b>${kept}</b> kept, <b>${rejected}</b> rejected`);
  if (grid.list.length < photos.length) parts.push(`${grid.list.length} shown`);
  $("status").innerHTML = parts.join(" \u00b7 "); // numbers only, no names
  $("trouble").textContent = store.trouble;
  for (const chip of document.querySelectorAll("#piles label")) {
    const { value } = chip.querySelector("input");
    const number = value ? piles[value] : photos.length;
    chip.querySelector("span").textContent = `${value || "all"} ${number}`;
    chip.hidden = value === "unreadable" && !number;
  }
}

function histogram() {
  const bins = new Array(60).fill(0);
  for (const photo of photos.filter(readable)) bins[Math.min(59, Math.floor(photo.probability * 60))]++;
  const most = Math.log1p(Math.max(...bins)) || 1;
  const pen = $("histogram").getContext("2d");
  pen.clearRect(0, 0, 480, 48);
  bins.forEach((number, k) => {
    pen.fillStyle = k / 60 >= state.threshold ? "#111" : "#bbb";
    const height = (Math.log1p(number) / most) * 48; // one photo shows beside thousands
    pen.fillRect(k * 8, 48 - height, 7, height);
  });
}

// Filter again; the cursor stays on its photo, or in its place if that is filtered out.
function update() {
  const photo = current();
  const list = ORDERS[state.order].filter(shown);
  const same = list.length === grid.list.length && list.every((item, k) => item === grid.list[k]);
  const found = list.indexOf(photo);
  cursor = Math.max(0, found >= 0 ? found : Math.min(cursor, list.length - 1));
  if (same) grid.refresh();
  else grid.show(list);
  $("nothing").hidden = list.length > 0;
  status();
  showCurrent();
}

function showCurrent() {
  const photo = current();
  if (photo) $("grid").setAttribute("aria-activedescendant", `photo-${cursor}`);
  else $("grid").removeAttribute("aria-activedescendant");
  const folder = photo ? photo.path.slice(0, -photo.name.length) : "";
  const at = photo ? `${cursor + 1} / ${grid.list.length} · ${photo.name}` : "";
  $("current").textContent = folder ? `${at} · ${folder}` : at;
  $("current").title = photo ? photo.path : "";
  const needs = { undo: past.length, best: photo?.burst, side: bursts.size, close: 1, apply: 1 };
  for (const button of document.querySelectorAll("[data-do]")) {
    const action = button.dataset.do;
    button.disabled = !(action in needs ? needs[action] : photo);
    if (button.matches(".keep, .reject")) {
      button.setAttribute("aria-pressed", Boolean(photo) && decisionOf(photo) === action);
    }
  }
  if ($("large").open) enlarge();
}

function move(to) {
  cursor = Math.max(0, Math.min(to, grid.list.length - 1));
  const bars = $("controls");
  const above = getComputedStyle(bars).position === "sticky" ? bars.offsetHeight : 0;
  if (grid.list.length) grid.reveal(cursor, above + 4, document.querySelector("footer").offsetHeight);
  grid.refresh();
  showCurrent();
}

function judge(mark) {
  const photo = current();
  if (!photo) return;
  decide([[photo.index, mark]]);
  update();
  move(current() === photo ? cursor + 1 : cursor); // filtered away: the next one is here
}

// Keep the sharpest of a burst and reject the rest, but leave ties as they are.
function best() {
  const frames = current() ? burstOf(current()) : [];
  if (frames.length < 2 || !frames[0].rank) return;
  const mark = (photo) => (photo.rank === 1 ? "k" : photo.tie ? decisions[photo.index] : "r");
  decide(frames.map((photo) => [photo.index, mark(photo)]));
  const last = Math.max(...frames.map((photo) => grid.list.indexOf(photo)));
  const next = grid.list[last + 1];
  update();
  move(state.order === "bursts" && next ? grid.list.indexOf(next) : cursor);
}

function undo() {
  const marks = past.pop();
  if (!marks) return;
  decide(marks, false);
  update();
  const index = grid.list.indexOf(photos[marks[0][0]]);
  move(index >= 0 ? index : cursor);
}
