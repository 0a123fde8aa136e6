// Records one student a job: one INSERT, one MULTI/EXEC on the counter; whoever counts to zero completes the batch.
import { Worker } from 'bullmq';
import { QUEUE, keysOf, openPostgres, openRedis, tell } from './connections.js';

const LOCK_S = 3600;
const MARKER_S = 86400;
const INSERT = {
  name: 'insert',
  text: `INSERT INTO attendances (student_id, session_id, learning_date, class_id, status)
         VALUES ($1, $2, $3, $4, 'present') ON CONFLICT DO NOTHING`,
};
const redis = openRedis();
const postgres = openPostgres(20);

async function record({ data: { studentId, sessionId, learningDate, classId, batchId } }) {
  await postgres.query({ ...INSERT, values: [studentId, sessionId, learningDate.slice(0, 10), classId] });
  const { lock, counter, marker } = keysOf(batchId);
  const [[, remaining]] = await redis.multi().decr(counter).expire(counter, LOCK_S).exec();
  if (remaining > 0) return;
  await redis.multi().del(lock, counter).set(marker, new Date().toISOString(), 'EX', MARKER_S).exec();
}

const worker = new Worker(QUEUE, record, { connection: openRedis(), concurrency: 100 });
await worker.waitUntilReady();
tell('waiting');
