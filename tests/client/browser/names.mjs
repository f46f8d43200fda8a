// The DNS server of this machine: Prosody resolves names only through DNS (it ignores /etc/hosts). One name resolves,
// to the loopback address; no other name exists.

import { createSocket } from "node:dgram";

const NO_SUCH_NAME = 3, A = 1;

export async function serve(name) {
    const socket = createSocket("udp4");
    socket.on("message", (query, from) => {
        const answer = reply(query, name);
        if (answer) socket.send(answer, from.port, from.address);
    });
    await new Promise((bound, failed) => {
        socket.once("error", failed);
        socket.bind(53, "127.0.0.1", bound);
    });
}

function reply(query, name) {
    if (query.length < 17) return null;
    const labels = [];
    let at = 12;
    for (let length; (length = query[at]) > 0; at += length + 1) labels.push(query.toString("latin1", at + 1, at + 1 + length));
    const end = at + 5;
    if (end > query.length) return null;
    const known = labels.join(".").toLowerCase() === name;
    const addresses = known && query.readUInt16BE(at + 1) === A;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | (known ? 0 : NO_SUCH_NAME), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(addresses ? 1 : 0, 6);
    const found = Buffer.from([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    return Buffer.concat([head, query.subarray(12, end), ...(addresses ? [found] : [])]);
}
