// The page: controls, keys, the current photo and its enlarged view.
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
  const texts = [photo.name, kindOf(photo), probabilityText(photo), DECIDED[decision]];
  tile.querySelectorAll("p.name, span").forEach((part, k) => (part.textContent = texts[k]));
}

function status() {
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  for (const photo of photos) kinds[kindOf(photo)]++;
  const flagged = photos.length - kinds.sharp - kinds.unreadable;
  const [kept, rejected] = ["k", "r"].map((mark) => decisions.filter((d) => d === mark).length);
  const parts = [`<b>${flagged}</b> of ${photos.length} flagged as blurred`];
  if (kinds.unreadable) parts.push(`<b>${kinds.unreadable}</b> unreadable`);
  if (kept || rejected) parts.push(`<b>${kept}</b> kept, <b>${rejected}</b> rejected`);
  if (grid.list.length < photos.length) parts.push(`${grid.list.length} shown`);
  if (!storing) parts.push("this browser stores no decisions: export before you leave");
  $("status").innerHTML = parts.join(" \u00b7 "); // numbers alone: no name is in it
  for (const chip of document.querySelectorAll("#kinds label")) {
    const { value, checked } = chip.querySelector("input");
    const number = value ? kinds[value] : photos.length;
    chip.querySelector("span").textContent = `${value || "all"} ${number}`;
    chip.hidden = value === "blurred" && !number && !checked; // few have a blur of no known kind
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
    const height = (Math.log1p(number) / most) * 48; // one photo is seen beside thousands
    pen.fillRect(k * 8, 48 - height, 7, height);
  });
}

// Filter again; the cursor stays on its photo, or at its place where that is gone.
function update() {
  const photo = current();
  const list = byProbability.filter(shown);
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
  const place = photo ? `${cursor + 1} / ${grid.list.length} · ${photo.name}` : "";
  $("current").textContent = folder ? `${place} · ${folder}` : place;
  $("current").title = photo ? photo.path : "";
  for (const button of document.querySelectorAll("[data-do]")) {
    const action = button.dataset.do;
    button.disabled = action === "undo" ? !past.length : !photo && action !== "close";
    if (button.className) button.setAttribute("aria-pressed", photo ? decisionOf(photo) === action : false);
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
  if (decisions[photo.index] !== mark) {
    past.push([photo.index, decisions[photo.index]]);
    decisions[photo.index] = mark;
    save();
  }
  update();
  move(current() === photo ? cursor + 1 : cursor); // filtered away: the next one is here
}

function undo() {
  if (!past.length) return;
  const [number, mark] = past.pop();
  decisions[number] = mark;
  save();
  update();
  const index = grid.list.indexOf(photos[number]);
  move(index >= 0 ? index : cursor);
}

// The original from the disk where the page lies beside it; else the thumbnail.
function enlarge() {
  const photo = current();
  if (!photo) return $("large").close();
  const image = $("large-image");
  const thumbnail = photo.thumbnail ? `data:image/jpeg;base64,${photo.thumbnail}` : "";
  const note = (text) => ($("large-note").textContent = described(photo) + text);
  $("large-name").textContent = photo.name;
  $("large-name").title = photo.path;
  image.alt = photo.name;
  image.src = thumbnail;
  note(thumbnail ? ", thumbnail" : "");
  if (photo.link && location.protocol === "file:") {
    const original = new Image();
    original.onload = () => {
      if (current() !== photo) return;
      image.src = original.src;
      note("");
    };
    original.src = photo.link;
  }
  if (!$("large").open) $("large").showModal();
}
