// Everything the user sees around the messages. It shows what it is told and reports what the user does.

import { avatar, element, Log } from "./log.js";

const $ = (id) => document.getElementById(id);

const STATES = { connecting: "Connecting", online: "Online", waiting: "Offline", ended: "Offline" };
const ENDINGS = {
  1000: () => "The server has closed the connection.",
  4501: (reason) => `The server did not let you in: ${reason}.`,
  4503: () => "This name is now in use in another tab or on another device.",
  4504: () => "You were removed from the chat.",
  4505: (reason) => `The server takes no more connections of yours: ${reason}.`,
};

export class View {
  #on;
  #ticking = null;

  // `on`: signIn(name), signOut(), retry(), join(room), direct(user), select(conversation), leave(), send(text), and
  // browse() when a list of rooms is wanted.
  constructor(on) {
    this.#on = on;
    this.log = new Log($("scroll"), $("log"), $("newest"));
    this.#submit("sign-in-form", "name", on.signIn, { keep: true });
    this.#submit("join-form", "join-name", on.join);
    this.#submit("direct-form", "direct-name", on.direct);
    $("sign-out").addEventListener("click", on.signOut);
    $("retry").addEventListener("click", on.retry);
    $("leave").addEventListener("click", on.leave);
    $("join-name").addEventListener("focus", on.browse);
    this.#prepareComposer();
    this.#drawer("menu", "places", "#rooms .current, #rooms button, #join-name");
    this.#drawer("show-people", "people", "#users button");
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#closeDrawers(true));
    $("shade").addEventListener("click", () => this.#closeDrawers(true));
  }

  signIn(name) {
    $("chat").hidden = true;
    $("sign-in").hidden = false;
    $("name").value = name;
    $("name").focus();
    $("name").select();
    document.title = "Chat";
  }

  enter(user) {
    $("sign-in").hidden = true;
    $("chat").hidden = false;
    $("me").textContent = user;
  }

  // The state of the connection; see `Connection`.
  state({ phase, user, until, code, reason }) {
    clearInterval(this.#ticking);
    $("state").dataset.phase = phase;
    $("state-text").textContent = STATES[phase];
    $("chat").classList.toggle("away", phase !== "online");
    // While it tries again the box stays as it is: it would flicker.
    if (phase === "connecting" && !$("trouble").hidden) $("countdown").textContent = "Connecting…";
    else $("trouble").hidden = phase === "online" || phase === "connecting";
    if (phase === "online") $("me").textContent = user;
    if (phase === "ended") {
      const text = ENDINGS[code] ?? (() => `The server has ended the connection: ${reason || code}.`);
      this.#trouble(text(reason), code === 4503 ? "Use it here" : "Connect again");
      $("countdown").textContent = "";
    }
    if (phase === "waiting") {
      this.#trouble("The connection is lost.", "Reconnect now");
      const tick = () => {
        const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
        $("countdown").textContent = `Reconnecting in ${seconds} s`;
      };
      tick();
      this.#ticking = setInterval(tick, 250);
    }
  }

  // The list of conversations, and the numbers of what is unread.
  conversations(all) {
    this.#list("rooms", all.of("room"), all.current);
    this.#list("directs", all.of("direct"), all.current);
    const unread = all.unread;
    $("menu-unread").hidden = unread === 0;
    $("menu-unread").textContent = unread;
    const title = all.current ? `${all.current.name} · Chat` : "Chat";
    document.title = unread ? `(${unread}) ${title}` : title;
  }

  // The conversation on show, whole. null: there is none.
  open(conversation, me) {
    this.#closeDrawers(false);
    this.notice("");
    const isRoom = conversation?.isRoom ?? false;
    $("title").textContent = conversation?.name ?? "No conversation is open";
    $("title").dataset.kind = conversation?.kind ?? "none";
    $("leave").hidden = conversation === null;
    $("leave").textContent = isRoom ? "Leave room" : "Close";
    $("say-form").hidden = conversation === null;
    $("text").value = conversation?.draft ?? "";
    $("text").placeholder = conversation ? `Message ${isRoom ? "#" : ""}${conversation.name}` : "";
    this.#fit();
    this.log.show(conversation?.entries ?? [], me);
    this.people(conversation, me);
  }

  people(conversation, me) {
    const isRoom = conversation?.isRoom ?? false;
    $("chat").classList.toggle("with-people", isRoom);
    $("show-people").hidden = !isRoom;
    const users = isRoom ? [...conversation.users].sort((one, other) => one.localeCompare(other)) : [];
    $("show-people").textContent = `${users.length} ${users.length === 1 ? "person" : "people"}`;
    $("users").replaceChildren(...users.map((user) => this.#person(user, user === me)));
  }

  knownRooms(rooms) {
    const options = rooms.map(({ room, users }) => element("option", { value: room }, `${users} in it`));
    $("known-rooms").replaceChildren(...options);
  }

  notice(text) {
    $("notice").textContent = text;
  }

  focusText() {
    // On a touch screen the keyboard would cover what was opened.
    if (matchMedia("(pointer: fine)").matches) $("text").focus();
  }

  get draft() {
    return $("text").value;
  }

  set draft(text) {
    $("text").value = text;
    this.#fit();
  }

  #trouble(text, button) {
    // Setting it again would have it read out again.
    if ($("trouble-text").textContent !== text) $("trouble-text").textContent = text;
    $("retry").textContent = button;
    $("trouble").hidden = false;
  }

  #list(id, conversations, current) {
    const items = conversations.map((each) => {
      const isCurrent = each === current;
      const unread = each.unread
        ? element("span", { class: "badge" }, String(each.unread), element("span", { class: "visually-hidden" }, " unread"))
        : "";
      const mark = each.isRoom ? element("span", { class: "hash", "aria-hidden": "true" }, "#") : avatar(each.name);
      const name = element("bdi", { class: "name" }, each.name);
      const attributes = { class: isCurrent ? "current" : "", "aria-current": isCurrent && "true" };
      return element("li", {}, element("button", { ...attributes, onclick: () => this.#on.select(each) }, mark, name, unread));
    });
    const focused = [...$(id).children].findIndex((item) => item.contains(document.activeElement));
    $(id).replaceChildren(...items);
    items[focused]?.firstChild.focus();
  }

  #person(user, isMe) {
    const name = element("bdi", { class: "name" }, user);
    if (isMe) return element("li", {}, element("span", { class: "person" }, avatar(user), name, " (you)"));
    const attributes = { class: "person", title: "Write to this user", onclick: () => this.#on.direct(user) };
    return element("li", {}, element("button", attributes, avatar(user), name));
  }

  #submit(form, field, action, { keep = false } = {}) {
    $(form).addEventListener("submit", (event) => {
      event.preventDefault();
      const value = $(field).value.trim();
      if (!keep) $(field).value = "";
      if (value) action(value);
    });
  }

  #prepareComposer() {
    const send = () => this.#on.send(this.draft);
    $("say-form").addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    $("text").addEventListener("input", () => this.#fit());
    $("text").addEventListener("keydown", (event) => {
      // Enter also ends the composition of a character (IME), and is then not meant for us.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
  }

  // The field is as high as its text, up to the limit of the style sheet.
  #fit() {
    $("text").style.height = "auto";
    $("text").style.height = `${$("text").scrollHeight + 2}px`;
  }

  // On narrow screens the two sides are drawers.
  #drawer(button, drawer, first) {
    $(button).addEventListener("click", () => {
      const open = $(button).getAttribute("aria-expanded") === "true";
      this.#closeDrawers(false);
      if (open) return;
      $(button).setAttribute("aria-expanded", "true");
      $(drawer).classList.add("open");
      $("chat").classList.add("drawn");
      document.querySelector(first)?.focus();
    });
  }

  #closeDrawers(focus) {
    for (const button of [$("menu"), $("show-people")]) {
      if (button.getAttribute("aria-expanded") !== "true") continue;
      button.setAttribute("aria-expanded", "false");
      $(button.getAttribute("aria-controls")).classList.remove("open");
      $("chat").classList.remove("drawn");
      if (focus) button.focus();
    }
  }
}
