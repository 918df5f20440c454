// A page that is passed on: thumbnails are in it, originals beside it, decisions in the browser's
// storage under the report's id.
const KEY = `blur-report:${about.report}`;
const store = {
  trouble: "",
  thumbnail: (photo) => (photo.thumbnail ? `data:image/webp;base64,${photo.thumbnail}` : ""),
  original: (photo) => (location.protocol === "file:" && photo.link) || "",
  map: () => "",
  load() {
    try {
      return JSON.parse(localStorage.getItem(KEY));
    } catch {
      store.trouble = "this browser stores no decisions: export before you leave";
    }
  },
  save() {
    try {
      const saved = { decisions: decisions.join(""), threshold: state.threshold };
      localStorage.setItem(KEY, JSON.stringify(saved));
      store.trouble = "";
    } catch {
      store.trouble = "this browser stores no decisions: export before you leave";
    }
  },
};
// Another tab of the same report decided something.
addEventListener("storage", (event) => event.key === KEY && begin());
