// The conversations of a user, rooms and direct ones: what was said in them, who is there, what is unread.

const KEPT_ENTRIES = 500;

export class Conversation {
  // `entries`: messages {id, user, text, at} and events {event, at}, oldest first; `at` in seconds since the epoch.
  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
    this.entries = [];
    this.users = [];
    this.unread = 0;
    this.draft = "";
  }

  get isRoom() {
    return this.kind === "room";
  }

  // Returns whether the entry is new.
  add(entry) {
    if (entry.id !== undefined && this.entries.some(({ id }) => id === entry.id)) return false;
    this.entries.push(entry);
    if (this.entries.length > KEPT_ENTRIES) this.entries.shift();
    return true;
  }

  // Takes in a history that may overlap with what is known; returns how many messages were new.
  merge(messages) {
    const added = messages.filter((message) => this.add(message));
    this.entries.sort((one, other) => one.at - other.at);
    return added.length;
  }

  enter(user) {
    if (!this.users.includes(user)) this.users = [...this.users, user];
  }

  exit(user) {
    this.users = this.users.filter((each) => each !== user);
  }
}

export class Conversations {
  #all = new Map();
  current = null;

  find(kind, name) {
    return this.#all.get(`${kind}:${name}`);
  }

  // Makes it if it is not there.
  get(kind, name) {
    const known = this.find(kind, name);
    if (known) return known;
    const made = new Conversation(kind, name);
    this.#all.set(`${kind}:${name}`, made);
    return made;
  }

  remove(conversation) {
    this.#all.delete(`${conversation.kind}:${conversation.name}`);
    if (this.current === conversation) this.current = this.of("room")[0] ?? this.of("direct")[0] ?? null;
  }

  of(kind) {
    return [...this.#all.values()].filter((each) => each.kind === kind);
  }

  get unread() {
    return [...this.#all.values()].reduce((sum, each) => sum + each.unread, 0);
  }
}
