"""The tables of training jobs, which `store.jobs` fills from the jobs' folders."""

from __future__ import annotations

JOB_TABLES = (
    """
CREATE TABLE jobs ( -- training jobs, as far as their folders have been read
  id TEXT PRIMARY KEY NOT NULL, -- job id
  kind TEXT NOT NULL, -- sft, grpo, dpo, maas or serve
  name TEXT NOT NULL, -- name
  host TEXT NOT NULL, -- local, or the name of a host of the settings
  parent TEXT, -- the job it was cloned from
  base TEXT, -- model it starts from
  dataset TEXT, -- folder of the rows it trains on
  created_at REAL NOT NULL, -- Unix seconds
  attempt INTEGER NOT NULL, -- the newest; a resumed job is at its second
  total_steps INTEGER, -- as the newest attempt says
  rows INTEGER, -- rows it trains on
  tokens INTEGER, -- tokens it trains on
  step INTEGER, -- newest step of the newest attempt
  begun_at REAL, -- Unix seconds: when the newest attempt began to train
  begun_step INTEGER, -- first step of the newest attempt
  heard_at REAL, -- Unix seconds: of the newest line of progress
  ended TEXT, -- done, failed or stopped, as the newest attempt says; NULL while it goes on
  error TEXT, -- one sentence
  read_bytes INTEGER NOT NULL, -- of progress.jsonl, up to a line's end
  damaged INTEGER NOT NULL -- lines that could not be understood
)""",
    "CREATE INDEX jobs_by_time ON jobs(created_at, id)",
    """
CREATE TABLE job_metrics ( -- what a job reports at each step; of a step taken twice, the newest attempt's
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  name TEXT NOT NULL, -- metric
  step INTEGER NOT NULL, -- optimiser step
  attempt INTEGER NOT NULL, -- attempt
  at REAL NOT NULL, -- Unix seconds
  value REAL, -- NULL where it was no finite number
  PRIMARY KEY (job_id, name, step)
) WITHOUT ROWID""",
    """
CREATE TABLE job_events ( -- starts, checkpoints, alerts and ends
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  offset INTEGER NOT NULL, -- where its line begins in progress.jsonl
  kind TEXT NOT NULL, -- start, checkpoint, alert or end
  attempt INTEGER NOT NULL, -- attempt
  at REAL NOT NULL, -- Unix seconds
  step INTEGER, -- of a checkpoint
  data TEXT NOT NULL, -- the line's other fields, JSON
  PRIMARY KEY (job_id, offset)
) WITHOUT ROWID""",
    """
CREATE TABLE job_candidates ( -- rollouts of a step, in groups that answer the same problem
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  step INTEGER NOT NULL, -- optimiser step
  group_id TEXT NOT NULL, -- group
  candidate INTEGER NOT NULL, -- number within the group, from 0
  attempt INTEGER NOT NULL, -- attempt
  problem TEXT NOT NULL, -- problem id
  run_id TEXT, -- run
  score REAL, -- 0 to 1; NULL where there was none
  reward REAL, -- what it was trained on; NULL where its row was dropped
  rounds TEXT NOT NULL, -- rewards by round, JSON
  advantages TEXT NOT NULL, -- advantages by round, JSON
  words TEXT NOT NULL, -- what it got its reward for
  PRIMARY KEY (job_id, step, group_id, candidate)
) WITHOUT ROWID""",
    "CREATE INDEX job_candidates_by_run ON job_candidates(run_id) WHERE run_id IS NOT NULL",
)
