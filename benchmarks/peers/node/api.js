// Accepts a class: lock, roster, counter, one job a student. Bare node:http and no authentication: kinder than the seed.
import http from 'node:http';
import { Queue } from 'bullmq';
import { QUEUE, keysOf, openPostgres, openRedis, tell } from './connections.js';

const LOCK_S = 3600;
const ROSTER = { name: 'roster', text: 'SELECT student_id FROM enrolments WHERE class_id = $1' };
const redis = openRedis();
const postgres = openPostgres(10);
const queue = new Queue(QUEUE, { connection: openRedis() });

const stampOf = (learningDate) => learningDate.slice(0, 10).split('-').reverse().join('');

async function createBatch({ classId, sessionId, learningDate }) {
  const stamp = stampOf(learningDate);
  const batchId = `class-${classId}-session-${sessionId}-date-${stamp}`;
  const { lock, counter } = keysOf(batchId);
  if (!(await redis.set(lock, 'processing', 'EX', LOCK_S, 'NX'))) return { batchId, isSkipped: true };
  const { rows } = await postgres.query({ ...ROSTER, values: [classId] });
  await redis.set(counter, rows.length, 'EX', LOCK_S);
  const jobs = rows.map(({ student_id: studentId }) => ({
    name: 'createAttendance',
    data: { studentId, classId, sessionId, learningDate, batchId },
    opts: { jobId: `student-${studentId}-session-${sessionId}-date-${stamp}`, removeOnComplete: true },
  }));
  await queue.addBulk(jobs);
  return { batchId, isSkipped: false, totalJobs: jobs.length, statusUrl: `/attendances/batch-status/${batchId}` };
}

async function batchStatus(batchId) {
  return { batchId, isCompleted: (await redis.exists(keysOf(batchId).marker)) === 1 };
}

async function bodyOf(request) {
  let body = '';
  for await (const part of request) body += part;
  return JSON.parse(body);
}

async function answer(request, response) {
  try {
    const isPost = request.method === 'POST';
    const result = isPost ? await createBatch(await bodyOf(request)) : await batchStatus(request.url.split('/').pop());
    response.writeHead(isPost && !result.isSkipped ? 202 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(result));
  } catch (error) {
    response.writeHead(500);
    response.end(String(error));
  }
}

const server = http.createServer(answer).listen(0, '127.0.0.1', () => tell('listening', { port: server.address().port }));
