BEGIN;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES (1, 'store', '0001_runs_and_events', '2026-11-28 22:18:55.467761+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'store', '0002_experiments', '2026-11-28 22:18:55.468123+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'store', '0003_classifications', '2026-11-28 22:18:55.468327+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'store', '0004_rollouts', '2026-11-28 22:18:55.469139+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'store', '0005_jobs', '2026-11-28 22:18:55.469464+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'store', '0006_lists', '2026-11-28 22:18:55.488108+00:00');
INSERT INTO _sqlite_migrations VALUES (7, 'store', '0007_trials', '2026-11-28 22:18:55.497400+00:00');
INSERT INTO _sqlite_migrations VALUES (8, 'store', '0008_packed_texts', '2026-11-28 22:18:55.497499+00:00');
INSERT INTO _sqlite_migrations VALUES (9, 'store', '0009_bundles', '2026-11-28 22:18:55.499218+00:00');
CREATE TABLE blobs ( -- long texts, each held once
  hash TEXT PRIMARY KEY NOT NULL, -- blake2b of the text, 40 hex digits
  codec TEXT NOT NULL, -- raw or zstd
  size INTEGER NOT NULL, -- bytes of the text before compression
  data BLOB NOT NULL -- UTF-8, lone surrogates kept
);
INSERT INTO blobs VALUES ('49db8c8d44b2969c4c42c709315759c8bdcbff47', 'zstd', 3700, X'28B52FFD6101740DDD0000507369657665732070720A04FC4C46EF03E6B4EB87122C77A88703');
INSERT INTO blobs VALUES ('ce7f412538be5fe5e3bbf3c355fd3f78ae06a0da', 'zstd', 2600, X'28B52FFD610128099D000040737468656E65732002FC1882BBDA5FFC513C');
INSERT INTO blobs VALUES ('6ef390c2e583340262b078d105025b1f9aa94744', 'zstd', 2023, X'28B52FFD6101E706A5000048202E2E2E202023207802FCCCE3793786204140');
INSERT INTO blobs VALUES ('7e62ab2f4b3ec7a1e62053a00a7a1fba75f0c0fb', 'raw', 7, X'50203D20277027');
INSERT INTO blobs VALUES ('fced3a6eef70eb8d651522ce12281ad3f7bc108a', 'zstd', 5000, X'28B52FFD610188124500000878010084D30321');
INSERT INTO blobs VALUES ('28bd441eb04b89e744a58059f7eb95bf9cc4d41c', 'zstd', 5000, X'28B52FFD610188124500000879010084D30321');
CREATE TABLE variants ( -- named meta-agent configurations, content-addressed
  id TEXT PRIMARY KEY NOT NULL, -- hash of the other columns
  name TEXT NOT NULL, -- variant name
  meta_agent TEXT NOT NULL, -- model that writes workflows
  worker TEXT NOT NULL, -- model that operators call
  config TEXT NOT NULL -- options the run was started with, JSON
);
INSERT INTO variants VALUES ('35f557216d108c717f76d06b62a300ffb1d2c1f6', 'flowreasoner', 'm', 'w', '{"rounds": 2}');
CREATE TABLE runs ( -- one variant on one problem
  id TEXT PRIMARY KEY NOT NULL, -- run id
  problem_id TEXT NOT NULL, -- the problem's id
  benchmark TEXT, -- metadata.benchmark of the problem
  prompt TEXT NOT NULL, -- the query's beginning, on one line
  variant TEXT NOT NULL, -- variants.name
  variant_id TEXT NOT NULL, -- the configuration
  meta_agent TEXT NOT NULL, -- model that writes workflows
  worker TEXT NOT NULL, -- model that operators call
  seed INTEGER NOT NULL, -- seed of the run
  sandbox TEXT NOT NULL, -- sandbox backend
  status TEXT NOT NULL, -- running, then the status of run_finished
  score REAL, -- on the test split, 0 to 1
  val_score REAL, -- best mean on the val split, 0 to 1
  strict INTEGER, -- 1 when the scored workflow ran as written, 0 when it was repaired
  started_at REAL NOT NULL, -- Unix seconds
  ended_at REAL, -- Unix seconds
  tokens_in INTEGER NOT NULL, -- so far, then the ledger's total
  tokens_out INTEGER NOT NULL, -- so far, then the ledger's total
  cost_usd REAL, -- so far, then the ledger's total; NULL is unknown
  wall_ms REAL, -- whole run
  model_calls INTEGER NOT NULL, -- finished calls
  steps INTEGER NOT NULL, -- started steps
  workflow_id TEXT, -- the scored workflow
  error TEXT, -- one sentence, shortened
  error_sig TEXT, -- where and how it failed, without numbers, paths and quotes
  tests_written_by TEXT, -- author or model; NULL without tests
  owner_pid INTEGER NOT NULL, -- recording process
  owner_start INTEGER NOT NULL, -- its start, in clock ticks since boot
  owner_boot TEXT NOT NULL -- boot id and pid namespace that both belong to
, job TEXT -- training job of a rollout, else NULL
 DEFAULT NULL);
INSERT INTO runs VALUES ('r1', 'HumanEval/0', 'humaneval', 'Write a function that sieves primes. Write a function that sieves primes. Write a function that sieves primes. Write a function that sieves primes. Write a function that sieves primes. Write a functi…', 'flowreasoner', '35f557216d108c717f76d06b62a300ffb1d2c1f6', 'm', 'w', 1, 'docker', 'passed', 1.0, 0.5, 0, 1000.0, 1014.0, 10, 20, 0.1, 10000.0, 1, 1, 'wf1', NULL, NULL, 'author', 1, 1, '', NULL);
CREATE TABLE events ( -- every event of every run; all other tables derive from it
  id INTEGER PRIMARY KEY, -- order of arrival
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- number within the run
  at REAL NOT NULL, -- Unix seconds
  kind TEXT NOT NULL, -- event kind
  payload BLOB NOT NULL, -- other fields as JSON; long texts as {"$blob": hash}
  UNIQUE (run_id, seq)
);
INSERT INTO events VALUES (15, 'r1', 0, 1000.0, 'bundle', X'28B52FFD6101540AC51C0073DD53A18BEEEE1037986678643B4690A3AB464626AC9A114AB643F230C3E333ADB10662162282D9E47AA036FC087950B8D552D45F13FF64B5EBF99CA5DD66BD4F7B9385BBD5E499A30CBC9161211ACC873C243FA4A6766925A167A245653272573E59D72ECB6A492B8BBA3268C18D877B4626B45A621A08041B181B9233243BD86DFB92F4174E9CC78795B79BB2F356D5D94AEA5E2FABAF4E7B805456265D42B28DE5719CD1853CA4EAA43E4BF2766975312BA5D734A9C5D6C5D6E4CA897B358B428DE41A9198C117652152C7E3C3E3733DCCF0482BCBA4F550468D24C3422817A41243A1448FCE4544E2589874D941B17668D40879B4BDAE89AA26A79E1BA3FE352A975AEAFB73DAAD9CF2A9FABD1388481C1860D265C70C149063876657758788C4B132F1F003110F3F0EFFDD5BDB8C6046349835BA39B3347B871F8BE32387876AE61D7EA0946DD6C076680E3F0E078E80E1FCE044F8C3C395165B4D414A0FA93E85EC062737084BB9FE36430E2A4461A58658EC1113F00A6E2540F073337892DE9B532FE752666015E0C8EA051308D817A0020798932BC50E5EC9B02BBD3D345A60C0A8582A17AEFCCC2C9C270C2CEF337EAEC13442D39219BA539AACBA7300998A747462FC34D5DF058E0E0BE3D39A8A4C0A4CF83795CE61AE4371084EBBCA6EE1839ACD9976C704E24AA9F4FF2A989F129D0CF0877D007FCC3342808F9ED774448CD4939022B238D48A8761475DB586DBEFAB269AE1828EC860C2692217019C03F2F6A90270C75798587B13A3B1A7719A1C3AA14E4FCBC7BC62068584C7A63FB3370DAE18BBEFEFFC18A250FC423A6B417A46B8BA59FCDDC7546BBFAC5DE0833E72355E17D50C0A028497A3330F20B09870FF712B559E80D5D4839A20B993E489F4721B6FC91AF5BADDC65BAAB10C869273D9EE69021CB635AA13406F4FC7431F159EC1EB0E86A7737885927620D23D7CCAC7768A48DFD699CE7533014CA3234B4FA914F233A7655B42B0F3C3AD1DB4108ABD602653FFA6708925E500A9E0A66B64BF5F2AF3C78A4AF01205A35B50408080132164560D5E9E108F2448F3439E8EC4F81CA4C042A3A4A6E4FF22F948FAD52656E51D34BE3D9B8B3ECDA24D9B9499494EB2391C0191A74092581473A8CB14959DF56E03815E335E96E4E9401C8D5898AB90DC6A810F81102C8F14D8E9D0E4E3F511C888699D47AC02C522E1072592BC0D1E1821DF145DE3855530B502689180AFF44855D2E6F41082F24806B3CD0691095C30FA45A0B0B7B0F4C78767A9C13B99EA20');
CREATE TABLE blob_refs ( -- which runs need which blobs, so that pruning can tell
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  hash TEXT NOT NULL REFERENCES blobs(hash), -- blob
  PRIMARY KEY (run_id, hash)
) WITHOUT ROWID;
INSERT INTO blob_refs VALUES ('r1', '28bd441eb04b89e744a58059f7eb95bf9cc4d41c');
INSERT INTO blob_refs VALUES ('r1', '49db8c8d44b2969c4c42c709315759c8bdcbff47');
INSERT INTO blob_refs VALUES ('r1', '6ef390c2e583340262b078d105025b1f9aa94744');
INSERT INTO blob_refs VALUES ('r1', '7e62ab2f4b3ec7a1e62053a00a7a1fba75f0c0fb');
INSERT INTO blob_refs VALUES ('r1', 'ce7f412538be5fe5e3bbf3c355fd3f78ae06a0da');
INSERT INTO blob_refs VALUES ('r1', 'fced3a6eef70eb8d651522ce12281ad3f7bc108a');
CREATE TABLE workflows ( -- generated workflows, content-addressed
  id TEXT PRIMARY KEY NOT NULL, -- workflow id
  code_hash TEXT NOT NULL, -- blob of the source
  prompts_hash TEXT NOT NULL, -- blob of its prompts
  graph TEXT NOT NULL, -- static operator graph, JSON
  complexity INTEGER NOT NULL, -- of its syntax tree
  first_seen REAL NOT NULL -- Unix seconds
);
INSERT INTO workflows VALUES ('wf1', '6ef390c2e583340262b078d105025b1f9aa94744', '7e62ab2f4b3ec7a1e62053a00a7a1fba75f0c0fb', '{"nodes": ["Custom"]}', 12, 1006.0);
CREATE TABLE rounds ( -- propose, check, run, feedback
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  round INTEGER NOT NULL, -- from 1
  started_at REAL, -- Unix seconds
  ended_at REAL, -- Unix seconds
  workflow_id TEXT, -- the round's workflow
  score REAL, -- mean pass rate on val
  finished_seq INTEGER, -- event with the feedback
  PRIMARY KEY (run_id, round)
);
INSERT INTO rounds VALUES ('r1', 1, 1001.0, 1013.0, 'wf1', 0.5, 13);
CREATE TABLE proposals ( -- completions of the meta-agent, parsed
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event
  round INTEGER NOT NULL, -- from 1
  workflow_id TEXT, -- NULL when nothing runnable came out
  strict_ok INTEGER NOT NULL, -- 1 when no repair was needed
  PRIMARY KEY (run_id, seq)
);
INSERT INTO proposals VALUES ('r1', 6, 1, 'wf1', 0);
CREATE TABLE steps ( -- operator calls
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  id TEXT NOT NULL, -- step id
  execution_id TEXT NOT NULL, -- execution of the workflow
  idx INTEGER NOT NULL, -- number within the execution, from 0
  operator TEXT NOT NULL, -- operator
  line INTEGER, -- line of the workflow's source
  key TEXT NOT NULL, -- content address that replay matches on
  status TEXT NOT NULL, -- running, then the status of step_finished
  error TEXT, -- shortened
  reused INTEGER, -- 1 when the output was replayed
  started_at REAL NOT NULL, -- Unix seconds
  wall_ms REAL, -- duration
  cpu_ms REAL, -- processor time
  tokens_in INTEGER, -- of its model calls
  tokens_out INTEGER, -- of its model calls
  cost_usd REAL, -- of its model calls; NULL is unknown
  started_seq INTEGER NOT NULL, -- event with the inputs
  finished_seq INTEGER, -- event with the output
  PRIMARY KEY (run_id, id)
);
INSERT INTO steps VALUES ('r1', 's1', 'e1', 0, 'Custom', 3, 'k1', 'ok', NULL, 0, 1008.0, 1.0, 1.0, 7, 3, 0.25, 8, 10);
CREATE TABLE model_calls ( -- calls to a model
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  id TEXT NOT NULL, -- call id
  step_id TEXT, -- NULL for the meta-agent
  role TEXT NOT NULL, -- meta or worker
  model TEXT NOT NULL, -- model
  finish TEXT, -- reason the text ended; NULL while running
  retries INTEGER NOT NULL, -- failed attempts before the last
  error TEXT, -- shortened
  started_at REAL NOT NULL, -- Unix seconds
  tokens_in INTEGER, -- of the prompt
  tokens_out INTEGER, -- of reasoning and text
  cost_usd REAL, -- NULL is unknown
  ttft_ms REAL, -- time to the first token
  wall_ms REAL, -- duration
  started_seq INTEGER NOT NULL, -- event with the prompt
  finished_seq INTEGER, -- event with the response
  PRIMARY KEY (run_id, id)
);
INSERT INTO model_calls VALUES ('r1', 'c1', NULL, 'meta', 'm', 'stop', 1, NULL, 1002.0, 7, 3, 0.25, 5.0, 50.0, 2, 5);
CREATE TABLE executions ( -- code run in the sandbox on behalf of a step
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event with code and verdict
  step_id TEXT, -- step
  purpose TEXT NOT NULL, -- visible-tests or program
  status TEXT, -- of the verdict
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (run_id, seq)
);
INSERT INTO executions VALUES ('r1', 9, 's1', 'program', 'passed', 1009.0);
CREATE TABLE evaluations ( -- answers scored in a fresh sandbox
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event with the verdict
  execution_id TEXT, -- execution of the workflow
  workflow_id TEXT, -- workflow
  split TEXT NOT NULL, -- visible, val or test
  repeat INTEGER NOT NULL, -- repetition
  score REAL, -- passed / total; NULL when the sandbox failed
  passed INTEGER NOT NULL, -- tests
  total INTEGER NOT NULL, -- tests
  strict INTEGER NOT NULL, -- 0 when the workflow had been repaired
  tests_written_by TEXT NOT NULL, -- author or model
  status TEXT, -- of the verdict
  PRIMARY KEY (run_id, seq)
);
INSERT INTO evaluations VALUES ('r1', 12, 'e1', 'wf1', 'test', 0, 1.0, 1, 1, 0, 'author', 'passed');
CREATE TABLE search_texts ( -- queries, prompts and responses, each once a run, for the full-text index
  id INTEGER PRIMARY KEY, -- an explicit key: implicit ones move when the file is compacted
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  hash TEXT NOT NULL, -- of the text
  kind TEXT NOT NULL, -- query, prompt, response or reasoning
  call_id TEXT, -- first model call with this text
  step_id TEXT, -- its step
  text TEXT NOT NULL, seq INTEGER -- event whose text it is; NULL where `text` holds it
 DEFAULT NULL, -- the text's beginning
  UNIQUE (run_id, hash)
);
INSERT INTO search_texts VALUES (1, 'r1', X'35497C575FC641BE', 'query', NULL, NULL, '', 0);
INSERT INTO search_texts VALUES (2, 'r1', X'B17A36F545A8DA6C', 'prompt', 'c1', NULL, '', 2);
INSERT INTO search_texts VALUES (3, 'r1', X'3523714873AE42DF', 'prompt', 'c1', NULL, '', 2);
INSERT INTO search_texts VALUES (4, 'r1', X'51E216997570F0A5', 'response', 'c1', NULL, '', 5);
INSERT INTO search_texts VALUES (5, 'r1', X'C2734CF6E42A658D', 'reasoning', 'c1', NULL, '', 5);
CREATE TABLE origins ( -- where runs come from that are not runs of their own
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  experiment TEXT, -- experiments.name
  trial TEXT, -- its place in the experiment, the same on every attempt
  stage TEXT, -- search or final
  parent TEXT, -- the run it was forked from
  forked_at TEXT -- the parent's step at which it leaves the parent
);
CREATE TABLE experiments ( -- variants on the problems of a benchmark
  name TEXT PRIMARY KEY NOT NULL, -- name
  benchmark TEXT NOT NULL, -- benchmark or file, with its split
  plan TEXT NOT NULL, -- everything that decides which trials there are, JSON
  started_at REAL NOT NULL, -- Unix seconds
  owner_pid INTEGER, -- process that carries it out; NULL while none does
  owner_start INTEGER, -- its start, in clock ticks since boot
  owner_boot TEXT -- boot id and pid namespace that both belong to
);
CREATE TABLE journal ( -- what searches have done, so that a resumed one does not do it again
  experiment TEXT NOT NULL REFERENCES experiments(name) ON DELETE CASCADE, -- experiment
  key TEXT NOT NULL, -- JSON: the variant's label and the step; "" is what was found
  value TEXT NOT NULL, -- JSON
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (experiment, key)
) WITHOUT ROWID;
CREATE TABLE annotations ( -- what people and classifiers say of runs
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  kind TEXT NOT NULL, -- label, note, bookmark or training-set
  value TEXT NOT NULL, -- the label, the note's text or the set's name
  source TEXT NOT NULL, -- user or auto
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (run_id, kind, value)
) WITHOUT ROWID;
CREATE TABLE classifications ( -- runs that the classifier of failures has seen
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  version INTEGER NOT NULL, -- of the classifier; a newer one looks again
  findings TEXT NOT NULL, -- labels with their evidence, JSON
  refused TEXT NOT NULL -- labels a person took away, JSON; they do not come back
);
CREATE TABLE rollouts ( -- runs that a training job made to learn from
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  job TEXT NOT NULL, -- training job
  step INTEGER, -- optimiser steps done before it
  group_id TEXT, -- the rollouts it is compared with
  candidate INTEGER -- its number in the group, from 0
);
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
);
CREATE TABLE job_metrics ( -- what a job reports at each step; of a step taken twice, the newest attempt's
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  name TEXT NOT NULL, -- metric
  step INTEGER NOT NULL, -- optimiser step
  attempt INTEGER NOT NULL, -- attempt
  at REAL NOT NULL, -- Unix seconds
  value REAL, -- NULL where it was no finite number
  PRIMARY KEY (job_id, name, step)
) WITHOUT ROWID;
CREATE TABLE job_events ( -- starts, checkpoints, alerts and ends
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  offset INTEGER NOT NULL, -- where its line begins in progress.jsonl
  kind TEXT NOT NULL, -- start, checkpoint, alert or end
  attempt INTEGER NOT NULL, -- attempt
  at REAL NOT NULL, -- Unix seconds
  step INTEGER, -- of a checkpoint
  data TEXT NOT NULL, -- the line's other fields, JSON
  PRIMARY KEY (job_id, offset)
) WITHOUT ROWID;
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
) WITHOUT ROWID;
CREATE TABLE listed ( -- runs by what is said of them, in the order of lists; kept by triggers
  field TEXT NOT NULL, -- label, training-set, bookmark or experiment
  value TEXT NOT NULL, -- its name; "" of a label is a failed run without one, of a bookmark any
  job TEXT NOT NULL, -- training job of a rollout; "" for other runs, and for all in a training-set
  started_at REAL NOT NULL, -- of the run, Unix seconds
  run_id TEXT NOT NULL, -- run
  PRIMARY KEY (field, value, job, started_at, run_id)
) WITHOUT ROWID;
CREATE TABLE counts ( -- how many runs failed in each way, rollouts left out; kept by triggers
  field TEXT NOT NULL, -- failed, variant, benchmark, problem, signature or label (those that passed too)
  value TEXT NOT NULL, -- its name; "" for failed, without a benchmark and without a label
  runs INTEGER NOT NULL, -- runs
  PRIMARY KEY (field, value)
) WITHOUT ROWID;
CREATE TABLE trials ( -- the attempt that is reported of each trial of an experiment; kept by triggers
  experiment TEXT NOT NULL, -- experiments.name
  trial TEXT NOT NULL, -- origins.trial
  label TEXT, -- the variant's; NULL, like the next two, where the trial's name is not plain
  problem_id TEXT, -- problem
  repeat INTEGER, -- from 1
  run_id TEXT NOT NULL, -- the latest attempt that counts, or else the latest
  attempts INTEGER NOT NULL, -- runs of the trial
  status TEXT NOT NULL, -- of the run
  score REAL, -- of the run
  PRIMARY KEY (experiment, trial)
) WITHOUT ROWID;
CREATE TABLE tallies ( -- how far each variant of an experiment is, in trials; kept by triggers
  experiment TEXT NOT NULL, -- experiments.name
  label TEXT NOT NULL, -- the variant's
  done INTEGER NOT NULL, -- those that count
  passed INTEGER NOT NULL, -- of them
  errors INTEGER NOT NULL, -- of them, errors and spent budgets
  infra INTEGER NOT NULL, -- to do again, for want of a sandbox
  scored INTEGER NOT NULL, -- of the done ones, those with something to score
  score REAL NOT NULL, -- their sum
  PRIMARY KEY (experiment, label)
) WITHOUT ROWID;
CREATE TABLE spent ( -- what the ended runs of an experiment used, searches too; kept by triggers
  experiment TEXT PRIMARY KEY NOT NULL, -- experiments.name
  runs INTEGER NOT NULL, -- runs
  unpriced INTEGER NOT NULL, -- of them, those whose cost is unknown
  cost_usd REAL NOT NULL, -- of the others
  tokens_in INTEGER NOT NULL, -- of all
  tokens_out INTEGER NOT NULL -- of all
) WITHOUT ROWID;
CREATE TABLE usage ( -- what the run of a trial used, once it has ended
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  meta_calls INTEGER NOT NULL, -- model calls of the meta-agent
  meta_tokens_in INTEGER NOT NULL, -- of their prompts
  meta_tokens_out INTEGER NOT NULL, -- of their reasoning and text
  meta_cost_usd REAL, -- NULL is unknown
  meta_latency_ms REAL NOT NULL, -- while at least one of them was under way
  meta_call_ms REAL NOT NULL, -- the sum of their durations
  worker_calls INTEGER NOT NULL, -- model calls of the worker
  worker_tokens_in INTEGER NOT NULL, -- of their prompts
  worker_tokens_out INTEGER NOT NULL, -- of their reasoning and text
  worker_cost_usd REAL, -- NULL is unknown
  worker_latency_ms REAL NOT NULL, -- while at least one of them was under way
  worker_call_ms REAL NOT NULL, -- the sum of their durations
  operators TEXT NOT NULL -- steps by operator, JSON
) WITHOUT ROWID;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX runs_by_problem ON runs(benchmark, problem_id, variant_id);
CREATE INDEX blob_refs_by_hash ON blob_refs(hash);
CREATE INDEX proposals_by_workflow ON proposals(workflow_id);
CREATE VIRTUAL TABLE search USING fts5(
  text, content='search_texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO search(rowid, text) VALUES (1, 'HumanEval/0
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
');
INSERT INTO search(rowid, text) VALUES (2, 'Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
');
INSERT INTO search(rowid, text) VALUES (3, 'hint r1');
INSERT INTO search(rowid, text) VALUES (4, 'answer of r1');
INSERT INTO search(rowid, text) VALUES (5, 'eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes ');
CREATE INDEX origins_by_trial ON origins(experiment, trial, run_id) WHERE experiment IS NOT NULL;
CREATE INDEX origins_by_parent ON origins(parent) WHERE parent IS NOT NULL;
CREATE INDEX annotations_by_value ON annotations(kind, value, run_id);
CREATE INDEX classifications_by_version ON classifications(version);
CREATE INDEX rollouts_by_group ON rollouts(job, step, group_id, candidate);
CREATE INDEX runs_by_time ON runs(job, started_at, id);
CREATE INDEX runs_by_status ON runs(status, job, started_at, id);
CREATE INDEX runs_by_variant ON runs(variant, job, started_at, id);
CREATE INDEX runs_failed ON runs(job, started_at, id)
  WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE INDEX runs_by_signature ON runs(job, error_sig, started_at, id)
  WHERE error_sig IS NOT NULL;
CREATE INDEX jobs_by_time ON jobs(created_at, id);
CREATE INDEX job_candidates_by_run ON job_candidates(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX runs_by_benchmark ON runs(benchmark, job, started_at, id);
CREATE INDEX runs_failed_by_variant ON runs(variant, job, started_at, id) WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE INDEX runs_failed_by_benchmark ON runs(benchmark, job, started_at, id) WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE INDEX runs_failed_by_problem ON runs(problem_id, job, started_at, id) WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE TRIGGER runs_insert AFTER INSERT ON runs WHEN new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') OR new.error_sig IS NOT NULL BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'failed' AS f, '' AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, new.variant AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(new.benchmark, '') AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, new.problem_id AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'signature' AS f, coalesce(new.error_sig, '') AS v, +(new.job IS NULL AND new.error_sig IS NOT NULL) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'label', '', iif('label' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.id AND r.job IS NULL AND r.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.run_id = new.id AND a.kind = 'label');
END;
CREATE TRIGGER runs_fail AFTER UPDATE OF status, variant, benchmark, problem_id, job ON runs
  WHEN new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') OR old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'failed' AS f, '' AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, old.variant AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(old.benchmark, '') AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, old.problem_id AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'failed' AS f, '' AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, new.variant AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(new.benchmark, '') AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, new.problem_id AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
  DELETE FROM listed WHERE field = 'label' AND value = '' AND run_id = old.id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.id));
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'label', '', iif('label' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.id AND r.job IS NULL AND r.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.run_id = new.id AND a.kind = 'label');
END;
CREATE TRIGGER runs_sign AFTER UPDATE OF error_sig, job ON runs
  WHEN new.error_sig IS NOT NULL OR old.error_sig IS NOT NULL BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'signature' AS f, coalesce(old.error_sig, '') AS v, -(old.job IS NULL AND old.error_sig IS NOT NULL) AS n UNION ALL SELECT 'signature' AS f, coalesce(new.error_sig, '') AS v, +(new.job IS NULL AND new.error_sig IS NOT NULL) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE TRIGGER runs_delete BEFORE DELETE ON runs BEGIN
  DELETE FROM annotations WHERE run_id = old.id;
  DELETE FROM origins WHERE run_id = old.id;
  DELETE FROM listed WHERE field = 'label' AND value = '' AND run_id = old.id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.id));
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'failed' AS f, '' AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, old.variant AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(old.benchmark, '') AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, old.problem_id AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'signature' AS f, coalesce(old.error_sig, '') AS v, -(old.job IS NULL AND old.error_sig IS NOT NULL) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE TRIGGER annotations_insert AFTER INSERT ON annotations WHEN new.kind IN ('label', 'training-set', 'bookmark') BEGIN
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT new.kind, new.value, iif(new.kind = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.run_id AND true;
  DELETE FROM listed WHERE new.kind = 'label' AND new.value <> '' AND field = 'label' AND value = ''
    AND job = '' AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = new.run_id)
    AND run_id = new.run_id;
