// Bull Board for the queue of Adsum, on this machine only: it asks nobody for a password.
// Reads ADSUM_REDIS_URL, ADSUM_QUEUE_NAME and ADSUM_KEY_PREFIX as Adsum does, and BOARD_PORT.
// BOARD_SHARDS is a file with the output of `adsum queue shards --json`: the board then shows a queue for each shard.
// With BOARD_READ_ONLY=1 it shows the queue and changes nothing.

import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import express from "express";
import { Cluster, Redis } from "ioredis";
import { readFileSync } from "node:fs";

const {
  ADSUM_REDIS_URL = "redis://127.0.0.1:6379/0",
  ADSUM_QUEUE_NAME = "attendance",
  ADSUM_KEY_PREFIX = "",
  BOARD_PORT = "3000",
  BOARD_READ_ONLY = "",
  BOARD_SHARDS = "",
} = process.env;

const OPTIONS = {
  maxRetriesPerRequest: null,
  enableReadyCheck: false, // it would try again without end where the server wants a password
};

function connected(url) {
  const [, secure, authority] = /^redis(s?)\+cluster:\/\/([^/?]*)/.exec(url) ?? [];
  // ioredis takes the path of a unix socket without a scheme.
  if (authority === undefined) return new Redis(url.replace(/^unix:\/\//, ""), OPTIONS);
  const hosts = authority.slice(authority.lastIndexOf("@") + 1).split(",");
  const [username, password] = authority.slice(0, Math.max(0, authority.lastIndexOf("@"))).split(":").map(decodeURIComponent);
  const redisOptions = { ...OPTIONS, username: username || undefined, password, tls: secure ? {} : undefined };
  return new Cluster(
    hosts.map((host) => ({ host: host.replace(/:\d+$/, "").replace(/[[\]]/g, ""), port: Number(/:(\d+)$/.exec(host)?.[1] ?? 6379) })),
    { redisOptions, enableReadyCheck: false },
  );
}

const connection = connected(ADSUM_REDIS_URL);
await connection.ping();
const shards = BOARD_SHARDS
  ? JSON.parse(readFileSync(BOARD_SHARDS, "utf8"))
  : [{ keyPrefix: ADSUM_KEY_PREFIX }];
const queues = shards.map(({ keyPrefix }) => new Queue(ADSUM_QUEUE_NAME, { connection, prefix: `${keyPrefix}bull` }));

const server = new ExpressAdapter();
createBullBoard({
  queues: queues.map(
    (queue, number) =>
      new BullMQAdapter(queue, {
        readOnlyMode: BOARD_READ_ONLY !== "",
        prefix: BOARD_SHARDS ? `shard-${number}-` : "",
      }),
  ),
  serverAdapter: server,
});

// The fonts of Bull Board would come from another server.
const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:";
const OWN_NAMES = ["127.0.0.1", "localhost"];

const app = express();
app.use((request, response, next) => {
  response.set("Content-Security-Policy", POLICY);
  // A page of another site, whose name leads to this machine, is no page of the board.
  if (OWN_NAMES.includes(request.hostname)) next();
  else response.status(403).end();
});
app.use("/", server.getRouter());
const listener = app.listen(Number(BOARD_PORT), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${listener.address().port}`);
});
