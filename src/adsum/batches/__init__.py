"""Batches: the attendance of one class, in one session, on one learning date, from the request to its completion.

The life of a batch, in the order of the calls, each with the reason why it is safe:

1. Validate: `AttendancesService.create_batch` hands the submission to `Acceptance.accept`, which groups it with
   others and calls `validate.check_submissions`. Every violation is found before anything is written.
2. Accept: `Decisions` makes a run of each submission, and `runs.insert_runs` inserts the runs of the group. A unique
   index allows one open run per batch, and the fence of the session refuses a run whose state has changed since it
   was read. The commit is the promise to the client.
3. Claim and enqueue: `Enqueuer.enqueue_after_commit` calls `QueueService.enqueue`: lock, counter, tickets and chunks
   in one pipeline. A second claim of the same run changes nothing, and BullMQ drops a chunk whose id it has. Without
   Redis the run waits in the database for step 7.
4. Process: `ChunkWorker` hands each chunk to `Dispatcher.take`, which groups it with others for
   `AttendanceProcessor.record_together`. `jobs.record_jobs` inserts the records of open runs and closes each run
   that it records whole; `jobs.update_records` changes records that still have the version of the plan. An outcome
   is computed from the rows, not from a delivery, so a chunk may be delivered twice, late or in parts.
5. Settle and complete: `AttendanceProcessor.settle_and_complete` runs while the next group is recorded. If a run is
   not recorded whole, as when a student has a record or is no longer enrolled, `Ledger.settle_all` removes the tickets
   of the jobs that have an outcome, each once. The worker that settles the last one calls `Completion.complete`, which
   closes the run by one conditional UPDATE that one caller wins.
6. Release: `Ledger.release_all` removes the lock by compare and delete, after the commit that closed the run. So the
   completion marker implies the closed run.
7. Sweep: `Sweeper.sweep` repeats steps 3 to 6 for every stalled run, and releases runs that ended
   without a release because a process died, or whose release Redis has lost in a failover. It needs only the database,
   so Redis may be lost at any moment.

A run is *finished* when every job has an outcome, *closed* or *cancelled* when its row has that state, *released* when
its lock is deleted.

Twelve data classes carry a batch: `Submission`, `CheckedSubmission` and `BatchSnapshot` are decided upon; `Plan`,
`AttendanceJob` and `Run` are stored; `Accepted` and `BatchResult` are the answer; `Tickets` and `Chunk` are in Redis;
`JobSlice` and `SliceOutcome` are recorded.

Fifteen files to read, in this order: `service`, `submission`, `validate`, `accept`, `run`, `rules`,
`repository/submissions`, `repository/runs`, `repository/jobs` (statements in `sql/`), `enqueue`, `queue/service`,
`queue/ledger`, `process`, `complete`, `sweep`. Beside them, `queue/worker` and `processes/worker` connect the
dispatcher to BullMQ, `platform/coalescer` makes the groups, and `roster/session_fence` has the fence.

The others are about a batch before or after that. `marks_import` makes submissions of a file; `sent_forms` finds dates
and times of a wrong form in a body of wrong types. `retry_cancel` and `undo` change a batch. `progress` follows it for
pages and clients, `terminal_progress` for the command line. `job_outcomes` has the reasons of its students, `timeline`
its steps, `listing` lists batches, `activity` has the figures of what runs now. `sharding` has the number of shards.
"""