END;
CREATE TRIGGER annotations_delete AFTER DELETE ON annotations WHEN old.kind IN ('label', 'training-set', 'bookmark') BEGIN
  DELETE FROM listed WHERE field = old.kind AND value = old.value AND run_id = old.run_id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.run_id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.run_id));
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'label', '', iif('label' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = old.run_id AND r.job IS NULL AND r.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.run_id = old.run_id AND a.kind = 'label');
END;
CREATE TRIGGER origins_insert AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'experiment', new.experiment, iif('experiment' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.run_id AND true;
END;
CREATE TRIGGER origins_delete AFTER DELETE ON origins WHEN old.experiment IS NOT NULL BEGIN
  DELETE FROM listed WHERE field = 'experiment' AND value = old.experiment AND run_id = old.run_id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.run_id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.run_id));
END;
CREATE TRIGGER listed_insert AFTER INSERT ON listed WHEN new.field = 'label' AND new.job = '' BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'label' AS f, new.value AS v, 1 AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE TRIGGER listed_delete AFTER DELETE ON listed WHEN old.field = 'label' AND old.job = '' BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'label' AS f, old.value AS v, -1 AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE INDEX trials_unread ON trials(experiment) WHERE label IS NULL;
CREATE TRIGGER trials_insert AFTER INSERT ON trials WHEN new.status <> 'running' BEGIN
  INSERT INTO tallies(experiment, label, done, passed, errors, infra, scored, score) SELECT new.experiment, new.label, +(new.status IN ('passed', 'failed', 'answered', 'error', 'budget')), +(new.status = 'passed'), +(new.status IN ('error', 'budget')), +(new.status = 'infra'), +((new.status IN ('passed', 'failed', 'answered', 'error', 'budget') AND new.status <> 'answered')), +(iif((new.status IN ('passed', 'failed', 'answered', 'error', 'budget') AND new.status <> 'answered'), coalesce(new.score, 0.0), 0.0)) WHERE new.label IS NOT NULL ON CONFLICT DO UPDATE SET done = done + excluded.done, passed = passed + excluded.passed, errors = errors + excluded.errors, infra = infra + excluded.infra, scored = scored + excluded.scored, score = score + excluded.score;
