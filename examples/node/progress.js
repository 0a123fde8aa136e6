// Follows a batch until it ends:  ADSUM_TOKEN=… node progress.js class-123-session-456-date-25122024
// Needs Node 20 or newer and no packages. The exit status is 1 if the batch did not complete without failures.

import { setTimeout as pause } from "node:timers/promises";

const { ADSUM_URL = "http://127.0.0.1:8000", ADSUM_TOKEN, ADSUM_API_KEY } = process.env;
const RETRY_MS = 1_000;

/** Yields each state of a batch. Connects again where the stream ended, and continues with the next newer state. */
async function* states(batchId) {
  let lastEventId;
  while (true) {
    try {
      for await (const event of events(batchId, lastEventId)) {
        lastEventId = event.id;
        const status = JSON.parse(event.data);
        yield status;
        if (status.state !== "processing") return;
      }
    } catch (error) {
      if (error.isFinal) throw error;
      console.error(`${error.message}; trying again`);
    }
    await pause(RETRY_MS);
  }
}

/** Yields the events of one connection. */
async function* events(batchId, lastEventId) {
  const headers = ADSUM_API_KEY ? { "X-API-Key": ADSUM_API_KEY } : { Authorization: `Bearer ${ADSUM_TOKEN}` };
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  const url = `${ADSUM_URL}/attendances/batches/${encodeURIComponent(batchId)}/events`;
  const response = await fetch(url, { headers });
  if (!response.ok) throw await refusal(response);
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + part).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = eventOf(block);
      if (event.data) yield event; // a comment has none
    }
  }
}

function eventOf(block) {
  const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line));
  return Object.fromEntries(fields.filter(Boolean).map(([, name, value]) => [name, value]));
}

/** A refused request is final, unless there were too many requests or the server was not available. */
async function refusal(response) {
  const problem = await response.json().catch(() => ({ detail: response.statusText }));
  const error = new Error(`${response.status}: ${problem.detail}`);
  error.isFinal = response.status < 500 && response.status !== 429;
  return error;
}

const [batchId] = process.argv.slice(2);
if (!batchId) {
  console.error("usage: ADSUM_TOKEN=… node progress.js BATCH_ID");
  process.exit(2);
}
try {
  let last;
  for await (last of states(batchId)) {
    const settled = last.totalJobs - last.remainingJobs;
    console.log(`${last.state} ${settled}/${last.totalJobs}: ${last.recordedJobs} recorded, ${last.failedJobs} failed`);
  }
  process.exitCode = last.state === "completed" ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
