// The messages of the conversation on show. Whatever people wrote is put in as text, never as markup.

const GROUP_SECONDS = 300;
const NEAR_END = 80;
const HUES = 12;

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

// A small way to make elements: attributes and listeners by name, children as elements or text.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// The same name has the same color everywhere.
export function avatar(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return element("span", { class: `avatar hue-${hash % HUES}`, "aria-hidden": "true" }, [...name][0].toUpperCase());
}

export class Log {
  #scroll;
  #list;
  #newest;
  #me = "";
  #last = null;
  #follows = true;

  // `scroll` scrolls `list`; `newest` is a button for when it does not follow what comes in.
  constructor(scroll, list, newest) {
    this.#scroll = scroll;
    this.#list = list;
    this.#newest = newest;
    scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    newest.addEventListener("click", () => this.#toEnd());
    // The keyboard of a phone takes half of the screen.
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(scroll);
  }

  show(entries, me) {
    this.#me = me;
    this.#last = null;
    // What was there before is not news, and is not read out.
    this.#scroll.setAttribute("aria-live", "off");
    this.#list.replaceChildren(...entries.flatMap((entry) => this.#render(entry)));
    this.#toEnd();
    requestAnimationFrame(() => this.#scroll.removeAttribute("aria-live"));
  }

  append(entry) {
    this.#list.append(...this.#render(entry));
    if (this.#follows || entry.user === this.#me) this.#toEnd();
    else this.#newest.hidden = false;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.#follows) this.#newest.hidden = true;
  }

  #toEnd() {
    this.#follows = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#newest.hidden = true;
  }

  #render(entry) {
    const last = this.#last;
    this.#last = entry;
    const date = new Date(entry.at * 1000);
    const newDay = last === null || new Date(last.at * 1000).toDateString() !== date.toDateString();
    const rendered = entry.event ? this.#event(entry) : this.#message(entry, date, last, newDay);
    return newDay ? [element("li", { class: "day" }, element("span", {}, day.format(date))), rendered] : [rendered];
  }

  #event({ event, user }) {
    return element("li", { class: "event" }, element("bdi", {}, user), ` ${event}`);
  }

  #message({ user, text, at }, date, last, newDay) {
    const goesOn = !newDay && last.user === user && !last.event && at - last.at < GROUP_SECONDS;
    const own = user === this.#me;
    return element(
      "li",
      { class: ["message", own ? "own" : "", goesOn ? "goes-on" : ""].join(" ") },
      own ? "" : avatar(user),
      element(
        "div",
        { class: "bubble" },
        element(
          "p",
          { class: "by" },
          element("bdi", { class: "user" }, own ? "You" : user),
          element("time", { datetime: date.toISOString(), title: full.format(date) }, time.format(date)),
        ),
        element("p", { class: "text", dir: "auto" }, text),
      ),
    );
  }
}