END;
CREATE TRIGGER trials_delete AFTER DELETE ON trials WHEN old.status <> 'running' BEGIN
  INSERT INTO tallies(experiment, label, done, passed, errors, infra, scored, score) SELECT old.experiment, old.label, -(old.status IN ('passed', 'failed', 'answered', 'error', 'budget')), -(old.status = 'passed'), -(old.status IN ('error', 'budget')), -(old.status = 'infra'), -((old.status IN ('passed', 'failed', 'answered', 'error', 'budget') AND old.status <> 'answered')), -(iif((old.status IN ('passed', 'failed', 'answered', 'error', 'budget') AND old.status <> 'answered'), coalesce(old.score, 0.0), 0.0)) WHERE old.label IS NOT NULL ON CONFLICT DO UPDATE SET done = done + excluded.done, passed = passed + excluded.passed, errors = errors + excluded.errors, infra = infra + excluded.infra, scored = scored + excluded.scored, score = score + excluded.score;
END;
CREATE TRIGGER origins_try AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  DELETE FROM trials WHERE experiment = new.experiment AND trial = new.trial;
  INSERT INTO trials(experiment, trial, label, problem_id, repeat, run_id, attempts, status, score)
    SELECT o.experiment, o.trial, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[0]'), NULL) AS label, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[1]'), NULL) AS problem_id, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[2]'), NULL) AS repeat, r.id, (SELECT count(*) FROM origins o WHERE o.experiment = new.experiment AND o.trial = new.trial AND o.stage = 'final'), r.status, r.score
    FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment = new.experiment AND o.trial = new.trial AND o.stage = 'final' ORDER BY r.status IN ('passed', 'failed', 'answered', 'error', 'budget') DESC, r.started_at DESC, r.id DESC LIMIT 1;
