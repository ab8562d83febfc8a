// What this browser remembers. Where it may not store anything (some private modes), the page works and forgets.

const PREFIX = "msanic-chat";
const KEPT_MESSAGES = 100;
const KEPT_PEOPLE = 50;

function read(store, key, fallback) {
  try {
    return JSON.parse(store.getItem(`${PREFIX}:${key}`)) ?? fallback;
  } catch {
    return fallback;
  }
}

function write(store, key, value) {
  try {
    store.setItem(`${PREFIX}:${key}`, JSON.stringify(value));
  } catch {
    // Full, or not allowed.
  }
}

// The inbox of a user keeps a position for each client: this browser is one.
export function clientId() {
  const known = read(localStorage, "client", "");
  if (known) return known;
  // Not crypto.randomUUID, which pages without TLS do not have.
  const made = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  write(localStorage, "client", made);
  return made;
}

// The name is proposed in every new tab; only a tab that has signed in signs in again when it is reloaded. So that two
// tabs can be two users.
export const login = {
  get name() {
    return read(localStorage, "name", "");
  },
  get active() {
    return read(sessionStorage, "user", "");
  },
  begin(user) {
    write(localStorage, "name", user);
    write(sessionStorage, "user", user);
  },
  end() {
    write(sessionStorage, "user", "");
  },
};

// What belongs to one user of this browser: rooms, direct messages, and the position in the inbox.
export class Memory {
  #user;

  constructor(user) {
    this.#user = user;
  }

  get rooms() {
    return read(localStorage, `rooms:${this.#user}`, null);
  }

  set rooms(names) {
    write(localStorage, `rooms:${this.#user}`, names);
  }

  get position() {
    return read(localStorage, `position:${this.#user}`, { epoch: "", id: 0 });
  }

  set position(position) {
    write(localStorage, `position:${this.#user}`, position);
  }

  // Pairs of a name and its messages, the person heard of last at the end.
  get directs() {
    return read(localStorage, `directs:${this.#user}`, []);
  }

  // Reads what is stored first: another tab of the same user may have added something.
  addDirect(name, message) {
    const directs = new Map(this.directs);
    const messages = directs.get(name) ?? [];
    if (messages.some(({ id }) => id === message.id)) return;
    directs.delete(name);
    directs.set(name, [...messages, message].slice(-KEPT_MESSAGES));
    write(localStorage, `directs:${this.#user}`, [...directs].slice(-KEPT_PEOPLE));
  }

  removeDirect(name) {
    const directs = this.directs.filter(([other]) => other !== name);
    write(localStorage, `directs:${this.#user}`, directs);
  }
}
