// A page to pass on: it holds the thumbnails, originals lie beside it, and the browser stores
// decisions under the report's id.
const KEY = `blur-report:${about.report}`;

function tried(access) {
  try {
    store.trouble = "";
    return access();
  } catch {
    store.trouble = "this browser stores no decisions: export before you leave";
  }
}

const store = {
  trouble: "",
  thumbnail: (photo) => (photo.thumbnail ? `data:image/webp;base64,${photo.thumbnail}` : ""),
  original: (photo) => (location.protocol === "file:" && photo.link) || "",
  map: () => "",
  load: () => tried(() => JSON.parse(localStorage.getItem(KEY))),
  save() {
    const saved = { decisions: decisions.join(""), threshold: state.threshold };
    tried(() => localStorage.setItem(KEY, JSON.stringify(saved)));
  },
};
// Another tab of the same report decided something.
addEventListener("storage", (event) => event.key === KEY && begin());
