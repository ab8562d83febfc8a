// The WebSocket: connects, notices when the other side is gone, waits and connects again, matches answers with
// questions, and takes every durable message exactly once.

const SUBPROTOCOL = "msanic.v1.json";
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
const STABLE_AFTER = 10_000;
const CONNECT_TIMEOUT = 15_000;
const ACK_DELAY = 50;
const NORMAL = 1000;
const LOST = 1006;

// 4500-4999: the server does not want this client back, as it is. 1000: it has nothing more to say.
export function mayReconnect(code) {
  return code !== NORMAL && !(code >= 4500 && code <= 4999);
}

// Full jitter: clients that were cut off together do not come back together.
export function backoff(attempt, random = Math.random) {
  return random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
}

// The server refused a command, or could not be asked. `code` is the reply's; 0: there was none.
export class CommandError extends Error {
  constructor(hint, code = 0) {
    super(hint);
    this.code = code;
  }
}

export class Connection {
  #address;
  #on;
  #login = null;
  #position = { epoch: "", id: 0 };
  #socket = null;
  #online = false;
  #attempt = 0;
  #openedAt = 0;
  #heartbeat = null;
  #timers = {};
  #requests = new Map();
  #lastRequest = 0;

  // `address`: of the WebSocket, relative to the page. `on.state({phase, ...})` is called with each change: connecting,
  // online (user), waiting (until, in ms since the epoch) and ended (code, reason). `on.push(message)` is called with
  // each message that answers nothing; `on.position({epoch, id})` after each durable one.
  constructor(address, on) {
    this.#address = address;
    this.#on = on;
    // The network is back, or somebody looks at the page again: now rather than later.
    window.addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
  }

  // `position`: up to which durable message this browser has everything.
  open(user, client, position) {
    this.close();
    this.#login = { user, client };
    this.#position = position;
    this.retry();
  }

  retry() {
    this.#attempt = 0;
    this.#connect();
  }

  close() {
    this.#login = null;
    this.#drop();
  }

  get online() {
    return this.#online;
  }

  // Resolves to `data` of the reply, or rejects with a CommandError.
  request(cmd, data) {
    if (!this.#online) return Promise.reject(new CommandError("You are offline."));
    const req = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      this.#requests.set(req, { resolve, reject });
      this.#send({ cmd, data, req });
    });
  }

  #connect() {
    this.#drop();
    this.#on.state({ phase: "connecting" });
    const url = new URL(this.#address, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = new URLSearchParams(this.#login).toString();
    const socket = (this.#socket = new WebSocket(url, [SUBPROTOCOL]));
    // Events of a socket that was given up come late, and are about nothing any more.
    socket.onmessage = (event) => socket === this.#socket && this.#received(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#lost(event.code, event.reason);
    this.#after("silence", CONNECT_TIMEOUT, () => this.#lost(LOST, ""));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#online = false;
    this.#heartbeat = null;
    for (const name of Object.keys(this.#timers)) this.#stop(name);
    socket?.close();
    for (const { reject } of this.#requests.values()) {
      reject(new CommandError("The connection was lost before the answer came."));
    }
    this.#requests.clear();
  }

  #lost(code, reason) {
    const lasted = this.#online ? Date.now() - this.#openedAt : 0;
    this.#drop();
    if (!mayReconnect(code)) {
      this.#on.state({ phase: "ended", code, reason });
      return;
    }
    // A connection that ends soon after it began is no reason to come back faster.
    if (lasted > STABLE_AFTER) this.#attempt = 0;
    const delay = backoff(this.#attempt++);
    this.#after("retry", delay, () => this.#connect());
    this.#on.state({ phase: "waiting", until: Date.now() + delay });
  }

  #hurry() {
    if (this.#timers.retry) this.#connect();
  }

  #received(message) {
    this.#listen();
    if (message.cmd === "sys.welcome") this.#welcome(message.data);
    else if (message.id !== undefined) this.#durable(message);
    else if (message.req !== undefined) this.#answer(message);
    else this.#on.push(message);
  }

  #welcome(data) {
    this.#online = true;
    this.#openedAt = Date.now();
    this.#heartbeat = { interval: data.ping_interval * 1000, timeout: data.ping_timeout * 1000 };
    this.#listen();
    // Ids of another epoch belong to an inbox that is no more.
    if (data.epoch !== this.#position.epoch) this.#position = { epoch: data.epoch, id: 0 };
    this.#on.state({ phase: "online", user: data.user });
  }

  #durable(message) {
    if (message.id > this.#position.id) {
      // With `req` it is the answer to a question of an earlier connection, which nobody waits for any more.
      if (message.req === undefined) this.#on.push(message);
      this.#position = { ...this.#position, id: message.id };
      this.#on.position(this.#position);
    }
    // A repeat too is acknowledged: the server does not know yet that it is one.
    if (this.#timers.ack) return;
    this.#after("ack", ACK_DELAY, () => this.#send({ cmd: "sys.ack", data: { id: this.#position.id } }));
  }

  #answer({ req, code, data, hint }) {
    const request = this.#requests.get(req);
    this.#requests.delete(req);
    if (code === 0) request?.resolve(data);
    else request?.reject(new CommandError(hint, code));
  }

  // A browser does not tell when a connection has silently died: ask after a while of silence.
  #listen() {
    this.#stop("silence");
    if (this.#heartbeat === null) return;
    const { interval, timeout } = this.#heartbeat;
    this.#after("silence", interval, () => {
      this.#send({ cmd: "sys.ping", data: null });
      this.#after("silence", timeout, () => this.#lost(LOST, ""));
    });
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #after(name, delay, action) {
    this.#timers[name] = setTimeout(() => {
      delete this.#timers[name];
      action();
    }, delay);
  }

  #stop(name) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}