END;
CREATE TRIGGER origins_spend AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  INSERT INTO spent(experiment, runs, unpriced, cost_usd, tokens_in, tokens_out) SELECT new.experiment, +(1), +(r.cost_usd IS NULL), +(coalesce(r.cost_usd, 0.0)), +(r.tokens_in), +(r.tokens_out) FROM runs r WHERE r.id = new.run_id AND r.status <> 'running' ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, unpriced = unpriced + excluded.unpriced, cost_usd = cost_usd + excluded.cost_usd, tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out;
END;
CREATE TRIGGER origins_leave AFTER DELETE ON origins WHEN old.experiment IS NOT NULL BEGIN
  DELETE FROM trials WHERE experiment = old.experiment AND trial = old.trial;
  INSERT INTO trials(experiment, trial, label, problem_id, repeat, run_id, attempts, status, score)
    SELECT o.experiment, o.trial, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[0]'), NULL) AS label, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[1]'), NULL) AS problem_id, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[2]'), NULL) AS repeat, r.id, (SELECT count(*) FROM origins o WHERE o.experiment = old.experiment AND o.trial = old.trial AND o.stage = 'final'), r.status, r.score
    FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment = old.experiment AND o.trial = old.trial AND o.stage = 'final' ORDER BY r.status IN ('passed', 'failed', 'answered', 'error', 'budget') DESC, r.started_at DESC, r.id DESC LIMIT 1;
  INSERT INTO spent(experiment, runs, unpriced, cost_usd, tokens_in, tokens_out) SELECT old.experiment, -(1), -(r.cost_usd IS NULL), -(coalesce(r.cost_usd, 0.0)), -(r.tokens_in), -(r.tokens_out) FROM runs r WHERE r.id = old.run_id AND r.status <> 'running' ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, unpriced = unpriced + excluded.unpriced, cost_usd = cost_usd + excluded.cost_usd, tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out;
