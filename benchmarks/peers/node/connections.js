// Where everything is: VALKEY_SOCKET, and PGHOST, PGUSER and PGDATABASE, which the driver reads by itself.
import Redis from 'ioredis';
import pg from 'pg';

export const QUEUE = 'attendance-queue';
export const openRedis = () => new Redis(process.env.VALKEY_SOCKET, { maxRetriesPerRequest: null });
export const openPostgres = (max) => new pg.Pool({ max });
export const tell = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

export const keysOf = (batchId) => ({
  lock: `attendance-batch-lock:${batchId}`,
  counter: `attendance-batch-counter:${batchId}`,
  marker: `batch-completed:${batchId}`,
});
