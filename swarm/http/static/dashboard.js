// The dashboard: asks the node about itself every two seconds while somebody looks.

import { UUID, api, bitrate, byId, copyOnClick, count, duration, element, setText, shortId } from "/static/dom.js";
import { Rates } from "/static/webrtc.js";

const POLL_MILLISECONDS = 2000;
const rates = new Rates();
const cards = new Map();
let nodeId = "";

function showNode(node) {
  nodeId = node.id;
  showReadiness(node.not_ready);
  document.title = `swarmd · ${shortId(node.id)}`;
  setText(byId("node-id"), node.id);
  setText(byId("swarm"), node.swarm);
  showAddresses(node.addresses ?? []);
  setText(byId("version"), node.version);
  setText(byId("uptime"), duration(node.uptime_seconds));
  setText(byId("producer-count"), `${node.producers.owned} own, ${node.producers.piped} relayed`);
  setText(byId("dht"), node.dht ? `${count(node.dht.contacts, "contact")}, ${count(node.dht.leases, "lease")}` : "–");
  // Without a number of its own a node has as much room as what it measures leaves it.
  const most = node.max_consumers ?? node.consumers + (node.load?.room.relays ?? 0);
  setText(byId("consumers"), `${node.consumers} of ${most}`);
  byId("load").value = most ? node.consumers / most : 0;
  showPeers(node.peers ?? []);
  showCounters(node.counters ?? {});
}

function showAddresses(addresses) {
  if (byId("addresses").dataset.shown === String(addresses)) return;
  byId("addresses").dataset.shown = String(addresses);
  byId("addresses").replaceChildren(...addresses.map((address) => element("span", {}, address)));
}

function showReadiness(reason) {
  byId("ready").dataset.tone = reason ? "warn" : "good";
  setText(byId("ready"), reason ? `Not ready: ${reason}` : "Ready");
}

function showPeers(peers) {
  byId("peers").replaceChildren(...peers.map((peer) => element("tr", {},
    element("td", {}, element("code", { title: peer.id }, shortId(peer.id))),
    element("td", { className: "mono" }, link(peer.url, peer.address)),
    element("td", { className: "number" }, Number.isFinite(peer.rtt_ms) ? `${peer.rtt_ms.toFixed(1)} ms` : "–"),
  )));
  byId("no-peers").hidden = peers.length > 0;
  byId("peers-scroll").hidden = peers.length === 0;
}

/** A link to another node's dashboard, if what it says of itself is a web address at all. */
function link(url, text) {
  if (!/^https?:\/\//.test(url ?? "")) return text ?? "–";
  return element("a", { href: url, rel: "noreferrer" }, text ?? url.replace(/^https?:\/\//, ""));
}

function showCounters(counters) {
  const names = Object.keys(counters).sort();
  byId("counters").replaceChildren(...names.map((name) => element("div", {},
    element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, counters[name].toLocaleString("en")))));
  byId("counters-box").hidden = names.length === 0;
}

function showProducers(producers) {
  const seen = new Set(producers.map((producer) => producer.id));
  for (const [id, card] of cards) {
    if (!seen.has(id)) {
      card.root.remove();
      cards.delete(id);
    }
  }
  for (const producer of producers) {
    if (!cards.has(producer.id)) {
      const card = makeCard(producer.id);
      cards.set(producer.id, card);
      byId("streams").append(card.root);
    }
    fillCard(cards.get(producer.id), producer);
  }
  byId("no-streams").hidden = producers.length > 0;
}

/** The parts of a card that never change, so that focus and open trees survive a refresh. */
function makeCard(id) {
  const card = {
    id,
    role: element("span", { className: "badge" }),
    age: element("span", { className: "soft small" }),
    audience: element("p", {}),
    parent: element("p", { className: "small soft" }),
    tracks: element("ul", { className: "tree small" }),
    tree: element("div", { className: "scroll small", role: "status" }),
  };
  const copy = element("button", { type: "button", className: "quiet" }, "Copy id");
  copyOnClick(copy, () => id);
  card.details = element("details", {}, element("summary", {}, "Relay tree"), card.tree);
  card.details.addEventListener("toggle", () => refreshTree(card));
  const title = element("h3", { className: "mono" }, id);
  card.root = element("article", { className: "card stack", "aria-label": `Stream ${id}` },
    element("div", { className: "head" }, card.role, card.age),
    title, card.audience, card.tracks, card.parent,
    element("div", { className: "row" },
      element("a", { className: "button primary", href: `/watch/${id}` }, "Watch"), copy),
    card.details);
  return card;
}

function fillCard(card, producer) {
  setText(card.role, producer.role === "owner" ? "Published here" : "Relayed");
  setText(card.age, `for ${duration(producer.age_seconds)}`);
  setText(card.audience, `${count(producer.viewers, "viewer")}, ${count(producer.relays, "relay", "relays")} fed from here`);
  card.parent.hidden = !producer.parent;
  setText(card.parent, producer.parent ? `From ${shortId(producer.parent)}, ${count(producer.lineage.length, "hop")} from the owner` : "");
  const now = performance.now();
  card.tracks.replaceChildren(...producer.tracks.map((track) => {
    const rate = rates.perSecond(`${producer.id}/${track.kind}`, track.bytes * 8, now);
    const lost = track.lost > 0 ? `, ${track.lost} lost` : "";
    return element("li", {}, `${track.kind === "video" ? "Video" : "Audio"} ${track.codec} · ${bitrate(rate)}${lost}`);
  }));
}

async function refreshTree(card) {
  if (!card.details.open) return;
  try {
    const { root } = await api(`producers/${card.id}/tree`);
    card.tree.replaceChildren(element("ul", { className: "tree" }, branch(root)));
  } catch (error) {
    card.tree.replaceChildren(element("p", { className: "soft" }, `No tree: ${error.message}`));
  }
}

function branch(node) {
  const where = node.node === nodeId ? element("span", { className: "badge" }, "this node") : link(node.url);
  const children = node.children ?? [];
  return element("li", {},
    element("span", { className: "nowrap" },
      element("code", { title: node.node }, shortId(node.node)), " ", where, ` · ${count(node.viewers, "viewer")}`),
    ...(children.length ? [element("ul", {}, ...children.map(branch))] : []));
}

async function refresh() {
  try {
    const [node, { producers }] = await Promise.all([api("node"), api("producers")]);
    showNode(node);
    showProducers(producers);
    await Promise.all([...cards.values()].map(refreshTree));
    byId("trouble").hidden = true;
  } catch (error) {
    byId("ready").dataset.tone = "bad";
    setText(byId("ready"), "No answer");
    setText(byId("trouble"), `The node does not answer: ${error.message}. This page keeps trying.`);
    byId("trouble").hidden = false;
  }
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, POLL_MILLISECONDS);
}

byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = byId("find-id").value.trim();
  if (UUID.test(id)) location.assign(`/watch/${id}`);
  else setText(byId("find-error"), "That is not a producer id: it has 32 hexadecimal digits in groups of 8-4-4-4-12.");
});

copyOnClick(byId("copy-id"), () => nodeId);
poll();