END;
CREATE TRIGGER origins_change AFTER UPDATE OF experiment, trial, stage ON origins BEGIN
  DELETE FROM trials WHERE experiment = old.experiment AND trial = old.trial;
  INSERT INTO trials(experiment, trial, label, problem_id, repeat, run_id, attempts, status, score)
    SELECT o.experiment, o.trial, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[0]'), NULL) AS label, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[1]'), NULL) AS problem_id, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[2]'), NULL) AS repeat, r.id, (SELECT count(*) FROM origins o WHERE o.experiment = old.experiment AND o.trial = old.trial AND o.stage = 'final'), r.status, r.score
    FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment = old.experiment AND o.trial = old.trial AND o.stage = 'final' ORDER BY r.status IN ('passed', 'failed', 'answered', 'error', 'budget') DESC, r.started_at DESC, r.id DESC LIMIT 1;
  DELETE FROM trials WHERE experiment = new.experiment AND trial = new.trial;
  INSERT INTO trials(experiment, trial, label, problem_id, repeat, run_id, attempts, status, score)
    SELECT o.experiment, o.trial, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[0]'), NULL) AS label, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[1]'), NULL) AS problem_id, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[2]'), NULL) AS repeat, r.id, (SELECT count(*) FROM origins o WHERE o.experiment = new.experiment AND o.trial = new.trial AND o.stage = 'final'), r.status, r.score
    FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment = new.experiment AND o.trial = new.trial AND o.stage = 'final' ORDER BY r.status IN ('passed', 'failed', 'answered', 'error', 'budget') DESC, r.started_at DESC, r.id DESC LIMIT 1;
