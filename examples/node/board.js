// Bull Board for the queue of Adsum, on this machine only: it asks nobody for a password.
// Reads ADSUM_REDIS_URL, ADSUM_QUEUE_NAME and ADSUM_KEY_PREFIX as Adsum does, and BOARD_PORT.
// With BOARD_READ_ONLY=1 it shows the queue and changes nothing.

import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import express from "express";
import { Redis } from "ioredis";

const {
  ADSUM_REDIS_URL = "redis://127.0.0.1:6379/0",
  ADSUM_QUEUE_NAME = "attendance",
  ADSUM_KEY_PREFIX = "",
  BOARD_PORT = "3000",
  BOARD_READ_ONLY = "",
} = process.env;

// ioredis takes the path of a unix socket without a scheme.
const connection = new Redis(ADSUM_REDIS_URL.replace(/^unix:\/\//, ""), {
  maxRetriesPerRequest: null,
  enableReadyCheck: false, // it would try again without end where the server wants a password
});
await connection.ping();
const queue = new Queue(ADSUM_QUEUE_NAME, { connection, prefix: `${ADSUM_KEY_PREFIX}bull` });

const server = new ExpressAdapter();
createBullBoard({
  queues: [new BullMQAdapter(queue, { readOnlyMode: BOARD_READ_ONLY !== "" })],
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
