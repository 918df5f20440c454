// A virtual grid: only the tiles in view, and a few around them, are in the document.
const GAP = 8;
const CAPTION = 54; // name, line below it and padding of a tile, in pixels
const AHEAD = 500; // pixels drawn above and below the window

class Grid {
  constructor(element, draw) {
    this.element = element;
    this.draw = draw; // (tile, photo, index) => void
    this.list = [];
    this.tiles = new Map(); // index in the list -> element
    this.template = document.getElementById("tile").content.firstElementChild;
    new ResizeObserver(() => this.measure()).observe(element);
    addEventListener("scroll", () => this.render(), { passive: true });
    addEventListener("resize", () => this.render());
  }

  show(list) {
    this.list = list;
    this.clear();
    this.measure();
  }

  clear() {
    this.tiles.clear();
    this.element.replaceChildren();
  }

  // Compute the size of tiles; the photo at the top of the window stays there.
  measure() {
    const width = this.element.clientWidth;
    const columns = Math.max(2, Math.floor((width + GAP) / (200 + GAP)));
    const side = Math.floor((width - GAP * (columns - 1)) / columns);
    const other = side !== this.side || columns !== this.columns;
    const above = -this.element.getBoundingClientRect().top;
    const first = this.height && above > 0 ? Math.floor(above / this.height) * this.columns : 0;
    Object.assign(this, { side, columns, height: Math.round(side * 0.72) + CAPTION + GAP });
    this.element.style.height = `${Math.ceil(this.list.length / columns) * this.height}px`;
    if (other) this.clear();
    if (other && first) scrollBy(0, Math.floor(first / columns) * this.height - above);
    this.render();
  }

  render() {
    const top = this.element.getBoundingClientRect().top;
    const row = (y) => Math.floor((y - top) / this.height) * this.columns;
    const first = Math.max(0, row(-AHEAD));
    const last = Math.min(this.list.length, row(innerHeight + AHEAD) + this.columns);
    for (const [index, tile] of this.tiles) {
      if (index >= first && index < last) continue;
      tile.querySelector("img")?.removeAttribute("src"); // stops loading it
      tile.remove();
      this.tiles.delete(index);
    }
    for (let index = first; index < last; index++) {
      if (!this.tiles.has(index)) this.element.append(this.make(index));
    }
  }

  make(index) {
    const tile = this.template.cloneNode(true);
    const x = (index % this.columns) * (this.side + GAP);
    const y = Math.floor(index / this.columns) * this.height;
    tile.style.cssText =
      `width:${this.side}px;height:${this.height - GAP}px;transform:translate(${x}px,${y}px)`;
    tile.id = `photo-${index}`;
    tile.dataset.index = index;
    tile.setAttribute("aria-setsize", this.list.length);
    tile.setAttribute("aria-posinset", index + 1);
    const photo = this.list[index];
    const image = tile.querySelector("img");
    const picture = store.thumbnail(photo);
    if (picture) image.src = picture;
    else image.replaceWith(photo.error || "no picture");
    this.draw(tile, photo, index);
    this.tiles.set(index, tile);
    return tile;
  }

  // Redraw the tiles in the document, but not their pictures.
  refresh() {
    for (const [index, tile] of this.tiles) this.draw(tile, this.list[index], index);
  }

  // Scroll as little as possible to show photo `index` between bars of height `above` and `below`.
  reveal(index, above, below) {
    const top = this.element.getBoundingClientRect().top;
    const y = top + Math.floor(index / this.columns) * this.height;
    if (y < above) scrollBy(0, y - above);
    else scrollBy(0, Math.max(0, y + this.height - innerHeight + below));
    this.render();
  }
}