END;
CREATE TRIGGER runs_report AFTER UPDATE OF status, score ON runs
  WHEN EXISTS (SELECT 1 FROM origins o WHERE o.run_id = new.id AND o.experiment IS NOT NULL AND o.trial IS NOT NULL AND o.stage = 'final') BEGIN
  DELETE FROM trials WHERE experiment = (SELECT o.experiment FROM origins o WHERE o.run_id = new.id) AND trial = (SELECT o.trial FROM origins o WHERE o.run_id = new.id);
  INSERT INTO trials(experiment, trial, label, problem_id, repeat, run_id, attempts, status, score)
    SELECT o.experiment, o.trial, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[0]'), NULL) AS label, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[1]'), NULL) AS problem_id, iif(iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text' AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer' AND instr(lower(o.trial), '\ud') = 0, false), json_extract(o.trial, '$[2]'), NULL) AS repeat, r.id, (SELECT count(*) FROM origins o WHERE o.experiment = (SELECT o.experiment FROM origins o WHERE o.run_id = new.id) AND o.trial = (SELECT o.trial FROM origins o WHERE o.run_id = new.id) AND o.stage = 'final'), r.status, r.score
    FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment = (SELECT o.experiment FROM origins o WHERE o.run_id = new.id) AND o.trial = (SELECT o.trial FROM origins o WHERE o.run_id = new.id) AND o.stage = 'final' ORDER BY r.status IN ('passed', 'failed', 'answered', 'error', 'budget') DESC, r.started_at DESC, r.id DESC LIMIT 1;
END;
CREATE TRIGGER runs_spend AFTER UPDATE OF status, cost_usd, tokens_in, tokens_out ON runs
  WHEN old.status <> 'running' OR new.status <> 'running' BEGIN
  INSERT INTO spent(experiment, runs, unpriced, cost_usd, tokens_in, tokens_out) SELECT o.experiment, -(1), -(old.cost_usd IS NULL), -(coalesce(old.cost_usd, 0.0)), -(old.tokens_in), -(old.tokens_out) FROM origins o WHERE o.run_id = old.id AND o.experiment IS NOT NULL AND old.status <> 'running' ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, unpriced = unpriced + excluded.unpriced, cost_usd = cost_usd + excluded.cost_usd, tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out;
  INSERT INTO spent(experiment, runs, unpriced, cost_usd, tokens_in, tokens_out) SELECT o.experiment, +(1), +(new.cost_usd IS NULL), +(coalesce(new.cost_usd, 0.0)), +(new.tokens_in), +(new.tokens_out) FROM origins o WHERE o.run_id = new.id AND o.experiment IS NOT NULL AND new.status <> 'running' ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, unpriced = unpriced + excluded.unpriced, cost_usd = cost_usd + excluded.cost_usd, tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out;
END;
COMMIT;
