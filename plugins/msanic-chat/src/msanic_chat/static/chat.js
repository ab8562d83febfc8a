// The page: what the user does becomes commands, what the server sends becomes conversations on show.

import { Connection } from "./connection.js";
import { Conversations } from "./model.js";
import { clientId, login, Memory } from "./storage.js";
import { View } from "./view.js";

const FIRST_ROOM = "lobby";
const HELP = "/tell NAME TEXT writes to a user, /join ROOM enters a room, /leave leaves this one.";

let me = "";
let memory = null;
let conversations = null;

const connection = new Connection(document.body.dataset.websocket, {
  state: changed,
  push: (message) => pushed(message),
  position: (position) => (memory.position = position),
});

const view = new View({
  signIn,
  signOut,
  retry: () => connection.retry(),
  join: (room) => attempt(() => join(room)),
  direct: (user) => select(conversations.get("direct", user)),
  select,
  leave: () => attempt(leave),
  send: (text) => attempt(() => send(text)),
  browse,
});

function signIn(user) {
  me = user;
  login.begin(user);
  memory = new Memory(user);
  conversations = new Conversations();
  for (const room of memory.rooms ?? [FIRST_ROOM]) conversations.get("room", room);
  for (const [name, messages] of memory.directs) conversations.get("direct", name).merge(messages);
  view.enter(user);
  select(conversations.of("room")[0] ?? null);
  connection.open(user, clientId(), memory.position);
}

function signOut() {
  connection.close();
  login.end();
  view.signIn(login.name);
}

async function changed(state) {
  view.state(state);
  if (state.phase !== "online") return;
  me = state.user;
  // One after the other: all histories at once might be more than the server keeps ready for one client.
  for (const room of conversations.of("room")) {
    try {
      await enter(room.name);
    } catch (error) {
      // Without a code nobody has answered: the connection is lost again, and so is this round.
      if (!error.code) return;
      drop(room);
      view.notice(`${room.name}: ${error.message}`);
    }
  }
}

// Runs what the user asked for; what goes wrong is said above the message field.
async function attempt(action) {
  view.notice("");
  try {
    await action();
  } catch (error) {
    view.notice(error.message);
  }
}

async function enter(name) {
  const { room, users, messages } = await connection.request("chat.join", { room: name });
  const conversation = conversations.get("room", room);
  conversation.users = users;
  const added = conversation.merge(messages);
  remember();
  view.conversations(conversations);
  if (conversation === conversations.current) {
    if (added) view.log.show(conversation.entries, me);
    view.people(conversation, me);
  }
  return conversation;
}

async function join(room) {
  select(await enter(room.replace(/^#/, "")));
}

async function leave() {
  const conversation = conversations.current;
  if (conversation.isRoom) await connection.request("chat.leave", { room: conversation.name });
  else memory.removeDirect(conversation.name);
  drop(conversation);
}

function drop(conversation) {
  const onShow = conversation === conversations.current;
  conversations.remove(conversation);
  remember();
  if (onShow) select(conversations.current);
  else view.conversations(conversations);
}

function remember() {
  memory.rooms = conversations.of("room").map((each) => each.name);
}

async function send(text) {
  if (!text.trim()) return;
  const conversation = conversations.current;
  view.draft = "";
  try {
    if (text.startsWith("/") && !text.startsWith("//")) await slash(text);
    else if (conversation.isRoom) await connection.request("chat.say", { room: conversation.name, text: unslashed(text) });
    else await tell(conversation.name, unslashed(text));
  } catch (error) {
    // What could not be sent is not lost, unless something else was written meanwhile.
    if (conversation === conversations.current && !view.draft) view.draft = text;
    throw error;
  }
}

// Two slashes stand for a text that begins with one.
function unslashed(text) {
  return text.startsWith("//") ? text.slice(1) : text;
}

async function slash(line) {
  const [, command, rest] = /^\/(\S*)\s*(.*)$/s.exec(line);
  const [, user, text] = /^(\S*)\s*(.*)$/s.exec(rest);
  if (command === "tell" && user && text) await tell(user, text);
  else if (command === "join" && rest) await join(rest.trim());
  else if (command === "leave" && !rest) await leave();
  else throw new Error(command === "help" ? HELP : `/${command} is not understood. ${HELP}`);
}

async function tell(user, text) {
  const { id, at, online } = await connection.request("chat.tell", { user, text });
  const conversation = conversations.get("direct", user);
  // What one writes to oneself comes back as a message.
  if (user !== me) {
    const message = { id, at, user: me, text };
    memory.addDirect(user, message);
    show(conversation, message);
    if (!online) show(conversation, { event: "is offline and gets this on return", user, at });
  }
  if (conversation !== conversations.current) select(conversation);
}

function pushed({ cmd, data, lost }) {
  if (lost) view.notice(`${lost} older messages for you could not be kept.`);
  if (cmd === "chat.told") {
    memory.addDirect(data.user, data);
    show(conversations.get("direct", data.user), data);
    return;
  }
  const conversation = conversations.find("room", data?.room);
  if (conversation === undefined) return;
  if (cmd === "chat.said") show(conversation, data);
  else if (cmd === "chat.joined") moved(conversation, data.user, "joined", true);
  else if (cmd === "chat.left") moved(conversation, data.user, "left", false);
}

function moved(conversation, user, event, present) {
  if (conversation.users.includes(user) === present) return;
  if (present) conversation.enter(user);
  else conversation.exit(user);
  if (user !== me) show(conversation, { event, user, at: Date.now() / 1000 });
  if (conversation === conversations.current) view.people(conversation, me);
}

// Adds an entry, and shows it or counts it as unread.
function show(conversation, entry) {
  if (!conversation.add(entry)) return;
  const onShow = conversation === conversations.current;
  if (onShow) view.log.append(entry);
  if (!entry.event && entry.user !== me && !(onShow && document.visibilityState === "visible")) conversation.unread++;
  view.conversations(conversations);
}

function select(conversation) {
  if (conversations.current) conversations.current.draft = view.draft;
  conversations.current = conversation;
  if (conversation) conversation.unread = 0;
  view.open(conversation, me);
  view.conversations(conversations);
  view.focusText();
}

async function browse() {
  try {
    const response = await fetch("chat/rooms");
    if (response.ok) view.knownRooms((await response.json()).rooms);
  } catch {
    // Offline: the list is only a help.
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible" || !conversations?.current) return;
  conversations.current.unread = 0;
  view.conversations(conversations);
});

if (login.active) signIn(login.active);
else view.signIn(login.name);
