// A grid of which only the tiles in view, and a few around them, are in the document.
const GAP = 8;
const CAPTION = 54; // name, line below it and padding of a tile, in pixels
const AHEAD = 500; // pixels drawn above and below what is seen

class Grid {
  constructor(element, draw) {
    this.element = element;
    this.draw = draw; // (tile, photo, index) => void
    this.list = [];
    this.tiles = new Map(); // index in the list -> element
    this.columns = 1;
    this.template = document.getElementById("tile").content.firstElementChild;
    addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(element);
    addEventListener("resize", () => this.soon());
  }

  show(list) {
    this.list = list;
    this.measure();
    this.redraw();
  }

  // Width of tiles; the photo at the top of the window stays there.
  measure() {
    const width = this.element.clientWidth;
    const columns = Math.max(2, Math.floor((width + GAP) / (200 + GAP)));
    const side = Math.floor((width - GAP * (columns - 1)) / columns);
    if (side !== this.side || columns !== this.columns) {
      const above = -this.element.getBoundingClientRect().top;
      const first = this.height && above > 0 ? Math.floor(above / this.height) * this.columns : 0;
      this.columns = columns;
      this.side = side;
      this.height = Math.round(side * 0.72) + CAPTION + GAP;
      this.clear();
      this.grow();
      if (first) scrollBy(0, Math.floor(first / columns) * this.height - above);
    }
    this.grow();
    this.render();
  }

  grow() {
    this.element.style.height = `${Math.ceil(this.list.length / this.columns) * this.height}px`;
  }

  clear() {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
  }

  redraw() {
    this.clear();
    this.render();
  }

  soon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => this.render());
  }

  render() {
    this.waiting = 0;
    const top = this.element.getBoundingClientRect().top;
    const row = (y) => Math.floor((y - top) / this.height) * this.columns;
    const first = Math.max(0, row(-AHEAD));
    const last = Math.min(this.list.length, row(innerHeight + AHEAD) + this.columns);
    for (const [index, tile] of this.tiles) {
      if (index < first || index >= last) {
        tile.remove();
        this.tiles.delete(index);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let index = first; index < last; index++) {
      if (!this.tiles.has(index)) fresh.append(this.make(index));
    }
    this.element.append(fresh);
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
    if (photo.thumbnail) image.src = `data:image/jpeg;base64,${photo.thumbnail}`;
    else image.replaceWith(photo.error || "no picture");
    this.draw(tile, photo, index);
    this.tiles.set(index, tile);
    return tile;
  }

  // Draw again what is in the document, pictures left as they are.
  refresh() {
    for (const [index, tile] of this.tiles) this.draw(tile, this.list[index], index);
  }

  // Scroll as little as brings photo `index` between the bars `above` and `below`, in pixels.
  reveal(index, above, below) {
    const top = this.element.getBoundingClientRect().top;
    const y = top + Math.floor(index / this.columns) * this.height;
    if (y < above) scrollBy(0, y - above);
    else if (y + this.height > innerHeight - below) {
      scrollBy(0, y + this.height - innerHeight + below);
    }
    this.render();
  }
}
